"""Files of what somebody wears or carries in a walk: thickness of clothes and a mesh that follows the joints."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import SourceError
from meshgait_data.sources.numpy_files import DAMAGE, parse_npz
from meshgait_data.types import Worn
from meshgait_data.untrusted import MOST_BYTES, read_bytes

_JOINTS = len(SMPL_JOINTS)
_THICKEST_M, _FARTHEST_M = 0.5, 10.0
"""Anything beyond is in another unit."""
_SUM = 1e-3
"""How far the shares of a vertex may be from one: half precision has 5e-4."""


def read_worn(path: Path) -> tuple[Worn, str]:
    """Read an npz with ``thickness`` (24,), ``vertices`` (N, 3), ``weights`` (N, 24) and ``faces`` (M, 3).

    ``thickness`` alone, or the other three alone, is enough.

    Returns
    -------
    What is worn, and the hash of the file.

    Raises
    ------
    SourceError
        Where the file is damaged, or its arrays are not those of things that somebody can wear.
    """
    data = read_bytes(path, MOST_BYTES)
    arrays = parse_npz(data, str(path))
    if not {"thickness", "vertices"} & set(arrays):
        what = f"neither thickness nor vertices: {', '.join(arrays) or 'nothing'}"
        raise SourceError(what, where=str(path), hint="see docs/synth.md for what such a file has")
    try:
        worn = Worn(
            thickness=_floats(arrays, "thickness", (_JOINTS,)),
            vertices=_floats(arrays, "vertices", (-1, 3)),
            weights=_floats(arrays, "weights", (-1, _JOINTS)),
            faces=np.asarray(arrays.get("faces", np.zeros((0, 3)))).astype(np.int32).reshape(-1, 3),
        )
    except DAMAGE as error:
        raise SourceError(f"not what is worn: {error}", where=str(path), hint="see docs/synth.md") from error
    problem = _problem(worn)
    if problem:
        raise SourceError(problem, where=str(path), hint="lengths are metres, in the rest pose of the person's body")
    return worn, hashlib.sha256(data).hexdigest()


def _floats(arrays: dict[str, Any], name: str, shape: tuple[int, int] | tuple[int]) -> NDArray[np.float32]:
    empty = np.zeros(tuple(max(size, 0) for size in shape))
    return np.asarray(arrays.get(name, empty)).astype(np.float32).reshape(shape)


def _problem(worn: Worn) -> str:
    """What is wrong; empty where nothing is."""
    count = len(worn.vertices)
    if not all(np.isfinite(array).all() for array in (worn.thickness, worn.vertices, worn.weights)):
        return "numbers that are not finite"
    if (
        worn.thickness.min() < 0
        or worn.thickness.max() > _THICKEST_M
        or np.abs(worn.vertices).max(initial=0) > _FARTHEST_M
    ):
        return f"thickness is not 0 to {_THICKEST_M:g}, or vertices are farther away than {_FARTHEST_M:g}"
    if len(worn.weights) != count or np.abs(worn.weights.sum(axis=1) - 1).max(initial=0) > _SUM:
        return f"{len(worn.weights)} rows of weights for {count} vertices, each to sum to one"
    if len(worn.faces) and not 0 <= worn.faces.min() <= worn.faces.max() < count:
        return f"faces name vertices that are not 0 to {count - 1}"
    return ""
