"""Pack a work folder: plan the parts, write those that are new or changed, and declare the dataset complete last."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import google_crc32c

from meshgait_data.atomic import write_bytes, write_text
from meshgait_data.body.files import load_body
from meshgait_data.body.marker_files import save_markers
from meshgait_data.errors import ShardError, UsageError
from meshgait_data.findings import Finding, Severity, from_jsonl, to_jsonl
from meshgait_data.index import read_index
from meshgait_data.pipeline.claim import claimed
from meshgait_data.pipeline.markers import find_markers
from meshgait_data.pipeline.pack_part import STAGE, PartResult, failure_finding, pack_part
from meshgait_data.pipeline.pack_plan import (
    PENDING,
    CapturePlan,
    PartPlan,
    grouped,
    plan_captures,
    read_pending,
    write_pending,
)
from meshgait_data.pipeline.pack_present import PresentPart, own_parts, part_number, present_parts, unharmed
from meshgait_data.pipeline.pack_settings import Ingredients, check_settings, versions
from meshgait_data.pipeline.pack_settings import PackSettings as PackSettings
from meshgait_data.pipeline.render import find_joints, through_rig
from meshgait_data.pipeline.runner import Outcome, Report, record_failures, run_jobs
from meshgait_data.shards.card import card
from meshgait_data.shards.checksums import AGAIN
from meshgait_data.shards.dataset import (
    CARD,
    DATASET,
    FINDINGS,
    INDEX,
    MARKERS,
    BodyInfo,
    DatasetInfo,
    MarkersInfo,
    PartEntry,
    describe,
    fields_of,
    mark_incomplete,
    part_name,
    read_dataset,
    write_dataset,
)
from meshgait_data.shards.part import Part, open_part
from meshgait_data.shards.store import open_store
from meshgait_data.shards.table import SequenceTable
from meshgait_data.shards.writing import remove_part


@dataclass(frozen=True, slots=True)
class PackReport:
    """What packing did."""

    report: Report
    """One outcome a capture that was looked at, and one a view or part that failed."""
    written: int
    """Parts."""
    reused: int
    removed: int
    sequences: int
    frames: int
    dropped: int
    """Frames that were left out of packed sequences; each is a finding."""

    @property
    def exit_code(self) -> int:
        """0, or 1 where something failed."""
        return self.report.exit_code


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done."""

    parts: tuple[PartPlan, ...]
    """All of the dataset, in order."""
    kept: dict[str, PartEntry]
    """Name of each part that stays as it is to what the dataset says of it."""
    failures: tuple[Outcome, ...]
    """Views that the parts that stay lack."""
    findings: tuple[Finding, ...]
    """About captures that are left out."""

    @property
    def changed(self) -> list[PartPlan]:
        """Parts to write."""
        return [plan for plan in self.parts if plan.path.name not in self.kept]


def pack(work: Path, out: Path, settings: PackSettings | None = None) -> PackReport:
    """Pack a work folder into a dataset folder, resuming what is there.

    Where the source has masks they are what is packed, labelled by the fits; otherwise the fits are rendered. Parts
    whose captures follow from the same files, fits, body and settings stay as they are. Where captures changed or are
    not wanted any more their part is written again, and new captures go into new parts. Failed captures are left out
    and recorded in ``WORK/failures.jsonl``.

    Raises
    ------
    UsageError
        Where there is nothing to pack, settings contradict each other, ``out`` holds other files, or another process
        packs into it.
    ShardError
        Where no capture could be packed, or a part could not be written; the dataset then says that it is incomplete.
    """
    settings = settings or PackSettings()
    start = time.perf_counter()
    captures, left_out, shared = _inputs(work, settings)
    with claimed(out, DATASET):
        plan = _plan(out, captures, left_out, shared)
        removed = _make_way(out, plan)
        results = _write(plan.changed, shared, settings)
        outcomes = (*(outcome for result in results for outcome in result.outcomes), *plan.failures)
        report = Report(STAGE, outcomes, time.perf_counter() - start)
        record_failures(work, report)
        written = {result.entry.name: result.entry for result in results if result.entry is not None}
        table = _finish(out, plan, written, shared, report)
    return PackReport(
        report,
        written=len(written),
        reused=len(plan.kept),
        removed=removed,
        sequences=len(table),
        frames=int(table.lengths.sum()),
        dropped=int(table.dropped.sum()),
    )


