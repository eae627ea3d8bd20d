"""The ``layout:`` of a manifest: how paths name a sequence, and which sequences are views of one walk."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from meshgait_data.key_text import quoted, unquoted
from meshgait_data.strict import run_checks
from meshgait_data.templates import check_names, check_template, compiled_template, template_names
from meshgait_data.types import CaptureKey, SequenceKey

KEY = ("subject", "condition", "view")
"""Words of a key, in their order."""
RESERVED = ("folder", "frame")
"""Names in braces that templates of the source give a meaning of their own."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A part that no path holds: the place of another part in the order of its kind, by text."""

    part: str
    """The part that is counted, e.g. ``hash``."""
    per: tuple[str, ...] = ("subject",)
    """Parts that must be equal for things to be counted together."""
    first: int = 1
    """Number of the first."""
    digits: int = 2
    """Least number of digits, with zeros in front."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How paths below the root name a capture or one view of it.

    A pattern names parts in braces, e.g. ``{subject}/camid{camera}_videoid{video}/{view}``. The words of the key are
    made of them: ``subject``, ``condition`` and ``view`` are the parts of these names unless ``keys`` says otherwise.
    """

    pattern: str
    """Path of a file, or of a folder in which everything belongs to the walk; a name that occurs twice must be the
    same text twice."""
    subject: str = r"[^/]+"
    """Regular expression of the part ``subject``."""
    condition: str = r"[^/]+"
    """Regular expression of the part ``condition``."""
    view: str = r"[^/]+"
    """Regular expression of the part ``view``."""
    parts: dict[str, str] = field(default_factory=dict)
    """Further parts and the regular expression of each."""
    counted: dict[str, Counted] = field(default_factory=dict)
    """Further parts that are numbers made by counting, where paths tell no name for what the key needs."""
    keys: dict[Literal["subject", "condition", "view"], str] = field(default_factory=dict)
    """Word of the key to a template over parts, e.g. ``condition: camid{camera}_videoid{video}``, or to plain text."""
    captures: Literal["together", "each"] | dict[str, tuple[str, ...]] = "together"
    """Which sequences of a subject and condition are synchronous views of one walk: all of them, none (``each`` is a
    walk of its own), or the views of each named group."""
    exclude: tuple[str, ...] = ()
    """Paths below the root, with ``*`` and ``?``, that look like sequences or frames and are none."""
    quote_names: bool = False
    """Whether what keys cannot hold, such as spaces, stands in them as ``%`` and two hexadecimal digits, as in
    addresses of the web: ``Walk B10`` becomes ``Walk%20B10``, and ``%`` itself ``%25``: no two names make one key."""
    links: bool = False
    """Whether symbolic links may lead out of the root, as those do of a tree that was rearranged by links."""

    CHECKS: ClassVar[tuple[str, ...]] = ("_check_patterns", "_check_templates")

    def __post_init__(self) -> None:
        run_checks(self)

    def _check_patterns(self) -> None:
        for name, pattern in self.patterns.items():
            try:
                named = re.compile(pattern).groupindex
            except re.error as error:
                raise ValueError(f"{name}={pattern!r} is not a regular expression: {error}") from error
            if named:
                raise ValueError(f"{name}={pattern!r} names groups of its own: write (?:...) for (?P<name>...)")
            if not name.isidentifier() or name in RESERVED:
                raise ValueError(f"parts: {name!r} cannot be the name of a part")

    def _check_templates(self) -> None:
        twice = sorted(set(self.counted) & (set(self.parts) | {name for name in KEY if f"{{{name}}}" in self.pattern}))
        if twice:
            raise ValueError(f"counted.{twice[0]} is a part of the pattern already")
        check_template("pattern", self.pattern, needed=set(), known=self.known_parts - set(self.counted))
        for word, template in self.words.items():
            check_names(f"keys.{word}", template, needed=set(), known=self.known_parts)
        self._check_invertible()
        self._check_counted()

    def _check_invertible(self) -> None:
        in_path = template_names(self.pattern)
        in_key = {name for template in self.words.values() for name in template_names(template)}
        missing = sorted(in_key - in_path - {"view"} - set(self.counted))
        if missing:
            words = " and ".join(f"{{{name}}}" for name in missing)
            raise ValueError(f"pattern={self.pattern!r} must name {words}: the key is made of them")
        lost = sorted(in_path - in_key)
        if lost:
            hint = "name it in keys, e.g. condition: {condition}-" + "{" + lost[0] + "}"
            raise ValueError(f"pattern names {{{lost[0]}}}, which no word of the key holds: {hint}")

    def _check_counted(self) -> None:
        in_path = template_names(self.pattern)
        for name, counted in self.counted.items():
            missing = sorted({counted.part, *counted.per} - in_path)
            if missing:
                raise ValueError(f"counted.{name}: the pattern names no {{{missing[0]}}}")

    @property
    def known_parts(self) -> set[str]:
        """Names that paths may hold in braces."""
        return {*KEY, *self.parts, *self.counted}

    @property
    def patterns(self) -> dict[str, str]:
        """Part to its regular expression."""
        numbers = {name: rf"\d{{{counted.digits},}}" for name, counted in self.counted.items()}
        return {"subject": self.subject, "condition": self.condition, "view": self.view, **self.parts, **numbers}

    @property
    def words(self) -> dict[str, str]:
        """Word of the key to the template over parts that it is made by."""
        return {word: self._template(word) for word in KEY}

    def _template(self, word: str) -> str:
        return self.keys.get(word, f"{{{word}}}")  # type: ignore[call-overload]  # a word is one

    @property
    def names_view(self) -> bool:
        """Whether paths of the pattern tell the view, or it is always the same."""
        return template_names(self._template("view")) <= template_names(self.pattern) | set(self.counted)

    def regex(self) -> re.Pattern[str]:
        """Expression whose groups are the parts that a full match of a path below the root names."""
        return compiled_template(self.pattern, self.patterns)

    def numbered(self, found: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        """Parts of all paths of a dataset with those added that are counted; without any these are the parts alone."""
        result = [dict(parts) for parts in found]
        for name, counted in self.counted.items():
            groups: dict[tuple[str, ...], set[str]] = {}
            for parts in found:
                groups.setdefault(tuple(parts[part] for part in counted.per), set()).add(parts[counted.part])
            places = {group: {text: n for n, text in enumerate(sorted(texts))} for group, texts in groups.items()}
            for parts in result:
                place = places[tuple(parts[part] for part in counted.per)][parts[counted.part]]
                parts[name] = f"{counted.first + place:0{counted.digits}d}"
        return result

    def key(self, dataset: str, parts: Mapping[str, str]) -> SequenceKey | CaptureKey:
        """Key that the parts of a path, see :meth:`numbered`, make: of a sequence if they tell the view, else a walk.

        Raises
        ------
        ValueError
            Where a word of it holds what a key cannot hold.
        """
        subject, condition = (self.word(word, parts) for word in ("subject", "condition"))
        if not self.names_view:
            return CaptureKey(dataset, subject, condition)
        return SequenceKey(dataset, subject, condition, self.word("view", parts))

    def word(self, word: str, parts: Mapping[str, str]) -> str:
        """Word of the key that parts make."""
        text = self._template(word).format(**parts)
        return quoted(text) if self.quote_names else text

    def capture(self, key: SequenceKey) -> CaptureKey:
        """The walk that a sequence is a view of."""
        if self.captures == "together":
            group = ""
        elif self.captures == "each":
            group = key.view
        else:
            group = next((name for name, views in self.captures.items() if key.view in views), "")
        return CaptureKey(key.dataset, key.subject, key.condition, group)

    def parts_of(self, key: SequenceKey | CaptureKey) -> dict[str, str] | None:
        """Parts that a key is made of, as far as it tells; None where it is no key of this layout."""
        if isinstance(key, CaptureKey) and not self._has_group(key.group):
            return None
        found: dict[str, str] = {}
        view = key.view if isinstance(key, SequenceKey) else key.group if self.captures == "each" else None
        texts = {"subject": key.subject, "condition": key.condition, "view": view}
        patterns = self.patterns
        for word, text in texts.items():
            if text is None:
                continue
            if self.quote_names:
                text = unquoted(text)
            match = compiled_template(self._template(word), patterns).fullmatch(text)
            if match is None or any(found.get(name, value) != value for name, value in match.groupdict().items()):
                return None
            found |= match.groupdict()
        return found

    def _has_group(self, group: str) -> bool:
        if self.captures == "together":
            return not group
        return bool(group) if self.captures == "each" else not group or group in self.captures

    def path(self, subject: str, condition: str, view: str = "*") -> str:
        """Path below the root of one capture whose pattern names no other parts."""
        words = {"subject": subject, "condition": condition, "view": view}
        return self.pattern.format(
            **{name: unquoted(text) if self.quote_names else text for name, text in words.items()}
        )
