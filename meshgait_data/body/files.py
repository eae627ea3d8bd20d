"""Find and read body models: the free one that ships, or SMPL files in the layouts that people have them in."""

import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.arrays import OPTIONAL, REQUIRED, body_from_arrays
from meshgait_data.body.model import Body
from meshgait_data.body.pickles import read_pickle
from meshgait_data.errors import BodyFileError, BodyNotFound

FREE = "free"
"""Name of the body that ships with meshgait."""
ENVIRONMENT = "MESHGAIT_BODY"
"""Variable that names the body to use where no argument does."""

_FOLDERS = ("", "smpl", "SMPL", "models", "models/smpl", "smpl/models", "body_models", "body_models/smpl")
"""Below the folder that the user names: layouts of smplx, smplfitter and the official archives."""
_GENDERS = {"NEUTRAL": "neutral", "MALE": "m", "FEMALE": "f"}
_ENDINGS = (".npz", ".pkl")


@dataclass(frozen=True, slots=True)
class Found:
    """Where a body model lies, and why that one."""

    path: Path
    name: str
    """What the body is called: ``free``, or the file's name."""
    origin: str
    """What led there, e.g. ``the environment variable MESHGAIT_BODY``."""


def load_body(name_or_path: str | Path | None = None) -> Body:
    """Load a body model.

    Parameters
    ----------
    name_or_path
        ``free``, a .npz or .pkl file in SMPL's schema, or a folder that holds one. Without it, the environment
        variable ``MESHGAIT_BODY`` says so; without that, it is the free body that ships.

    Raises
    ------
    BodyNotFound
        That lists every place where a file was looked for, and the ways out.
    BodyFileError
        Where the file is damaged, unsafe or not in SMPL's schema.
    """
    found = find_body(name_or_path)
    return body_from_arrays(read_arrays(found.path), found.name, str(found.path))


def find_body(name_or_path: str | Path | None = None) -> Found:
    """Say which file :func:`load_body` reads; raises BodyNotFound."""
    if name_or_path is not None:
        return _resolve(str(name_or_path), "the argument")
    named = os.environ.get(ENVIRONMENT, "")
    if named:
        return _resolve(named, f"the environment variable {ENVIRONMENT}")
    return _resolve(FREE, "the default")


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays of a body file, unchecked; nothing in the file is ever executed.

    Raises
    ------
    BodyFileError
        Where the file is neither a readable .npz nor a harmless .pkl.
    """
    keys = frozenset(REQUIRED + OPTIONAL)
    try:
        with path.open("rb") as file:
            start = file.read(2)
        if start == b"PK":
            return _read_npz(path, keys)
        return read_pickle(path, keys - set(OPTIONAL))
    except OSError as error:
        raise BodyFileError(f"cannot be read: {error.strerror or error}", where=str(path)) from error


def _read_npz(path: Path, keys: frozenset[str]) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in sorted(keys & set(archive.files))}
    except (ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise BodyFileError(
            f"is not a readable .npz of plain arrays ({error})",
            where=str(path),
            hint="if it was converted from a .pkl, give the .pkl itself: it is read without chumpy",
        ) from error


def _resolve(named: str, origin: str) -> Found:
    if named == FREE:
        return Found(Path(str(files("meshgait_data"))) / "assets" / "bodies" / "free.npz", FREE, origin)
    path = Path(named).expanduser()
    if path.is_file():
        return Found(path, path.stem, origin)
    if not path.is_dir():
        raise _not_found(f"no body model at {path}, which {origin} names", [path])
    for gender in (("NEUTRAL",), ("MALE", "FEMALE")):
        there = [file for file in _candidates(path, gender) if file.is_file()]
        if len({file.stem for file in there}) > 1 and len(gender) > 1:
            listed = ", ".join(str(file.relative_to(path)) for file in there)
            raise _not_found(f"{path} holds no neutral model but more than one other ({listed}): name one", [path])
        if there:
            return Found(there[0], there[0].stem, origin)
    raise _not_found(f"no body model in {path}, which {origin} names", list(_candidates(path, tuple(_GENDERS))))


def _candidates(folder: Path, genders: tuple[str, ...]) -> Iterator[Path]:
    for gender in genders:
        short = _GENDERS[gender]
        official = (f"basicmodel_{short}_lbs_10_207_0_v1.1.0", f"basicModel_{short}_lbs_10_207_0_v1.0.0")
        for stem in (f"SMPL_{gender}", *official):
            for below in _FOLDERS:
                yield from (folder / below / f"{stem}{ending}" for ending in _ENDINGS)


def _not_found(what: str, tried: list[Path]) -> BodyNotFound:
    """Lists the tried files: names once, then folders once, because every name was tried in every folder."""
    listed = ""
    if len(tried) > 1:
        names = ", ".join(dict.fromkeys(path.stem for path in tried))
        folders = "\n    ".join(dict.fromkeys(str(path.parent) for path in tried))
        listed = f"; looked for {names} ({' or '.join(_ENDINGS)}) in\n    {folders}"
    hint = (
        f"one of\n    use the free body: leave out the body and {ENVIRONMENT}, or name it '{FREE}'\n"
        f"    name a .npz or .pkl file: --body FILE, or export {ENVIRONMENT}=FILE\n"
        "    get SMPL: register at https://smpl.is.tue.mpg.de and unpack it into a folder that you name"
    )
    return BodyNotFound(what + listed, hint=hint)
