"""One pass over a folder: every file below belongs to sequences of the manifest, or is counted with its like."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import blake2b
from pathlib import Path

from meshgait_data.errors import UsageError
from meshgait_data.findings import Finding, Severity
from meshgait_data.index.claims import LAYOUT, Claim, Claims

MOST_VISITS = 4
"""Times that one folder is searched when links lead to it."""
_SHOWN = 3
_MODULUS = 1 << 128

Key = tuple[int, tuple[str, ...]]
"""Number of a layout, and the parts of its pattern."""


@dataclass(slots=True)
class Record:
    """What lies on disk of one sequence, or of one walk where the layout names no view."""

    path: str = ""
    """What the layout itself names, below the root; empty where only other paths of the source were found."""
    digest: int = 0
    """Sum of the hashes of names, sizes and times of all files: another one where anything changed."""


@dataclass(slots=True)
class Group:
    """Files that are alike."""

    count: int = 0
    first: list[str] = field(default_factory=list)
    """The first ones by name."""

    def add(self, path: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < _SHOWN or path < self.first[-1]:
            self.first = sorted([*self.first, path])[:_SHOWN]


@dataclass(slots=True)
class Walked:
    """Everything below a root."""

    records: dict[Key, Record] = field(default_factory=dict)
    beside: dict[str, int] = field(default_factory=dict)
    """Path of each file that several sequences share, e.g. a calibration, to the hash of its name, size and time."""
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    """Finding and ending to the files without a place of their own."""
    sample: list[str] = field(default_factory=list)
    """Some paths, for one who looks for a better root."""
    files: int = 0
    findings: list[Finding] = field(default_factory=list)

    def group(self, id: str, ending: str, path: str) -> None:
        """Count a file of a group."""
        self.groups.setdefault((id, ending), Group()).add(path)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder that is to be searched."""

    path: str
    """Below the root, ending in a slash; empty for the root."""
    depth: int
    owners: tuple[Record, ...] = ()
    """Sequences that it is part of."""
    endings: frozenset[str] = frozenset()
    """Of the files in it that the source reads."""
    readers: tuple[Claim, ...] = ()
    """Blocks that read files in it."""
    above: tuple[tuple[int, int], ...] = ()
    """Devices and numbers of the folders above."""


def walk(root: Path, claims: Claims, excluded: Callable[[str], str] | None = None) -> Walked:
    """Search a folder, following links.

    Parameters
    ----------
    root
        The folder.
    claims
        Of the manifest.
    excluded
        Glob by which a path is none of a sequence although it looks so; empty where there is none.

    Raises
    ------
    UsageError
        Where the root is not a folder.
    """
    if not root.is_dir():
        what = "not a folder" if root.exists() else "no such folder"
        raise UsageError(f"root {root}: {what}", hint="give the folder of the dataset with --root DIR")
    walker = _Walker(root, claims, excluded, Walked())
    waiting = [_Folder("", 0)]
    while waiting:
        waiting += walker.search(waiting.pop())
    walker.found.sample.sort()
    return walker.found


