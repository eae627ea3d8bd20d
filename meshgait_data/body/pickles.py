"""Read body models that were pickled by Python 2, numpy, scipy and chumpy, without any of them running.

A pickle is a program: it names functions and has them called. Here every name is either known as that of an array, and
only recorded, or refused. Arrays are then rebuilt from the records by this module, so that no code of numpy, scipy or
chumpy ever sees a byte of the file before its type and length were checked.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.pickle_machine import REBUILD, Made, Name, run
from meshgait_data.errors import BodyFileError

MOST_BYTES = 2 << 30
"""Size of a file, or of the arrays in it, that is still read; the largest published one (SMPL-X as .pkl) has 0.5 GB."""

_NUMBERS = frozenset({"b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"})
"""Element types that an array may have: plain numbers, no objects, no records."""
_NESTING = 8
"""Depth to which chumpy selections of selections are followed."""
MOST_ELEMENTS = 10_000_000
"""Elements of a sparse matrix that is made dense; SMPL-X's joint regressor has 576,125."""
_MOST_AXES = 8
_DAMAGE = (ArithmeticError, AttributeError, IndexError, KeyError, MemoryError, TypeError, ValueError)
"""What damaged records raise while they are read."""
_HINT = "take the model from its owners' site again; do not load body files from elsewhere"

