"""Convert packed datasets: Zarr to HDF5 and back without a loss, and older schema versions to this one."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import google_crc32c

from meshgait_data.errors import UsageError
from meshgait_data.manifest import Licence
from meshgait_data.pipeline.claim import claimed
from meshgait_data.pipeline.convert_parts import Made, Written, finish, present, write_parts
from meshgait_data.shards.dataset import CARD, DATASET, ENDINGS, FINDINGS, MARKERS, DatasetInfo, Format
from meshgait_data.shards.legacy import LegacyDataset, legacy_version, open_legacy
from meshgait_data.shards.part import Part
from meshgait_data.shards.reader import Shards, open_shards
from meshgait_data.shards.records import Side
from meshgait_data.shards.store import open_store
from meshgait_data.shards.writing import write_part
from meshgait_data.types import SequenceData, SequenceKey


class SourcePart(Protocol):
    """A part of the source, of whatever version."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """As the part says."""

    @property
    def sides(self) -> Mapping[str, Side]:
        """Subject to its side of the split."""

    @property
    def keys(self) -> list[SequenceKey]:
        """Of its sequences, in order."""

    def sequences(self) -> Iterable[SequenceData]:
        """In order."""


@dataclass(frozen=True, slots=True)
class _CurrentPart:
    """A part of this version."""

    shards: Shards
    part: Part

    @property
    def provenance(self) -> Mapping[str, Any]:
        return self.part.provenance

    @property
    def sides(self) -> dict[str, Side]:
        return {record.key.subject: record.side for record in self.part.sequences}

    @property
    def keys(self) -> list[SequenceKey]:
        return [record.key for record in self.part.sequences]

    def sequences(self) -> Iterable[SequenceData]:
        return map(self.shards.sequence, self.part.sequences)


@dataclass(frozen=True, slots=True)
class _Origin:
    """What a part repeats of its dataset."""

    name: str
    licence: Licence
    sides: Mapping[str, Side]

    def side(self, subject: str) -> Side:
        """Side of the split that a subject is on."""
        return self.sides[subject]


@dataclass(frozen=True, slots=True)
class ShardsPart:
    """Job: one part in another container."""

    source: str
    state: int
    """Checksum of the source's ``dataset.json``: worker processes outlive a run, and keep what they opened."""
    source_name: str
    format: Format

    @property
    def name(self) -> str:
        """Of the part that is to be there."""
        return Path(self.source_name).stem + ENDINGS[self.format]

    def keep(self, out: Path) -> Made | None:
        """The part if it is there, whole, and of this source."""
        found = present(out, self.name)
        if found is None:
            return None
        there, entry = found
        wanted = _part(self)
        keys = [record.key for record in there.sequences]
        same = dict(there.provenance) == dict(wanted.provenance) and keys == wanted.keys
        return Made(entry) if same else None

    def make(self, out: Path) -> Made:
        """Write it."""
        info, part = _opened(self.source, self.state).info, _part(self)
        entry = write_part(
            out / self.name,
            part.sequences(),
            manifest=_Origin(info.name, info.licence, part.sides),
            provenance=part.provenance,
            format=self.format,
            known=info.specs,
        )
        return Made(entry)


def _part(job: ShardsPart) -> SourcePart:
    opened = _opened(job.source, job.state)
    if isinstance(opened, LegacyDataset):
        return opened.part(job.source_name)
    return _CurrentPart(opened, opened.part(job.source_name))


@lru_cache(maxsize=2)
def _opened(source: str, state: int) -> Shards | LegacyDataset:
    """The source, opened once a process."""
    return open_source(source)


def open_source(source: str) -> Shards | LegacyDataset:
    """Open a packed dataset of any version.

    Raises
    ------
    ShardError
        Where it is none, incomplete, damaged, or of a version that is newer than this meshgait.
    """
    return open_legacy(Path(source)) if legacy_version(source) else open_shards(source)


def convert_shards(
    source: str, out: Path, format: Format, *, workers: int, progress: bool
) -> tuple[DatasetInfo, Written]:
    """Write a packed dataset in another container or, from an older schema version, in today's.

    Arrays, attributes and provenance are the same afterwards, so that a dataset that is converted there and back has
    the same bytes in every file. Parts that are there already are kept.

    Raises
    ------
    UsageError
        Where there is nothing to do, or ``out`` holds other files.
    ShardError
        Where the source is damaged.
    """
    opened = open_source(source)
    if isinstance(opened, Shards) and opened.info.format == format:
        other = "hdf5" if format == "zarr" else "zarr"
        what = f"it is {format} of schema version {opened.info.schema} already"
        raise UsageError(what, where=source, hint=f"choose --format {other} or --format opengait")
    names = opened.parts if isinstance(opened, LegacyDataset) else [entry.name for entry in opened.info.parts]
    state = google_crc32c.value(open_store(source).read(DATASET))
    jobs = [ShardsPart(source, state, name, format) for name in names]
    with claimed(out, DATASET):
        written = write_parts(out, jobs, workers=workers, progress=progress)
        return finish(out, replace(opened.info, format=format, parts=()), written, _beside(source)), written


def _beside(source: str) -> dict[str, bytes]:
    """Files that go along as they are."""
    store, found = open_store(source), {}
    for name in (MARKERS, FINDINGS, CARD):
        with suppress(FileNotFoundError):
            found[name] = store.read(name)
    return found
