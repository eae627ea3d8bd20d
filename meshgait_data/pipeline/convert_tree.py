"""Convert trees of OpenGait: to shards, whole sequences or none, and from shards what such a tree can hold."""

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.export.opengait import FACTS, TREE_MARKERS, TreeFacts, load_facts
from meshgait_data.export.opengait_partition import people_findings, with_partition
from meshgait_data.export.opengait_tree import Leaf, Reading, Tree, plan, read_leaf, scan
from meshgait_data.findings import Finding, Severity, from_jsonl, to_jsonl
from meshgait_data.pipeline.claim import claimed
from meshgait_data.pipeline.convert_parts import Made, Written, finish, present, write_parts
from meshgait_data.pipeline.pack_settings import versions
from meshgait_data.shards.dataset import DATASET, FINDINGS, MARKERS, DatasetInfo, Format, part_name
from meshgait_data.shards.schema import SCHEMA_VERSION
from meshgait_data.shards.writing import write_part
from meshgait_data.types import SequenceData

PART_SEQUENCES = 256
"""Sequences of a tree that make a part: one job, one folder or file."""


@dataclass(frozen=True, slots=True)
class TreePart:
    """Job: some sequences of a tree as one part."""

    name: str
    leaves: tuple[Leaf, ...]
    reading: Reading
    format: Format

    def keep(self, out: Path) -> Made | None:
        """The part if it is there, whole, and of files with the same content."""
        found = present(out, self.name)
        if found is None:
            return None
        there, entry = found
        if there.provenance.get("fingerprint") != self._fingerprint():
            return None
        return Made(entry, tuple(from_jsonl("\n".join(there.provenance["findings"]))))

    def make(self, out: Path) -> Made:
        """Write it, or nothing where none of its sequences can be used."""
        findings: list[Finding] = []
        sequences = self._sequences(findings)
        first = next(sequences, None)
        if first is None:
            return Made(None, tuple(findings))

        def provenance() -> dict[str, Any]:
            return {
                "fingerprint": self._fingerprint(),
                "origin": "tree of OpenGait",
                "versions": versions(),
                "manifest_sha256": self.reading.facts.sha256(),
                "findings": to_jsonl(findings).splitlines(),
            }

        entry = write_part(
            out / self.name,
            itertools.chain([first], sequences),
            manifest=self.reading.facts,
            provenance=provenance,
            format=self.format,
            known=self.reading.expected,
        )
        return Made(entry, tuple(findings))

    def _sequences(self, findings: list[Finding]) -> Iterator[SequenceData]:
        for leaf in self.leaves:
            sequence, found = read_leaf(leaf, self.reading)
            findings += found
            if sequence is not None:
                yield sequence

    def _fingerprint(self) -> str:
        reading = self.reading
        how = {
            "schema": SCHEMA_VERSION,
            "versions": versions(),
            "facts": reading.facts.sha256(),
            "people": [
                (reading.facts.identity(leaf.key.subject), reading.facts.side(leaf.key.subject), leaf.key.subject)
                for leaf in self.leaves
            ],
            "silhouettes": reading.silhouettes,
            "arrays": {name: spec.plain() for name, spec in sorted(reading.expected.items())},
            "files": [leaf.fingerprint() for leaf in self.leaves],
        }
        return hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()


def convert_tree(
    root: Path,
    out: Path,
    format: Format,
    *,
    manifest: str = "",
    partition: Path | None = None,
    silhouettes: str = "",
    workers: int = 1,
    progress: bool = True,
) -> tuple[DatasetInfo, Written, list[Finding]]:
    """Pack a tree of OpenGait as it is, nothing rendered and nothing fitted.

    Parameters
    ----------
    manifest
        Name or path of a manifest, or of a YAML with what the tree does not say; by default ``dataset.yaml`` in it.
    partition
        OpenGait's JSON, whose split is taken in place of the manifest's.
    silhouettes
        Name of the modality that is the silhouettes, where that is not clear.

    Returns
    -------
    The dataset, its parts, and all that was noticed: sequences and modalities that cannot be used are findings.

    Raises
    ------
    UsageError
        Where there is no tree or no manifest, or ``out`` holds other files.
    InvalidData
        Where no sequence can be used, or what belongs to the labels of a tree is missing.
    """
    facts = _facts(root, manifest, resolve=partition is None)
    tree = scan(root, facts.name)
    if partition is not None:
        facts = with_partition(facts, partition, tree)
    findings = list(tree.findings)
    findings += people_findings(tree, facts)
    reading = plan(tree, facts, silhouettes)
    beside = _labels_beside(tree, reading)
    groups = [tree.leaves[first : first + PART_SEQUENCES] for first in range(0, len(tree.leaves), PART_SEQUENCES)]
    jobs = [TreePart(part_name(number, format), group, reading, format) for number, group in enumerate(groups)]
    with claimed(out, DATASET):
        written = write_parts(out, jobs, workers=workers, progress=progress)
        findings = sorted([*findings, *written.findings])
        if all(made.entry is None for made in written.made):
            lost = next(finding for finding in findings if finding.severity is Severity.ERROR)
            raise InvalidData(f"no sequence can be used; the first: {lost.message}", where=lost.where, hint=lost.hint)
        if findings:
            beside[FINDINGS] = to_jsonl(findings).encode()
        info = finish(out, _info(reading, format), written, beside)
    return info, written, findings


def _facts(root: Path, manifest: str, *, resolve: bool) -> TreeFacts:
    own = root / FACTS
    if not manifest and not own.is_file():
        hint = "say what dataset this is: --manifest NAME or FILE.yaml, see docs/format.md"
        raise UsageError("a tree does not say its licence, split and protocol", where=str(root), hint=hint)
    if not manifest:
        return load_facts(str(own))
    facts = load_facts(manifest, root if resolve else None)
    if own.is_file():
        ours = load_facts(str(own))
        facts = replace(facts, body=ours.body, markers=ours.markers, joint_set=ours.joint_set)
    return facts


def _labels_beside(tree: Tree, reading: Reading) -> dict[str, bytes]:
    """The markers' mesh; raises InvalidData where labels are there whose points nobody names."""
    facts, specs = reading.facts, reading.expected
    counts = {name: specs[name].shape[0] for name in specs if name.split("_")[0] in ("joints", "markers") and tree.ours}
    joints, markers = len(facts.joint_set.names), facts.markers.count if facts.markers else 0
    wrong = [name for name, count in counts.items() if count != (joints if name.startswith("joints") else markers)]
    file = tree.root / TREE_MARKERS
    if wrong or (facts.markers and not file.is_file()):
        what = (
            f"{wrong[0]} has {counts[wrong[0]]} points, of which {FACTS} does not speak" if wrong else f"no {file.name}"
        )
        hint = f"keep {FACTS} and {TREE_MARKERS} beside the subjects"
        raise InvalidData(what, where=str(tree.root), hint=hint)
    return {MARKERS: file.read_bytes()} if facts.markers else {}


def _info(reading: Reading, format: Format) -> DatasetInfo:
    facts = reading.facts
    return DatasetInfo(
        schema=SCHEMA_VERSION,
        format=format,
        name=facts.name,
        title=facts.title,
        homepage=facts.homepage,
        citation=facts.citation,
        licence=facts.licence,
        split=facts.split,
        protocol=facts.protocol,
        manifest_sha256=facts.sha256(),
        body=facts.body,
        markers=facts.markers,
        joint_set=facts.joint_set,
        fields={},
        parts=(),
        index_crc32c=0,
        versions=versions(),
        protocols=facts.protocols,
    )
