"""numpy's files from bytes: npy and npz, with every size compared with what is there before memory is reserved.

numpy's own reader reserves what a header claims before it looks at the file, and unpickles arrays of objects. Here an
array is a view of bytes that were counted, and objects go to whoever can read them without running them.
"""

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import SourceError
from meshgait_data.untrusted import MOST_BYTES

_KINDS = frozenset("biufUS")
"""Elements that an array may have: truth values, numbers, texts."""
_MOST_MEMBERS = 20_000
_MOST_TEXT = 1 << 22
"""Bytes of an array of texts."""
_MOST_AXES = 8
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compressions that numpy writes; others may reserve gigabytes for a table."""
DAMAGE: tuple[type[Exception], ...] = (
    *(ArithmeticError, AttributeError, AssertionError, LookupError, MemoryError, TypeError, ValueError, RecursionError),
    *(OSError, EOFError, NotImplementedError, RuntimeError, SyntaxError, zipfile.BadZipFile, zlib.error, struct.error),
    tokenize.TokenError,
)
"""What damaged files raise while they are read."""

Objects = Callable[[bytes, tuple[int, ...], str], Any]
"""Reads the pickle of an array of objects: takes the pickle, the shape, and the place for messages."""


def parse_npz(source: bytes, where: str, objects: Objects | None = None) -> dict[str, Any]:
    """Entries of an npz.

    Parameters
    ----------
    source
        The file.
    where
        Its name, for messages.
    objects
        What reads arrays of objects; without it they are refused.

    Raises
    ------
    SourceError
        Where the file is damaged, too large when unpacked, or holds objects that nobody reads.
    """
    try:
        with zipfile.ZipFile(BytesIO(source)) as archive:
            members = archive.infolist()
            _check_members(members, where)
            return {
                info.filename.removesuffix(".npy"): parse_npy(archive.read(info), f"{where}: {info.filename}", objects)
                for info in members
            }
    except SourceError:
        raise
    except DAMAGE as error:
        hint = "save plain arrays: numpy.savez_compressed of numbers and texts, no Python objects"
        raise SourceError(f"not a readable npz: {error}", where=where, hint=hint) from error


def _check_members(members: list[zipfile.ZipInfo], where: str) -> None:
    # zipfile unpacks no more than an entry claims, so that claims bound what is reserved.
    if len(members) > _MOST_MEMBERS or sum(info.file_size for info in members) > MOST_BYTES:
        what = f"unpacks to more than {MOST_BYTES >> 30} GB or {_MOST_MEMBERS} arrays"
        raise SourceError(what, where=where, hint="split the file")
    for info in members:
        if info.compress_type not in _PACKED or info.flag_bits & 1:
            raise ValueError(f"{info.filename!r} is encrypted, or packed in a way that numpy does not write")


def parse_npy(source: bytes, where: str, objects: Objects | None = None) -> Any:
    """The array of an npy, a view of the file's bytes; the text of one without axes; what ``objects`` gives.

    Raises
    ------
    SourceError
        As in :func:`parse_npz`.
    """
    try:
        stream = BytesIO(source)
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(stream)
        if dtype.hasobject and objects is not None:
            return objects(source[stream.tell() :], shape, where)
        return _array(source, stream.tell(), shape, "F" if fortran else "C", dtype)
    except SourceError:
        raise
    except DAMAGE as error:
        hint = "save plain arrays of numbers and texts, no Python objects"
        raise SourceError(f"not a readable array: {error}", where=where, hint=hint) from error


def _array(source: bytes, start: int, shape: tuple[int, ...], order: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which could run code: nothing of it was read")
    if dtype.kind not in _KINDS or dtype.itemsize == 0 or dtype.shape:
        raise ValueError(f"elements {dtype.str} that are neither numbers nor texts")
    if len(shape) > _MOST_AXES or any(size < 0 for size in shape):
        raise ValueError(f"a shape {shape} that is none")
    count = math.prod(shape)
    if count * dtype.itemsize > len(source) - start:
        raise ValueError(f"it claims {shape} of {dtype}, but holds {len(source) - start} bytes")
    array = np.frombuffer(source, dtype, count, start).reshape(shape, order=order)
    if dtype.kind in "US":
        if array.nbytes > _MOST_TEXT:
            raise ValueError(f"{array.nbytes} bytes of text")
        # Whatever is no text is found here, and not where it is used.
        array.tolist()
    return array
