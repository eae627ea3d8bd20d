"""Write a packed dataset as a tree of OpenGait, as far as such a tree can hold it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from meshgait_data.atomic import write_bytes, write_text
from meshgait_data.errors import ShardError, UsageError
from meshgait_data.export.opengait import (
    BETAS,
    FRAME_IDS,
    GROUPS,
    LEFTOVER,
    STATE,
    TREE_FINDINGS,
    TREE_MARKERS,
    TreeFacts,
    expand,
    has_leaf,
    write_beside,
    write_leaf,
)
from meshgait_data.export.opengait_config import TreeUsage
from meshgait_data.findings import Finding, Severity, to_jsonl
from meshgait_data.pipeline.claim import claimed
from meshgait_data.pipeline.convert_parts import STAGE
from meshgait_data.pipeline.runner import run_jobs
from meshgait_data.shards.dataset import DATASET, MARKERS
from meshgait_data.shards.reader import Shards, open_shards
from meshgait_data.shards.records import SequenceRecord
from meshgait_data.types import SequenceKey


@dataclass(frozen=True, slots=True)
class Exported:
    """What became of a packed dataset that was written as a tree."""

    sequences: int
    frames: int
    written: int
    """Sequences that were not there before."""
    fields: tuple[str, ...]
    """Modalities, in the order of their files."""
    left_out: tuple[str, ...]
    """Fields that were not chosen."""
    one_bit: bool
    """Whether silhouettes were unpacked from bits."""
    findings: tuple[Finding, ...]


def export_tree(
    source: str,
    out: Path,
    fields: Sequence[str] = (),
    *,
    usage: TreeUsage | None = None,
    workers: int = 1,
    progress: bool = True,
) -> Exported:
    """Write a packed dataset as a tree of OpenGait.

    Parameters
    ----------
    fields
        Modalities beside the silhouettes, in this order: fields of the dataset, ``betas``, or ``smpl`` for the four of
        the body. The ids of frames are always there.
    usage
        What the config beside the tree is for.

    Raises
    ------
    UsageError
        Where the dataset has no such field, or ``out`` holds other files, or the tree of another export.
    ShardError
        Where the source is damaged, or no sequence has all of these fields.
    """
    shards = open_shards(source)
    chosen = expand(fields)
    _check_fields(shards, chosen)
    crc = google_crc32c.value(shards.store.read(DATASET))
    state = {"name": shards.info.name, "dataset_crc32c": crc, "fields": list(chosen), "complete": False}
    with claimed(out, STATE):
        _begin(out, state)
        jobs = [(entry.name, (source, crc, entry.name, out, chosen)) for entry in shards.info.parts]
        report = run_jobs(STAGE, _export_part, jobs, workers=workers, progress=progress)
        for failure in report.failures:
            raise ShardError(f"{failure.key} cannot be converted: {failure.error}", where=source, hint=failure.hint)
        done = [outcome.value for outcome in report.outcomes]
        lacking = [finding for part in done for finding in part.findings]
        records = [record for part in done for record in part.records]
        if not records:
            raise ShardError("no sequence has all of these fields", where=source, hint=f"it has {_has(shards)}")
        findings = sorted(lacking + _same_people(records) + _dropped(records))
        _end(out, shards, records, chosen, usage)
        write_text(out / TREE_FINDINGS, to_jsonl(findings))
        write_text(out / STATE, json.dumps({**state, "complete": True}, indent=1) + "\n")
    left = tuple(name for name in shards.info.fields if name not in {*chosen, "silhouettes_1bit"})
    frames = sum(record.length for record in records)
    return Exported(
        sequences=len(records),
        frames=frames,
        written=sum(part.written for part in done),
        fields=chosen,
        left_out=left,
        one_bit="silhouettes_1bit" in shards.info.fields,
        findings=tuple(findings),
    )


def _check_fields(shards: Shards, chosen: Sequence[str]) -> None:
    known = {*shards.info.fields, "silhouettes"} | ({BETAS} if shards.info.body else set())
    for name in chosen:
        if name not in known:
            groups = ", ".join(f"{group} for {', '.join(members)}" for group, members in GROUPS.items())
            raise UsageError(f"no field {name!r}", where=str(shards.url), hint=f"it has {_has(shards)}; {groups}")


def _has(shards: Shards) -> str:
    return ", ".join(shards.info.fields)


def _begin(out: Path, state: Mapping[str, Any]) -> None:
    """Say what is being written; remove what a killed run left half-written."""
    path = out / STATE
    if path.is_file():
        try:
            there = json.loads(path.read_text(encoding="utf-8"))
            same = {**there, "complete": False} == state
        except (ValueError, TypeError):
            same = False
        if not same:
            hint = "choose a new folder"
            raise UsageError(
                "the folder holds the tree of another dataset or of other fields", where=str(out), hint=hint
            )
    write_text(path, json.dumps(state, indent=1) + "\n")
    for folder in out.glob("*/*/.*.tmp"):
        if LEFTOVER.fullmatch(folder.name):
            _remove(folder)


def _remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


@dataclass(frozen=True, slots=True)
class _Leaves:
    """What one job wrote."""

    records: tuple[SequenceRecord, ...]
    written: int
    findings: tuple[Finding, ...]


@lru_cache(maxsize=1)
def _opened(source: str, state: int) -> Shards:
    """The source, opened once a process; ``state`` changes with its content."""
    return open_shards(source)


def _export_part(source: str, state: int, name: str, out: Path, fields: tuple[str, ...]) -> _Leaves:
    shards = _opened(source, state)
    records: list[SequenceRecord] = []
    findings: list[Finding] = []
    written = 0
    for record in shards.part(name).sequences:
        lacking = [field for field in fields if not _can_give(shards, record, field)]
        if lacking:
            what = f"has no {', '.join(lacking)}, and all leaves of a tree have the same files: left out"
            hint = "choose fields that all sequences have"
            findings.append(Finding(Severity.ERROR, "MG-TREE-010", str(record.key), what, hint))
            continue
        if not has_leaf(out, record.key, fields):
            write_leaf(out, record.key, {field: _modality(shards, record, field) for field in fields})
            written += 1
        records.append(record)
    return _Leaves(tuple(records), written, tuple(findings))


def _can_give(shards: Shards, record: SequenceRecord, field: str) -> bool:
    if field == BETAS:
        return len(shards.detail(record).betas) > 0
    return field in record.rows or (field == "silhouettes" and "silhouettes_1bit" in record.rows)


def _modality(shards: Shards, record: SequenceRecord, field: str) -> NDArray[Any]:
    if field == BETAS:
        return np.tile(shards.detail(record).betas, (record.length, 1))
    return shards.read(record, field)


def _same_people(records: Sequence[SequenceRecord]) -> list[Finding]:
    """People with several subject names, which a tree takes for different people."""
    groups: dict[str, set[str]] = {}
    for record in records:
        groups.setdefault(record.identity, set()).add(record.key.subject)
    what = "are or may be one person; OpenGait takes them for different people"
    hint = "train on one of them, or put their walks under one subject"
    return [
        Finding(
            Severity.WARNING,
            "MG-TREE-011",
            f"{records[0].key.dataset}/{identity}",
            f"subjects {', '.join(sorted(subjects))} {what}",
            hint,
        )
        for identity, subjects in groups.items()
        if len(subjects) > 1
    ]


def _dropped(records: Sequence[SequenceRecord]) -> list[Finding]:
    """Frames of the source that a sequence lacks: other files of the walk are not to be laid beside it by position."""
    hint = f"join by {FRAME_IDS}, never by position"
    return [
        Finding(
            Severity.INFO,
            "MG-TREE-012",
            str(record.key),
            f"{record.dropped} of {record.dropped + record.length} frames of the source are not in it",
            hint,
        )
        for record in records
        if record.dropped
    ]


def _end(
    out: Path,
    shards: Shards,
    records: Sequence[SequenceRecord],
    fields: Sequence[str],
    usage: TreeUsage | None,
) -> None:
    """Write what lies beside the subjects."""
    facts = TreeFacts.of_shards(shards.info, records)
    if any(name.startswith("markers") for name in fields):
        write_bytes(out / TREE_MARKERS, shards.store.read(MARKERS))
    else:
        facts = replace(facts, markers=None)
    keys: list[SequenceKey] = [record.key for record in records]
    write_beside(out, facts, keys, fields, usage)
