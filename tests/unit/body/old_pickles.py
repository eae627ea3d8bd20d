"""Writes body models as SMPL 1.0 was published: a Python 2 pickle with chumpy and scipy objects, neither installed.

Also pickles that try to run something, to prove that the reader lets none of them.
"""

import pickle
import struct
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csc_matrix


class Ch:
    """Takes the place of ``chumpy.ch.Ch``: a leaf with its values in ``x``."""

    def __init__(self, x: np.ndarray) -> None:
        self.x, self._dirty_vars, self._itr = x, {"x"}, None


class Select:
    """Takes the place of ``chumpy.reordering.Select``: some elements of another object."""

    def __init__(self, a: Any, idxs: np.ndarray, preferred_shape: tuple[int, ...]) -> None:
        self.a, self.idxs, self.preferred_shape, self._dirty_vars = a, idxs, preferred_shape, set()


class MatVecMult:
    """Takes the place of ``chumpy.ch_ops.MatVecMult``, an expression that is not evaluated."""

    def __init__(self, mtx: Any, vec: Any) -> None:
        self.mtx, self.vec = mtx, vec


class Python2Pickler(pickle._Pickler):
    """Protocol 2 as Python 2 wrote it: strings are bytes, modules have their old names."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)
    old_names: ClassVar = {
        Ch: "chumpy.ch Ch",
        Select: "chumpy.reordering Select",
        MatVecMult: "chumpy.ch_ops MatVecMult",
        csc_matrix: "scipy.sparse.csc csc_matrix",
        np.ndarray: "numpy ndarray",
        np.dtype: "numpy dtype",
        np._core.multiarray._reconstruct: "numpy.core.multiarray _reconstruct",
    }

    def __init__(self, file: Any) -> None:
        super().__init__(file, protocol=2)

    def save_string(self, obj: str | bytes) -> None:
        data = obj if isinstance(obj, bytes) else obj.encode("latin1")
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(obj)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj not in self.old_names:
            return super().save_global(obj, name)
        self.write(b"c" + self.old_names[obj].replace(" ", "\n").encode() + b"\n")
        return self.memoize(obj)

    dispatch[str] = dispatch[bytes] = save_string
    dispatch[type] = dispatch[type(len)] = save_global


def write_smpl_1_0(path: Any, arrays: dict[str, np.ndarray]) -> None:
    """Pickle a body in the layout of ``basicModel_neutral_lbs_10_207_0_v1.0.0.pkl``.

    The joint regressor is sparse, the template and the weights are chumpy leaves, the shape directions are a
    selection of a larger chumpy object, and there are entries that no reader of bodies needs.
    """
    shapedirs = arrays["shapedirs"].astype(np.float64)
    wide = np.concatenate([shapedirs, np.ones_like(shapedirs)], axis=2)
    idxs = np.arange(wide.size).reshape(wide.shape)[..., : shapedirs.shape[2]].ravel()
    content = {
        "v_template": Ch(arrays["v_template"].astype(np.float64)),
        "shapedirs": Select(Ch(wide), idxs, shapedirs.shape),
        "posedirs": np.asfortranarray(arrays["posedirs"].astype(np.float64)),
        "J_regressor": csc_matrix(arrays["J_regressor"].astype(np.float64)),
        "weights": Ch(arrays["weights"].astype(np.float64)),
        "kintree_table": arrays["kintree_table"].astype(np.int64),
        "f": arrays["f"].astype(np.uint32),
        "J": MatVecMult(Ch(np.zeros((24, 3))), Ch(np.zeros(3))),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
        "weights_prior": {"unused": [1, 2.5, None]},
    }
    content |= {key: arrays[key] for key in arrays.keys() - content.keys() if arrays[key].dtype.kind in "iuf"}
    with open(path, "wb") as file:
        Python2Pickler(file).dump(content)


def call(name: str, *arguments: str, state: bool = False) -> bytes:
    """A pickle of a dictionary whose ``v_template`` is what calling ``module name`` with the arguments gives."""
    module, function = name.split(" ")
    words = b"".join(b"X" + struct.pack("<i", len(word)) + word.encode() for word in arguments)
    built = b"}b" if state else b""
    return (
        b"\x80\x02}X\n\x00\x00\x00v_templatec"
        + f"{module}\n{function}\n".encode()
        + b"("
        + words
        + b"tR"
        + built
        + b"s."
    )
