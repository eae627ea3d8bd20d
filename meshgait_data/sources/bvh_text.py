"""Text of a BVH file to its joints and numbers, with an error for everything that is not one."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.types import FloatArray

_AGAIN = "export the file again"
_CHANNELS = {f"{axis}{kind}".lower(): f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")}
_MOST_JOINTS = 1000
_MOST_FRAMES = 2_000_000
"""Half a day at 50 frames a second."""
_FPS = (1.0, 2000.0)


@dataclass(slots=True)
class BvhJoint:
    """A joint, or the end of a chain, which has no channels."""

    name: str
    parent: int
    """Place of the parent among the joints; -1 for the root."""
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """From the parent, in its axes, in the file's unit."""
    channels: tuple[str, ...] = ()
    """``Xposition`` to ``Zrotation`` in the order of the values; rotations are in degrees."""
    first: int = 0
    """Column of the first one."""


@dataclass(frozen=True, slots=True, eq=False)
class BvhText:
    """A file, read."""

    joints: tuple[BvhJoint, ...]
    """Every one after its parent."""
    values: FloatArray
    """(F, C) all channels."""
    fps: float
    findings: tuple[Finding, ...]


def parse_bvh(text: str, where: str) -> BvhText:
    """Read the text of a BVH file.

    A last frame that the file breaks off in is left out, and said (MG-SOURCE-001).

    Parameters
    ----------
    text
        The whole file.
    where
        Name of the file for messages.

    Raises
    ------
    SourceError
        With file and line, on braces that do not match, a joint without offset, an unknown channel, a word that is
        no number, a frame with too few or too many values, or no complete frame.
    """
    lines = enumerate(text.splitlines(), start=1)
    hierarchy = _Hierarchy(where)
    joints = hierarchy.read(lines)
    declared, fps = _header(lines, where)
    width = sum(len(joint.channels) for joint in joints)
    values = _values(lines, width, where)
    findings = []
    if len(values) != declared:
        short = len(values) < declared
        message = f"the file {'breaks off' if short else 'goes on'}: {len(values)} of {declared} frames are there"
        findings.append(Finding(Severity.WARNING, "MG-SOURCE-001", where, message, _AGAIN))
    return BvhText(tuple(joints), values, fps, tuple(findings))


Lines = Iterator[tuple[int, str]]


