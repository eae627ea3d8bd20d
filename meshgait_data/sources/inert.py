"""Pickles of arrays, lists and dictionaries to plain values; nothing that a file names is imported or called.

Most estimators and datasets write through numpy's or joblib's pickles, of numpy 1 or 2, in protocols 2 to 5. These are
followed by :mod:`meshgait_data.body.pickle_machine`, and only arrays of numbers are rebuilt.
"""

import gzip
import math
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
from meshgait_data.sources.numpy_files import DAMAGE
from meshgait_data.untrusted import MOST_BYTES, read_bytes

_MOST_VALUES = 4_000_000
_NESTING = 24
_ARRAY, _SCALAR, _JOBLIB = "array", "scalar", "joblib"
_KINDS = {
    "numpy ndarray": "class",
    "numpy dtype": "dtype",
    "_codecs encode": "encoded",
    "builtins bytes": "empty",
    "__builtin__ bytes": "empty",
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
_AGAIN = "take the file from its source again"
_CONVERT = (
    "load it where it was made, in an environment that you trust, and write plain arrays: "
    "numpy.savez(path, global_orient=..., body_pose=..., betas=..., transl=...)"
)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry that is no numbers, text or collection of these; only a problem for who needs it."""

    why: str


def read_pickle_values(path: Path) -> Any:
    """Content of a pickle: dictionaries, lists, texts, numbers, arrays of numbers; raises SourceError."""
    return unpickled(read_bytes(path), str(path))


def unpickled(source: bytes, where: str) -> Any:
    """Content of the bytes of a pickle, perhaps packed by gzip or joblib.

    Arrays of objects become (nested) lists.

    Raises
    ------
    SourceError
        Where it is damaged, asks for anything but numbers (nothing of it has run then), or unpacks to too much.
    """
    try:
        return _Plain().of(run(_unpacked(source, where), _judge(where), _joblib_array), 0)
    except SourceError:
        raise
    except DAMAGE as error:
        raise SourceError(f"is damaged or no pickle: {error}", where=where, hint=_AGAIN) from error


def unpickled_objects(source: bytes, shape: tuple[int, ...], where: str) -> Any:
    """Values of an npy's array of objects: the value itself of one without axes, else a list."""
    content = unpickled(source, where)
    return content[0] if shape == () and isinstance(content, list) and len(content) == 1 else content


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


def _judge(where: str) -> Callable[[str, str], Name]:
    def judge(module: str, name: str) -> Name:
        kind = _KINDS.get(f"{module} {name}")
        if kind is None:
            what = f"the pickle asks for {module}.{name}: more than numbers, and nothing of it was run"
            raise SourceError(what, where=where, hint=_CONVERT)
        return Name(kind)

    return judge


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
    """Turns records into plain values.

    A small pickle can name one list or one array very often: values are counted, and each array is made once.
    """

    def __init__(self) -> None:
        self.count = 0
        self.made: dict[int, Any] = {}

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
        if _is_objects(value):
            return _nested([self.of(item, depth + 1) for item in value.state[4]], value.state[1])
        # The records live as long as this does, so that their ids are theirs.
        if id(value) not in self.made:
            self.made[id(value)] = self._array(value)
        return self.made[id(value)]

    def _array(self, value: Made) -> Any:
        try:
            array: NDArray[Any] = rebuild(value)
        except DAMAGE as error:
            return Unreadable(str(error))
        return array.item() if value.kind == _SCALAR else array


def _is_objects(value: Made) -> bool:
    return value.kind == _ARRAY and isinstance(value.state, tuple) and value.state[2].args[0][:1] == "O"


def _nested(items: list[Any], shape: Any) -> list[Any]:
    """Rows of an array of objects with more than one axis."""
    if not isinstance(shape, tuple) or len(shape) < 2:
        return items
    if any(not isinstance(size, int) or size < 0 for size in shape) or math.prod(shape) != len(items):
        raise ValueError(f"{len(items)} objects are no array of shape {shape!r}")
    for size in shape[:0:-1]:
        items = [items[start : start + size] for start in range(0, len(items), size)] if size else []
    return items


def stacked_frames(value: Any, where: str) -> tuple[list[NDArray[Any] | None], tuple[int, ...]]:
    """Frames of a pickled array, or of a list of arrays; None where one is none, and the numbers of those frames.

    Raises
    ------
    SourceError
        Where there is no array at all.
    """
    if isinstance(value, np.ndarray):
        if not value.size:
            raise SourceError(f"an array of shape {value.shape}: no frames", where=where, hint=_AGAIN)
        if not value.ndim:
            raise SourceError("one number, and no frames", where=where, hint=_AGAIN)
        return list(value), ()
    frames = [_frame(item) for item in value] if isinstance(value, list) else []
    lost = tuple(index for index, frame in enumerate(frames) if frame is None)
    if len(lost) == len(frames):
        what = f"a {type(value).__name__} and no pickle of one array of numbers"
        raise SourceError(what, where=where, hint="OpenGait's trees hold one numpy array in a file")
    return frames, lost


def _frame(item: Any) -> NDArray[Any] | None:
    """An entry as an array of numbers; None for anything else."""
    if isinstance(item, np.ndarray):
        return item
    try:
        array = np.asarray(item, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    return array if array.ndim and array.size else None
