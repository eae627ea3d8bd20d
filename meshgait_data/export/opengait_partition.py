"""OpenGait's partition: who is trained on, who is tested on, and which sequences are probes."""

import json
from dataclasses import replace
from pathlib import Path

from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.export.opengait import TreeFacts, joined
from meshgait_data.export.opengait_tree import Tree
from meshgait_data.findings import Finding, Severity
from meshgait_data.manifest import Protocol, Split


def read_partition(path: Path) -> tuple[Split, tuple[str, ...]]:
    """Split of OpenGait's JSON, and the sequences of its ``PROBE_SET``.

    Raises
    ------
    UsageError
        Where there is no such file.
    InvalidData
        Where it is not such a JSON.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        sets = {name: plain.get(name, []) for name in ("TRAIN_SET", "TEST_SET", "PROBE_SET")}
        if not all(isinstance(item, str) for listed in sets.values() for item in listed):
            raise ValueError("names must be texts")
        return Split(tuple(sets["TRAIN_SET"]), tuple(sets["TEST_SET"])), tuple(sets["PROBE_SET"])
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, TypeError, AttributeError) as error:
        hint = 'it should be {"TRAIN_SET": ["001", ...], "TEST_SET": ["075", ...]}'
        raise InvalidData(f"not a partition of OpenGait: {error}", where=str(path), hint=hint) from error


def with_partition(facts: TreeFacts, path: Path, tree: Tree) -> tuple[TreeFacts, list[Finding]]:
    """Facts with split and, as far as walks can say it, probes of a partition; and what walks cannot say.

    Raises
    ------
    UsageError, InvalidData
        As :func:`read_partition`, or where subjects that are one person are on both sides.
    """
    split, probes = read_partition(path)
    sides = {subject: side for side in ("train", "test") for subject in getattr(split, side)}
    for group in facts.same_person:
        if len({sides[subject] for subject in group if subject in sides}) > 1:
            what = f"subjects {', '.join(group)} may be one person but stand on both sides"
            raise InvalidData(what, where=str(path), hint="put them on one side")
    identities = {side: tuple(dict.fromkeys(map(facts.identity, getattr(split, side)))) for side in ("train", "test")}
    facts = replace(facts, split=Split(**identities))
    if not probes:
        return facts, []
    protocol = _protocol(facts, set(probes), tree)
    if protocol is not None:
        return replace(facts, protocol=protocol), []
    what = "PROBE_SET takes single views of walks, a protocol whole walks; that of the manifest is kept"
    return facts, [Finding(Severity.WARNING, "MG-TREE-007", str(path), what)]


def _protocol(facts: TreeFacts, probes: set[str], tree: Tree) -> Protocol | None:
    """Each listed sequence against all other test sequences; None where the views of a walk are on both sides."""
    roles: dict[str, set[bool]] = {}
    for leaf in tree.leaves:
        if facts.side(leaf.key.subject) == "test":
            roles.setdefault(f"{leaf.key.subject}/{leaf.key.condition}", set()).add(joined(leaf.key) in probes)
    if any(len(both) > 1 for both in roles.values()) or not roles:
        return None
    probe = tuple(walk for walk, (is_probe,) in roles.items() if is_probe)
    gallery = tuple(walk for walk in roles if walk not in set(probe))
    return Protocol(gallery, probe, exclude_identical_view=False, ranks=facts.protocol.ranks)


def people_findings(tree: Tree, facts: TreeFacts) -> list[Finding]:
    """People that the split names and nobody has seen, and people that it does not name."""
    identities = {facts.identity(leaf.key.subject) for leaf in tree.leaves}
    named = {*facts.split.train, *facts.split.test}
    findings = []
    if absent := sorted(named - identities):
        what = f"the split names {len(absent)} people without any sequence, the first: {absent[0]}"
        hint = "OpenGait leaves them out without a word; add their files, or take the names out"
        findings.append(Finding(Severity.WARNING, "MG-TREE-006", str(tree.root), what, hint))
    if unused := sorted(identities - named):
        what = f"{len(unused)} people are on neither side of the split, the first: {unused[0]}"
        hint = "their side is 'unused'; name them in the split if they should be used"
        findings.append(Finding(Severity.INFO, "MG-TREE-008", str(tree.root), what, hint))
    return findings