_KINDS = {
    "numpy ndarray": "class",
    "numpy matrix": "class",
    "numpy.matrixlib.defmatrix matrix": "class",
    "numpy dtype": "dtype",
    "_codecs encode": "encoded",
    "__builtin__ object": "class",
    "builtins object": "class",
    "__builtin__ set": "ignored",
    "builtins set": "ignored",
    "copy_reg _reconstructor": REBUILD,
    "copyreg _reconstructor": REBUILD,
    **{f"numpy.{core}.multiarray _reconstruct": "array" for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray scalar": "scalar" for core in ("core", "_core")},
    **{f"numpy.{core}.numeric _frombuffer": "buffer" for core in ("core", "_core")},
    **{
        f"scipy.sparse.{private}{kind} {kind}_{noun}": kind
        for kind in ("csc", "csr", "coo")
        for private in ("", "_")
        for noun in ("matrix", "array")
    },
}
"""What a pickle may name (module, name), and what that is to us; chumpy's own classes come on top."""


def read_pickle(path: Path, keys: frozenset[str]) -> dict[str, NDArray[Any]]:
    """Read the arrays of a pickled dictionary.

    Parameters
    ----------
    path
        The file.
    keys
        Entries to rebuild; others are left alone, whatever they are.

    Returns
    -------
    Dense arrays of numbers, those of ``keys`` that the file has.

    Raises
    ------
    BodyFileError
        Where the file is no pickle of a dictionary, asks for anything but numbers (nothing of it has run then), or
        an entry cannot be rebuilt.
    """
    content = read_records(path)
    if not isinstance(content, dict):
        raise BodyFileError("the pickle holds no dictionary of arrays", where=str(path), hint=_HINT)
    arrays = {}
    for key in sorted(keys & {key for key in content if isinstance(key, str)}):
        try:
            arrays[key] = rebuild(content[key])
        except _DAMAGE as error:
            what = f"{key} cannot be rebuilt ({error})"
            raise BodyFileError(what, where=str(path), hint=_HINT) from error
    return arrays


def read_records(path: Path, more: Mapping[str, str] = MappingProxyType({})) -> Any:
    """What a pickle holds: plain values, and records of what it wants to be made; nothing is made.

    Parameters
    ----------
    path
        The file.
    more
        Names that are harmless besides those of arrays: ``module name`` to the kind of their records.

    Raises
    ------
    BodyFileError
        Where the file is no pickle, or names anything else.
    """

    def judge(module: str, name: str) -> Name:
        if module == "chumpy" or module.startswith("chumpy."):
            return Name("chumpy")
        kind = _KINDS.get(f"{module} {name}") or more.get(f"{module} {name}")
        if kind is None:
            what = f"the pickle asks for {module}.{name}, which no body model needs"
            raise BodyFileError(what, where=str(path), hint=_HINT)
        return Name(kind)

    check_size(path.stat().st_size, path)
    try:
        return run(path.read_bytes(), judge)
    except BodyFileError:
        raise
    except _DAMAGE as error:
        raise BodyFileError(f"is not a readable pickle ({error})", where=str(path), hint=_HINT) from error


def check_size(size: int, path: Path) -> None:
    """Refuse what no body model needs: see ``MOST_BYTES``; raises BodyFileError."""
    if size > MOST_BYTES:
        what = f"holds {size / 2**30:.1f} GB, more than any body model"
        raise BodyFileError(what, where=str(path), hint=_HINT)


def rebuild(value: Any, nesting: int = _NESTING) -> NDArray[Any]:
    """An array of numbers from what was recorded; raises ValueError and its like where the record makes no sense."""
    if isinstance(value, bool | int | float):
        return np.array(value)
    kind = value.kind if isinstance(value, Made) else type(value).__name__
    if kind == "array":
        _, shape, dtype, fortran, data = value.state
        return _from_bytes(data, dtype, shape, "F" if fortran else "C")
    if kind == "buffer":
        return _from_bytes(*value.args)
    if kind == "scalar":
        dtype, data = value.args
        return _from_bytes(data, dtype, (), "C")
    if kind in ("csc", "csr", "coo"):
        return _dense(value)
    if kind == "chumpy":
        return _evaluate(value, nesting)
    raise ValueError(f"{kind} is not an array of numbers")


def _from_bytes(data: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    raw = raw_bytes(data)
    return np.frombuffer(raw, _number_type(dtype)).reshape(_sizes(shape), order="F" if order == "F" else "C")


def raw_bytes(data: Any) -> bytes:
    """The bytes of an array, in the ways in which pickles of different age write them; raises ValueError."""
    if isinstance(data, Made) and data.kind == "encoded":
        # How Python 3 writes bytes into old protocols: _codecs.encode(text, 'latin1').
        data, encoding = data.args
        if encoding != "latin1":
            raise ValueError(f"bytes in encoding {encoding!r}")
    if isinstance(data, Made) and data.kind == "empty" and not data.args:
        # How Python 3 writes no bytes at all into old protocols: bytes().
        return b""
    raw = data.encode("latin1") if isinstance(data, str) else data
    if not isinstance(raw, bytes):
        raise ValueError(f"elements in a {type(data).__name__}")
    return raw


def _number_type(dtype: Any) -> np.dtype[Any]:
    if not isinstance(dtype, Made) or dtype.kind != "dtype" or not dtype.args or dtype.args[0] not in _NUMBERS:
        raise ValueError("elements that are no numbers")
    order = dtype.state[1] if dtype.state else "="
    if order not in {"<", ">", "=", "|"}:
        raise ValueError("an unknown byte order")
    return np.dtype(order + dtype.args[0])


def _sizes(shape: Any) -> tuple[int, ...]:
    """A shape: a few numbers, or an array of them."""
    sizes = shape if isinstance(shape, list | tuple) else rebuild(shape, 0).ravel().tolist()
    if len(sizes) > _MOST_AXES or any(not isinstance(size, int) or size < 0 for size in sizes):
        raise ValueError("a shape that is none")
    return tuple(sizes)


def _dense(value: Made) -> NDArray[Any]:
    state = value.state
    height, width = _sizes(state["_shape"])
    data = rebuild(state["data"], 0)
    if value.kind == "coo":
        # scipy 1.13 renamed row and col to a pair, coords.
        rows, columns = (rebuild(part, 0) for part in state.get("coords") or (state["row"], state["col"]))
    else:
        inner, ends = rebuild(state["indices"], 0), rebuild(state["indptr"], 0)
        counts = ends[1:].astype(np.int64) - ends[:-1].astype(np.int64)
        if (counts < 0).any() or counts.sum() != len(inner):
            raise ValueError("rows or columns of a sparse matrix that do not follow each other")
        outer = np.repeat(np.arange(len(counts)), counts)
        rows, columns = (outer, inner) if value.kind == "csr" else (inner, outer)
    if height * width > MOST_ELEMENTS:
        raise ValueError(f"a sparse matrix of {height} x {width} elements")
    dense = np.zeros((height, width), data.dtype)
    np.add.at(dense, (_within(rows, height), _within(columns, width)), data)
    return dense


def _within(indices: NDArray[Any], size: int) -> NDArray[Any]:
    if indices.size and (indices.min() < 0 or indices.max() >= size):
        raise ValueError(f"an index is outside 0..{size - 1}")
    return indices


def _evaluate(value: Made, nesting: int) -> NDArray[Any]:
    """Value of a chumpy object: a leaf (``x``), or a selection (``a``, ``idxs``, ``preferred_shape``) of another."""
    if nesting == 0:
        raise ValueError("selections of selections are nested too deeply")
    state = value.state
    if "x" in state:
        return rebuild(state["x"], nesting - 1)
    if "a" in state and "idxs" in state:
        whole, chosen = rebuild(state["a"], nesting - 1).ravel(), rebuild(state["idxs"], 0)
        part = whole[_within(chosen, len(whole))]
        shape = state.get("preferred_shape")
        return part if shape is None else part.reshape(_sizes(shape))
    raise ValueError(f"a chumpy expression with {', '.join(sorted(state))} is neither values nor a selection")