@dataclass(slots=True)
class _Hierarchy:
    """The part of the text that names the joints."""

    where: str
    joints: list[BvhJoint] = field(default_factory=list)
    open: list[int] = field(default_factory=list)
    """Joints whose braces are open."""
    waiting: int | None = None
    """Joint whose brace comes next."""
    number: int = 0

    def read(self, lines: Lines) -> list[BvhJoint]:
        """All joints, up to the line MOTION."""
        for self.number, line in lines:
            for words in _statements(line):
                if words[0].upper() == "MOTION":
                    return self._finished()
                self._take(words)
        self._fail("no line MOTION: the file breaks off, or is no BVH")

    def _take(self, words: Sequence[str]) -> None:
        word = words[0].upper()
        if word == "HIERARCHY":
            return
        if word in ("ROOT", "JOINT", "END"):
            self._begin(word, words[1:])
        elif word == "{":
            if self.waiting is None:
                self._fail("a brace opens without a joint")
            self.open.append(self.waiting)
            self.waiting = None
        elif word == "}":
            if not self.open or self.waiting is not None:
                self._fail("a brace closes that was not opened")
            self.open.pop()
        elif word in ("OFFSET", "CHANNELS") and self.open and self.waiting is None:
            self._offset(words[1:]) if word == "OFFSET" else self._channels(words[1:])
        else:
            self._fail(f"{' '.join(words)[:60]!r} has no place here")

    def _begin(self, word: str, words: Sequence[str]) -> None:
        if self.waiting is not None or (word == "ROOT") != (not self.joints) or (word != "ROOT" and not self.open):
            self._fail(f"{word} has no place here: one ROOT, and joints in braces")
        if len(self.joints) >= _MOST_JOINTS:
            self._fail(f"more than {_MOST_JOINTS} joints")
        parent = self.open[-1] if self.open else -1
        name = f"{self.joints[parent].name}_end" if word == "END" else " ".join(words)
        taken = {joint.name for joint in self.joints}
        if word == "END" and name in taken:
            name += str(len(self.joints))
        if not name or name in taken:
            self._fail(f"joint {name!r} has no name, or that of another one")
        self.waiting = len(self.joints)
        self.joints.append(BvhJoint(name, parent))

    def _offset(self, words: Sequence[str]) -> None:
        x, y, z = self._numbers(words, 3)
        self.joints[self.open[-1]].offset = (x, y, z)

    def _channels(self, words: Sequence[str]) -> None:
        names = tuple(_CHANNELS.get(word.lower(), "") for word in words[1:])
        if not words or words[0] != str(len(names)) or "" in names or len(set(names)) != len(names):
            self._fail(f"CHANNELS {' '.join(words)[:60]} are not a number and as many names, Xposition to Zrotation")
        joint = self.joints[self.open[-1]]
        if joint.channels:
            self._fail(f"joint {joint.name!r} has CHANNELS twice")
        joint.first = sum(len(other.channels) for other in self.joints if other is not joint)
        joint.channels = names

    def _numbers(self, words: Sequence[str], count: int) -> list[float]:
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        if len(values) != count or not all(map(math.isfinite, values)):
            self._fail(f"{' '.join(words)[:60]!r} are not {count} numbers")
        return values

    def _finished(self) -> list[BvhJoint]:
        if self.open or self.waiting is not None or not self.joints:
            self._fail("MOTION before the braces of all joints are closed")
        return self.joints

    def _fail(self, what: str) -> NoReturn:
        raise SourceError(what, where=f"{self.where}:{self.number}", hint=_AGAIN)


def _statements(line: str) -> Iterator[list[str]]:
    """Words of a line; braces stand alone."""
    for piece in line.replace("{", "\n{\n").replace("}", "\n}\n").split("\n"):
        words = piece.split()
        if words:
            yield words


def _header(lines: Lines, where: str) -> tuple[int, float]:
    """Number of frames that the file announces, and frames per second."""
    found: dict[str, float] = {}
    for number, line in lines:
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        try:
            found[" ".join(name.split()).lower()] = float(value) if colon else math.nan
        except ValueError:
            what = f"{line.strip()[:60]!r} gives no number"
            raise SourceError(what, where=f"{where}:{number}", hint=_AGAIN) from None
        if "frame time" in found:
            break
    frames, seconds = found.get("frames", math.nan), found.get("frame time", math.nan)
    if not 0 <= frames <= _MOST_FRAMES or not 1 / _FPS[1] <= seconds <= 1 / _FPS[0]:
        what = f"MOTION announces {frames:g} frames of {seconds:g} s each"
        raise SourceError(what, where=where, hint="after MOTION stand 'Frames: n' and 'Frame Time: s'")
    return int(frames), 1.0 / seconds


def _values(lines: Lines, width: int, where: str) -> FloatArray:
    """(F, C) numbers of all frames; a last line that breaks off is left out."""
    rows: list[FloatArray] = []
    broken = 0
    for number, line in lines:
        words = line.split()
        if not words:
            continue
        if broken or len(rows) >= _MOST_FRAMES:
            what = f"a frame has not {width} values" if broken else f"more than {_MOST_FRAMES} frames"
            raise SourceError(what, where=f"{where}:{broken or number}", hint=_AGAIN)
        try:
            row = np.array([float(word) for word in words])
        except ValueError as error:
            raise SourceError(str(error)[:80], where=f"{where}:{number}", hint=_AGAIN) from None
        if len(row) == width:
            rows.append(row)
        else:
            broken = number
    if not rows or not width:
        raise SourceError("no complete frame, or no channels", where=where, hint=_AGAIN)
    return np.stack(rows)
