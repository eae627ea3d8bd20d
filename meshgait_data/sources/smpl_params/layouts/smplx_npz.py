"""Plain arrays under smplx's names: ``global_orient``, ``body_pose``, ``betas``, ``transl``; and meshgait's own fits.

Body poses of 63 (SMPL-H, SMPL-X) or 69 numbers. Where the file does not say what is up, the bodies do. Own fits (they
have ``meta``) are in the world, y up; their rejected frames count as unseen.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from meshgait_data.conventions import REJECTED
from meshgait_data.errors import SourceError
from meshgait_data.sources.smpl_params.entries import Part, describe, frame_ids, numbers, shaped, text, with_hands
from meshgait_data.sources.smpl_params.layouts.base import Layout
from meshgait_data.sources.smpl_params.records import Raw, ReadOptions

_NEEDED = ("global_orient", "body_pose", "betas")
_RATES = ("fps", "frame_rate", "mocap_frame_rate")


def _is_plain(data: Any) -> bool:
    return isinstance(data, Mapping) and all(key in data for key in _NEEDED) and _flat(data["body_pose"])


def _flat(pose: Any) -> bool:
    shape = np.shape(pose)
    return bool(shape) and (shape[-1] in (63, 69) or shape[-2:] in ((21, 3), (23, 3)))


def claims(data: Any) -> bool:
    """Names of smplx, and axis-angle."""
    return _is_plain(data) and "meta" not in data


def claims_fit(data: Any) -> bool:
    """Names of smplx, and ``meta``."""
    return _is_plain(data) and "meta" in data


def read(parts: Sequence[Part], options: ReadOptions) -> Raw:
    """One file with all frames, or one a frame."""
    columns: dict[str, list[np.ndarray]] = {"global_orient": [], "body_pose": [], "betas": [], "transl": []}
    for part in parts:
        root = shaped(part.data, "global_orient", part.path, -1, 3)
        pose = numbers(part.data, "body_pose", part.path)
        pose = pose.reshape(len(root), -1)
        if pose.shape[1] not in (63, 69):
            hint = f"found {describe(part.data)}"
            raise SourceError(f"{pose.shape[1]} numbers of body pose a frame, not 63 or 69", where=part.path, hint=hint)
        betas = np.atleast_2d(numbers(part.data, "betas", part.path))
        columns["global_orient"].append(root)
        columns["body_pose"].append(with_hands(pose))
        columns["betas"].append(np.broadcast_to(betas, (len(root), betas.shape[1])))
        if "transl" in part.data:
            columns["transl"].append(shaped(part.data, "transl", part.path, len(root), 3))
    joined = {name: np.concatenate(rows) for name, rows in columns.items() if rows}
    data, count = parts[0].data, len(joined["global_orient"])
    ids = frame_ids(parts) if len(parts) == count and count > 1 else np.arange(count)
    if len(parts) == 1 and "frame_ids" in data:
        ids = shaped(data, "frame_ids", parts[0].path, count).astype(np.int64)
    notes = () if len(columns["transl"]) == len(parts) else ("the file has no translation: it is zero",)
    return Raw(
        text(data.get("body")) or _family(data),
        joined["global_orient"],
        joined["body_pose"],
        joined["betas"],
        ids,
        transl=joined["transl"] if not notes else None,
        space="world",
        up=None,
        fps=next((float(np.asarray(data[key])) for key in _RATES if key in data), 0.0),
        notes=notes,
        counted=len(parts) == 1 and "frame_ids" in data,
    )


def _family(data: Mapping[str, Any]) -> str:
    gender = text(data.get("gender"))
    family = "smpl" if np.shape(data["body_pose"])[-1] in (69, 23) else "smplx" if "jaw_pose" in data else "smplh"
    return f"{family}_{gender}" if gender else family


def read_fit(parts: Sequence[Part], options: ReadOptions) -> Raw:
    """A fit file of this project."""
    if len(parts) != 1:
        raise SourceError(f"{len(parts)} fit files: each is a walk of its own", where=parts[0].path)
    data, where = parts[0].data, parts[0].path
    try:
        meta = json.loads(str(data["meta"]))
        body, fps = str(meta["body_name"]), float(meta["fps"])
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"'meta' is not that of a fit: {error}", where=where) from error
    verdict = shaped(data, "verdict", where, -1)
    return Raw(
        body,
        shaped(data, "global_orient", where, -1, 3),
        shaped(data, "body_pose", where, -1, 69),
        numbers(data, "betas", where).ravel(),
        shaped(data, "frame_ids", where, -1).astype(np.int64),
        transl=shaped(data, "transl", where, -1, 3),
        space="world",
        up="y",
        fps=fps,
        seen=verdict != REJECTED,
        counted=True,
    )


LAYOUT = Layout("smplx", "global_orient, body_pose (F, 63|69), betas, transl as axis-angle", claims, read)
FIT = Layout("meshgait", "a fit file of this project: smplx's names, verdict and meta", claims_fit, read_fit)