def _inputs(work: Path, settings: PackSettings) -> tuple[list[CapturePlan], list[Finding], Ingredients]:
    """Captures to pack, findings about those that are not, and what parts share."""
    index = read_index(work)
    settings = settings.resolved(index.manifest)
    scene, rows = through_rig(index, settings.rig, settings.size)
    body = load_body(settings.body)
    markers, joints = find_markers(work, body, settings.markers), find_joints(body, settings.joint_set)
    shared = Ingredients(work, index.root, index.manifest, scene, body, markers, joints, settings)
    check_settings(shared)
    captures = plan_captures(index, rows, shared)
    if shared.observed is None or not settings.labelled_only:
        return captures, [], shared
    lacking = [capture for capture in captures if not capture.fitted]
    hint = "run 'mgdata fit-smpl' on the work folder, or leave out --labelled-only"
    findings = [
        Finding(Severity.WARNING, "MG-PACK-008", str(capture.key), "left out: the walk has no fit", hint)
        for capture in lacking
    ]
    if len(lacking) == len(captures):
        raise UsageError("nothing to pack: no walk has a fit", where=str(work), hint=hint)
    return [capture for capture in captures if capture.fitted], findings, shared


def _plan(out: Path, captures: Sequence[CapturePlan], left_out: Sequence[Finding], shared: Ingredients) -> _Plan:
    settings = shared.settings
    there = {} if settings.existing == "overwrite" else present_parts(out, settings.format)
    groups: dict[int, Sequence[str]] = {} if settings.existing == "overwrite" else dict(read_pending(out))
    groups |= {number: tuple(present.captures) for number, present in there.items()}
    parts = {
        number: PartPlan(out / part_name(number, settings.format), own)
        for number, own in grouped(
            captures, groups, most_sequences=settings.part_sequences, most_captures=settings.part_captures
        ).items()
    }
    kept: dict[str, PartEntry] = {}
    failures: list[Outcome] = []
    for number, plan in sorted(parts.items()):
        present = there.get(number)
        entry = unharmed(out, present) if present and _up_to_date(present, plan) else None
        if entry is not None and present is not None:
            kept[plan.path.name] = entry
            failures += present.failures()
    ordered = tuple(plan for _, plan in sorted(parts.items()))
    return _Plan(ordered, kept, tuple(failures), tuple(left_out))


def _up_to_date(present: PresentPart, plan: PartPlan) -> bool:
    return dict(present.captures) == {str(capture.key): capture.fingerprint for capture in plan.captures}


def _make_way(out: Path, plan: _Plan) -> int:
    """Declare the dataset incomplete if anything is to change, and remove its parts that are not wanted any more."""
    own = own_parts(out)
    foreign = [part.path for part in plan.changed if part.path.exists() and part.path.name not in own]
    if foreign:
        what = f"{foreign[0].name} is in the way and not listed in {DATASET}"
        raise ShardError(what, where=str(out), hint="remove it if it is not needed, or choose another --out")
    planned = {part.path.name for part in plan.parts}
    stale = sorted(name for name in own - planned if (out / name).exists())
    if plan.changed or stale or not own:
        # First of all: the dataset's file makes the folder one that may be continued.
        mark_incomplete(out, own | planned)
        write_pending(out, {part_number(part.path.name): part.captures for part in plan.parts})
    for name in stale:
        remove_part(out / name)
    return len(stale)


