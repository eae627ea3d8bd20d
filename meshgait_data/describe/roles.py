"""Which part of a path is the person, the condition and the view: places of paths that vary, given their roles."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from meshgait_data.describe.families import SIDES, Family, Level
from meshgait_data.describe.names_alike import are_angles, are_cameras, expression, fields, in_parts
from meshgait_data.manifest_layout import KEY

ONE_WALK = "walk"
"""Condition of the only walk of everybody, where paths name none."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A varying piece of paths."""

    level: int
    field: int | None
    """Which of the level's fields between separators; None for the whole level."""
    names: tuple[str, ...]

    @property
    def is_view(self) -> bool:
        """Whether the names look like those of cameras."""
        return are_angles(self.names) or are_cameras(self.names)


@dataclass(frozen=True, slots=True)
class Layouted:
    """The layout of a family."""

    pattern: str
    parts: dict[str, str]
    """Part to its regular expression."""
    keys: dict[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    """Text of each level, with parts in braces."""

    @property
    def names_view(self) -> bool:
        """Whether paths tell the view."""
        return "view" in self.parts

    def plain(self) -> dict[str, object]:
        """As it stands in a manifest."""
        plain: dict[str, object] = {"pattern": self.pattern}
        plain |= {name: self.parts[name] for name in KEY if name in self.parts}
        more = {name: text for name, text in self.parts.items() if name not in KEY}
        if more:
            plain["parts"] = more
        if self.keys:
            plain["keys"] = dict(self.keys)
        return plain


def laid_out(family: Family, *, by_view: bool) -> Layouted | None:
    """The layout of a family, or None where nothing in its paths varies.

    Parameters
    ----------
    family
        Folders, to which the names of files are added as a last level where each is a walk.
    by_view
        Whether every view has files of its own, so that some piece of the paths is the view.
    """
    levels = list(family.levels)
    slots = [Slot(place, None, level.names) for place, level in enumerate(levels) if not level.fixed]
    slots = _split(slots, by_view=by_view)
    if not slots:
        return None
    names = _roles(slots, by_view=by_view)
    texts = [_text(place, level, names) for place, level in enumerate(levels)]
    parts = {name: expression(slot.names) for name, slot in names.items()}
    return Layouted("/".join(texts), parts, _keys(list(parts), levels, by_view=by_view), tuple(texts))


def _split(slots: list[Slot], *, by_view: bool) -> list[Slot]:
    """Levels that name two things at once, such as ``000_00``, taken apart, where a path has too few of them."""
    wanted = 3 if by_view else 2
    if len(slots) >= wanted:
        return slots
    for index, slot in enumerate(slots):
        pieces = fields(slot.names)
        varying = [
            Slot(slot.level, place, tuple(dict.fromkeys(values)))
            for place, (_, values) in enumerate(pieces or ())
            if len(set(values)) > 1 or values[0][-1:].isdigit()
        ]
        if len(varying) > 1 and (len(slots) == 1 or any(piece.is_view for piece in varying)):
            return [*slots[:index], *varying, *slots[index + 1 :]]
    return slots


def _roles(slots: Sequence[Slot], *, by_view: bool) -> dict[str, Slot]:
    rest, found = list(slots), dict[str, Slot]()
    if by_view and len(rest) > 1:
        cameras = [slot for slot in rest if slot.is_view and slot is not rest[0]] or [s for s in rest if s.is_view]
        view = cameras[-1] if cameras else rest[-1] if len(rest) > 2 else None
        if view is not None:
            rest.remove(view)
            found["view"] = view
    whole = [slot for slot in rest if slot.field is None]
    if by_view or len(rest) < 3:
        subject = (whole or rest)[0]
        rest.remove(subject)
        found["subject"] = subject
        if rest:
            found["condition"] = rest.pop(0)
    else:
        found["condition"], found["subject"] = rest.pop(), rest.pop()
    for number, slot in enumerate(rest):
        found[f"part{number + 1}"] = slot
    return found


def _keys(parts: Sequence[str], levels: Sequence[Level], *, by_view: bool) -> dict[str, str]:
    keys = {}
    more = "".join(f"{{{name}}}-" for name in parts if name.startswith("part"))
    side = next((level.names[0] for level in reversed(levels) if level.fixed and SIDES.search(level.names[0])), "")
    if "condition" not in parts:
        keys["condition"] = side or ONE_WALK
    if more and (by_view and "condition" in parts):
        keys["condition"] = f"{more}{{condition}}"
    elif more:
        keys["subject"] = f"{more}{{subject}}"
    return keys


def _text(place: int, level: Level, names: dict[str, Slot]) -> str:
    own = {slot.field: name for name, slot in names.items() if slot.level == place}
    if not own:
        return level.names[0].replace("{", "{{").replace("}", "}}")
    if None in own:
        return f"{{{own[None]}}}"
    pieces = fields(level.names) or []
    return "".join(
        before + (f"{{{own[index]}}}" if index in own else values[0]) for index, (before, values) in enumerate(pieces)
    )


def in_template(name: str, above: Sequence[str], layout: Layouted, values: dict[str, str]) -> str:
    """Name of a file as a template over the parts of the folder that it lies in.

    Parameters
    ----------
    name
        Of the file.
    above
        Names of the folders above, which stand for themselves where they are in the name as a whole.
    layout
        Of the folder.
    values
        Parts of the folder.
    """
    known = [(word, text) for word, text in zip(layout.words, above, strict=True) if "{" in word]
    wholes = [(str(place), text) for place, (_, text) in enumerate(known) if text not in values.values()]
    text = in_parts(name, [*wholes, *values.items()])
    for place, (word, _) in enumerate(known):
        text = text.replace(f"{{{place}}}", word)
    return text
