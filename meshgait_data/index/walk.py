"""One pass over a folder: every file below belongs to sequences of the manifest, or is counted with its like.

Folders that lie there are searched first, by several processes where there are many, and those to which links lead
afterwards, in the order of their paths: what is found does not depend on who searched what.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import blake2b
from pathlib import Path

from joblib import Parallel, delayed

from meshgait_data.errors import UsageError
from meshgait_data.findings import Finding, Severity
from meshgait_data.index.claims import LAYOUT, Claim, Claims

MOST_VISITS = 4
"""Times that one folder is searched because links lead to it."""
_SHOWN = 3
_SAMPLE = 1000
_MODULUS = 1 << 128
_ALONE = 10_000
"""Files that are searched before other processes are asked to help: to start them takes longer than that."""
_SHARES = 16
"""Parts of the rest for each process, so that none waits long for another."""

Key = tuple[int, tuple[str, ...]]
"""Number of a layout, and the parts of its pattern."""

Identity = tuple[int, int]
"""Device and number of a folder, by whatever path."""


def added(one: int, other: int) -> int:
    """Sum of two digests, which is one itself."""
    return (one + other) % _MODULUS


@dataclass(slots=True)
class Record:
    """What lies on disk of one sequence, or of one walk where the layout names no view."""

    path: str = ""
    """What the layout itself names, below the root; empty where only other paths of the source were found."""
    digest: int = 0
    """Sum of the hashes of names, sizes and times of all files: another one where anything changed."""

    def add(self, digest: int) -> None:
        """Take in files by the sum of their hashes."""
        self.digest = added(self.digest, digest)


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

    def join(self, other: "Group") -> None:
        """Count those of another group."""
        self.count += other.count
        self.first = sorted(self.first + other.first)[:_SHOWN]


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

    def record(self, key: Key) -> Record:
        """What is known of a sequence."""
        found = self.records.get(key)
        if found is None:
            found = self.records[key] = Record()
        return found

    def group(self, id: str, ending: str, path: str) -> None:
        """Count a file of a group."""
        self.groups.setdefault((id, ending), Group()).add(path)

    def join(self, other: "Walked") -> None:
        """Take in what was found in other folders."""
        for key, record in other.records.items():
            own = self.record(key)
            own.path = own.path or record.path
            own.add(record.digest)
        self.beside |= other.beside
        for name, group in other.groups.items():
            self.groups.setdefault(name, Group()).join(group)
        self.sample += other.sample
        self.files += other.files
        self.findings += other.findings


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder that is to be searched."""

    path: str
    """Below the root, ending in a slash; empty for the root."""
    depth: int
    owners: tuple[Key, ...] = ()
    """Sequences that it is part of."""
    endings: frozenset[str] = frozenset()
    """Of the files in it that the source reads."""
    readers: tuple[Claim, ...] = ()
    """Blocks that read files in it."""


def walk(root: Path, claims: Claims, excluded: Callable[[str], str] | None = None, *, jobs: int = 1) -> Walked:
    """Search a folder, following links.

    Parameters
    ----------
    root
        The folder.
    claims
        Of the manifest.
    excluded
        Glob by which a path is none of a sequence although it looks so; empty where there is none.
    jobs
        Processes.

    Raises
    ------
    UsageError
        Where the root is not a folder.
    """
    if not root.is_dir():
        what = "not a folder" if root.exists() else "no such folder"
        raise UsageError(f"root {root}: {what}", hint="give the folder of the dataset with --root DIR")
    walker = _Walker(root, claims, excluded)
    waiting = walker.search_all([_Folder("", 0)], most=_ALONE if jobs > 1 else None)
    if waiting:
        count = min(len(waiting), _SHARES * jobs)
        # Neighbours are of like size: each share has some from everywhere.
        shares = [waiting[start::count] for start in range(count)]
        tasks = (delayed(_searched)(root, claims, excluded, share) for share in shares)
        for found, links in Parallel(n_jobs=jobs, return_as="generator", batch_size=1)(tasks):
            walker.found.join(found)
            walker.links += links
    walker.follow_links()
    walker.found.sample = sorted(walker.found.sample)[:_SAMPLE]
    return walker.found


