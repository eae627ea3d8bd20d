"""What a folder looks like: its subfolders, and files by kind, sampled so that large trees are quick to look at."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

KINDS_OF_FILES = {
    "picture": (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm"),
    "text": (".txt",),
    "json": (".json",),
    "arrays": (".npz", ".npy"),
    "pickle": (".pkl", ".pickle"),
    "c3d": (".c3d",),
    "bvh": (".bvh",),
    "amc": (".amc",),
    "asf": (".asf",),
}
"""What files may hold, by their endings; others are of no interest."""

MOST_NAMES = 20_000
"""Names of one folder that are looked at."""
ALIKE = 8
"""Folders of one kind of name that are entered, in one folder."""
ENTERED = 60
"""Folders that are entered in one folder."""
MOST_FOLDERS = 8_000
"""Folders that are entered in all."""

_JUNK = re.compile(r"(?i)(\..*|__macosx|thumbs\.db|desktop\.ini|.*~)")
_DIGITS = re.compile(r"\d+")


@dataclass(slots=True)
class Folder:
    """A folder, as far as it was looked at."""

    path: str
    """Below the root, ``/`` between names; empty for the root."""
    files: list[str] = field(default_factory=list)
    """Names of the files of known kinds, sorted."""
    folders: dict[str, "Folder"] = field(default_factory=dict)
    """By name; of many that are alike only some."""
    names: list[str] = field(default_factory=list)
    """Names of all folders."""

    def holds(self) -> frozenset[tuple[int, str]]:
        """Kinds of the files below and how many folders down they lie."""
        own = {(0, kind) for kind in map(kind_of_file, self.files) if kind}
        return frozenset(own | {(depth + 1, kind) for inner in self.folders.values() for depth, kind in inner.holds()})

    def below(self) -> Iterator["Folder"]:
        """The folder and all that are in it."""
        yield self
        for inner in self.folders.values():
            yield from inner.below()


def kind_of_file(name: str) -> str:
    """Kind of a file by its ending; empty for those of no interest."""
    ending = os.path.splitext(name)[1].lower()
    return next((kind for kind, endings in KINDS_OF_FILES.items() if ending in endings), "")


def look(root: Path) -> Folder:
    """Look at a folder; links are followed, but not back to a folder above."""
    budget = [MOST_FOLDERS]
    return _look(root, "", budget, ())


def _look(root: Path, path: str, budget: list[int], above: tuple[tuple[int, int], ...]) -> Folder:
    folder = Folder(path)
    budget[0] -= 1
    try:
        status = os.stat(root / path)
        if (status.st_dev, status.st_ino) in above:
            return folder
        with os.scandir(root / path) as entries:
            listed = [(entry.name, entry.is_dir()) for entry, _ in zip(entries, range(MOST_NAMES), strict=False)]
    except OSError:
        return folder
    listed = sorted((name, is_folder) for name, is_folder in listed if not _JUNK.fullmatch(name))
    folder.files = [name for name, is_folder in listed if not is_folder and kind_of_file(name)]
    folder.names = [name for name, is_folder in listed if is_folder]
    above = (*above, (status.st_dev, status.st_ino))
    for name in _sample(folder.names):
        if budget[0] <= 0:
            break
        folder.folders[name] = _look(root, f"{path}/{name}".lstrip("/"), budget, above)
    return folder


def _sample(names: list[str]) -> list[str]:
    """Some of many names, of each sort the first and others evenly."""
    sorts: dict[str, list[str]] = {}
    for name in names:
        sorts.setdefault(_DIGITS.sub("#", name), []).append(name)
    chosen = [name for alike in sorts.values() for name in spread(alike, ALIKE)]
    return sorted(spread(sorted(chosen), ENTERED))


def spread(items: list[str], most: int) -> list[str]:
    """At most so many of a list, evenly.

    >>> spread(["a", "b", "c", "d", "e"], 3)
    ['a', 'c', 'e']
    """
    if len(items) <= most:
        return items
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]