def _write(plans: Sequence[PartPlan], shared: Ingredients, settings: PackSettings) -> list[PartResult]:
    """Results of the parts; one that could not be written is a result too."""
    jobs = [(plan.path.name, (plan, shared)) for plan in plans]
    if not jobs:
        return []
    report = run_jobs(STAGE, pack_part, jobs, workers=settings.jobs, progress=settings.progress)
    return [PartResult(None, (one,)) if one.status == "failed" else one.value for one in report.outcomes]


def _finish(
    out: Path, plan: _Plan, written: dict[str, PartEntry], shared: Ingredients, report: Report
) -> SequenceTable:
    """Derive index, findings and card from the parts, and declare the dataset complete, last of all."""
    names = {part.path.name for part in plan.parts}
    broken = [outcome for outcome in report.failures if outcome.key in names]
    if broken:
        what = f"a part could not be written: {broken[0].error}"
        raise ShardError(what, where=str(out), hint=broken[0].hint or AGAIN)
    entries = [entry for name in sorted(names) if (entry := plan.kept.get(name) or written.get(name))]
    if not entries:
        first = report.failures[0]
        hint = f"all failures are in {shared.work / 'failures.jsonl'}. {first.hint}"
        raise ShardError(f"no capture could be packed; the first: {first.error}", where=str(shared.work), hint=hint)
    store = open_store(out)
    parts = [open_part(store, entry.name, entry) for entry in entries]
    table = SequenceTable.of(record for part in parts for record in part.sequences)
    index = table.parquet()
    info = _info(out, parts, entries, google_crc32c.value(index), shared)
    told = [*plan.findings, *(failure_finding(one) for one in report.failures)]
    told += [finding for part in parts for finding in from_jsonl("\n".join(part.provenance["findings"]))]
    same = _declared(out, info)
    _put(out / INDEX, index)
    _put(out / FINDINGS, to_jsonl(set(told)).encode())
    if not same or not (out / CARD).exists():
        write_text(out / CARD, card(info, table, date=datetime.now(UTC).date().isoformat()))
    if not same:
        write_dataset(out, info)
    (out / PENDING).unlink(missing_ok=True)
    return table


def _info(
    out: Path, parts: Sequence[Part], entries: Sequence[PartEntry], index_crc32c: int, shared: Ingredients
) -> DatasetInfo:
    fields = fields_of([(part.specs, _counts(part)) for part in parts], shared.manifest.name)
    body, joints, marked = shared.body, shared.joints, "markers" in fields
    fitted = any(len(detail.betas) for part in parts for detail in part.details)
    crc = _put_markers(out / MARKERS, shared) if marked else 0
    if not marked:
        (out / MARKERS).unlink(missing_ok=True)
    return describe(
        shared.manifest,
        shared.settings.format,
        fields=fields,
        parts=entries,
        index_crc32c=index_crc32c,
        body=BodyInfo(body.name, body.sha256, body.licence) if fitted else None,
        markers=MarkersInfo(shared.markers.name, len(shared.markers), crc) if marked else None,
        joints=None if joints is None else (joints.joint_set, joints.names),
        versions=versions(),
    )


def _counts(part: Part) -> dict[str, int]:
    return {name: sum(name in record.rows for record in part.sequences) for name in part.specs}


def _put_markers(path: Path, shared: Ingredients) -> int:
    """Write the markers unless the same file is there already, and give its crc32c."""
    new = path.with_name(f".new-{path.name}")
    save_markers(new, shared.markers)
    data = new.read_bytes()
    new.unlink()
    _put(path, data)
    return int(google_crc32c.value(data))


def _put(path: Path, data: bytes) -> None:
    """Write a file unless it is there already."""
    if not path.is_file() or path.read_bytes() != data:
        write_bytes(path, data)


def _declared(out: Path, info: DatasetInfo) -> bool:
    try:
        return read_dataset(open_store(out)) == info
    except ShardError:
        return False
