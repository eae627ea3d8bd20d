"""The CSV for servers that alone know who the probes are: ``videoId,rank1,rank2,...``, a line for each probe."""

import re
from collections.abc import Sequence

import numpy as np

from meshgait_data.errors import InvalidData
from meshgait_data.manifest_protocol import Protocol, Submission
from meshgait_data.manifest_roles import select
from meshgait_data.types import FloatArray
from meshgait_model.metrics import Integers
from meshgait_model.protocols.distances import blocks
from meshgait_model.protocols.scoring import Embedded, checked_roles


def submission(embedded: Embedded, protocol: Protocol, name: str = "main") -> str:
    """Text of the CSV; lines end in LF and are sorted by the name of the probe.

    Parameters
    ----------
    embedded
        Test sequences.
    protocol, name
        Of kind ``submission``, and under which name the manifest has it.

    Raises
    ------
    InvalidData
        Where roles cannot be given (see :func:`meshgait_model.protocols.scoring.score`), identities are no whole
        numbers, two probes have the same name or one has a name that the server does not know, or the gallery is
        smaller than a line.
    """
    rules = protocol.submission
    assert rules is not None
    (role,) = checked_roles(embedded, protocol, name).values()
    where = f"protocol {name}"
    probes, gallery = embedded.ordered(role.probe), embedded.ordered(role.gallery)
    people = np.array([_whole(embedded.identities[place], embedded, place) for place in gallery.tolist()], np.int64)
    names = _names(embedded, probes, rules, where)
    available = len(np.unique(people)) if rules.unique else len(people)
    if available < rules.columns:
        what = f"{available} {'identities' if rules.unique else 'sequences'} in the gallery, {rules.columns} on a line"
        raise InvalidData(what, where=where, hint="pack the whole gallery, or ask for fewer columns")
    order = np.argsort(names, kind="stable")
    probes, names = probes[order], [names[place] for place in order]
    head = [rules.header, *(f"rank{k}" for k in range(1, rules.columns + 1))]
    found: list[list[int]] = []
    for _, distances in blocks(embedded.embeddings, probes, gallery, protocol.metric):
        found += [_nearest(row, people, rules) for row in distances]
    if rules.distractors is not None:
        head.append("rank1_distractor")
        for line, nearest in zip(found, _among_distractors(embedded, protocol, probes, gallery, people), strict=True):
            line.append(nearest)
    lines = [",".join([name, *map(str, line)]) for name, line in zip(names, found, strict=True)]
    return "\n".join([",".join(head), *lines]) + "\n"


def _nearest(distances: FloatArray, people: Integers, rules: Submission) -> list[int]:
    """Identities of the nearest sequences; of equal distances those that come first in the gallery."""
    if rules.unique:
        ranked = people[np.argsort(distances, kind="stable")]
        return list(dict.fromkeys(ranked.tolist()))[: rules.columns]
    last = np.partition(distances, rules.columns - 1)[rules.columns - 1]
    near = np.flatnonzero(distances <= last)
    ranked = near[np.argsort(distances[near], kind="stable")]
    return people[ranked[: rules.columns]].tolist()


def _among_distractors(
    embedded: Embedded, protocol: Protocol, probes: Integers, gallery: Integers, people: Integers
) -> list[int]:
    """Nearest identity of each probe with distractors behind the gallery; 0: a distractor is nearer than everybody."""
    rules = protocol.submission
    assert rules is not None
    assert rules.distractors is not None
    strangers = embedded.ordered(select(rules.distractors, embedded.keys))
    if not len(strangers) or np.isin(strangers, [*gallery, *probes]).any():
        what = "no distractors among the test sequences" if not len(strangers) else "distractors are gallery or probes"
        hint = "pack them on the test side of the split, and say in submission: distractors who they are"
        raise InvalidData(what, where="protocol: submission: distractors", hint=hint)
    numbers = np.concatenate([people, np.zeros(len(strangers), np.int64)])
    everybody = np.concatenate([gallery, strangers])
    found: list[int] = []
    for _, distances in blocks(embedded.embeddings, probes, everybody, protocol.metric):
        found += numbers[distances.argmin(1)].tolist()
    return found


def _whole(identity: str, embedded: Embedded, place: int) -> int:
    if not re.fullmatch(r"[0-9]+", identity):
        hint = "the server wants whole numbers; choose another gallery in the manifest's protocol"
        raise InvalidData(f"identity {identity!r} is no whole number", where=str(embedded.keys[place]), hint=hint)
    return int(identity)


def _names(embedded: Embedded, probes: Integers, rules: Submission, where: str) -> list[str]:
    """First column; raises InvalidData where it names a probe twice, or as the server never would."""
    keys = [embedded.keys[place] for place in probes]
    names = [rules.name.format(subject=key.subject, condition=key.condition, view=key.view) for key in keys]
    hint = "correct submission: name and names in the manifest's protocol"
    if twice := _first_twice(names):
        raise InvalidData(f"two probes are named {twice!r}", where=where, hint=hint)
    wrong = [(key, text) for key, text in zip(keys, names, strict=True) if not re.fullmatch(rules.names or ".+", text)]
    if wrong:
        raise InvalidData(f"{wrong[0][1]!r} does not fit names={rules.names!r}", where=str(wrong[0][0]), hint=hint)
    return names


def _first_twice(names: Sequence[str]) -> str:
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), "")  # type: ignore[func-returns-value]
