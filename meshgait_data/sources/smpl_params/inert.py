"""Files of parameters to plain values: npz, npy, JSON, pickle and joblib; nothing in a file is ever executed.

Most estimators write dictionaries through numpy's or joblib's pickles. These are followed by
:mod:`meshgait_data.body.pickle_machine`, which calls nothing, and only arrays of numbers are rebuilt.
"""

import gzip
import hashlib
import json
import math
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.pickle_machine import REBUILD, Made, Name, run
from meshgait_data.body.pickles import rebuild
from meshgait_data.errors import SourceError

ENDINGS = (".npz", ".npy", ".json", ".pkl", ".pickle", ".joblib")
MOST_BYTES = 2 << 30
"""Size of a file, also unpacked; an hour of one person with meshes has less."""
_MOST_VALUES = 4_000_000
_NESTING = 24
_ARRAY, _SCALAR, _JOBLIB, _OTHER = "array", "scalar", "joblib", "other"
_KINDS = {
    "numpy ndarray": "class",
    "numpy dtype": "dtype",
    "_codecs encode": "encoded",
    "builtins object": "class",
    "__builtin__ object": "class",
    "copy_reg _reconstructor": REBUILD,
    "copyreg _reconstructor": REBUILD,
    "joblib.numpy_pickle NumpyArrayWrapper": _JOBLIB,
    **{f"numpy.{core}.multiarray _reconstruct": _ARRAY for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray scalar": _SCALAR for core in ("core", "_core")},
    **{f"numpy.{core}.numeric _frombuffer": "buffer" for core in ("core", "_core")},
}
"""What a pickle may name (module, name), and what that is to us."""
_DAMAGE = (ArithmeticError, AttributeError, IndexError, KeyError, MemoryError, TypeError, ValueError, RecursionError)
_AGAIN = "take the file from its source again"
_CONVERT = (
    "load it where it was made, in an environment that you trust, and write plain arrays: "
    "numpy.savez(path, global_orient=..., body_pose=..., betas=..., transl=...)"
)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry that is no numbers, text or collection of these; only a problem for who needs it."""

    why: str


@dataclass(frozen=True, slots=True, eq=False)
class FileContent:
    """A file, read."""

    path: str
    data: Any
    """Dictionaries, lists, texts, numbers and arrays of numbers."""
    sha256: str


def read_file(path: Path) -> FileContent:
    """Read a file by its ending; raises SourceError where it is damaged or asks for code to be run."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SourceError(f"holds more than {MOST_BYTES >> 30} GB", where=str(path), hint="split the file")
        source = path.read_bytes()
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise SourceError(what, where=str(path), hint="check that it is a file and its permissions") from error
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise SourceError(f"{path.suffix!r} is no ending of parameters", where=str(path), hint=", ".join(ENDINGS))
    try:
        data = reader(source, str(path))
    except SourceError:
        raise
    except (*_DAMAGE, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(f"is damaged or no {path.suffix} file: {error}", where=str(path), hint=_AGAIN) from error
    return FileContent(str(path), data, hashlib.sha256(source).hexdigest())


def _json(source: bytes, where: str) -> Any:
    return json.loads(source)


def _npz(source: bytes, where: str) -> Any:
    with zipfile.ZipFile(BytesIO(source)) as archive:
        if sum(info.file_size for info in archive.infolist()) > MOST_BYTES:
            raise SourceError(f"unpacks to more than {MOST_BYTES >> 30} GB", where=where, hint=_AGAIN)
        return {
            info.filename.removesuffix(".npy"): _npy(archive.read(info), f"{where}: {info.filename}")
            for info in archive.infolist()
        }


def _npy(source: bytes, where: str) -> Any:
    stream = BytesIO(source)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(stream)
    if dtype.hasobject:
        # A pickled array of objects: numpy would run it.
        content = _pickle(source[stream.tell() :], where)
        return content[0] if shape == () and isinstance(content, list) and len(content) == 1 else content
    array = np.load(BytesIO(source), allow_pickle=False)
    return array.item() if array.shape == () and array.dtype.kind in "US" else array


def _pickled(source: bytes, where: str) -> Any:
    return _pickle(_unpacked(source, where), where)


def _unpacked(source: bytes, where: str) -> bytes:
    """Without joblib's or gzip's compression."""
    if source[:2] == b"\x1f\x8b":
        with gzip.open(BytesIO(source)) as stream:
            data = stream.read(MOST_BYTES + 1)
    elif source[:1] == b"\x78":
        data = zlib.decompressobj().decompress(source, MOST_BYTES + 1)
    elif source[:3] in (b"BZh", b"\xfd7z"):
        hint = "write it again with compress=3 or without compression"
        raise SourceError("a compression that is not read here", where=where, hint=hint)
    else:
        return source
    if len(data) > MOST_BYTES:
        raise SourceError(f"unpacks to more than {MOST_BYTES >> 30} GB", where=where, hint=_AGAIN)
    return data


def _pickle(source: bytes, where: str) -> Any:
    def judge(module: str, name: str) -> Name:
        kind = _KINDS.get(f"{module} {name}")
        if kind is None:
            what = f"the pickle asks for {module}.{name}: more than numbers, and nothing of it was run"
            raise SourceError(what, where=where, hint=_CONVERT)
        return Name(kind)

    return _Plain().of(run(source, judge, _joblib_array), 0)


def _joblib_array(made: Made, take: Callable[[int], bytes]) -> None:
    """Take an array's bytes, which joblib writes right behind the record that describes it."""
    if made.kind != _JOBLIB:
        return
    state = made.state
    code = state["dtype"].args[0]
    if code[0] not in "biuf":
        raise ValueError(f"joblib's array of {code!r} is no array of numbers")
    if state.get("numpy_array_alignment_bytes") is not None:
        take(take(1)[0])
    size = math.prod(state["shape"]) * int(code[1:])
    made.kind, made.state = _ARRAY, (1, state["shape"], state["dtype"], state["order"] == "F", take(size))


class _Plain:
    """Turns records into plain values; counts them, because a small pickle can name one list very often."""

    def __init__(self) -> None:
        self.count = 0

    def of(self, value: Any, depth: int) -> Any:
        self.count += 1
        if depth > _NESTING or self.count > _MOST_VALUES:
            raise ValueError("values are nested too deeply, or are too many")
        if isinstance(value, dict):
            return {key: self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(item, depth + 1) for item in value]
        if isinstance(value, Made):
            return self._made(value, depth)
        return value if isinstance(value, str | bytes | bool | int | float | None) else Unreadable(type(value).__name__)

    def _made(self, value: Made, depth: int) -> Any:
        if value.kind == _ARRAY and value.state[2].args[0][:1] == "O":
            return [self.of(item, depth + 1) for item in value.state[4]]
        try:
            array: NDArray[Any] = rebuild(value)
        except _DAMAGE as error:
            return Unreadable(str(error))
        return array.item() if value.kind == _SCALAR else array


_READERS: dict[str, Callable[[bytes, str], Any]] = {
    ".json": _json,
    ".npz": _npz,
    ".npy": _npy,
    ".pkl": _pickled,
    ".pickle": _pickled,
    ".joblib": _pickled,
}
