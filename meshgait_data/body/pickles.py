"""Read body models that were pickled by Python 2, numpy, scipy and chumpy, without any of them running.

A pickle is a program: it names functions and has them called. Here every name either maps to an inert recorder that
only remembers what it was given, or is refused. Arrays are then rebuilt from the records by this module, so that no
code of numpy, scipy or chumpy ever sees a byte of the file before its type and length were checked.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import BodyFileError

_NUMBERS = frozenset({"b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"})
"""Element types that an array may have: plain numbers, no objects, no records."""
_NESTING = 8
"""Depth to which chumpy selections of selections are followed."""
_MOST_ELEMENTS = 10_000_000
"""Elements of a sparse matrix that is made dense; SMPL's joint regressor has 165,360."""
_HINT = "take the model from its owners' site again; do not load body files from elsewhere"


class _Inert:
    """Remembers the arguments and the state that a pickle gives to an object, and does nothing with them."""

    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> "_Inert":
        self = super().__new__(cls)
        self.args, self.state = args, None
        return self

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Dtype(_Inert):
    """``numpy.dtype``: the type's name in the arguments, the byte order in the state."""


class _Array(_Inert):
    """``numpy.ndarray``: version, shape, dtype, order and bytes in the state."""


class _Buffer(_Inert):
    """Array of pickle protocol 5: bytes, dtype, shape and order in the arguments."""


class _Scalar(_Inert):
    """``numpy.float64`` and the like: dtype and bytes in the arguments."""


class _Compressed(_Inert):
    """A sparse matrix by columns: ``data``, ``indices``, ``indptr`` and ``_shape`` in the state."""


class _CompressedRows(_Compressed):
    """The same by rows."""


class _Triplets(_Inert):
    """A sparse matrix as ``data``, ``row`` and ``col``."""


class _Chumpy(_Inert):
    """Any class of chumpy: values, or a selection of values, in the state."""


class _Ignored(_Inert):
    """Something that may lie in the file but is never used, such as chumpy's set of dirty variables."""


class _Encoded(_Inert):
    """``_codecs.encode(text, 'latin1')``, by which Python 3 writes bytes into old pickles."""


class _Class:
    """Stands for a class that is only ever an argument."""


