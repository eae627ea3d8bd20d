"""Files of estimators from disk, none of which may run code: JSON, npz, pickled arrays, folders with a file a frame."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import SourceError
from meshgait_data.sources.frames import FileNames, FrameFiles, Frames, frame_files, names_in, read_frames
from meshgait_data.sources.inert import read_pickle_values
from meshgait_data.sources.numpy_files import parse_npz
from meshgait_data.untrusted import MOST_FRAME_BYTES, MOST_TEXT_BYTES, read_bytes

T = TypeVar("T")
_AGAIN = "write the file again with the program that made it"
_GLANCES = 8
"""Files of a folder that are looked at to tell its format, where the first ones are damaged."""


class Source:
    """A file or folder whose content is read once, however many formats look at it.

    Parameters
    ----------
    path
        The file or folder.
    names
        Which files of a folder are frames.

    Raises
    ------
    SourceError
        Where there is nothing.
    """

    def __init__(self, path: Path, names: FileNames | None = None) -> None:
        self.path, self.names = path, names or FileNames()
        self.where = str(path)
        self.is_folder = os.path.isdir(path)
        if not self.is_folder and not os.path.lexists(path):
            raise SourceError("there is no such file or folder", where=str(path), hint="check the path in the manifest")
        self.suffix = "" if self.is_folder else path.suffix.lower()

    @cached_property
    def content(self) -> bytes:
        """Content of the file; empty for a folder."""
        return b"" if self.is_folder else read_bytes(self.path)

    @cached_property
    def json(self) -> Any:
        """Content of a JSON file; None for anything else."""
        return parse_json(read_bytes(self.path, MOST_TEXT_BYTES), self.where) if self.suffix == ".json" else None

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays of an npz; empty for anything else."""
        return parse_npz(self.content, self.where) if self.suffix == ".npz" else {}

    @cached_property
    def sha256(self) -> str:
        """Hash of the file."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def first_json(self) -> Any:
        """Content of the first JSON file of a folder that can be read, of the first few; None without any."""
        for name in [name for name in self.listed if name.lower().endswith(".json")][:_GLANCES]:
            try:
                return parse_json(read_bytes(self.path / name, MOST_FRAME_BYTES), name)
            except SourceError:
                continue
        return None

    @cached_property
    def listed(self) -> list[str]:
        """Names in a folder; none for a file."""
        return names_in(self.path) if self.is_folder else []

    def has(self, *endings: str) -> bool:
        """Whether this is a folder with files whose names end in one of these."""
        return any(name.lower().endswith(endings) for name in self.listed)

    def files(self, endings: Iterable[str], *, skip: str = "") -> FrameFiles:
        """Files of the folder by frame, see :func:`meshgait_data.sources.frames.frame_files`."""
        return frame_files(self.path, endings, skip=skip, names=self.names, listed=self.listed)

    def frames(
        self,
        endings: Iterable[str],
        one: Callable[[bytes, str], T],
        *,
        skip: str = "",
        shape: Callable[[T], object] | None = None,
    ) -> Frames[T]:
        """Content of the files of the folder, see :func:`meshgait_data.sources.frames.read_frames`."""
        return read_frames(self.files(endings, skip=skip), one, shape)


def parse_json(data: bytes, where: str) -> Any:
    """Plain data of a JSON file's content; raises SourceError."""
    if not data.strip():
        raise SourceError("the file is empty", where=where, hint=_AGAIN)
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        what = f"not valid JSON: {error.msg}; it breaks off or is damaged"
        raise SourceError(what, where=f"{where}:{error.lineno}", hint=_AGAIN) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"not valid JSON: {error}", where=where, hint=_AGAIN) from error


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an npz; raises SourceError where it is damaged or holds Python objects."""
    return parse_npz(read_bytes(path), str(path))


def read_pickled_array(path: Path) -> NDArray[Any]:
    """The one array of numbers in a pickle, rebuilt without running it; raises SourceError."""
    value = read_pickle_values(path)
    if not isinstance(value, np.ndarray):
        what = f"a pickle of a {type(value).__name__}, and not of one array of numbers"
        hint = "OpenGait's trees hold one numpy array in a file"
        raise SourceError(what, where=str(path), hint=hint)
    return value


def joint_hash(paths: Iterable[Path]) -> str:
    """Hash over names and contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name} {hashlib.sha256(read_bytes(path)).hexdigest()}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def numbers(value: Any, what: str, where: str) -> NDArray[np.float64]:
    """An array of numbers from lists of them; raises SourceError for anything else. ``null`` becomes NaN."""
    try:
        if isinstance(value, str):
            raise TypeError("they are a text")
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise SourceError(f"{what} are no numbers ({error})", where=where, hint=_AGAIN) from error
    return array


def which_take(source: Source, stem: str, take: str) -> str:
    """Number, perhaps empty, of the walk of a file whose arrays are ``stem0``, ``stem1`` and so on.

    Raises
    ------
    SourceError
        Where the walk is not there, or none is named and there are several.
    """
    takes = sorted(name.removeprefix(stem) for name in source.arrays if re.fullmatch(rf"{stem}\d*", name))
    if take in takes:
        return take
    if not take and len(takes) == 1:
        return takes[0]
    what = f"no walk {take!r} in the file" if take else f"{len(takes)} walks in one file"
    raise SourceError(what, where=source.where, hint=f"give take, one of: {', '.join(takes)}")


def check_frames(ids: NDArray[Any], count: int, where: str) -> None:
    """Raise SourceError where ids are not one increasing integer a frame."""
    good = ids.shape == (count,) and ids.dtype.kind in "iu"
    if not good or (np.diff(ids.astype(np.int64)) <= 0).any() or (np.abs(ids.astype(np.float64)) > 2**62).any():
        what = f"ids of frames ({ids.dtype}, shape {ids.shape}) for {count} frames"
        raise SourceError(what, where=where, hint="ids are whole numbers, one a frame, increasing")


def named_text(arrays: dict[str, NDArray[Any]], name: str, default: str = "") -> str:
    """A text among the arrays of an npz."""
    value = arrays.get(name)
    return default if value is None or value.size != 1 else str(value.item())
