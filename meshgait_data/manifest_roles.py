"""Which sequences a protocol enrols and which it asks for: its selectors, applied to keys."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from meshgait_data.errors import InvalidData
from meshgait_data.manifest_protocol import Protocol, Role, Select, expression
from meshgait_data.types import BoolArray, SequenceKey

_HINT = "say in the manifest's protocol which sequences are gallery and which are probes"


@dataclass(frozen=True, slots=True, eq=False)
class Roles:
    """Who is who in one group of probes; N test sequences."""

    gallery: BoolArray
    """(N,)."""
    probe: BoolArray
    """(N,)."""
    missing_walks: tuple[str, ...]
    """Walks that are named one by one and are not among the sequences."""
    unmatched: tuple[str, ...]
    """Other names that no sequence fits, for people: ``condition cl-02``."""


def roles(
    protocol: Protocol,
    keys: Sequence[SequenceKey],
    identities: Sequence[str],
    *,
    lists: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[str, Roles]:
    """Gallery and probes of each group of a protocol.

    Parameters
    ----------
    protocol
        What the manifest says.
    keys, identities
        Of the N test sequences, and no others: keys, and persons as the protocol counts them.
    lists
        ``PROBE_SET`` and ``GALLERY_SET`` of the partition file, where the protocol names them.

    Raises
    ------
    InvalidData
        Where the protocol names a list that there is not, or a sequence is gallery and probe at once.
    """
    try:
        protocol = protocol.resolved(lists or {}) if protocol.unresolved else protocol
    except ValueError as error:
        hint = "give the dataset's partition file in the manifest, as split: partition, and pack again"
        raise InvalidData(str(error), where="protocol", hint=hint) from error
    return {name: _roles(name, pair, keys, identities) for name, pair in protocol.roles().items()}


def _roles(name: str, pair: tuple[Role, Role], keys: Sequence[SequenceKey], identities: Sequence[str]) -> Roles:
    gallery_role, probe_role = pair
    gallery, probe = _named(gallery_role, keys), _named(probe_role, keys)
    if gallery is None:
        assert probe is not None, "Protocol refuses two rests"
        gallery = ~probe
    if probe is None:
        enrolled = {identity for identity, enrol in zip(identities, gallery, strict=True) if enrol}
        probe = ~gallery & np.fromiter((i in enrolled for i in identities), np.bool_, len(identities))
    both = np.flatnonzero(gallery & probe)
    if len(both):
        what = f"{len(both)} sequences are gallery and probe at once, the first: {keys[both[0]]}"
        raise InvalidData(what, where=f"protocol {name}".strip(), hint=_HINT)
    walks = tuple(chain.from_iterable(_missing_walks(role, keys) for role in pair))
    return Roles(gallery, probe, walks, tuple(chain.from_iterable(_unmatched(role, keys) for role in pair)))


def _named(role: Role, keys: Sequence[SequenceKey]) -> BoolArray | None:
    """(N,) which sequences a role names; None where it is the rest."""
    if isinstance(role, Select):
        return select(role, keys)
    if role == "rest":
        return None
    walks = set(role)
    return np.fromiter((_walk(key) in walks for key in keys), np.bool_, len(keys))


def select(chosen: Select, keys: Sequence[SequenceKey]) -> BoolArray:
    """(N,) which sequences fulfil all lines of a selector; those of the partition file must be resolved."""
    if chosen.listed:
        raise ValueError(f"{chosen.listed} is not resolved")
    found = np.ones(len(keys), np.bool_)
    for texts, of_key in (
        (chosen.conditions or None, lambda key: key.condition),
        (chosen.subjects or None, lambda key: key.subject),
        (chosen.views or None, lambda key: key.view),
        (chosen.walks or None, _walk),
        (chosen.keys, lambda key: _written(chosen, key)),
    ):
        if texts is not None:
            wanted = set(texts)
            found &= np.fromiter((of_key(key) in wanted for key in keys), np.bool_, len(keys))
    if chosen.containing:
        found &= np.fromiter((any(t in key.condition for t in chosen.containing) for key in keys), np.bool_, len(keys))
    if chosen.matching:
        regex = expression("matching", chosen.matching)
        found &= np.fromiter((bool(regex.fullmatch(key.condition)) for key in keys), np.bool_, len(keys))
    return _nth(found, keys, chosen.nth) if chosen.nth else found


def _nth(found: BoolArray, keys: Sequence[SequenceKey], nth: int) -> BoolArray:
    """Of each subject's sequences only the one at a place."""
    places: dict[str, list[int]] = defaultdict(list)
    for place in sorted(np.flatnonzero(found).tolist(), key=lambda place: keys[place]):
        places[keys[place].subject].append(place)
    kept = np.zeros_like(found)
    kept[[listed[nth - 1] for listed in places.values() if len(listed) >= nth]] = True
    return kept


def _missing_walks(role: Role, keys: Sequence[SequenceKey]) -> list[str]:
    walks = role.walks if isinstance(role, Select) else () if role == "rest" else role
    return sorted(set(walks) - {_walk(key) for key in keys}) if walks else []


def _unmatched(role: Role, keys: Sequence[SequenceKey]) -> list[str]:
    """Names of a selector that nothing fits."""
    if not isinstance(role, Select):
        return []
    conditions = {key.condition for key in keys}
    told = [f"condition {text}" for text in role.conditions if text not in conditions]
    told += [f"condition with {text}" for text in role.containing if not any(text in c for c in conditions)]
    for name in ("subject", "view"):
        seen = {getattr(key, name) for key in keys}
        told += [f"{name} {text}" for text in getattr(role, f"{name}s") if text not in seen]
    if role.keys:
        absent = set(role.keys) - {_written(role, key) for key in keys}
        told += [f"{len(absent)} of {len(set(role.keys))} listed sequences, the first: {min(absent)}"] if absent else []
    return told


def _walk(key: SequenceKey) -> str:
    return f"{key.subject}/{key.condition}"


def _written(chosen: Select, key: SequenceKey) -> str:
    return chosen.written.format(subject=key.subject, condition=key.condition, view=key.view)
