"""Acclaim skeleton files (ASF): text to a :class:`Skeleton`, with an error for everything that is not one."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from meshgait_data import rotations
from meshgait_data.errors import SourceError
from meshgait_data.sources.mocap import ROOT, Bone, Skeleton

METRES_PER_INCH = 0.0254
"""CMU's own note on its skeletons: a value divided by the ``length`` of ``:units`` is inches."""

_SECTIONS = (":units", ":root", ":bonedata", ":hierarchy")
_AGAIN = "take the file from its source again"
_CHANNELS = frozenset({"tx", "ty", "tz", "rx", "ry", "rz"})


@dataclass(frozen=True, slots=True)
class _Line:
    """One line with its place, so that every error can say where."""

    words: tuple[str, ...]
    where: str

    def error(self, what: str, hint: str = _AGAIN) -> SourceError:
        return SourceError(what, where=self.where, hint=hint)

    def numbers(self, count: int) -> list[float]:
        """The ``count`` finite numbers after the first word."""
        try:
            values = [float(word) for word in self.words[1 : 1 + count]]
        except ValueError:
            values = []
        if len(values) < count or not all(map(math.isfinite, values)):
            text = " ".join(self.words[1:])[:60]
            raise self.error(f"{self.words[0]!r} needs {count} number{'s' * (count > 1)}, found {text!r}")
        return values


@dataclass(slots=True)
class _Block:
    """The lines of one ``begin ... end``, by their first word."""

    where: str
    lines: dict[str, _Line] = field(default_factory=dict)

    def need(self, word: str) -> _Line:
        if word not in self.lines:
            name = " ".join(self.lines["name"].words[1:]) if "name" in self.lines else "without a name"
            raise SourceError(f"bone {name} has no {word!r}", where=self.where, hint=_AGAIN)
        return self.lines[word]


def parse_skeleton(text: str, where: str) -> Skeleton:
    """Read the text of an ASF file.

    Lengths become metres: value x 0.0254 / unit length. Bones come out depth first in the order of the
    hierarchy, whatever the order of their definitions.

    Parameters
    ----------
    text
        The whole file.
    where
        Name of the file for messages.

    Raises
    ------
    SourceError
        With file and line, on a missing section, a joint of the hierarchy that has no bone, a bone outside the
        hierarchy or twice in it, a number that is missing or not finite, or a feature that is not supported
        (bones that stretch, a root that is turned or moved in the rest pose).
    """
    sections = _split(text, where)
    metres, radians = _units(sections[":units"])
    channels, root_order = _root(sections[":root"])
    to_radians = 1.0 if radians else math.pi / 180.0
    bones: dict[str, Bone] = {}
    for block in _blocks(sections[":bonedata"], where):
        bone = _bone(block, metres=metres, to_radians=to_radians)
        if bone.name in bones or bone.name == ROOT:
            raise block.need("name").error(f"bone {bone.name!r} is defined twice")
        bones[bone.name] = bone
    ordered = _depth_first(bones, sections[":hierarchy"], where)
    return Skeleton(ordered, channels, root_order, metres, radians)


def _split(text: str, where: str) -> dict[str, list[_Line]]:
    """Lines of each section, without comments."""
    sections: dict[str, list[_Line]] = {}
    current: list[_Line] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = _Line(tuple(raw.split("#", 1)[0].split()), f"{where}:{number}")
        if not line.words:
            continue
        if line.words[0].startswith(":"):
            current = sections.setdefault(line.words[0].lower(), [])
        else:
            current.append(line)
    missing = [name for name in _SECTIONS if not sections.get(name)]
    if missing:
        raise SourceError(
            f"not a complete ASF skeleton: no section {', '.join(missing)}",
            where=where,
            hint=f"an ASF file has the sections {' '.join(_SECTIONS)}; {_AGAIN}",
        )
    return sections


def _units(lines: list[_Line]) -> tuple[float, bool]:
    by_word = {line.words[0]: line for line in lines}
    if "length" not in by_word:
        raise lines[0].error("no 'length' among :units, so sizes are unknown")
    (length,) = by_word["length"].numbers(1)
    if length <= 0:
        raise by_word["length"].error(f"unit length {length} is not positive")
    if "angle" not in by_word:
        raise lines[0].error("no 'angle' among :units, so angles are unknown", "add 'angle deg' or 'angle rad'")
    angle = by_word["angle"]
    unit = " ".join(angle.words[1:]).lower()
    if not unit.startswith(("deg", "rad")):
        raise angle.error(f"unit of angles {unit!r} is neither degrees nor radians", "write 'angle deg' or 'angle rad'")
    return METRES_PER_INCH / length, unit.startswith("rad")


