"""Compare a packed dataset with what it says about itself: sizes, checksums, parts, index."""

from pathlib import Path

from meshgait_data.errors import ShardError
from meshgait_data.findings import Finding, Severity
from meshgait_data.shards.checksums import AGAIN, compare, read_manifest
from meshgait_data.shards.dataset import MARKERS, DatasetInfo, is_part_name, read_dataset
from meshgait_data.shards.reader import Part, check_markers, open_part
from meshgait_data.shards.table import read_table, rows


def verify(path: str | Path, *, deep: bool = False) -> list[Finding]:
    """Check a packed dataset.

    Parameters
    ----------
    path
        Folder that ``mgdata pack`` wrote.
    deep
        Read every byte and compare checksums, instead of sizes only.

    Returns
    -------
    What is wrong, sorted; empty for a sound dataset.
    """
    root = Path(path)
    try:
        info = read_dataset(root)
    except ShardError as error:
        return [Finding.of_error(error, "MG-SHARD-001", str(root))]
    findings, parts = _check_parts(root, info, deep=deep)
    findings += _unlisted(root, info)
    try:
        check_markers(root, info)
    except ShardError as error:
        id = "MG-SHARD-005" if (root / MARKERS).is_file() else "MG-SHARD-003"
        findings.append(Finding.of_error(error, id, str(root)))
    if len(parts) == len(info.parts):
        findings += _check_index(root, parts)
    return sorted(findings)


def _check_parts(root: Path, info: DatasetInfo, *, deep: bool) -> tuple[list[Finding], list[Part]]:
    findings: list[Finding] = []
    parts: list[Part] = []
    for entry in info.parts:
        folder = root / entry.name
        try:
            manifest = read_manifest(folder)
            damage = list(compare(folder, manifest, deep=deep))
            findings += damage
            if any(finding.severity is Severity.ERROR for finding in damage):
                continue
            parts.append(open_part(folder))
        except ShardError as error:
            findings.append(Finding.of_error(error, "MG-SHARD-002", str(folder)))
            continue
        if manifest.crc32c != entry.crc32c:
            message = "this part is not the one that dataset.json lists"
            findings.append(Finding(Severity.ERROR, "MG-SHARD-007", str(folder), message, AGAIN))
    return findings, parts


def _unlisted(root: Path, info: DatasetInfo) -> list[Finding]:
    listed = {entry.name for entry in info.parts}
    message = "this part is not listed in dataset.json; nobody reads it"
    return [
        Finding(Severity.WARNING, "MG-SHARD-008", str(folder), message, "delete it if it is not needed")
        for folder in root.iterdir()
        if is_part_name(folder.name) and folder.name not in listed
    ]


def _check_index(root: Path, parts: list[Part]) -> list[Finding]:
    expected = rows([record for part in parts for record in part.sequences])
    try:
        same = read_table(root) == expected
    except ShardError as error:
        return [Finding.of_error(error, "MG-SHARD-009", str(root))]
    message = "index.parquet disagrees with the parts"
    hint = "run 'mgdata pack' again: it rebuilds the index"
    return [] if same else [Finding(Severity.ERROR, "MG-SHARD-009", str(root), message, hint)]
