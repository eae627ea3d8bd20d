"""Folders with a file a frame: which file is which frame, and reading all of them, whatever is wrong with some."""

import fnmatch
import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.types import IntArray
from meshgait_data.untrusted import MOST_FILES, MOST_FRAME_BYTES, check_inside, read_bytes

T = TypeVar("T")
_MOST_DIGITS = 18
"""Of a frame's number; more do not fit 64 bits."""
_AGAIN = "take the files from their source again"
_DIGITS = re.compile(r"\d+")


class TooLarge(SourceError):
    """All frames together are too large: no fault of a single one."""


@dataclass(frozen=True, slots=True)
class FileNames:
    """Which files of a folder are frames, where the manifest says it."""

    pattern: re.Pattern[str] | None = None
    """What a name must match wholly; its group ``frame`` is the number. None: all names, the last number of each."""
    exclude: tuple[str, ...] = ()
    """Names, with ``*`` and ``?``, of files that are none."""
    numbers: Mapping[str, int] | None = None
    """Frame of each file, where names tell times; files that are not in it are of no frame of the walk."""

    def chosen(self, listed: Sequence[str]) -> list[str]:
        """Names that are of frames, as far as names tell."""
        kept = [name for name in listed if not any(fnmatch.fnmatchcase(name, one) for one in self.exclude)]
        return kept if self.pattern is None else [name for name in kept if self.pattern.fullmatch(name)]


@dataclass(frozen=True, slots=True)
class FrameFiles:
    """Files of a folder by frame."""

    folder: Path
    names: tuple[tuple[int, str], ...]
    """Frame and name of its file, frames increasing."""
    findings: tuple[Finding, ...] = ()

    @property
    def files(self) -> tuple[tuple[int, Path], ...]:
        """Frame and file, frames increasing."""
        return tuple((number, self.folder / name) for number, name in self.names)


@dataclass(frozen=True, slots=True, eq=False)
class Frames(Generic[T]):
    """Content of the files that could be read."""

    ids: IntArray
    """(F,) increasing."""
    values: list[T]
    """F of them."""
    findings: tuple[Finding, ...]
    sha256: str
    """Hash over names and contents of all files, those included that could not be read."""


def names_in(folder: Path) -> list[str]:
    """Names in a folder, sorted as texts; raises SourceError where it cannot be listed or holds too many."""
    check_inside(folder)
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for _, entry in zip(range(MOST_FILES + 1), entries, strict=False)]
    except OSError as error:
        what = f"cannot be listed: {error.strerror or error}"
        raise SourceError(what, where=str(folder), hint="check its permissions") from error
    if len(found) > MOST_FILES:
        raise SourceError(f"holds more than {MOST_FILES} files", where=str(folder), hint="one folder holds one walk")
    return sorted(found)


def frame_files(
    folder: Path,
    endings: Iterable[str],
    *,
    skip: str = "",
    names: FileNames | None = None,
    listed: Sequence[str] | None = None,
) -> FrameFiles:
    """Files of a folder by frame: the last number of a name, before its ending, is the id of the frame.

    Frames are in the order of their numbers, which is not that of names as texts where numbers are not padded.

    Parameters
    ----------
    folder
        The folder.
    endings
        Ends of the names in small letters, e.g. ``_keypoints.json``. Where frames are there with several of them, the
        one that most files have is taken, and of equally many the first.
    skip
        Regular expression of names that are no frames, without their endings.
    names
        What the manifest says of names.
    listed
        Names in the folder, where they are known already.

    Returns
    -------
    Files by frame. Files with a right ending that bear another name than nearly all, or than ``names`` says, are left
    out (MG-SOURCE-031). A folder whose names as texts are in another order than their numbers is said to be
    (MG-SOURCE-032), as published scripts go by texts.

    Raises
    ------
    SourceError
        Where there is no such file, none of the names has a number, or two of the same kind have the same.
    """
    known, names = tuple(endings), names or FileNames()
    candidates = _candidates(names_in(folder) if listed is None else listed, known, skip, names.exclude)
    if not candidates:
        raise SourceError(f"no file ends in {' or '.join(known)}", where=str(folder), hint="one file a frame")
    apart: list[str] = []
    if names.pattern is None:
        chosen, strange = _alike(candidates, known)
    elif names.numbers is None:
        chosen, strange = _matching(candidates, names.pattern)
    else:
        chosen, strange, apart = _timed(candidates, names.pattern, names.numbers)
    if not chosen:
        what = f"{candidates[0][0]!r} has no number, so its place in time is not known"
        if names.pattern is not None:
            what = f"none of {len(candidates)} names is as the manifest says, e.g. {candidates[0][0]!r}"
        raise SourceError(what, where=str(folder), hint="name files by frame, e.g. 000012.png")
    by_frame: dict[int, str] = {}
    for name, number in chosen:
        if number in by_frame:
            what = f"two files are frame {number}: {by_frame[number]} and {name}"
            raise SourceError(what, where=str(folder), hint="one folder holds one view of one walk")
        by_frame[number] = name
    ordered = sorted(by_frame.items())
    findings = _notes(folder, [name for _, name in ordered], strange)
    if apart:
        findings = (*findings, _apart(folder, apart, len(candidates)))
    return FrameFiles(folder, tuple(ordered), findings)


