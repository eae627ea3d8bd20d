"""Acclaim motion files (AMC): text to a :class:`Motion`, with an error for everything that is not one."""

import difflib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.mocap import ROOT, Motion, Skeleton
from meshgait_data.types import FloatArray

_AGAIN = "take the file from its source again"
_MOST_DIGITS = 9
"""Of a frame number; a longer one is damage."""
_FIRST_FRAME = re.compile(rf"^[ \t]*[0-9]{{1,{_MOST_DIGITS}}}[ \t]*\r?$", re.MULTILINE)
_WINDOWS_NAN = re.compile(r"[+-]?\d\.#(?:q|s)?(?:nan|ind|inf)\d*", re.IGNORECASE)
"""How old Microsoft run times print numbers that are not finite."""


@dataclass(slots=True)
class _Table:
    """Frames as they are written: ids, and for each bone the values of every frame one after the other."""

    ids: list[int] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)
    cut: bool = False
    """Whether the file breaks off in a further frame."""


def parse_motion(text: str, skeleton: Skeleton, where: str) -> Motion:
    """Read the text of an AMC file.

    A last frame that the file breaks off in is left out and named in ``cut_frame``; a last line without a line
    break counts as broken off, since its last number may lack digits. A frame with a number that is not finite
    (``nan``, ``inf``, ``-1.#IND``) is NaN in all its values.

    Parameters
    ----------
    text
        The whole file.
    skeleton
        The one that the motion was written for: names its bones and their degrees of freedom.
    where
        Name of the file for messages.

    Raises
    ------
    SourceError
        With file and line, on a frame number that skips or repeats, a bone that the skeleton lacks, a bone that
        is missing or written twice, too few or too many values, a word that is no number, angles that contradict
        their unit, or no complete frame.
    """
    start = _FIRST_FRAME.search(text)
    if start is None:
        raise SourceError(
            "not an AMC motion: no line with a frame number", where=where, hint="an AMC file numbers its frames 1, 2, …"
        )
    radians = _says_radians(text[: start.start()], skeleton, where)
    counts = {ROOT: 6} | {bone.name: len(bone.dof) for bone in skeleton.bones if bone.dof}
    body = text[start.start() :]
    table = _read_columns(body, counts) or _Lines(text, start.start(), counts, where).read()
    return _motion(table, skeleton, radians=radians, where=where)


def _says_radians(header: str, skeleton: Skeleton, where: str) -> bool:
    words = {word.upper() for word in header.split() if word.startswith(":")}
    if {":DEGREES", ":RADIANS"} <= words:
        raise SourceError("says both :DEGREES and :RADIANS", where=where, hint="delete the wrong one")
    if ":RADIANS" in words:
        return True
    return skeleton.radians and ":DEGREES" not in words


def _read_columns(body: str, counts: dict[str, int]) -> _Table | None:
    """Read a flawless file by columns of words, or give None: :class:`_Lines` then finds out what is wrong.

    All frames of a flawless file list the same bones in the same order, so that word i of every frame is
    ``words[i::stride]``. Converting whole columns is about ten times faster than going line by line.
    """
    words = body.split()
    stride = 1 + len(counts) + sum(counts.values())
    frames, rest = divmod(len(words), stride)
    if rest or "_" in body or not body.endswith("\n"):
        return None
    table = _Table()
    try:
        table.ids = list(map(int, words[::stride]))
        place = 1
        while place < stride:
            name = words[place]
            size = counts[name]
            if name in table.values or words[place::stride].count(name) != frames:
                return None
            columns = [list(map(float, words[place + 1 + k :: stride])) for k in range(size)]
            table.values[name] = [value for row in zip(*columns, strict=True) for value in row]
            place += 1 + size
    except (ValueError, KeyError):
        return None
    consecutive = table.ids == list(range(table.ids[0], table.ids[0] + frames))
    return table if consecutive and table.ids[-1] < 10**_MOST_DIGITS else None