_GLOBALS: dict[str, type[Any]] = {
    "numpy ndarray": _Class,
    "numpy dtype": _Dtype,
    "_codecs encode": _Encoded,
    "__builtin__ set": _Ignored,
    "builtins set": _Ignored,
    **{f"numpy.{core}.multiarray _reconstruct": _Array for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray scalar": _Scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric _frombuffer": _Buffer for core in ("core", "_core")},
    **{
        f"scipy.sparse.{private}{kind} {kind}_{noun}": recorder
        for kind, recorder in (("csc", _Compressed), ("csr", _CompressedRows), ("coo", _Triplets))
        for private in ("", "_")
        for noun in ("matrix", "array")
    },
}
"""What a pickle may name (module, name) and the recorder that stands for it; chumpy's own classes come on top."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """The recorder for a name of the file; everything unknown is refused."""
        if module == "chumpy" or module.startswith("chumpy."):
            return _Chumpy
        found = _GLOBALS.get(f"{module} {name}")
        if found is None:
            raise BodyFileError(f"the pickle asks for {module}.{name}, which no body model needs", hint=_HINT)
        return found


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
    with path.open("rb") as file:
        try:
            content = _Reader(file, encoding="latin1").load()
        except BodyFileError as error:
            raise BodyFileError(error.what, where=str(path), hint=error.hint) from None
        except Exception as error:  # damaged pickles raise almost anything
            what = f"is not a readable pickle ({type(error).__name__}: {error})"
            raise BodyFileError(what, where=str(path), hint=_HINT) from error
    if not isinstance(content, dict):
        raise BodyFileError("the pickle holds no dictionary of arrays", where=str(path), hint=_HINT)
    arrays = {}
    for key in sorted(keys & {key for key in content if isinstance(key, str)}):
        try:
            arrays[key] = _rebuild(content[key], _NESTING)
        except (ArithmeticError, AttributeError, IndexError, KeyError, MemoryError, TypeError, ValueError) as error:
            what = f"{key} cannot be rebuilt ({error})"
            raise BodyFileError(what, where=str(path), hint=_HINT) from error
    return arrays


def _rebuild(value: Any, nesting: int) -> NDArray[Any]:
    """An array of numbers from what was recorded; raises ValueError and its like where the record makes no sense."""
    if isinstance(value, _Array):
        _, shape, dtype, fortran, data = value.state
        return _from_bytes(data, dtype, shape, "F" if fortran else "C")
    if isinstance(value, _Buffer):
        return _from_bytes(*value.args)
    if isinstance(value, _Scalar):
        dtype, data = value.args
        return _from_bytes(data, dtype, (), "C")
    if isinstance(value, _Compressed | _Triplets):
        return _dense(value, nesting)
    if isinstance(value, _Chumpy):
        return _evaluate(value, nesting)
    if isinstance(value, bool | int | float):
        return np.array(value)
    raise ValueError(f"{type(value).__name__.lstrip('_')} is not an array of numbers")


def _from_bytes(data: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    if isinstance(data, _Encoded):
        data, encoding = data.args
        if encoding != "latin1":
            raise ValueError(f"bytes in encoding {encoding!r}")
    raw = data.encode("latin1") if isinstance(data, str) else bytes(memoryview(data))
    sizes = tuple(int(size) for size in shape)
    return np.frombuffer(raw, _number_type(dtype)).reshape(sizes, order="F" if order == "F" else "C")


def _number_type(dtype: Any) -> np.dtype[Any]:
    if not isinstance(dtype, _Dtype) or not dtype.args or dtype.args[0] not in _NUMBERS:
        raise ValueError(f"elements of type {dtype.args[:1] if isinstance(dtype, _Dtype) else dtype!r}")
    order = dtype.state[1] if dtype.state else "="
    if order not in {"<", ">", "=", "|"}:
        raise ValueError(f"byte order {order!r}")
    return np.dtype(order + dtype.args[0])


def _dense(value: _Inert, nesting: int) -> NDArray[Any]:
    state = value.state
    height, width = (int(size) for size in state["_shape"])
    data = _rebuild(state["data"], nesting)
    if isinstance(value, _Triplets):
        # scipy 1.13 renamed row and col to a pair, coords.
        rows, columns = (_rebuild(part, nesting) for part in state.get("coords") or (state["row"], state["col"]))
    else:
        inner, ends = _rebuild(state["indices"], nesting), _rebuild(state["indptr"], nesting)
        outer = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        rows, columns = (outer, inner) if isinstance(value, _CompressedRows) else (inner, outer)
    if height * width > _MOST_ELEMENTS:
        raise ValueError(f"a sparse matrix of {height} x {width} elements")
    dense = np.zeros((height, width), data.dtype)
    np.add.at(dense, (_within(rows, height), _within(columns, width)), data)
    return dense


def _within(indices: NDArray[Any], size: int) -> NDArray[Any]:
    if indices.size and (indices.min() < 0 or indices.max() >= size):
        raise ValueError(f"an index is outside 0..{size - 1}")
    return indices


def _evaluate(value: _Inert, nesting: int) -> NDArray[Any]:
    """Value of a chumpy object: a leaf (``x``), or a selection (``a``, ``idxs``, ``preferred_shape``) of another."""
    if nesting == 0:
        raise ValueError("selections of selections are nested too deeply")
    state = value.state
    if "x" in state:
        return _rebuild(state["x"], nesting - 1)
    if "a" in state and "idxs" in state:
        whole, chosen = _rebuild(state["a"], nesting - 1).ravel(), _rebuild(state["idxs"], nesting - 1)
        part = whole[_within(chosen, len(whole))]
        shape = state.get("preferred_shape")
        return part if shape is None else part.reshape(_shape(shape, nesting))
    raise ValueError(f"a chumpy expression with {', '.join(sorted(map(str, state)))} is neither values nor a selection")


def _shape(value: Any, nesting: int) -> tuple[int, ...]:
    sizes = value if isinstance(value, list | tuple) else _rebuild(value, nesting - 1)
    return tuple(int(size) for size in sizes)
