"""Arrays of an SMPL-schema file into a ``Body``: every check of shape, finiteness and tree, in one place."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.model import Body
from meshgait_data.body.symmetry import find_mirror
from meshgait_data.conventions import SMPL_PARENTS
from meshgait_data.errors import BodyFileError
from meshgait_data.types import FloatArray, IntArray

REQUIRED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
"""Keys of SMPL's model files that are used."""
OPTIONAL = ("mirror", "vertex_names", "vertex_ids", "licence", "card")
"""Keys that the free body adds."""

MOST_BETAS = 10
"""Shape components that are used; SMPL 1.1 stores 300."""

_JOINTS = len(SMPL_PARENTS)
_POSE = 9 * (_JOINTS - 1)
_SUM_TOLERANCE = 1e-3
"""Distance from one that sums of weights may have; published files are rounded."""
_HASHED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "parents", "faces")
_NO_LICENCE = "the file names no licence; the terms of whoever gave it to you apply (SMPL: smpl.is.tue.mpg.de)"


def body_from_arrays(arrays: Mapping[str, NDArray[Any]], name: str, where: str) -> Body:
    """Check arrays against SMPL's schema.

    Parameters
    ----------
    arrays
        ``v_template`` (V, 3), ``shapedirs`` (V, 3, B), ``posedirs`` (V, 3, 207) or (207, 3 V), ``J_regressor``
        (24, V), ``weights`` (V, 24), ``kintree_table`` (2, 24), ``f`` (F, 3), and optionally those of ``OPTIONAL``.
    name
        What the body shall be called.
    where
        File, for messages.

    Raises
    ------
    BodyFileError
        That names the array, what was found and what was expected.
    """
    check = _Checker(arrays, where)
    check.complete()
    template = check.floats("v_template", ("V", 3))
    count = len(template)
    shapedirs = check.floats("shapedirs", (count, 3, "B"))[..., :MOST_BETAS]
    body = Body(
        name=name,
        sha256="",
        licence=str(arrays["licence"]) if "licence" in arrays else _NO_LICENCE,
        v_template=template,
        shapedirs=np.ascontiguousarray(shapedirs),
        posedirs=check.posedirs(count),
        J_regressor=check.rows("J_regressor", (_JOINTS, count)),
        weights=check.rows("weights", (count, _JOINTS)),
        parents=check.tree(),
        faces=(faces := check.indices("f", ("F", 3), count)),
        mirror=check.mirror(count) if "mirror" in arrays else find_mirror(template, faces),
        vertex_ids=check.named_vertices(count),
    )
    return replace(body, sha256=body_arrays_sha256(body))


def body_arrays_sha256(body: Body) -> str:
    """Hash over shapes and little-endian values of what makes the body: equal for an .npz and a .pkl of it."""
    digest = hashlib.sha256()
    for key in _HASHED:
        array = getattr(body, key)
        kind = "<f4" if np.issubdtype(array.dtype, np.floating) else "<i4"
        digest.update(f"{key} {array.shape} {kind}\n".encode())
        digest.update(np.ascontiguousarray(array, kind).tobytes())
    return digest.hexdigest()


class _Checker:
    """Gives arrays of one file in the type that is wanted, or says what is wrong with them."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], where: str) -> None:
        self.arrays, self.where = arrays, where

    def wrong(self, what: str, hint: str = "is it a model file of SMPL with 24 joints?") -> BodyFileError:
        return BodyFileError(what, where=self.where, hint=hint)

    def complete(self) -> None:
        missing = [key for key in REQUIRED if key not in self.arrays]
        if missing:
            found = ", ".join(sorted(self.arrays)) or "nothing"
            raise self.wrong(f"lacks {', '.join(missing)} of SMPL's arrays; it has {found}")

    def floats(self, key: str, shape: tuple[int | str, ...]) -> FloatArray:
        """A finite float32 array of the shape; letters stand for any positive number."""
        array = self.arrays[key]
        self._shape(key, array, shape)
        if array.dtype.kind not in "fiu":
            raise self.wrong(f"{key} holds {array.dtype}, expected numbers")
        result = np.ascontiguousarray(array, np.float32)
        if not np.isfinite(result).all():
            raise self.wrong(f"{key} holds values that are not finite")
        return result

    def indices(self, key: str, shape: tuple[int | str, ...], end: int) -> IntArray:
        """An int32 array of vertex numbers below ``end``."""
        array = self.arrays[key]
        self._shape(key, array, shape)
        if array.dtype.kind not in "iu" or (array.size and (array.min() < 0 or array.max() >= end)):
            raise self.wrong(f"{key} must hold vertex numbers from 0 to {end - 1}")
        return array.astype(np.int32)

    def posedirs(self, count: int) -> FloatArray:
        """(V, 3, 207), also from the (207, 3 V) of files that were written for multiplication."""
        if self.arrays["posedirs"].shape == (_POSE, 3 * count):
            flat = self.floats("posedirs", (_POSE, 3 * count))
            return np.ascontiguousarray(flat.T).reshape(count, 3, _POSE)
        return self.floats("posedirs", (count, 3, _POSE))

    def tree(self) -> IntArray:
        """SMPL's parents, -1 for the root; the file must have the same tree."""
        table = self.arrays["kintree_table"]
        self._shape("kintree_table", table, (2, _JOINTS))
        expected = np.array(SMPL_PARENTS)
        same_tree = np.array_equal(table[0, 1:], expected[1:])
        if not same_tree or not np.array_equal(table[1], np.arange(_JOINTS)):
            raise self.wrong(
                f"kintree_table differs from SMPL's tree; parents of joints 1.. are {table[0, 1:].tolist()}"
            )
        return expected

    def rows(self, key: str, shape: tuple[int | str, ...]) -> FloatArray:
        """A float32 array whose rows are weights that sum to one."""
        array = self.floats(key, shape)
        sums = array.sum(axis=1, dtype=np.float64)
        worst = int(np.argmax(np.abs(sums - 1.0)))
        if abs(sums[worst] - 1.0) > _SUM_TOLERANCE:
            raise self.wrong(f"row {worst} of {key} sums to {sums[worst]:.4f}, expected 1")
        return array

    def mirror(self, count: int) -> IntArray:
        mirror = self.indices("mirror", (count,), count)
        if not np.array_equal(mirror[mirror], np.arange(count)):
            raise self.wrong("mirror is no exchange of vertices: applying it twice must give every vertex back")
        return mirror

    def named_vertices(self, count: int) -> dict[str, int]:
        if "vertex_names" not in self.arrays or "vertex_ids" not in self.arrays:
            return {}
        ids = self.indices("vertex_ids", ("N",), count)
        self._shape("vertex_names", self.arrays["vertex_names"], (len(ids),))
        return {str(name): int(index) for name, index in zip(self.arrays["vertex_names"], ids, strict=True)}

    def _shape(self, key: str, array: NDArray[Any], shape: tuple[int | str, ...]) -> None:
        fits = len(array.shape) == len(shape) and all(
            found == wanted if isinstance(wanted, int) else found > 0
            for found, wanted in zip(array.shape, shape, strict=False)
        )
        if not fits:
            wanted = ", ".join(map(str, shape))
            raise self.wrong(f"{key} has shape {array.shape}, expected ({wanted})")