def _candidates(
    listed: Sequence[str], known: Sequence[str], skip: str, exclude: Sequence[str]
) -> list[tuple[str, str]]:
    """Names and their endings."""
    found = []
    skipped = re.compile(skip, re.IGNORECASE) if skip else None
    for name in listed:
        ending = _ending(name.lower(), known)
        if ending is None or (exclude and any(fnmatch.fnmatchcase(name, pattern) for pattern in exclude)):
            continue
        if skipped is None or not skipped.search(name[: len(name) - len(ending)]):
            found.append((name, ending))
    return found


def _ending(name: str, known: Sequence[str]) -> str | None:
    for end in known:
        if name.endswith(end):
            return end
    return None


def _matching(listed: Sequence[tuple[str, str]], names: re.Pattern[str]) -> tuple[list[tuple[str, int]], list[str]]:
    chosen, strange = [], []
    for name, _ in listed:
        match = names.fullmatch(name)
        if match is None or not re.fullmatch(rf"\d{{1,{_MOST_DIGITS}}}", match["frame"]):
            strange.append(name)
        else:
            chosen.append((name, int(match["frame"])))
    return chosen, strange


def _timed(
    listed: Sequence[tuple[str, str]], names: re.Pattern[str], numbers: Mapping[str, int]
) -> tuple[list[tuple[str, int]], list[str], list[str]]:
    """Names with the frames that their times are of, misnamed ones, and those whose times are of no frame."""
    fitting = [name for name, _ in listed if names.fullmatch(name)]
    strange = sorted({name for name, _ in listed} - set(fitting))
    chosen = [(name, numbers[name]) for name in fitting if name in numbers]
    return chosen, strange, [name for name in fitting if name not in numbers]


def _apart(folder: Path, names: Sequence[str], count: int) -> Finding:
    listed = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    what = f"{len(names)} of {count} files are of a time at which the walk has no frame of its own: {listed}; not used"
    hint = "nothing to do, or raise source: tolerance_s in the manifest"
    return Finding(Severity.WARNING, "MG-SOURCE-033", str(folder), what, hint)


def _alike(listed: Sequence[tuple[str, str]], known: Sequence[str]) -> tuple[list[tuple[str, int]], list[str]]:
    """Names with their numbers, and those that are not like the others, where the others are more than half."""
    groups: dict[tuple[int, str], list[tuple[str, int]]] = {}
    strange = []
    for name, ending in listed:
        stem = name[: len(name) - len(ending)]
        digits = list(_DIGITS.finditer(stem))
        if not digits or len(digits[-1].group()) > _MOST_DIGITS:
            strange.append(name)
            continue
        start, end = digits[-1].span()
        kind = known.index(ending), f"{stem[:start]}#{stem[end:]}"
        groups.setdefault(kind, []).append((name, int(digits[-1].group())))
    if not groups:
        return [], strange
    if len(groups) == 1:
        return next(iter(groups.values())), strange
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    main = ranked[0][1]
    others = [entry for _, group in ranked[1:] for entry in group]
    twice = any(count > 1 for count in Counter(number for _, number in [*main, *others]).values())
    first_ending = len(ranked) > 1 and len(ranked[1][1]) == len(main) and ranked[0][0][0] != ranked[1][0][0]
    if 2 * len(main) > len(main) + len(others) or (twice and first_ending):
        return main, strange + [name for name, _ in others]
    return main + others, strange


