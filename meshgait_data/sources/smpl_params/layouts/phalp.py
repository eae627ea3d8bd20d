"""PHALP (Rajasegaran et al., CVPR 2022) and the tracks of 4D-Humans: one joblib pickle a video.

A dictionary by image name; each entry has parallel lists over the people: ``tid`` (who), ``tracked_ids``, ``smpl``
(dictionaries of ``global_orient`` (1, 3, 3), ``body_pose`` (23, 3, 3), ``betas``), ``camera`` (translation at focal
length 5000/256 of the longer side, in the whole image), ``size`` (height, width), ``time``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.smpl_params.entries import Part, axis_angle, describe, numbers, shaped, stacked
from meshgait_data.sources.smpl_params.layouts.base import Layout
from meshgait_data.sources.smpl_params.layouts.hmr2 import FOCAL_BY_SIDE
from meshgait_data.sources.smpl_params.records import Raw, ReadOptions


def claims(data: Any) -> bool:
    """Entries with ``smpl`` and ``camera`` by image name."""
    if not isinstance(data, Mapping) or not data:
        return False
    return all(isinstance(frame, Mapping) and "smpl" in frame and "camera" in frame for frame in data.values())


def read(parts: Sequence[Part], options: ReadOptions) -> Raw:
    """The track of one person: ``person`` counts tracks by their number of frames, the longest first."""
    if len(parts) != 1:
        raise SourceError(f"{len(parts)} files of tracks: each is a video of its own", where=parts[0].path)
    data, where = parts[0].data, parts[0].path
    frames = [data[name] for name in sorted(data, key=str)]
    tracks = [_track_ids(frame, where) for frame in frames]
    names, counts = np.unique([name for frame in tracks for name in frame], return_counts=True)
    order = names[np.argsort(-counts, kind="stable")]
    if options.person >= len(order):
        raise SourceError(f"person {options.person} was asked for, but there are {len(order)} tracks", where=where)
    track = order[options.person]
    seen = np.array([track in frame for frame in tracks])
    at = [frame.index(track) if track in frame else -1 for frame in tracks]
    found = [frame["smpl"][i] for frame, i in zip(frames, at, strict=True) if i >= 0]
    smpl = [params for params in found if isinstance(params, Mapping)]
    if len(smpl) != len(found):
        raise SourceError("'smpl' is no list of dictionaries", where=where, hint=f"found {describe(frames[0])}")
    root = axis_angle(np.stack([shaped(p, "global_orient", where, 3, 3) for p in smpl]), 1, where)
    body = axis_angle(np.stack([shaped(p, "body_pose", where, 23, 3, 3) for p in smpl]), 23, where)
    betas = stacked([numbers(p, "betas", where) for p in smpl])
    transl = stacked(
        [np.asarray(frame["camera"][i], np.float64) for frame, i in zip(frames, at, strict=True) if i >= 0]
    )
    sizes = [frame["size"][i] for frame, i in zip(frames, at, strict=True) if i >= 0 and "size" in frame]
    note = f"track {track}: {int(seen.sum())} of {len(frames)} frames; {len(order)} tracks in all"
    return Raw(
        "smpl",
        _spread(root, seen),
        _spread(body, seen),
        _spread(betas, seen),
        np.arange(len(frames)),
        transl=_spread(transl, seen),
        focal_by_side=FOCAL_BY_SIDE,
        image_size=(int(sizes[0][1]), int(sizes[0][0])) if sizes else None,
        seen=seen,
        notes=(note,),
    )


def _track_ids(frame: Mapping[str, Any], where: str) -> list[int]:
    """Who each entry of ``smpl`` is."""
    ids = frame.get("tid", frame.get("tracked_ids"))
    if not isinstance(ids, list) or len(ids) < len(frame["smpl"]):
        hint = f"found {describe(frame)}"
        raise SourceError("no track ids ('tid') for the people of a frame", where=where, hint=hint)
    return [int(name) for name in ids[: len(frame["smpl"])]]


def _spread(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    result = np.full((len(seen), values.shape[1]), np.nan)
    result[seen] = values
    return result


LAYOUT = Layout(
    "phalp", "a pickle by image name: tid, smpl (global_orient, body_pose, betas), camera, size", claims, read
)
