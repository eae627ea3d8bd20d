"""VIBE (Kocabas et al., CVPR 2020) and those that write like it (PARE, SPIN's demo): arrays over frames, by person.

``pose`` (F, 72), ``betas`` (F, 10), ``frame_ids``, ``orig_cam`` (F, 4) = sx, sy, tx, ty in the whole image:
``s (x + t)`` is -1 to 1 along each side; ``pred_cam`` (F, 3) is the same in the crop alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.smpl_params.entries import Part, describe, person_of, shaped
from meshgait_data.sources.smpl_params.layouts.base import Layout
from meshgait_data.sources.smpl_params.records import Raw, ReadOptions
from meshgait_data.types import FloatArray

_CAMERAS = ("orig_cam", "pred_cam")


def _is_person(data: Any) -> bool:
    if not isinstance(data, Mapping) or "pose" not in data or "betas" not in data:
        return False
    return any(key in data for key in _CAMERAS)


def claims(data: Any) -> bool:
    """People, or one, with ``pose``, ``betas`` and a camera."""
    return _is_person(data) or (isinstance(data, Mapping) and bool(data) and all(map(_is_person, data.values())))


def read(parts: Sequence[Part], options: ReadOptions) -> Raw:
    """One person: ``person`` counts them by their number of frames, the longest first."""
    if len(parts) != 1:
        raise SourceError(f"{len(parts)} files: each is a video of its own", where=parts[0].path)
    data, where = parts[0].data, parts[0].path
    people = [data] if _is_person(data) else sorted(data.values(), key=lambda person: -len(person["pose"]))
    person = person_of(people, options.person, where)
    pose = shaped(person, "pose", where, -1, 72)
    count = len(pose)
    ids = shaped(person, "frame_ids", where, -1).astype(np.int64) if "frame_ids" in person else np.arange(count)
    betas = shaped(person, "betas", where, count, -1)
    if len(ids) != count:
        hint = f"found {describe(person)}"
        raise SourceError(f"{count} poses but {len(ids)} frame ids", where=where, hint=hint)
    weak, notes = _camera(person, options.image_size, count, where)
    return Raw("smpl", pose[:, :3], pose[:, 3:], betas, ids, weak=weak, notes=notes, counted="frame_ids" in person)


def _camera(
    person: Mapping[str, Any], size: tuple[int, int] | None, count: int, where: str
) -> tuple[FloatArray, tuple[str, ...]]:
    """(F, 3) s, tx, ty in the square around the image."""
    if "orig_cam" in person:
        sx, sy, tx, ty = shaped(person, "orig_cam", where, count, 4).T
        # Both scales are the same in pixels: sx width = sy height.
        width, height = size if size else (float(np.median(sy)), float(np.median(sx)))
        x, y = sx * width / max(width, height), sy * height / max(width, height)
        return np.column_stack([(x + y) / 2, x * tx, y * ty]), ()
    camera = shaped(person, "pred_cam", where, count, 3)
    note = "pred_cam belongs to each crop: the image is taken to be the crop"
    return np.column_stack([camera[:, 0], camera[:, :1] * camera[:, 1:]]), (note,)


LAYOUT = Layout("vibe", "a pickle by person: pose (F, 72), betas, orig_cam or pred_cam, frame_ids", claims, read)
