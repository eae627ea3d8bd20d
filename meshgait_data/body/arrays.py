"""Arrays of an SMPL-schema file into a ``Body``: every check of shape, finiteness and tree, in one place."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.family import MEMBERS, Member, find_member, name_stranger
from meshgait_data.body.model import Body
from meshgait_data.body.symmetry import find_mirror
from meshgait_data.conventions import SMPL_PARENTS
from meshgait_data.errors import BodyFileError
from meshgait_data.types import FloatArray, IntArray

REQUIRED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
"""Keys of SMPL's model files that are used."""
OPTIONAL = ("mirror", "vertex_names", "vertex_ids", "licence", "card")
"""Keys that the free body adds."""

_SUM_TOLERANCE = 1e-3
"""Distance from one that sums of weights may have; published files are rounded."""
_HASHED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "parents", "faces")
_WHICH = "bodies are model files of SMPL (24 joints), SMPL-H (52) or SMPL-X (55)"
_NO_LICENCE = "the file names no licence; the terms of whoever gave it to you apply (SMPL: smpl.is.tue.mpg.de)"


def body_from_arrays(arrays: Mapping[str, NDArray[Any]], name: str, where: str) -> Body:
    """Check arrays against SMPL's schema; those of SMPL-H and SMPL-X become a body of 24 joints.

    Parameters
    ----------
    arrays
        ``v_template`` (V, 3), ``shapedirs`` (V, 3, B), ``posedirs`` (V, 3, 9 (J-1)) or (9 (J-1), 3 V),
        ``J_regressor`` (J, V), ``weights`` (V, J), ``kintree_table`` (2, J), ``f`` (F, 3), and optionally those of
        ``OPTIONAL``. J is 24 (SMPL), 52 (SMPL-H) or 55 (SMPL-X).
    name
        What the body shall be called.
    where
        File, for messages.

    Raises
    ------
    BodyFileError
        That names the array, what was found and what was expected; or the model that the file holds instead.
    """
    check = _Checker(arrays, where)
    member = check.member()
    template = check.floats("v_template", ("V", 3))
    count = len(template)
    shapedirs = check.floats("shapedirs", (count, 3, "B"))
    body = Body(
        name=name,
        sha256="",
        licence=str(arrays["licence"]) if "licence" in arrays else _NO_LICENCE,
        v_template=template,
        shapedirs=np.ascontiguousarray(shapedirs[..., : member.shapes(shapedirs.shape[2])]),
        posedirs=member.fold_correctives(check.posedirs(count, 9 * (member.joints - 1))),
        J_regressor=member.fold_regressor(check.rows("J_regressor", (member.joints, count))),
        weights=member.fold_weights(check.rows("weights", (count, member.joints))),
        parents=np.array(SMPL_PARENTS),
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

    def wrong(self, what: str, hint: str = _WHICH) -> BodyFileError:
        return BodyFileError(what, where=self.where, hint=hint)

    def member(self) -> Member:
        """Which model of the family this is; all that it needs is there."""
        stranger = name_stranger({key: array.shape for key, array in self.arrays.items()})
        if stranger:
            raise self.wrong(f"holds {stranger}")
        missing = [key for key in REQUIRED if key not in self.arrays]
        if missing:
            found = ", ".join(sorted(self.arrays)) or "nothing"
            raise self.wrong(f"lacks {', '.join(missing)} of SMPL's arrays; it has {found}")
        table = self.arrays["kintree_table"]
        member = find_member(table)
        if member is not None:
            return member
        if table.shape[1:] in [(member.joints,) for member in MEMBERS] and len(table) == 2:
            what = f"kintree_table differs from SMPL's tree; parents of joints 1.. are {table[0, 1:].tolist()}"
        else:
            what = f"kintree_table has shape {table.shape}, expected (2, 24), (2, 52) or (2, 55)"
        raise self.wrong(what)

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

    def posedirs(self, count: int, width: int) -> FloatArray:
        """(V, 3, P), also from the (P, 3 V) of files that were written for multiplication."""
        if self.arrays["posedirs"].shape == (width, 3 * count):
            flat = self.floats("posedirs", (width, 3 * count))
            return np.ascontiguousarray(flat.T).reshape(count, 3, width)
        return self.floats("posedirs", (count, 3, width))

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
