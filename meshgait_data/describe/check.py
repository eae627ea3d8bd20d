"""Everything that is wrong with a manifest, without or with the folder that it describes."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from meshgait_data.body.joint_files import joint_set_names
from meshgait_data.describe.names import FORMATS, unknown_name
from meshgait_data.errors import ManifestError, MeshgaitError, Problem
from meshgait_data.findings import Finding
from meshgait_data.index import scan
from meshgait_data.manifest import Manifest, load_joint_map, load_manifest
from meshgait_data.manifest_source import KINDS
from meshgait_data.marked import mark_at
from meshgait_data.yaml_files import read_yaml


@dataclass(frozen=True, slots=True)
class OnDisk:
    """What a folder has of what a manifest describes, by names alone."""

    sequences: int
    captures: int
    subjects: int
    kinds: dict[str, int]
    """Block of the source to the number of sequences that have it."""
    sides: dict[str, int]
    """Side of the split to the number of people."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of checking one file."""

    file: str
    manifest: Manifest | None
    """None where it cannot be read."""
    problems: tuple[Problem, ...] = ()
    on_disk: OnDisk | None = None


def check_file(name_or_path: str, root: Path | None = None) -> Checked:
    """Check a manifest, and how a folder fits it where one is given.

    Nothing of the folder is opened but its partition file; names and sizes tell.

    Raises
    ------
    UsageError
        Where there is no such manifest or folder, or no partition file.
    InvalidData
        Where the partition file is another than the manifest means.
    """
    manifest, problems = None, list[Problem]()
    try:
        data, _ = read_yaml(name_or_path, "datasets")
        problems += _unknown_names(data)
        manifest = load_manifest(name_or_path)
    except ManifestError as error:
        problems += error.problems
    problems.sort(key=lambda one: (one.line, one.column))
    if manifest is None or root is None or problems:
        return Checked(name_or_path, manifest, tuple(problems))
    index, findings = scan(manifest, root, quick=True)
    kinds = Counter(kind for row in index.rows for kind in row.kinds)
    sides = Counter(side for _, side in {(row.identity, row.side) for row in index.rows})
    subjects = {row.subject for row in index.rows}
    found = OnDisk(len(index.rows), len(index.captures()), len(subjects), dict(kinds), dict(sides), tuple(findings))
    return Checked(name_or_path, manifest, (), found)


def _unknown_names(data: object) -> Iterator[Problem]:
    """Formats, joint sets and joint maps that nobody knows, which are only looked up when files are read."""
    source = data.get("source") if isinstance(data, dict) else None
    if not isinstance(source, dict):
        return
    blocks = {"": source} | {name: source[name] for name in (*KINDS, "cameras") if isinstance(source.get(name), dict)}
    for place, block in blocks.items():
        steps = ("source", place) if place else ("source",)
        checks = {
            "format": (FORMATS.get(place), unknown_name),
            "joint_set": (joint_set_names(), unknown_name),
            "joint_map": ((), _unknown_map),
        }
        for name, (known, check) in checks.items():
            value = block.get(name)
            told = check(value, known) if isinstance(value, str) and value and known is not None else None
            if told is not None:
                mark = mark_at(data, (*steps, name))
                line, column = (mark.line, mark.column) if mark else (0, 0)
                yield Problem(told[0], ".".join((*steps, name)), line, column, told[1])


def _unknown_map(name: str, _: Collection[str]) -> tuple[str, str] | None:
    try:
        load_joint_map(name)
    except MeshgaitError as error:
        return str(error), error.hint
    return None
