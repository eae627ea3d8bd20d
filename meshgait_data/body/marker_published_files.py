"""Read published virtual markers (repository ShirleyMaxx/VirtualMarker) and the list of vertices that they are for.

Nothing in these files is ever executed: the pickled list of vertices is read like a pickled body model.
"""

import io
import json
import pickle
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.pickle_machine import Made
from meshgait_data.body.pickles import MOST_ELEMENTS, raw_bytes, read_records, rebuild
from meshgait_data.errors import BodyFileError, InvalidData
from meshgait_data.types import FloatArray, IntArray

IGNORED_PART = "head"
"""Part of the body whose vertices the published matrices leave out."""

_ROUNDING = 1e-6
"""Published coefficients go below zero by as much as 1e-16."""
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile, zlib.error)
_FILES_HINT = "give a folder such as assets/64 of the repository ShirleyMaxx/VirtualMarker"
_LIST_HINT = (
    "give smpl_indices.pkl of the published data, or the numbers of the vertices that are kept (.npy, .txt, .json), "
    "or a .json of part name to vertex numbers"
)


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """Markers over W of a body's vertices; K of them."""

    coefficients: FloatArray
    """(W, K) convex, float32."""
    places: IntArray
    """(K,) the vertex, of those W, that each marker is."""
    mirror: IntArray
    """(K,) marker on the other side; itself where the files name no pair."""


def read_published(folder: Path) -> Published:
    """Read ``vm_A_sym.npz``, ``vm_B_sym.npz`` and ``vm_info.npz``.

    Raises
    ------
    InvalidData
        Where one of them is missing, damaged, or they do not fit together.
    """
    coefficients = _sparse(folder / "vm_A_sym.npz").T
    chosen = _sparse(folder / "vm_B_sym.npz")
    pairs = _arrays(folder / "vm_info.npz", "vm_flip_pairs")["vm_flip_pairs"]
    count = coefficients.shape[1]
    mirror = np.arange(count)
    sound = (
        chosen.shape == coefficients.shape
        and np.array_equal(np.count_nonzero(chosen, axis=0), np.ones(count))
        and coefficients.min() >= -_ROUNDING
        and np.allclose(coefficients.sum(axis=1), 1.0, atol=1e-3)
        and pairs.ndim == 2
        and pairs.shape[1] == 2
        and np.isin(pairs, mirror).all()
        and len(np.unique(pairs)) == pairs.size
    )
    if not sound:
        what = "vm_A_sym, vm_B_sym and vm_info are not markers: convex columns, one vertex a marker, pairs"
        raise InvalidData(what, where=str(folder), hint=_FILES_HINT)
    mirror[pairs], mirror[pairs[:, ::-1]] = pairs[:, ::-1], pairs
    return Published(coefficients.clip(0.0).astype(np.float32), np.argmax(chosen != 0, axis=0), mirror)


def _arrays(path: Path, *keys: str) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise InvalidData("is missing", where=str(path), hint=_FILES_HINT)
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in keys}
    except _UNREADABLE as error:
        raise InvalidData(f"not a readable file of arrays ({error})", where=str(path), hint=_FILES_HINT) from error


def _sparse(path: Path) -> FloatArray:
    """Dense matrix of a file that scipy.sparse wrote column by column."""
    parts = _arrays(path, "indices", "indptr", "format", "shape", "data")
    kind, (height, width) = parts["format"].item(), map(int, parts["shape"])
    indices, ends, data = parts["indices"], parts["indptr"], parts["data"]
    columns = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    sound = kind in (b"csc", "csc") and len(ends) == width + 1 and len(indices) == len(data) == len(columns)
    if not sound or height * width > MOST_ELEMENTS or not np.isin(indices, np.arange(height)).all():
        raise InvalidData("not a sparse matrix by columns", where=str(path), hint=_FILES_HINT)
    dense = np.zeros((height, width))
    dense[indices, columns] = data
    return dense


