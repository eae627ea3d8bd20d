"""Score embeddings by a protocol: who is compared with whom, counted group by group."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from meshgait_data.errors import InvalidData
from meshgait_data.manifest_protocol import Protocol, expression
from meshgait_data.manifest_roles import Roles, roles
from meshgait_data.types import BoolArray, FloatArray, SequenceKey
from meshgait_model.metrics import KEEP_ALL, NO_SAME_CAMERA, NO_SAME_PERSON_AND_CAMERA, Integers
from meshgait_model.protocols.counts import PairCounts, ProbeScores, Side, count


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Embeddings of test sequences, and who they are. Their order does not matter: it is that of the keys."""

    embeddings: FloatArray
    """(N, S, E)."""
    keys: tuple[SequenceKey, ...]
    identities: tuple[str, ...]
    """(N,) persons as protocols count them."""
    lists: Mapping[str, tuple[str, ...]]
    """``PROBE_SET`` and ``GALLERY_SET`` of the partition file, where there is one."""

    def __post_init__(self) -> None:
        shape = self.embeddings.shape
        if len(shape) != 3 or 0 in shape[1:] or not shape[0] == len(self.keys) == len(self.identities):
            what = f"embeddings {shape} do not fit {len(self.keys)} keys and {len(self.identities)} identities"
            raise InvalidData(what, hint="they must be (sequences, strips, numbers)")
        bad = ~np.isfinite(self.embeddings).all((1, 2))
        if bad.any():
            where = str(self.keys[int(np.flatnonzero(bad)[0])])
            hint = "the network has diverged, or its input is empty; nothing can be ranked by such numbers"
            raise InvalidData(f"{bad.sum()} embeddings hold NaN or infinity", where=where, hint=hint)

    def ordered(self, chosen: BoolArray) -> Integers:
        """Places of chosen sequences in the order of their keys, which decides between equal distances."""
        places = np.flatnonzero(chosen).tolist()
        return np.array(sorted(places, key=lambda place: _words(self.keys[place])), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class GroupScores:
    """What was counted of one group of probes."""

    name: str
    people: int
    """Identities that are enrolled."""
    gallery: int
    """Sequences of the gallery."""
    pairs: PairCounts | None
    """Of protocols of kind ``view_pairs``."""
    probes: ProbeScores
    unmatched: tuple[str, ...]
    """Names in the protocol that no sequence fits."""


@dataclass(frozen=True, slots=True, eq=False)
class ProtocolScores:
    """What was counted by one protocol."""

    name: str
    protocol: Protocol
    groups: tuple[GroupScores, ...]

    @property
    def probes(self) -> int:
        """Probes of all groups."""
        return sum(len(group.probes.camera) for group in self.groups)


def score(embedded: Embedded, protocol: Protocol, name: str = "main") -> ProtocolScores:
    """Count what a protocol asks for; it may be of any kind but ``submission``.

    Parameters
    ----------
    embedded
        Test sequences.
    protocol, name
        What the manifest says, and under which name.

    Raises
    ------
    InvalidData
        Where a walk that the protocol names one by one is missing, nobody is enrolled or asked for, a name of a view
        does not tell the camera, or it needs a partition file that there was not.
    """
    if protocol.kind == "submission":
        raise ValueError("a submission is written, not scored")
    found = checked_roles(embedded, protocol, name)
    cameras = cameras_of(protocol.camera, embedded.keys)
    groups = tuple(_group(embedded, protocol, group, role, cameras) for group, role in found.items())
    return ProtocolScores(name, protocol, groups)


def checked_roles(embedded: Embedded, protocol: Protocol, name: str) -> dict[str, Roles]:
    """Roles of the sequences; raises InvalidData where they cannot be scored, see :func:`score`."""
    found = roles(protocol, embedded.keys, embedded.identities, lists=embedded.lists)
    where = f"protocol {name}"
    missing = sorted({walk for role in found.values() for walk in role.missing_walks})
    if missing:
        raise InvalidData(
            f"walks that the protocol names are not among the test sequences: {', '.join(missing)}",
            where=where,
            hint="see failures.jsonl of the work folder for why they were not packed, or change the protocol",
        )
    if not any(role.gallery.any() and role.probe.any() for role in found.values()):
        told = "; ".join(text for role in found.values() for text in role.unmatched)
        raise InvalidData(
            f"no group has both gallery and probes among the {len(embedded.keys)} test sequences"
            + (f": nothing fits {told}" if told else ""),
            where=where,
            hint="compare the protocol's conditions with those of 'mgdata card SHARDS'",
        )
    return found


def cameras_of(regex: str, keys: Sequence[SequenceKey]) -> tuple[str, ...]:
    """Camera of each sequence: what an expression finds in the name of its view; raises InvalidData where nothing."""
    if not regex:
        return tuple(key.view for key in keys)
    pattern = expression("camera", regex)
    known: dict[str, str] = {}
    for key in keys:
        if key.view not in known:
            known[key.view] = _camera(pattern, key)
    return tuple(known[key.view] for key in keys)


def _camera(pattern: re.Pattern[str], key: SequenceKey) -> str:
    match = pattern.search(key.view)
    found = match and (match[1] if pattern.groups else match[0])
    if not found:
        what = f"camera={pattern.pattern!r} finds no camera in view {key.view!r}"
        raise InvalidData(what, where=str(key), hint="correct 'camera' in the manifest's protocol")
    return found


def _group(embedded: Embedded, protocol: Protocol, name: str, role: Roles, cameras: Sequence[str]) -> GroupScores:
    used = role.gallery | role.probe
    people = _numbers(embedded.identities, used)
    names = sorted({camera for camera, use in zip(cameras, used, strict=True) if use})
    numbers = {camera: number for number, camera in enumerate(names)}
    seen_by = np.array([numbers.get(camera, -1) for camera in cameras], np.int64)

    def side(chosen: BoolArray) -> Side:
        places = embedded.ordered(chosen)
        return Side(places, people[places], seen_by[places])

    pairs, probes = count(
        embedded.embeddings,
        side(role.probe),
        side(role.gallery),
        names,
        metric=protocol.metric,
        rule=_rule(protocol),
        ranks=protocol.ranks if protocol.kind == "view_pairs" else None,
    )
    return GroupScores(
        name, len(set(people[role.gallery].tolist())), int(role.gallery.sum()), pairs, probes, role.unmatched
    )


def _words(key: SequenceKey) -> tuple[str, str, str]:
    return key.subject, key.condition, key.view


def _rule(protocol: Protocol) -> int:
    if protocol.kind in ("reid", "cross_view_gallery"):
        return NO_SAME_PERSON_AND_CAMERA
    return NO_SAME_CAMERA if protocol.exclude_identical_view else KEEP_ALL


def _numbers(identities: Sequence[str], used: BoolArray) -> Integers:
    known: dict[str, int] = {}
    return np.array([known.setdefault(who, len(known)) if u else -1 for who, u in zip(identities, used, strict=True)])