class _Lines:
    """Line by line: slower than columns, but knows where everything is."""

    def __init__(self, text: str, start: int, counts: dict[str, int], where: str) -> None:
        self.counts, self.where = counts, where
        self.ends_properly = text.endswith("\n")
        self.lines = self._split(text[start:], 1 + text.count("\n", 0, start))
        self.number = 0

    @staticmethod
    def _split(body: str, first: int) -> list[tuple[int, list[str]]]:
        numbered = ((number, raw.split()) for number, raw in enumerate(body.split("\n"), start=first))
        return [(number, words) for number, words in numbered if words and not words[0].startswith("#")]

    def read(self) -> _Table:
        """Read all complete frames."""
        table = _Table(values={name: [] for name in self.counts})
        frames = list(self._frames())
        for index, block in enumerate(frames):
            last = index == len(frames) - 1
            values = self._frame(block, last=last)
            if values is None:
                table.cut = True
                break
            self._check_id(block, table.ids)
            table.ids.append(int(block[0][1][0]))
            for name, numbers in values.items():
                table.values[name] += numbers
        return table

    def _frames(self) -> Iterator[list[tuple[int, list[str]]]]:
        starts = [i for i, (_, words) in enumerate(self.lines) if _is_frame_number(words)]
        for begin, end in zip(starts, [*starts[1:], len(self.lines)], strict=True):
            yield self.lines[begin:end]

    def _check_id(self, block: list[tuple[int, list[str]]], ids: list[int]) -> None:
        self.number, (word, *_) = block[0]
        if ids and int(word) != ids[-1] + 1:
            kind = "repeats or goes back" if int(word) <= ids[-1] else "skips"
            self._fail(f"frame number {kind}: {word} after {ids[-1]}")

    def _frame(self, block: list[tuple[int, list[str]]], *, last: bool) -> dict[str, list[float]] | None:
        """Values of one frame, or None where the file breaks off in it."""
        values: dict[str, list[float]] = {}
        for number, (name, *words) in block[1:]:
            self.number = number
            try:
                self._check_name(name, values)
                values[name] = self._numbers(name, words)
            except SourceError:
                if last and (number, [name, *words]) == self.lines[-1]:
                    return None
                raise
        missing = [name for name in self.counts if name not in values]
        if last and (missing or not self.ends_properly):
            return None
        if missing:
            self.number, (word, *_) = block[0]
            self._fail(f"frame {word} has no values for {_listed(missing)}")
        return values

    def _check_name(self, name: str, seen: dict[str, list[float]]) -> None:
        if name in seen:
            self._fail(f"bone {name!r} twice in one frame")
        if name not in self.counts:
            near = difflib.get_close_matches(name, self.counts, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "is the skeleton file another subject's?"
            self._fail(f"bone {name!r} has no degrees of freedom in the skeleton", hint)

    def _numbers(self, name: str, words: list[str]) -> list[float]:
        if len(words) != self.counts[name]:
            self._fail(f"{name} needs {self.counts[name]} values, one for each degree of freedom, found {len(words)}")
        return [self._number(word) for word in words]

    def _number(self, word: str) -> float:
        if _WINDOWS_NAN.fullmatch(word):
            return math.nan
        try:
            return float("_" if "_" in word else word)
        except ValueError:
            self._fail(f"{word[:40]!r} is not a number")

    def _fail(self, what: str, hint: str = _AGAIN) -> NoReturn:
        raise SourceError(what, where=f"{self.where}:{self.number}", hint=hint)


def _is_frame_number(words: list[str]) -> bool:
    return len(words) == 1 and len(words[0]) <= _MOST_DIGITS and words[0].isascii() and words[0].isdigit()


def _listed(names: list[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _motion(table: _Table, skeleton: Skeleton, *, radians: bool, where: str) -> Motion:
    frames = len(table.ids)
    if frames == 0:
        raise SourceError("the file breaks off before its first frame is complete", where=where, hint=_AGAIN)
    values = {name: np.array(numbers).reshape(frames, -1) for name, numbers in table.values.items()}
    everything = np.concatenate(list(values.values()), axis=1)
    for array in values.values():
        array[~np.isfinite(everything).all(axis=1)] = np.nan
    by_channel = dict(zip(skeleton.root_channels, values.pop(ROOT).T, strict=True))
    root_angles = np.stack([by_channel[channel] for channel in ("rx", "ry", "rz")], axis=-1)
    _check_unit([root_angles, *values.values()], radians=radians, where=where)
    scale = 1.0 if radians else math.pi / 180.0
    return Motion(
        frame_ids=np.array(table.ids),
        transl=np.stack([by_channel[c] for c in ("tx", "ty", "tz")], axis=-1) * skeleton.metres_per_unit,
        root_angles=root_angles * scale,
        angles={name: array * scale for name, array in values.items()},
        cut_frame=table.ids[-1] + 1 if table.cut else None,
    )


def _check_unit(angles: list[FloatArray], *, radians: bool, where: str) -> None:
    """Whoever walks bends a knee by more than 2 pi degrees, and nobody turns a joint by 8 pi radians."""
    largest = max((float(np.nanmax(np.abs(a))) for a in angles if np.isfinite(a).any()), default=0.0)
    if radians and largest > 8 * math.pi:
        what, header = f"angles up to {largest:.0f} in a file of radians", ":DEGREES"
    elif not radians and 0 < largest < 2 * math.pi:
        what, header = f"no angle above {largest:.2f} in a file of degrees", ":RADIANS"
    else:
        return
    raise SourceError(what, where=where, hint=f"if the header is wrong, write {header} above the first frame")
