"""Pack a work folder: plan the parts, write those that changed, and declare the dataset complete last."""

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import google_crc32c

from meshgait_data.atomic import write_text
from meshgait_data.body.files import load_body
from meshgait_data.body.marker_files import save_markers
from meshgait_data.conventions import SMPL_SET
from meshgait_data.errors import EnvironmentLacks, ShardError, UsageError
from meshgait_data.findings import from_jsonl, to_jsonl
from meshgait_data.index import Index, IndexRow, read_index
from meshgait_data.pipeline.markers import find_markers
from meshgait_data.pipeline.pack_part import (
    STAGE,
    Ingredients,
    PartPlan,
    pack_part,
    plan_part,
    reusable,
    versions,
)
from meshgait_data.pipeline.render import find_joints
from meshgait_data.pipeline.runner import Outcome, Report, record_failures, run_jobs, selected
from meshgait_data.shards.card import card
from meshgait_data.shards.checksums import AGAIN
from meshgait_data.shards.dataset import (
    CARD,
    DATASET,
    FINDINGS,
    MARKERS,
    DatasetInfo,
    describe,
    listed_parts,
    mark_incomplete,
    part_name,
    read_dataset,
    write_dataset,
)
from meshgait_data.shards.reader import Part, Shards, open_part, open_shards
from meshgait_data.shards.table import write_table
from meshgait_data.shards.verify import verify
from meshgait_data.shards.zarr import remove_part
from meshgait_data.types import MarkerSet

_LEFTOVER = re.compile(r"\.part-\d{5,}\.zarr\.\w+\.tmp")


@dataclass(frozen=True, slots=True)
class PackSettings:
    """How a work folder is packed."""

    body: str | None = None
    """Name or path of the body that the fits were made with."""
    markers: str | None = None
    """Name or path of the virtual markers; by default those that ship with the body."""
    joint_set: str = SMPL_SET
    """Name of the joint set of the labels."""
    part_captures: int = 16
    """Captures of a part: one job, one folder."""
    select: str = ""
    """Parts of the keys, e.g. ``subject=07|08,view=090``; all by default."""
    existing: Literal["refresh", "overwrite"] = "refresh"
    """Keep parts that follow from the same input, or write all again."""
    jobs: int = 1
    progress: bool = True


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


def pack(work: Path, out: Path, settings: PackSettings | None = None) -> PackReport:
    """Pack a work folder into a dataset folder, resuming what is there.

    Parts that follow from the same fits, manifest, body and markers are kept; others are written again; parts of the
    dataset that are no longer wanted are removed. Failed captures are left out and recorded in
    ``WORK/failures.jsonl``.

    Raises
    ------
    UsageError
        Where there is nothing to pack, ``out`` holds other files, or another process packs into it.
    ShardError
        Where no capture could be packed, or a part could not be written; the dataset then says that it is incomplete.
    """
    settings = settings or PackSettings()
    start = time.perf_counter()
    index, rows = _wanted(work, settings)
    body = load_body(settings.body)
    joints = find_joints(body, settings.joint_set)
    shared = Ingredients(work, index.manifest, body, find_markers(work, body, settings.markers), joints)
    with _claimed(out):
        plans = _plan(out, rows, shared, settings.part_captures)
        reused = [plan for plan in plans if settings.existing == "refresh" and reusable(plan)]
        changed = [plan for plan in plans if plan not in reused]
        stale = _make_way(out, plans, changed)
        outcomes = _write(changed, shared, settings)
        report = Report(STAGE, outcomes, time.perf_counter() - start)
        record_failures(work, report)
        shards = _finish(out, plans, shared, report)
    return PackReport(
        report,
        written=len(shards.parts) - len(reused),
        reused=len(reused),
        removed=len(stale),
        sequences=len(shards.sequences),
        frames=sum(record.length for record in shards.sequences),
        dropped=sum(len(record.dropped) for record in shards.sequences),
    )


def _wanted(work: Path, settings: PackSettings) -> tuple[Index, list[IndexRow]]:
    index = read_index(work)
    rows = sorted(row for row in index.rows if selected(row.key, settings.select))
    if not rows:
        hint = "mgdata index lists what there is" if index.rows else "run 'mgdata index' again"
        raise UsageError(f"nothing to pack: no sequence matches {settings.select!r}", where=str(work), hint=hint)
    if not any((work / "fits").glob("*/*.npz")):
        raise UsageError("nothing is fitted yet", where=str(work), hint="run 'mgdata fit-smpl' on the work folder")
    return index, rows


def _plan(out: Path, rows: Sequence[IndexRow], shared: Ingredients, part_captures: int) -> list[PartPlan]:
    captures = list(dict.fromkeys(row.capture for row in rows))
    plans = []
    for number, first in enumerate(range(0, len(captures), part_captures)):
        chosen = set(captures[first : first + part_captures])
        own = tuple(row for row in rows if row.capture in chosen)
        plans.append(plan_part(out / part_name(number), own, shared))
    return plans