def read_vertex_list(path: Path, vertices: int) -> IntArray:
    """Vertices that published matrices are for, in rising order.

    Parameters
    ----------
    path
        ``.pkl`` or ``.json`` with part names and their vertex numbers: all vertices but those of
        :data:`IGNORED_PART` are kept. Or ``.npy``, ``.txt`` or ``.json`` with the numbers of the kept vertices.
    vertices
        Vertices of the body.

    Raises
    ------
    InvalidData
        Where the file is unreadable, unsafe or names vertices that the body lacks.
    """
    try:
        content = _read_list(path)
    except (BodyFileError, *_UNREADABLE) as error:
        what = error.what if isinstance(error, BodyFileError) else str(error)
        raise InvalidData(f"not a list of vertices ({what})", where=str(path), hint=_LIST_HINT) from error
    if isinstance(content, Mapping) and IGNORED_PART not in content:
        what = f"names no part {IGNORED_PART!r}; its parts are {', '.join(map(str, content)) or 'none'}"
        raise InvalidData(what, where=str(path), hint=_LIST_HINT)
    named = np.asarray(content[IGNORED_PART] if isinstance(content, Mapping) else content)
    whole = named.ndim == 1 and named.size > 0 and named.dtype.kind in "iu"
    if not whole or named.min() < 0 or named.max() >= vertices:
        raise InvalidData(f"must name vertices from 0 to {vertices - 1}", where=str(path), hint=_LIST_HINT)
    return np.setdiff1d(np.arange(vertices), named) if isinstance(content, Mapping) else np.unique(named)


def _read_list(path: Path) -> Any:
    """Numbers, or a mapping of part to numbers."""
    ending = path.suffix.lower()
    if ending == ".npy":
        return np.load(path, allow_pickle=False)
    if ending == ".txt":
        return np.array(path.read_text(encoding="utf-8").replace(",", " ").split()).astype(np.int64)
    if ending == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    if ending == ".pkl":
        return _read_parts(path)
    raise ValueError(f"files ending in {ending!r} are not known")


_TORCH = {
    "torch._utils _rebuild_tensor_v2": "tensor",
    "torch.storage _load_from_bytes": "storage",
    "collections OrderedDict": "ignored",
}
"""Names in pickled tensors: of these, ``tensor`` gets storage, offset, shape and strides; ``storage`` a file of
torch's own."""


def _read_parts(path: Path) -> dict[str, IntArray]:
    """Part to vertex numbers, of a pickled dictionary of torch tensors, arrays or lists."""
    content = read_records(path, _TORCH)
    if not isinstance(content, dict):
        raise ValueError("the pickle holds no dictionary of parts")
    return {str(part): _numbers(value) for part, value in content.items()}


def _numbers(value: Any) -> IntArray:
    if isinstance(value, Made) and value.kind == "tensor":
        return _from_torch(*value.args[:4])
    if isinstance(value, list | tuple):
        return np.array(value)
    return rebuild(value)


def _from_torch(storage: Any, offset: Any, shape: Any, strides: Any) -> IntArray:
    """A one-dimensional tensor of numbers, whose bytes only torch's safe loader sees."""
    import torch

    if not isinstance(storage, Made) or storage.kind != "storage" or len(shape) != 1 or tuple(strides) != (1,):
        raise ValueError("a part that is no list of numbers")
    data = raw_bytes(storage.args[0])
    try:
        loaded = torch.load(io.BytesIO(data), weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"numbers that torch cannot read: {error}") from error
    numbers = torch.tensor([], dtype=loaded.dtype).set_(loaded).numpy() if hasattr(loaded, "dtype") else None
    if numbers is None or numbers.dtype.kind not in "iu" or not 0 <= offset <= len(numbers) - shape[0]:
        raise ValueError("a part whose numbers are not whole")
    return numbers[offset : offset + shape[0]].copy()
