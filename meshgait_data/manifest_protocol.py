"""The ``protocol:`` and ``protocols:`` of a manifest: who is enrolled, who is to be recognised, what is reported."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from meshgait_data.templates import template_names

Kind = Literal["view_pairs", "retrieval", "reid", "cross_view_gallery", "submission"]
"""How distances become scores, see :class:`Protocol`."""

InvalidProbes = Literal["skip", "wrong", "both"]
"""What a probe counts whose person is not in the gallery: nothing, a failure, or both are reported."""

_KEY = {"subject", "condition", "view"}


@dataclass(frozen=True, slots=True)
class Select:
    """Test sequences, chosen by the words of their keys: those that fulfil every line that is given."""

    conditions: tuple[str, ...] = ()
    """The condition is one of these."""
    containing: tuple[str, ...] = ()
    """The condition holds one of these texts anywhere: ``bg`` is in ``01-bg``."""
    matching: str = ""
    """Regular expression that the whole condition must fit."""
    subjects: tuple[str, ...] = ()
    """The subject is one of these."""
    views: tuple[str, ...] = ()
    """The view is one of these."""
    walks: tuple[str, ...] = ()
    """``subject/condition`` is one of these."""
    listed: Literal["", "PROBE_SET", "GALLERY_SET"] = ""
    """A list of the partition file names it; becomes ``keys`` once that file was read."""
    keys: tuple[str, ...] | None = None
    """Sequences one by one, see ``written``."""
    written: str = "{subject}-{condition}-{view}"
    """How ``keys`` are put together from the words of a key."""
    nth: int = 0
    """Of each subject's sequences that the lines above leave, in the order of their keys, the one at this place,
    counted from 1; 0: all of them."""

    def __post_init__(self) -> None:
        check_walks(self.walks)
        expression("matching", self.matching)
        if not template_names(self.written) or template_names(self.written) - _KEY:
            raise ValueError(f"written={self.written!r} may name {{subject}}, {{condition}} and {{view}} in braces")
        if self.listed and self.keys is not None:
            raise ValueError("give the name of a list or its keys, not both")
        if self.nth < 0:
            raise ValueError(f"nth={self.nth} must not be negative")
        if not (any(getattr(self, name) for name in (*_LISTS, "matching", "listed", "nth")) or self.keys is not None):
            raise ValueError("chooses nothing: name conditions, walks, views, ...; matching: '.*' is all")

    def resolved(self, lists: Mapping[str, tuple[str, ...]]) -> "Select":
        """With the keys of the list that it names.

        Raises
        ------
        ValueError
            Where there is no such list, or it is empty.
        """
        if not self.listed:
            return self
        if not lists.get(self.listed):
            known = ", ".join(name for name, keys in lists.items() if keys) or "none"
            raise ValueError(f"no list {self.listed!r} in the partition file, which has {known}")
        return replace(self, listed="", keys=tuple(lists[self.listed]))


Role = Literal["rest"] | tuple[str, ...] | Select
"""Sequences of a role: all that have no other role, walks as ``subject/condition``, or what a selector chooses."""


@dataclass(frozen=True, slots=True)
class Group:
    """Probes that get a table of their own, with their own gallery where they have one."""

    probe: Role
    gallery: Role | None = None
    """By default the one of the protocol."""


@dataclass(frozen=True, slots=True)
class Submission:
    """The CSV that a server scores which alone knows who the probes are: a line for each probe, nearest first."""

    name: str = "{view}"
    """First column: a template over the words of the probe's key."""
    names: str = ""
    """Regular expression that every name must fit."""
    header: str = "videoId"
    """Head of the first column; those of the others are ``rank1``, ``rank2``, ..."""
    columns: int = 20
    """Identities on each line, written as whole numbers without leading zeros."""
    unique: bool = False
    """Whether an identity stands on a line only once. By default one that has two sequences may stand there twice."""
    distractors: Select | None = None
    """Sequences of people who are nobody's match. With them there is a last column ``rank1_distractor``: the nearest
    identity with them in the gallery, 0 where that is a distractor."""

    def __post_init__(self) -> None:
        expression("names", self.names)
        if not template_names(self.name) or template_names(self.name) - _KEY:
            raise ValueError(f"name={self.name!r} may name {{subject}}, {{condition}} and {{view}} in braces")
        if self.columns < 1:
            raise ValueError(f"columns={self.columns} must be at least 1")


