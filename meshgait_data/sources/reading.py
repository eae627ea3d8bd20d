"""Files of estimators from disk, none of which may run code: JSON, npz, pickled arrays, folders with a file a frame."""

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.pickles import read_records, rebuild
from meshgait_data.errors import BodyFileError, SourceError
from meshgait_data.sources.files import read_text

_AGAIN = "write the file again with the program that made it"
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


class Source:
    """A file or folder whose content is read once, however many formats look at it."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise SourceError("there is no such file or folder", where=str(path), hint="check the path in the manifest")
        self.path = path
        self.where = str(path)

    @cached_property
    def _json(self) -> tuple[Any, str]:
        return read_json(self.path)

    @property
    def json(self) -> Any:
        """Content of a JSON file; None for anything else."""
        return self._json[0] if self.path.is_file() and self.path.suffix.lower() == ".json" else None

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays of an npz; empty for anything else."""
        return read_npz(self.path) if self.path.is_file() and self.path.suffix.lower() == ".npz" else {}

    @property
    def sha256(self) -> str:
        """Hash of the file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def has(self, ending: str) -> bool:
        """Whether this is a folder with files whose names end so."""
        return self.path.is_dir() and any(file.name.lower().endswith(ending) for file in self.path.iterdir())


def read_json(path: Path) -> tuple[Any, str]:
    """Plain data of a JSON file and the hash of the file; raises SourceError."""
    file = read_text(path)
    try:
        # JSON is UTF-8; the text came as Latin-1, which keeps every byte.
        return json.loads(file.text.encode("latin-1")), file.sha256
    except json.JSONDecodeError as error:
        what = f"not valid JSON: {error.msg}; it breaks off or is damaged"
        raise SourceError(what, where=f"{path}:{error.lineno}", hint=_AGAIN) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"not valid JSON: {error}", where=str(path), hint=_AGAIN) from error


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an npz; raises SourceError where it is damaged or holds Python objects."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except _DAMAGE as error:
        hint = "save plain arrays: numpy.savez_compressed of numbers and texts, no Python objects"
        raise SourceError(f"not a readable npz: {error}", where=str(path), hint=hint) from error


def read_pickled_array(path: Path) -> NDArray[Any]:
    """The one array of numbers in a pickle, rebuilt without running it; raises SourceError."""
    try:
        return rebuild(read_records(path))
    except BodyFileError as error:
        hint = "it must hold one numpy array of numbers, as OpenGait's trees do"
        raise SourceError(error.what, where=str(path), hint=hint) from error
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError, OSError) as error:
        what = f"not a pickle of one array of numbers ({error})"
        raise SourceError(what, where=str(path), hint="OpenGait's trees hold one numpy array in a file") from error


def numbered(folder: Path, endings: Iterable[str], *, skip: str = "") -> list[tuple[int, Path]]:
    """Files of a folder by frame: the last number of a name, before its ending, is the id of the frame.

    Parameters
    ----------
    folder
        The folder.
    endings
        Ends of the names in small letters, e.g. ``_keypoints.json``.
    skip
        Regular expression of names that are no frames.

    Raises
    ------
    SourceError
        Where there is no such file, a name has no number, or two names have the same.
    """
    known = tuple(endings)
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        ending = next((end for end in known if path.name.lower().endswith(end)), None)
        if ending is None or (skip and re.search(skip, path.name, re.IGNORECASE)):
            continue
        number = frame_number(path.name[: len(path.name) - len(ending)], str(path))
        if number in found:
            what = f"two files are frame {number}: {found[number].name} and {path.name}"
            raise SourceError(what, where=str(folder), hint="one folder holds one view of one walk")
        found[number] = path
    if not found:
        raise SourceError(f"no file ends in {' or '.join(known)}", where=str(folder), hint="one file a frame")
    return sorted(found.items())


def frame_number(name: str, where: str) -> int:
    """Id of a frame from a name like ``img_0012``: the last number in it; raises SourceError where it has none."""
    digits = re.findall(r"\d+", name)
    if not digits:
        what = f"{name!r} has no number, so its place in time is not known"
        raise SourceError(what, where=where, hint="name files by frame, e.g. 000012.png")
    return int(digits[-1])


def joint_hash(paths: Iterable[Path]) -> str:
    """Hash over names and contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def numbers(value: Any, what: str, where: str) -> NDArray[np.float64]:
    """An array of numbers from lists of them; raises SourceError for anything else. ``null`` becomes NaN."""
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
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
    if ids.shape != (count,) or ids.dtype.kind not in "iu" or (np.diff(ids.astype(np.int64)) <= 0).any():
        what = f"ids of frames ({ids.dtype}, shape {ids.shape}) for {count} frames"
        raise SourceError(what, where=where, hint="ids are whole numbers, one a frame, increasing")
