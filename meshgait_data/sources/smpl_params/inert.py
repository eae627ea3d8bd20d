"""Files of parameters to plain values: npz, npy, JSON, pickle and joblib; nothing in a file is ever executed."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.inert import unpickled, unpickled_objects
from meshgait_data.sources.numpy_files import parse_npy, parse_npz
from meshgait_data.sources.reading import parse_json
from meshgait_data.untrusted import MOST_BYTES, MOST_TEXT_BYTES, read_bytes

ENDINGS = (".npz", ".npy", ".json", ".pkl", ".pickle", ".joblib")


@dataclass(frozen=True, slots=True, eq=False)
class FileContent:
    """A file, read."""

    path: str
    data: Any
    """Dictionaries, lists, texts, numbers and arrays of numbers."""
    sha256: str


def read_file(path: Path) -> FileContent:
    """Read a file by its ending; raises SourceError where it is damaged or asks for code to be run."""
    source = read_bytes(path, MOST_TEXT_BYTES if path.suffix.lower() == ".json" else MOST_BYTES)
    return FileContent(str(path), content_of(source, str(path)), hashlib.sha256(source).hexdigest())


def content_of(source: bytes, where: str) -> Any:
    """Plain values of a file's content, by the ending of its name; raises SourceError like :func:`read_file`."""
    ending = Path(where).suffix.lower()
    reader = _READERS.get(ending)
    if reader is None:
        raise SourceError(f"{ending!r} is no ending of parameters", where=where, hint=", ".join(ENDINGS))
    return reader(source, where)


def _npz(source: bytes, where: str) -> Any:
    return {name: _plain(value) for name, value in parse_npz(source, where, unpickled_objects).items()}


def _npy(source: bytes, where: str) -> Any:
    return _plain(parse_npy(source, where, unpickled_objects))


def _plain(value: Any) -> Any:
    is_text = isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind in "US"
    return value.item() if is_text else value


_READERS: dict[str, Callable[[bytes, str], Any]] = {
    ".json": parse_json,
    ".npz": _npz,
    ".npy": _npy,
    ".pkl": unpickled,
    ".pickle": unpickled,
    ".joblib": unpickled,
}