def _root(lines: list[_Line]) -> tuple[tuple[str, ...], str]:
    by_word = {line.words[0]: line for line in lines}
    for word in ("order", "axis"):
        if word not in by_word:
            raise lines[0].error(f"the root has no {word!r}")
    channels = tuple(word.lower() for word in by_word["order"].words[1:])
    if len(channels) != 6 or set(channels) != _CHANNELS:
        raise by_word["order"].error("the root's order is not TX TY TZ RX RY RZ in some order")
    for word in ("position", "orientation"):
        # Writers disagree on whether motion files already contain these, so a guess could displace the walk.
        if word in by_word and any(by_word[word].numbers(3)):
            raise by_word[word].error(f"a root with a {word} other than 0 0 0 is not supported", "export it without")
    return channels, _order(by_word["axis"], by_word["axis"].words[-1])


def _order(line: _Line, word: str) -> str:
    order = word.lower()
    if sorted(order) != ["x", "y", "z"]:
        raise line.error(f"order of rotations {word!r} is not x, y, z in some order")
    return order


def _blocks(lines: list[_Line], where: str) -> Iterator[_Block]:
    block: _Block | None = None
    for line in lines:
        if line.words[0] == "begin":
            if block is not None:
                raise line.error("a bone begins before the last one has its 'end'")
            block = _Block(line.where)
        elif block is None:
            raise line.error(f"{line.words[0]!r} stands outside of 'begin' and 'end'")
        elif line.words[0] == "end":
            yield block
            block = None
        else:
            block.lines[line.words[0]] = line
    if block is not None:
        raise SourceError("the file breaks off inside this bone", where=block.where, hint=_AGAIN)


def _bone(block: _Block, *, metres: float, to_radians: float) -> Bone:
    name_line, axis = block.need("name"), block.need("axis")
    if len(name_line.words) != 2:
        raise name_line.error("a bone's name must be one word")
    direction = np.array(block.need("direction").numbers(3))
    norm = float(np.linalg.norm(direction))
    (length,) = block.need("length").numbers(1)
    if length < 0 or norm < 1e-6:
        raise block.need("length").error(f"length {length} along direction {direction.tolist()} is not a bone")
    angles = np.array(axis.numbers(3)) * to_radians
    if np.abs(angles).max() > 4 * math.pi:
        raise axis.error("an axis turns by more than two whole turns: degrees in a file that says radians?")
    order = _order(axis, axis.words[-1])
    frame = rotations.euler(angles[["xyz".index(letter) for letter in order]], order)
    return Bone(name_line.words[1], "", direction / norm, length * metres, frame, order, _dof(block.lines))


def _dof(lines: Mapping[str, _Line]) -> tuple[str, ...]:
    if "dof" not in lines:
        return ()
    words = [word.lower() for word in lines["dof"].words[1:]]
    bad = [word for word in words if word not in {"rx", "ry", "rz"}]
    if bad or len(set(words)) < len(words) or not words:
        what = f"degrees of freedom {' '.join(words)!r} are not some of rx ry rz"
        raise lines["dof"].error(what, "bones that stretch or slide are not supported; export rotations only")
    return tuple(word[1] for word in words)


def _depth_first(bones: Mapping[str, Bone], lines: list[_Line], where: str) -> tuple[Bone, ...]:
    children, place = _children(bones, lines)
    ordered: list[Bone] = []
    waiting = [(ROOT, name) for name in reversed(children.get(ROOT, ()))]
    while waiting:
        parent, name = waiting.pop()
        bone = bones[name]
        ordered.append(Bone(name, parent, bone.direction, bone.length, bone.axis, bone.order, bone.dof))
        waiting += [(name, child) for child in reversed(children.get(name, ()))]
    lost = sorted(set(bones) - {bone.name for bone in ordered})
    if lost:
        raise SourceError(
            f"bone{'s' * (len(lost) > 1)} {', '.join(lost)} not connected to the root by the hierarchy",
            where=place.get(lost[0], where),
            hint=_AGAIN,
        )
    return tuple(ordered)


def _children(bones: Mapping[str, Bone], lines: list[_Line]) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Children of each bone, and where each bone is named as a child."""
    children: dict[str, tuple[str, ...]] = {}
    place: dict[str, str] = {}
    if lines[0].words != ("begin",) or lines[-1].words != ("end",):
        raise lines[-1].error("the hierarchy does not run from 'begin' to 'end': the file breaks off")
    for line in lines[1:-1]:
        parent, *names = line.words
        for name in line.words:
            if name not in bones and name != ROOT:
                raise line.error(
                    f"the hierarchy names joint {name!r}, which :bonedata does not define",
                    f"define it or take it out; defined: {', '.join(bones)}",
                )
        for name in names:
            if name in place or name == ROOT:
                raise line.error(f"{name!r} has two parents in the hierarchy")
            place[name] = line.where
        children[parent] = children.get(parent, ()) + tuple(names)
    return children, place