@dataclass(frozen=True, slots=True)
class Protocol:
    """How recognition is scored on the test identities; ``docs/protocols.md`` defines every number."""

    gallery: Role = ()
    """Enrolled sequences: walks as ``subject/condition``, a selector, or ``rest``: all test sequences but probes."""
    probe: Role = "rest"
    """Sequences to recognise; ``rest``: all others of enrolled test identities."""
    exclude_identical_view: bool | None = None
    """Leave out what the probe's own camera saw. By default so for ``view_pairs`` only."""
    ranks: tuple[int, ...] = (1, 5)
    kind: Kind = "view_pairs"
    """``view_pairs``: each probe view against each gallery view; ``retrieval``: the whole gallery at once; ``reid``:
    the same without sequences of the same person in the same camera; ``cross_view_gallery``: as ``reid``, averaged
    over probe views; ``submission``: a file for a server."""
    groups: dict[str, Group] = field(default_factory=dict)
    """Name to probes, where there are several sets of them."""
    camera: str = ""
    """Regular expression that finds the camera in a view: its first group, or all that it fits; empty: all of it."""
    invalid_probes: InvalidProbes = "skip"
    """Of a pair of views, or of the whole gallery. Precision is about probes with a match only, in any case."""
    metric: Literal["euclidean", "cosine"] = "euclidean"
    """Distance of two embeddings: the mean over their strips."""
    round_cells: int | None = None
    """Decimals, in per cent, that the scores of pairs of views or of views have before they are averaged."""
    average: Literal["views", "cells"] = "views"
    """Pairs of views: over gallery views, then over probe views; or over all pairs at once."""
    with_identical_view: bool = False
    """Pairs of views: whether the means that include identical views are printed too."""
    expected_probes: int = 0
    """Probes that the published protocol has; 0: not said."""
    submission: Submission | None = None
    """Of kind ``submission``; what a protocol of another kind leaves out."""
    title: str = ""
    source: str = ""
    """Where the protocol is defined."""

    def __post_init__(self) -> None:
        self._check_roles()
        expression("camera", self.camera)
        if not self.ranks or min(self.ranks) < 1:
            raise ValueError(f"ranks={list(self.ranks)} must be numbers from 1")
        if self.round_cells is not None and not 0 <= self.round_cells <= 9:
            raise ValueError(f"round_cells={self.round_cells} must be from 0 to 9")
        if self.kind in ("reid", "cross_view_gallery") and self.exclude_identical_view:
            raise ValueError(
                f"kind {self.kind} leaves out same person and camera; exclude_identical_view is another rule"
            )
        if self.submission is not None and self.kind != "submission":
            raise ValueError(f"submission is of kind submission, not of {self.kind}")
        if self.exclude_identical_view is None:
            object.__setattr__(self, "exclude_identical_view", self.kind == "view_pairs")
        if self.kind == "submission" and self.submission is None:
            object.__setattr__(self, "submission", Submission())

    def _check_roles(self) -> None:
        if self.groups and self.probe != "rest":
            raise ValueError("probe and groups both name the probes: give one of them")
        if self.groups and self.kind == "submission":
            raise ValueError("a submission has no groups of probes")
        for name, (gallery, probe) in self.roles().items():
            where = f"groups.{name}: " if self.groups else ""
            if gallery == () and self.groups:
                raise ValueError(f"{where}no gallery, neither its own nor one of the protocol")
            if gallery == "rest" and probe == "rest":
                raise ValueError(f"{where}gallery and probe cannot both be the rest of the other")
            walks = (*named_walks(gallery), *named_walks(probe))
            check_walks(walks)
            twice = sorted({walk for walk in walks if walks.count(walk) > 1})
            if twice:
                raise ValueError(f"{where}walks {twice} are named twice, in the gallery or in gallery and probe")

    def roles(self) -> dict[str, tuple[Role, Role]]:
        """Name of each group to its gallery and probes; a protocol without groups has one, named ``""``."""
        if not self.groups:
            return {"": (self.gallery, self.probe)}
        return {
            name: (self.gallery if group.gallery is None else group.gallery, group.probe)
            for name, group in self.groups.items()
        }

    @property
    def unresolved(self) -> tuple[str, ...]:
        """Lists of the partition file that it still needs."""
        chosen = [role for pair in self.roles().values() for role in pair if isinstance(role, Select)]
        return tuple(dict.fromkeys(role.listed for role in chosen if role.listed))

    def resolved(self, lists: Mapping[str, tuple[str, ...]]) -> "Protocol":
        """With the keys of the lists of a partition file in the place of their names.

        Raises
        ------
        ValueError
            Where a list is missing or empty.
        """
        groups = {
            name: Group(_resolved(group.probe, lists), group.gallery and _resolved(group.gallery, lists))
            for name, group in self.groups.items()
        }
        gallery, probe = _resolved(self.gallery, lists), _resolved(self.probe, lists)
        return replace(self, gallery=gallery, probe=probe, groups=groups)


def by_name(main: Protocol, named: Mapping[str, Protocol]) -> dict[str, Protocol]:
    """All protocols of a dataset by name, the one that holds by default first; it is ``main`` where it has no name."""
    if main in named.values() or (named and main == Protocol()):
        first = next((name for name, protocol in named.items() if protocol == main), next(iter(named)))
        return {first: named[first], **named}
    return {"main": main, **named}


def named_walks(role: Role) -> tuple[str, ...]:
    """Walks, as ``subject/condition``, that a role names one by one."""
    if isinstance(role, Select):
        return role.walks
    return () if role == "rest" else role


def in_words(role: Role) -> str:
    """A role for people.

    >>> in_words(Select(conditions=("nm-05", "nm-06"), views=("090",)))
    'conditions nm-05, nm-06; views 090'
    """
    if not isinstance(role, Select):
        return "the rest" if role == "rest" else _some(role)
    told = [f"{name} {_some(texts)}" for name in _LISTS if (texts := getattr(role, name))]
    told += [f"conditions that fit {role.matching}"] if role.matching else []
    told += [f"{role.listed} of the partition"] if role.listed else []
    told += [f"number {role.nth} of each subject"] if role.nth else []
    return "; ".join(told).replace("containing", "conditions with")


_LISTS = ("conditions", "containing", "subjects", "views", "walks", "keys")


def _some(texts: tuple[str, ...], most: int = 12) -> str:
    return ", ".join(texts[:most]) + (f", ... ({len(texts)} in all)" if len(texts) > most else "")


def _resolved(role: Role, lists: Mapping[str, tuple[str, ...]]) -> Role:
    return role.resolved(lists) if isinstance(role, Select) else role


def check_walks(walks: tuple[str, ...]) -> None:
    """Refuse what is not subject/condition; raises ValueError."""
    bad = [walk for walk in walks if len(walk.split("/")) != 2]
    if bad:
        raise ValueError(f"{bad[0]!r} is not subject/condition")


def expression(name: str, text: str) -> re.Pattern[str]:
    """Regular expression of a field; raises ValueError where it is none."""
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"{name}={text!r} is not a regular expression: {error}") from error