def _searched(
    root: Path, claims: Claims, excluded: Callable[[str], str] | None, folders: list[_Folder]
) -> tuple[Walked, list[_Folder]]:
    """What lies in some folders, and the links to folders in them; one job of a worker."""
    walker = _Walker(root, claims, excluded)
    walker.search_all(folders)
    return walker.found, walker.links


class _Walker:
    def __init__(self, root: Path, claims: Claims, excluded: Callable[[str], str] | None) -> None:
        self.root, self.claims, self.excluded, self.found = root, claims, excluded, Walked()
        self.links: list[_Folder] = []
        """Links to folders, which are not followed yet."""

    def search_all(self, folders: Sequence[_Folder], most: int | None = None) -> list[_Folder]:
        """Search folders and all below, links left out; the folders that wait as soon as ``most`` files were seen."""
        waiting = list(folders)
        while waiting and (most is None or self.found.files < most):
            waiting += self._search(waiting.pop())
        return waiting

    def follow_links(self) -> None:
        """Search what links lead to, and the links in there."""
        visits: Counter[Identity] = Counter()
        known: dict[str, Identity] = {}
        while self.links:
            # The next one is the last.
            waiting, self.links = sorted(self.links, key=lambda link: link.path, reverse=True), []
            while waiting:
                folder = waiting.pop()
                try:
                    this, *above = self._identities(folder.path, known)
                except OSError as error:
                    self.found.findings.append(_unlisted(os.path.join(self.root, folder.path), error))
                    continue
                visits[this] += 1
                if this in above or visits[this] > MOST_VISITS:
                    self.found.findings.append(_again(os.path.join(self.root, folder.path)))
                else:
                    waiting += self._search(folder)

    def _identities(self, path: str, known: dict[str, Identity]) -> Iterator[Identity]:
        """Of a folder and of those above it, up to the root."""
        parts = path.rstrip("/").split("/")
        for length in range(len(parts), -1, -1):
            place = "/".join(parts[:length])
            if place not in known:
                status = os.stat(os.path.join(self.root, place))
                known[place] = (status.st_dev, status.st_ino)
            yield known[place]

    def _search(self, folder: _Folder) -> list[_Folder]:
        """Take in the files of one folder, and give the folders in it."""
        place = os.path.join(self.root, folder.path)
        inside: list[_Folder] = []
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    path = folder.path + entry.name
                    if self.excluded and (glob := self.excluded(path)):
                        self.found.group("MG-INDEX-023", f"layout: exclude: {glob}", path)
                    elif not entry.is_dir():
                        self._file(entry, path, folder)
                    elif entry.is_symlink():
                        self.links.append(self._folder(path, folder))
                    else:
                        inside.append(self._folder(path, folder))
        except OSError as error:
            self.found.findings.append(_unlisted(place, error))
        return inside

    def _folder(self, path: str, within: _Folder) -> _Folder:
        owners, endings, readers = within.owners, within.endings, within.readers
        for claim, key in self._claims(path, within.depth):
            if key is not None:
                owners = (*owners, key)
            if claim.kind != LAYOUT:
                endings = endings | claim.endings
                readers = (*readers, claim)
        return _Folder(f"{path}/", within.depth + 1, owners, endings, readers)

    def _claims(self, path: str, depth: int) -> Iterator[tuple[Claim, Key | None]]:
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
            record = self.found.record(key)
            if claim.kind == LAYOUT:
                record.path = path
            yield claim, key

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
        for _, key in self._claims(path, folder.depth):
            # A layout that names a file names the file that is read.
            used = True
            if key is not None:
                owners = (*owners, key)
        if used and not owners:
            found.beside[path] = digest
        for key in owners:
            found.record(key).add(digest)
        if len(found.sample) < _SAMPLE:
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
