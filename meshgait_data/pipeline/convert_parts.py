"""Write the parts of a converted dataset, keep those that are there already, and declare the dataset complete last."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import google_crc32c

from meshgait_data.atomic import write_bytes
from meshgait_data.errors import ShardError
from meshgait_data.findings import Finding
from meshgait_data.pipeline.card import contents, packing_day
from meshgait_data.pipeline.pack_present import PresentPart, unharmed
from meshgait_data.pipeline.runner import run_jobs
from meshgait_data.shards.card import card
from meshgait_data.shards.dataset import (
    CARD,
    DATASET,
    FINDINGS,
    INDEX,
    MARKERS,
    DatasetInfo,
    PartEntry,
    fields_of,
    listed_parts,
    mark_incomplete,
    read_dataset,
    write_dataset,
)
from meshgait_data.shards.part import Part, open_part
from meshgait_data.shards.store import open_store
from meshgait_data.shards.table import SequenceTable
from meshgait_data.shards.writing import remove_part

STAGE = "convert"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a part."""

    entry: PartEntry | None
    """None where nothing that was to lie in it could be used."""
    findings: tuple[Finding, ...] = ()


class PartJob(Protocol):
    """One part that is to be there; travels to worker processes."""

    @property
    def name(self) -> str:
        """Of the part."""

    def keep(self, out: Path) -> Made | None:
        """The part if it is there, whole to the last byte, and what the job would write; else None."""

    def make(self, out: Path) -> Made:
        """Write it; nothing lies there."""


@dataclass(frozen=True, slots=True)
class Written:
    """What lies in the folder now."""

    made: tuple[Made, ...]
    """In the order of the jobs."""
    written: int
    """Parts that were not there before."""
    reused: int
    removed: int

    @property
    def findings(self) -> list[Finding]:
        """Of all parts."""
        return [finding for made in self.made for finding in made.findings]


def write_parts(out: Path, jobs: Sequence[PartJob], *, workers: int, progress: bool) -> Written:
    """Write the parts that are not there, several at a time, and remove those that are not wanted.

    Raises
    ------
    ShardError
        Where a part cannot be made; the dataset then says that it is incomplete.
    """
    own = listed_parts(out)
    there = [job for job in jobs if (out / job.name).exists()]
    foreign = [job.name for job in there if job.name not in own]
    if foreign:
        what = f"{foreign[0]} is in the way and not listed in {DATASET}"
        raise ShardError(what, where=str(out), hint="remove it if it is not needed, or choose another folder")
    kept = {
        name: made
        for name, made in _run(_keep, there, out, workers=workers, progress=False).items()
        if made is not None
    }
    rest = [job for job in jobs if job.name not in kept]
    stale = sorted(name for name in own - {job.name for job in jobs} if (out / name).exists())
    if rest or stale or not own:
        mark_incomplete(out, own | {job.name for job in jobs})
    for name in stale:
        remove_part(out / name)
    made = _run(_make, rest, out, workers=workers, progress=progress)
    found = {**kept, **made}
    return Written(
        made=tuple(found[job.name] for job in jobs),
        written=sum(part.entry is not None for part in made.values()),
        reused=len(kept),
        removed=len(stale),
    )


def _run(
    function: Callable[[PartJob, Path], T], jobs: Sequence[PartJob], out: Path, *, workers: int, progress: bool
) -> dict[str, T]:
    calls = [(job.name, (job, out)) for job in jobs]
    report = run_jobs(STAGE, function, calls, workers=workers, progress=progress and bool(jobs))
    for failure in report.failures:
        what = f"{failure.key} cannot be converted: {failure.error}"
        raise ShardError(what, where=str(out), hint=failure.hint)
    return {outcome.key: outcome.value for outcome in report.outcomes}


def _keep(job: PartJob, out: Path) -> Made | None:
    return job.keep(out)


def _make(job: PartJob, out: Path) -> Made:
    path = out / job.name
    if path.exists():
        remove_part(path)
    return job.make(out)


def present(out: Path, name: str) -> tuple[Part, PartEntry] | None:
    """A part that is there with every byte as it was written, and what a dataset says of it; else None."""
    try:
        part = open_part(open_store(out), name)
    except ShardError:
        return None
    entry = unharmed(out, PresentPart(out / name, part, {}))
    return None if entry is None else (part, entry)


def finish(out: Path, info: DatasetInfo, written: Written, beside: Mapping[str, bytes]) -> DatasetInfo:
    """Derive index and card, and declare the dataset complete, last of all.

    Parameters
    ----------
    info
        What the dataset says of itself; fields, parts and index are filled in here.
    beside
        Files that lie beside the parts; of a card only the day of packing is taken.

    Raises
    ------
    ShardError
        Where a part cannot be opened.
    """
    store = open_store(out)
    entries = [made.entry for made in written.made if made.entry is not None]
    tables, fields = [], []
    for entry in entries:
        part = open_part(store, entry.name, entry)
        tables.append(SequenceTable.of(part.sequences))
        fields.append((part.specs, _counts(part)))
    table = SequenceTable.join(tables)
    index = table.parquet()
    info = replace(
        info,
        fields=fields_of(fields, info.name),
        parts=tuple(entries),
        index_crc32c=google_crc32c.value(index),
    )
    # The day of packing: that of the source, else of what lies here unchanged, else today.
    cards = [beside[CARD]] if CARD in beside else []
    day = packing_day(cards if written.written else cards + contents(out / CARD))
    for name, data in {**beside, INDEX: index, CARD: card(info, table, date=day).encode()}.items():
        if not (out / name).is_file() or (out / name).read_bytes() != data:
            write_bytes(out / name, data)
    for name in {MARKERS, FINDINGS} - set(beside):
        (out / name).unlink(missing_ok=True)
    if not _declared(out, info):
        write_dataset(out, info)
    return info


def _counts(part: Part) -> dict[str, int]:
    return {name: sum(name in record.rows for record in part.sequences) for name in part.specs}


def _declared(out: Path, info: DatasetInfo) -> bool:
    try:
        return read_dataset(open_store(out)) == info
    except ShardError:
        return False