@contextmanager
def _claimed(out: Path) -> Iterator[None]:
    """Hold the folder against a second packer, and clear away what a killed one left half-written."""
    if out.exists() and not out.is_dir():
        raise UsageError("this is a file, not a folder", where=str(out), hint="choose another --out")
    if out.exists() and not (out / DATASET).exists() and any(out.iterdir()):
        hint = "choose a new folder, or one that mgdata packed"
        raise UsageError("the folder holds other files", where=str(out), hint=hint)
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = os.open(out, os.O_RDONLY)
    except OSError as error:
        hint = "choose another --out"
        raise EnvironmentLacks(f"cannot write: {error.strerror}", where=str(out), hint=hint) from error
    try:
        _lock(folder, out)
        for path in out.iterdir():
            if _LEFTOVER.fullmatch(path.name):
                shutil.rmtree(path)
        yield
    finally:
        os.close(folder)


def _lock(folder: int, out: Path) -> None:
    """Lock an open folder; the system drops the lock with the process, however that ends."""
    import fcntl

    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        hint = "wait for it, or choose another --out"
        raise UsageError("another mgdata is packing into this folder", where=str(out), hint=hint) from error
    except OSError:
        # A file system without locks. Each part still has one winner, by its rename.
        return


def _make_way(out: Path, plans: Sequence[PartPlan], changed: Sequence[PartPlan]) -> list[str]:
    """Declare the dataset incomplete if anything is to change, and remove its parts that are not wanted any more."""
    own = listed_parts(out)
    foreign = [plan.folder for plan in changed if plan.folder.exists() and plan.folder.name not in own]
    if foreign:
        what = f"{foreign[0].name} is in the way and not listed in {DATASET}"
        raise ShardError(what, where=str(out), hint="remove it if it is not needed, or choose another --out")
    planned = {plan.folder.name for plan in plans}
    stale = sorted(name for name in own - planned if (out / name).exists())
    if changed or stale or not own:
        mark_incomplete(out, own | planned)
    for name in stale:
        remove_part(out / name)
    return stale


def _write(plans: Sequence[PartPlan], shared: Ingredients, settings: PackSettings) -> tuple[Outcome, ...]:
    jobs = [(plan.folder.name, (plan, shared)) for plan in plans]
    if not jobs:
        return ()
    report = run_jobs(STAGE, pack_part, jobs, workers=settings.jobs, progress=settings.progress)
    outcomes: list[Outcome] = []
    for outcome in report.outcomes:
        outcomes += [outcome] if outcome.status == "failed" else outcome.value.outcomes
    return tuple(outcomes)


def _finish(out: Path, plans: Sequence[PartPlan], shared: Ingredients, report: Report) -> Shards:
    """Derive index, findings and card from the parts, and declare the dataset complete, last of all."""
    broken = [outcome for outcome in report.failures if outcome.key in {plan.folder.name for plan in plans}]
    if broken:
        raise ShardError(
            f"a part could not be written: {broken[0].error}", where=str(out), hint=broken[0].hint or AGAIN
        )
    parts = [open_part(plan.folder) for plan in plans if plan.folder.exists()]
    if not parts:
        first = report.failures[0]
        hint = f"all failures are in {shared.work / 'failures.jsonl'}. {first.hint}"
        raise ShardError(f"no capture could be packed; the first: {first.error}", where=str(shared.work), hint=hint)
    records = [record for part in parts for record in part.sequences]
    info = _info(parts, shared, _put_markers(out / MARKERS, shared.markers))
    if not _sound(out, info):
        findings = [finding for part in parts for finding in from_jsonl("\n".join(part.provenance["findings"]))]
        write_table(out, records)
        write_text(out / FINDINGS, to_jsonl(findings))
        write_text(out / CARD, card(info, records, date=datetime.now(UTC).date().isoformat()))
        write_dataset(out, info)
    return open_shards(out)


def _put_markers(path: Path, markers: MarkerSet) -> int:
    """Write the markers unless the same file is there already, and give its crc32c."""
    new = path.with_name(f".new-{path.name}")
    save_markers(new, markers)
    data = new.read_bytes()
    if path.exists() and path.read_bytes() == data:
        new.unlink()
    else:
        new.replace(path)
    return int(google_crc32c.value(data))


def _sound(out: Path, info: DatasetInfo) -> bool:
    try:
        same = read_dataset(out) == info
    except ShardError:
        return False
    return same and not verify(out) and (out / CARD).exists()


def _info(parts: Sequence[Part], shared: Ingredients, markers_crc32c: int) -> DatasetInfo:
    body = shared.body
    return describe(
        shared.manifest,
        (body.name, body.sha256, body.licence),
        (shared.markers.name, markers_crc32c),
        parts,
        versions(),
        joints=None if shared.joints is None else (shared.joints.joint_set, shared.joints.names),
    )
