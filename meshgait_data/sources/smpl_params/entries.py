"""What all layouts need: entries of a file as checked arrays, rotations in whatever form, frames of a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.rotations import log
from meshgait_data.sources.inert import Unreadable
from meshgait_data.types import FloatArray, IntArray

BODY_JOINTS = 21
"""Joints between the pelvis and the hands, which all of the SMPL family share."""
_MOST_SKEW = 1e-2
"""How far a rotation matrix may be from one: float16 has 1e-3."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One file of a walk."""

    path: str
    data: Any
    frame: int | None
    """Id of its frame, where files are frames."""


def describe(value: Any, depth: int = 0) -> str:
    """What a file holds, short, for messages."""
    if isinstance(value, Mapping):
        if depth > 1:
            return f"{len(value)} entries"
        shown = [f"{key}: {describe(item, depth + 1)}" for key, item in list(value.items())[:12]]
        return "{" + ", ".join(shown) + (", ..." if len(value) > len(shown) else "") + "}"
    if isinstance(value, np.ndarray):
        return f"array {value.shape}"
    if isinstance(value, list):
        shape = _shape(value)
        return f"numbers {shape}" if shape else f"list of {len(value)}" + _first(value, depth)
    return repr(value) if isinstance(value, bool | int | float) else type(value).__name__


def _first(value: list[Any], depth: int) -> str:
    return f" {describe(value[0], depth + 1)}" if value else ""


def _shape(value: Any) -> tuple[int, ...] | None:
    """Shape of nested lists of numbers; None where they are not."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return array.shape


def numbers(data: Mapping[Any, Any], key: str, where: str) -> FloatArray:
    """An entry as float64 array of whatever shape.

    Raises
    ------
    SourceError
        Where it is missing or no numbers.
    """
    if key not in data:
        raise SourceError(f"there is no {key!r}", where=where, hint=f"found {describe(data)}")
    value = data[key]
    why = value.why if isinstance(value, Unreadable) else ""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SourceError(
            f"{key!r} is no array of numbers {why}", where=where, hint=f"found {describe(data)}"
        ) from error
    return array


def shaped(data: Mapping[Any, Any], key: str, where: str, *shape: int) -> FloatArray:
    """An entry in a shape; -1 is any length, and axes of length one may be missing or too many; raises SourceError."""
    array = numbers(data, key, where)
    try:
        return array.reshape(shape)
    except ValueError:
        raise SourceError(
            f"{key!r} has shape {array.shape}, expected {tuple('F' if n < 0 else n for n in shape)}", where=where
        ) from None


def text(value: Any) -> str:
    """A text that may be bytes or an array of one text, in small letters; empty where it is none."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return value.strip().lower() if isinstance(value, str) else ""


def axis_angle(rotations: FloatArray, joints: int, where: str) -> FloatArray:
    """Axis-angle (F, 3 joints) from axis-angle of any grouping, or from rotation matrices (F, joints, 3, 3).

    Raises
    ------
    SourceError
        Where the size fits neither, or matrices are no rotations.
    """
    is_matrix = rotations.ndim >= 3 and rotations.shape[-2:] == (3, 3)
    size = 9 * joints if is_matrix else 3 * joints
    if rotations.size % size:
        raise SourceError(f"rotations of shape {rotations.shape} are not those of {joints} joints", where=where)
    if not is_matrix:
        return rotations.reshape(-1, size)
    matrices = rotations.reshape(-1, joints, 3, 3)
    good = np.isfinite(matrices).all((1, 2, 3))
    off = np.abs(matrices[good] @ matrices[good].swapaxes(-1, -2) - np.eye(3)).max(initial=0.0)
    if off > _MOST_SKEW or (np.linalg.det(matrices[good]) < 0).any():
        raise SourceError(f"matrices of shape {rotations.shape} are no rotations (off by {off:.2g})", where=where)
    result = np.full((len(matrices), 3 * joints), np.nan)
    result[good] = log(matrices[good]).reshape(-1, 3 * joints)
    return result


def with_hands(body: FloatArray) -> FloatArray:
    """(F, 69) of rotations of at least the 21 body joints: SMPL's own 23, or the 21 and straight hands.

    In SMPL-H and SMPL-X the joints behind the 21 are jaw, eyes and fingers, which SMPL has none of.
    """
    if body.shape[1] == 69:
        return body
    return np.pad(body[:, : 3 * BODY_JOINTS], ((0, 0), (0, 69 - 3 * BODY_JOINTS)))


def stacked(rows: Sequence[FloatArray]) -> FloatArray:
    """(F, N) of one row a frame."""
    return np.stack([np.asarray(row, np.float64).reshape(-1) for row in rows])


def frame_ids(parts: Sequence[Part]) -> IntArray:
    """(F,) ids by the files' names, or their order where these have no numbers.

    Raises
    ------
    SourceError
        Where two files have one number.
    """
    known = [part.frame for part in parts]
    if any(frame is None for frame in known):
        return np.arange(len(parts))
    ids = np.array(known, np.int64)
    if len(np.unique(ids)) != len(ids):
        raise SourceError("two files have the same frame number", where=parts[0].path, hint="one folder a walk, please")
    return ids


def person_of(people: Sequence[Any], person: int, where: str) -> Any:
    """One of the people of a frame; raises SourceError where there are fewer."""
    if not 0 <= person < len(people):
        hint = "choose another person, or name the layout"
        raise SourceError(f"person {person} was asked for, but there are {len(people)}", where=where, hint=hint)
    return people[person]