def _notes(folder: Path, names: Sequence[str], strange: Sequence[str]) -> tuple[Finding, ...]:
    found = []
    if strange:
        listed = ", ".join(sorted(strange)[:3]) + (", …" if len(strange) > 3 else "")
        what = f"{len(strange)} of {len(strange) + len(names)} files bear another name than the others: {listed}; "
        what += "not used"
        hint = "rename them if they are frames of this walk, or move them to where they belong"
        found.append(Finding(Severity.WARNING, "MG-SOURCE-031", str(folder), what, hint))
    if list(names) != sorted(names):
        what = "names as texts are in another order than their numbers, which were followed; "
        what += "what published scripts made of this folder has its frames out of time"
        found.append(Finding(Severity.INFO, "MG-SOURCE-032", str(folder), what))
    return tuple(found)


def read_frames(
    found: FrameFiles, one: Callable[[bytes, str], T], shape: Callable[[T], object] | None = None
) -> Frames[T]:
    """Read the files of a folder; those that cannot be read are missing, and said to be (MG-SOURCE-030).

    Parameters
    ----------
    found
        The files.
    one
        Takes content and name of a file; raises SourceError where it makes no sense.
    shape
        What must be the same in all frames; those that differ from most are missing too.

    Raises
    ------
    SourceError
        Where no file can be read.
    """
    digest = hashlib.sha256()
    ids, values = [], []
    lost: list[tuple[int, SourceError]] = []
    folder = os.fspath(found.folder)
    for number, name in found.names:
        path = os.path.join(folder, name)
        try:
            data = read_bytes(path, MOST_FRAME_BYTES)
            digest.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode(errors="surrogateescape"))
            values.append(one(data, path))
            ids.append(number)
        except TooLarge:
            raise
        except SourceError as error:
            lost.append((number, error))
    if not values:
        raise lost[0][1]
    if shape is not None:
        ids, values, more = _same(ids, values, shape, found)
        lost += more
    findings = found.findings + ((_missing(found, sorted(lost, key=lambda pair: pair[0])),) if lost else ())
    return Frames(np.array(ids, dtype=np.int64), values, findings, digest.hexdigest())


def _same(
    ids: list[int], values: list[T], shape: Callable[[T], object], found: FrameFiles
) -> tuple[list[int], list[T], list[tuple[int, SourceError]]]:
    shapes = [shape(value) for value in values]
    counts = Counter(shapes)
    usual = counts.most_common(1)[0][0]
    if 2 * counts[usual] <= len(values) and len(counts) > 1:
        kinds = ", ".join(map(str, sorted(map(str, counts))[:4]))
        raise SourceError(f"frames of different shapes: {kinds}", where=str(found.folder), hint="one walk a folder")
    paths = dict(found.files)
    lost = [
        (number, SourceError(f"{one}, the other frames {usual}", where=str(paths[number]), hint=_AGAIN))
        for number, one in zip(ids, shapes, strict=True)
        if one != usual
    ]
    kept = [(number, value) for number, value, one in zip(ids, values, shapes, strict=True) if one == usual]
    return [number for number, _ in kept], [value for _, value in kept], lost


def _missing(found: FrameFiles, lost: Sequence[tuple[int, SourceError]]) -> Finding:
    numbers = ", ".join(str(number) for number, _ in lost[:6]) + (", …" if len(lost) > 6 else "")
    what = f"{len(lost)} of {len(found.names)} files of frames cannot be used, these frames are missing: {numbers}; "
    first = lost[0][1]
    what += f"the first one: {Path(first.where).name}: {first.what}"
    return Finding(Severity.WARNING, "MG-SOURCE-030", str(found.folder), what, first.hint or _AGAIN)


def frame_number(name: str, where: str) -> int:
    """Id of a frame from a name like ``img_0012``: the last number in it; raises SourceError where it has none."""
    digits = re.findall(r"\d+", name)
    if not digits or len(digits[-1]) > _MOST_DIGITS:
        what = f"{name[:80]!r} has no number, so its place in time is not known"
        raise SourceError(what, where=where, hint="name files by frame, e.g. 000012.png")
    return int(digits[-1])
