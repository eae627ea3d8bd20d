"""OpenGait's partition laid over a tree: who is trained on, who is tested on, and which sequences are probes."""

from dataclasses import replace
from pathlib import Path

from meshgait_data.errors import InvalidData
from meshgait_data.export.opengait import TreeFacts, partition
from meshgait_data.export.opengait_tree import Tree
from meshgait_data.findings import Finding, Severity
from meshgait_data.manifest_partition import PartitionFile, read_partition
from meshgait_data.manifest_protocol import Protocol, Role, Select
from meshgait_data.manifest_split import Split


def with_partition(facts: TreeFacts, path: Path, tree: Tree) -> TreeFacts:
    """Facts with the split of a partition, and with its probes where the protocol has others.

    Raises
    ------
    UsageError, InvalidData
        As :func:`read_partition`, or where subjects that are one person are on both sides.
    """
    file = read_partition(path)
    sides = {subject: side for side in ("train", "test") for subject in getattr(file, side)}
    for group in facts.same_person:
        if len({sides[subject] for subject in group if subject in sides}) > 1:
            what = f"subjects {', '.join(group)} may be one person but stand on both sides"
            raise InvalidData(what, where=str(path), hint="put them on one side")
    train, test = (tuple(dict.fromkeys(map(facts.identity, side))) for side in (file.train, file.test))
    try:
        split = Split(train, test, probe=file.probe, gallery=file.gallery)
    except ValueError as error:
        raise InvalidData(f"not a partition of OpenGait: {error}", where=str(path)) from error
    lists = {"PROBE_SET": file.probe, "GALLERY_SET": file.gallery}
    try:
        protocols = {name: one.resolved(lists) for name, one in facts.protocols.items()}
        facts = replace(facts, split=split, protocol=facts.protocol.resolved(lists), protocols=protocols)
    except ValueError as error:
        raise InvalidData(str(error), where=str(path), hint="take the partition of this dataset") from error
    return replace(facts, protocol=_protocol(facts, file, tree))


def _protocol(facts: TreeFacts, file: PartitionFile, tree: Tree) -> Protocol:
    """That of the facts, unless the file names other probes."""
    protocol = facts.protocol
    if not file.probe or set(file.probe) == set(partition(facts, [leaf.key for leaf in tree.leaves])["PROBE_SET"]):
        return protocol
    gallery: Role = Select(keys=file.gallery) if file.gallery else "rest"
    return Protocol(gallery, Select(keys=file.probe), kind="retrieval", ranks=protocol.ranks)


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
