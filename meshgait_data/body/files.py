"""Find and read body models: the free ones that ship, or the SMPL family in the layouts that people have them in."""

import difflib
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.arrays import OPTIONAL, REQUIRED, body_from_arrays
from meshgait_data.body.family import STRANGER_KEYS
from meshgait_data.body.model import Body
from meshgait_data.body.pickles import check_size, read_pickle
from meshgait_data.errors import BodyFileError, BodyNotFound
from meshgait_data.shipped import ASSETS

FREE = "free"
"""Name of the body that is used where none is named."""
ENVIRONMENT = "MESHGAIT_BODY"
"""Variable that names the body to use where no argument does."""

_ASSETS = ASSETS / "bodies"
_GENDERS = ("NEUTRAL", "MALE", "FEMALE")
_ENDINGS = (".npz", ".pkl")
_MOST_NAMED = 6
"""Files that a message lists."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the files of one model are called, and in which folders they are kept."""

    title: str
    names: tuple[str, ...]
    """Paths without ending; ``{0}`` is the gender in capitals, ``{1}`` in small letters, ``{2}`` as SMPL writes it."""
    folders: tuple[str, ...]
    """Below the folder that the user names."""

    def files(self, folder: Path, genders: tuple[str, ...]) -> Iterator[Path]:
        """All that may be there, the best first."""
        for gender in genders:
            for name in self.stems(gender):
                for below in self.folders:
                    yield from (folder / below / f"{name}{ending}" for ending in _ENDINGS)

    def stems(self, gender: str) -> tuple[str, ...]:
        small = gender.lower()
        return tuple(name.format(gender, small, small if gender == "NEUTRAL" else small[0]) for name in self.names)


def _folders(name: str, *more: str) -> tuple[str, ...]:
    """Layouts of smplx, smplfitter, AMASS and the official archives."""
    usual = ("", name, name.upper(), "models", f"models/{name}", f"{name}/models", "body_models", f"body_models/{name}")
    return (*usual, *more)


_LAYOUTS = (
    _Layout(
        "SMPL",
        ("SMPL_{0}", "basicmodel_{2}_lbs_10_207_0_v1.1.0", "basicModel_{2}_lbs_10_207_0_v1.0.0"),
        _folders("smpl"),
    ),
    _Layout(
        "SMPL-H",
        ("SMPLH_{0}", "SMPLH_{1}", "{1}/model"),
        _folders("smplh", "smplh16", "body_models/smplh16", "mano_v1_2/models"),
    ),
    _Layout("SMPL-X", ("SMPLX_{0}", "{1}/model"), _folders("smplx", "models_lockedhead/smplx")),
)
"""SMPL goes first: its files are what published fits are made with."""


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
        A body that ships (see :func:`shipped_bodies`), a .npz or .pkl file of SMPL, SMPL-H or SMPL-X, or a folder that
        holds one. Without it, the environment variable ``MESHGAIT_BODY`` says so; without that, it is ``free``.

    Raises
    ------
    BodyNotFound
        That lists every place where a file was looked for, and the ways out.
    BodyFileError
        Where the file is damaged, unsafe or holds another model.
    """
    found = find_body(name_or_path)
    return body_from_arrays(read_arrays(found.path), found.name, str(found.path))


def shipped_bodies() -> tuple[str, ...]:
    """Names of the bodies that ship with meshgait."""
    return tuple(sorted(path.stem for path in _ASSETS.glob("*.npz")))


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
        return read_pickle(path, keys - set(OPTIONAL) | set(STRANGER_KEYS))
    except OSError as error:
        raise BodyFileError(f"cannot be read: {error.strerror or error}", where=str(path)) from error


def _read_npz(path: Path, keys: frozenset[str]) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            wanted = sorted(keys & set(archive.files))
            members = archive.zip.NameToInfo if archive.zip else {}
            check_size(sum(members[f"{key}.npy"].file_size for key in wanted), path)
            return {key: archive[key] for key in wanted}
    except (ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise BodyFileError(
            f"is not a readable .npz of plain arrays ({error})",
            where=str(path),
            hint="if it was converted from a .pkl, give the .pkl itself: it is read without chumpy",
        ) from error


def _resolve(named: str, origin: str) -> Found:
    if named in shipped_bodies():
        return Found(_ASSETS / f"{named}.npz", named, origin)
    path = Path(named).expanduser()
    if path.is_file():
        return Found(path, _name(path), origin)
    if not path.is_dir():
        near = difflib.get_close_matches(named, [*shipped_bodies(), *_files_in(path.parent)])
        raise _not_found(f"no body model at {path}, which {origin} names", near)
    for layouts in (_LAYOUTS[:1], _LAYOUTS[1:]):
        for genders in (_GENDERS[:1], _GENDERS[1:]):
            there = _there(path, layouts, genders)
            # SMPL's neutral model has several names and is still one.
            if len(there) == 1 or (there and layouts == _LAYOUTS[:1] and len(genders) == 1):
                return Found(there[0], _name(there[0]), origin)
            if there:
                listed = ", ".join(str(file.relative_to(path)) for file in there)
                what = "more than one model" if len(genders) == 1 else "no neutral model but more than one other"
                raise _not_found(f"{path} holds {what} ({listed}): name one", [str(file) for file in there])
    raise _not_found(f"no body model in {path}, which {origin} names{_looked_for(path)}", _files_in(path))


def _there(folder: Path, layouts: tuple[_Layout, ...], genders: tuple[str, ...]) -> list[Path]:
    """Files that exist; of a model that is there as .npz and .pkl, the first."""
    found = {
        # Where the file system does not tell smplh from SMPLH, both are the same file.
        str(file.with_suffix("")).casefold(): file
        for layout in reversed(layouts)
        for file in reversed(list(layout.files(folder, genders)))
        if file.is_file()
    }
    return list(reversed(found.values()))


def _name(path: Path) -> str:
    """What a file's body is called; ``model.npz`` says nothing without its folder."""
    return f"{path.parent.name}-{path.stem}" if path.stem == "model" else path.stem


def _files_in(folder: Path) -> list[str]:
    """Files that could be bodies, whatever they are called."""
    try:
        return sorted(str(file) for file in folder.iterdir() if file.suffix in _ENDINGS)
    except OSError:
        return []


def _looked_for(folder: Path) -> str:
    """Every name and every folder, each once, because every name was tried in every folder."""
    text = f"; looked for ({' or '.join(_ENDINGS)})"
    for layout in _LAYOUTS:
        names = ", ".join(name for gender in _GENDERS for name in layout.stems(gender))
        text += f"\n    {layout.title}: {names}\n        in {folder} and below it in {', '.join(layout.folders[1:])}"
    return text


def _not_found(what: str, near: list[str]) -> BodyNotFound:
    meant = f"name one that is there: {', '.join(near[:_MOST_NAMED])}\n    " if near else ""
    hint = (
        f"one of\n    {meant}use a body that ships ({', '.join(shipped_bodies())}): leave out the body and "
        f"{ENVIRONMENT}, or name it '{FREE}'\n"
        f"    name a .npz or .pkl file: --body FILE, or export {ENVIRONMENT}=FILE\n"
        "    get a model and unpack it into a folder that you name; each site wants a registration first:\n"
        "        SMPL https://smpl.is.tue.mpg.de, SMPL-H https://mano.is.tue.mpg.de, SMPL-X https://smpl-x.is.tue.mpg.de"
    )
    return BodyNotFound(what, hint=hint)
