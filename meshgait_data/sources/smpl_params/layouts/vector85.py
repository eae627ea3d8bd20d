"""Rows of 85 numbers: camera (s, tx, ty), 72 of pose, 10 of shape; HMR's theta, and Gait3D's pretreated pickles.

Gait3D's rows come from ROMP, whose camera is ``s x + t``; those of HMR, SPIN and VIBE (arrays called ``theta``) mean
``s (x + t)``. ROMP leaves the hands at zero, by which the order is checked.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.smpl_params.entries import Part, describe, frame_ids
from meshgait_data.sources.smpl_params.layouts.base import Layout
from meshgait_data.sources.smpl_params.records import Raw, ReadOptions
from meshgait_data.types import FloatArray

_THETAS = ("theta", "thetas", "pred_theta")
_WIDTHS = (85, 82, 72)
_ORDER = "known: 85 = camera 3, pose 72, shape 10; 82 = pose 72, shape 10; 72 = pose"
_HAND_ZERO = 1e-6
_LONGEST_TURN = 3 * np.pi


def _rows(data: Any) -> tuple[FloatArray | None, bool]:
    """(F, 85 or 82 or 72) where the file holds such rows, and whether they are HMR's theta."""
    theta = False
    if isinstance(data, dict):
        name = next((key for key in _THETAS if key in data), None)
        # OUMVLP-Mesh has a theta beside its joints.
        if "hc3d" in data or (name is None and len(data) != 1):
            return None, False
        theta = name is not None
        data = data[name] if name is not None else next(iter(data.values()))
    try:
        array = np.asarray(data, dtype=np.float64)
    except (TypeError, ValueError):
        return None, False
    # HMR writes one matrix an iteration; a person's axis of length one may be there as well.
    good = 1 <= array.ndim <= 3 and array.shape[-1] in _WIDTHS and (array.ndim < 3 or 1 in array.shape[:2])
    return (array.reshape(-1, array.shape[-1]), theta) if good else (None, False)


def claims(data: Any) -> bool:
    """An array with 85, 82 or 72 columns, or one under the name ``theta``."""
    return _rows(data)[0] is not None


def read(parts: Sequence[Part], options: ReadOptions) -> Raw:
    """Rows of one file, or of one file a frame."""
    found = [_rows(part.data) for part in parts]
    rows, missing = [array for array, _ in found if array is not None], [array is None for array, _ in found]
    if any(missing) or len({array.shape[1] for array in rows}) != 1:
        part = parts[missing.index(True)] if any(missing) else parts[0]
        raise SourceError("no rows of one width", where=part.path, hint=f"{_ORDER}; found {describe(part.data)}")
    table = np.concatenate(rows)
    ids = frame_ids(parts) if len(parts) > 1 and len(table) == len(parts) else np.arange(len(table))
    width = table.shape[1]
    camera = table[:, :3] if width == 85 else None
    pose = table[:, width - 82 : width - 10] if width > 72 else table
    _check_order(table, pose, parts[0].path)
    notes = [] if width > 72 else ["the file has no shape: betas are zero"]
    if camera is not None and found[0][1]:
        camera = np.column_stack([camera[:, 0], camera[:, :1] * camera[:, 1:]])
        notes.append("camera of theta taken as HMR's s (x + t) in a square image")
    betas = table[:, -10:] if width > 72 else np.zeros((len(table), 10))
    return Raw("smpl", pose[:, :3], pose[:, 3:], betas, ids, weak=camera, notes=tuple(notes))


def _check_order(table: FloatArray, pose: FloatArray, where: str) -> None:
    """The same numbers are written in other orders too; hands at zero and the camera's scale tell."""
    width = table.shape[1]
    finite = np.isfinite(table).all(1)
    table, pose = table[finite], pose[finite]
    if width == 85 and len(table):
        hands = [int(start) for start in (66, 76) if not np.abs(table[:, start : start + 6]).max() > _HAND_ZERO]
        if hands and np.abs(pose[:, 66:]).max() > _HAND_ZERO:
            what = (
                f"columns {hands[0]} to {hands[0] + 5} are zero as ROMP leaves the hands, but these are not the hands"
            )
            raise SourceError(f"{what} of camera, pose, shape", where=where, hint=f"reorder the columns; {_ORDER}")
        if np.median(table[:, 0]) <= 0:
            what = f"column 0 should be the camera's scale, but its median is {np.median(table[:, 0]):.2f}"
            raise SourceError(what, where=where, hint=f"is the order another one? {_ORDER}")
    longest = np.linalg.norm(pose.reshape(-1, 24, 3), axis=-1).max(initial=0.0)
    if longest > _LONGEST_TURN:
        what = f"a joint turns by {longest:.1f} rad"
        raise SourceError(what, where=where, hint=f"are these degrees, or another order? {_ORDER}")


LAYOUT = Layout("vector85", "an array (F, 85): camera 3, pose 72, shape 10; (F, 82) without camera", claims, read)