class _Walker:
    def __init__(self, root: Path, claims: Claims, excluded: Callable[[str], str] | None, found: Walked) -> None:
        self.root, self.claims, self.excluded, self.found = root, claims, excluded, found
        self.visits: dict[tuple[int, int], int] = {}

    def search(self, folder: _Folder) -> list[_Folder]:
        """Take in the files of one folder, and give the folders in it."""
        place = os.path.join(self.root, folder.path)
        inside: list[_Folder] = []
        try:
            status = os.stat(place)
            this = (status.st_dev, status.st_ino)
            visits = self.visits[this] = self.visits.get(this, 0) + 1
            if this in folder.above or visits > MOST_VISITS:
                self.found.findings.append(_again(place))
                return []
            above = (*folder.above, this)
            with os.scandir(place) as entries:
                for entry in entries:
                    path = folder.path + entry.name
                    if self.excluded and (glob := self.excluded(path)):
                        self.found.group("MG-INDEX-023", f"layout: exclude: {glob}", path)
                    elif entry.is_dir():
                        inside.append(self._folder(path, folder, above))
                    else:
                        self._file(entry, path, folder)
        except OSError as error:
            self.found.findings.append(_unlisted(place, error))
        return inside

    def _folder(self, path: str, within: _Folder, above: tuple[tuple[int, int], ...]) -> _Folder:
        owners, endings, readers = within.owners, within.endings, within.readers
        for claim, record in self._claims(path, within.depth):
            if record is not None:
                owners = (*owners, record)
            if claim.kind != LAYOUT:
                endings = endings | claim.endings
                readers = (*readers, claim)
        return _Folder(f"{path}/", within.depth + 1, owners, endings, readers, above)

    def _claims(self, path: str, depth: int) -> Iterator[tuple[Claim, Record | None]]:
        """Claims of a path with the sequence, None where it is not of one alone; one claim of a kind."""
        done: list[str] = []
        for claim in self.claims.by_depth.get(depth, ()):
            match = None if claim.kind in done else claim.regex.fullmatch(path)
            if match is None:
                continue
            done.append(claim.kind)
            if claim.parts is None:
                yield claim, None
                continue
            key = (claim.layout, tuple(match[name] for name in claim.parts))
            record = self.found.records.get(key)
            if record is None:
                record = self.found.records[key] = Record()
            if claim.kind == LAYOUT:
                record.path = path
            yield claim, record

    def _file(self, entry: os.DirEntry[str], path: str, folder: _Folder) -> None:
        found = self.found
        found.files += 1
        try:
            status = entry.stat()
        except FileNotFoundError:
            found.group("MG-INDEX-015", "", path)
            return
        stamp = f"{path}\0{status.st_size}\0{status.st_mtime_ns}".encode("utf-8", "surrogateescape")
        digest = int.from_bytes(blake2b(stamp, digest_size=16).digest(), "little")
        ending = os.path.splitext(entry.name)[1].lower()
        used, owners = not folder.endings.isdisjoint((ending, "*")), folder.owners
        if used and (by := _excluding(entry.name, ending, folder.readers)):
            found.group("MG-INDEX-023", by, path)
            return
        for _, record in self._claims(path, folder.depth):
            # A layout that names a file names the file that is read.
            used = True
            if record is not None:
                owners = (*owners, record)
        if used and not owners:
            found.beside[path] = digest
        for record in owners:
            record.digest = (record.digest + digest) % _MODULUS
        if len(found.sample) < 1000:
            found.sample.append(path)
        if used and not status.st_size:
            found.group("MG-INDEX-016", "", path)
        if not used:
            self._unused(path, ending, owned=bool(owners))

    def _unused(self, path: str, ending: str, *, owned: bool) -> None:
        if owned:
            self.found.group("MG-INDEX-019", "", path)
        elif ending in self.claims.suffixes:
            self.found.group("MG-INDEX-005", "", path)
        else:
            self.found.group("MG-INDEX-004", ending, path)


def _excluding(name: str, ending: str, readers: Sequence[Claim]) -> str:
    """Block and glob by which a file is none of a sequence, where no block reads it."""
    found = ""
    for claim in readers:
        if claim.reads(ending):
            glob = next((glob for glob in claim.exclude if fnmatchcase(name, glob)), "")
            if not glob:
                return ""
            found = found or f"source: {claim.kind.removesuffix('.path')}: exclude: {glob}"
    return found


def _again(folder: str) -> Finding:
    message = "a link leads to a folder that was already searched"
    return Finding(Severity.INFO, "MG-INDEX-011", folder.rstrip("/"), message)


def _unlisted(folder: str, error: OSError) -> Finding:
    message = f"folder cannot be listed: {error.strerror or error}"
    return Finding(Severity.WARNING, "MG-INDEX-010", folder.rstrip("/"), message, "check its permissions")
