"""Open a packed dataset and read from it: sequences by key, clips, whole arrays; only what is asked for is read."""

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import ShardError
from meshgait_data.manifest import Licence, Split
from meshgait_data.manifest_protocol import Protocol, by_name
from meshgait_data.shards.beside import all_sequences, read_marker_file
from meshgait_data.shards.chunks import Frames, OneBitArray
from meshgait_data.shards.dataset import MARKERS, DatasetInfo, JointSet, PartEntry, read_dataset
from meshgait_data.shards.part import Part, PartFiles, find_part, open_part
from meshgait_data.shards.records import SequenceDetail, SequenceRecord
from meshgait_data.shards.schema import ArraySpec
from meshgait_data.shards.store import Store, open_store
from meshgait_data.shards.table import SequenceTable
from meshgait_data.types import IntArray, MarkerSet, SequenceData, SequenceKey

_THREADS = 4
_OPEN_PARTS = 4
"""Parts whose attributes are kept: they name every camera, and hundreds of them would fill the memory."""

_GREY, _BITS = "silhouettes", "silhouettes_1bit"


class Shards:
    """A packed dataset. Threads may share it; processes may inherit it through a fork or be sent it."""

    def __init__(self, store: Store, info: DatasetInfo, sequences: SequenceTable) -> None:
        self.store = store
        self.info = info
        self.sequences = sequences
        """All sequences, in the order of the parts."""
        self._entries: dict[str, PartEntry] = {entry.name: entry for entry in info.parts}
        self._specs = info.specs
        self._forget()

    def _forget(self) -> None:
        self._files: dict[str, PartFiles] = {}
        self._arrays: dict[tuple[str, str], Frames] = {}
        self._parts: dict[str, Part] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_files", "_arrays", "_parts")}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    @property
    def url(self) -> str:
        """Folder or URL."""
        return str(self.store)

    @property
    def protocol(self) -> Protocol:
        """How recognition is scored."""
        return self.info.protocol

    @property
    def protocols(self) -> dict[str, Protocol]:
        """All ways to score by name; the first holds by default."""
        return by_name(self.info.protocol, self.info.protocols)

    @property
    def split(self) -> Split:
        """Identities to train on and to test on."""
        return self.info.split

    @property
    def licence(self) -> Licence:
        """Licence of the source dataset, which the shards inherit."""
        return self.info.licence

    @property
    def body_sha256(self) -> str:
        """Body that the labels were made with; empty where there are none."""
        return self.info.body.sha256 if self.info.body else ""

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields that any sequence has; :meth:`SequenceTable.rows` says which sequences have them."""
        return tuple(self._specs)

    @property
    def aligned_size(self) -> int:
        """S, side of the silhouettes in pixels."""
        return self.info.sizes["S"]

    @property
    def num_markers(self) -> int:
        """K, or 0 where markers were not packed."""
        return self.info.markers.count if self.info.markers else 0

    @property
    def joint_set(self) -> JointSet:
        """Joints of the field ``joints``."""
        return self.info.joint_set

    @property
    def joint_mirror(self) -> IntArray:
        """(J,) joint on the other side of the body."""
        return np.array(self.info.joint_set.mirror)

    @property
    def markers(self) -> MarkerSet:
        """The virtual markers, so that a mesh follows from their coordinates. Raises ShardError without them."""
        from meshgait_data.body.marker_files import read_markers

        data = read_marker_file(self.store, self.info)
        with TemporaryDirectory() as folder:
            # The bytes that were compared are those that are read, wherever they came from.
            path = Path(folder) / MARKERS
            path.write_bytes(data)
            return read_markers(path)

    def find(self, key: str | SequenceKey) -> SequenceRecord:
        """The sequence of a key such as ``cmu_walk/07/01/090``.

        Raises
        ------
        ShardError
            Where there is no such sequence, or this is not a key.
        """
        try:
            wanted = SequenceKey.parse(key) if isinstance(key, str) else key
        except ValueError as error:
            raise ShardError(str(error), where=self.url) from error
        record = self.sequences.find(wanted)
        if record is None:
            hint = f"keys are like {self.sequences[0].key}" if len(self.sequences) else ""
            raise ShardError(f"it has no sequence {wanted}", where=self.url, hint=hint)
        return record

    def part(self, name: str) -> Part:
        """One part with all that it says of itself; raises ShardError where it is missing or damaged."""
        found = self._parts.get(name)
        if found is None:
            found = open_part(self.store, name, self._entry(name), check=False)
            # Replaced, not changed, so that no other thread finds it half changed.
            kept = dict(list(self._parts.items())[-_OPEN_PARTS + 1 :])
            self._parts = {**kept, name: found}
        return found

    def array(self, part: str, field: str) -> Frames:
        """Frames of one field of one part, for loaders: its rows are ``record.rows[field] + frame``.

        ``silhouettes`` of a part that has them in 1 bit come unpacked, their rows being those of ``silhouettes_1bit``.

        Raises
        ------
        ShardError
            Where the part has no such field, or is missing or damaged.
        """
        found = self._arrays.get((part, field))
        if found is None:
            found = self._arrays[part, field] = self._open_array(part, field)
        return found

    def _open_array(self, part: str, field: str) -> Frames:
        spec = self._spec(field)
        files = self._files.get(part)
        if files is None:
            files = self._files[part] = find_part(self.store, part, self._entry(part))
        if field == _GREY and _BITS in self._specs and part not in self.sequences.parts_with(_GREY):
            return OneBitArray(files.array(self._specs[_BITS]))
        return files.array(spec)

    def detail(self, record: SequenceRecord) -> SequenceDetail:
        """Camera, body shape and dropped frames of a sequence."""
        return self.part(record.part).details[record.position]

    def read(
        self,
        record: SequenceRecord,
        field: str,
        start: int = 0,
        stop: int | None = None,
        out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """Decode frames of one field of one sequence.

        Parameters
        ----------
        start, stop
            Frames of the sequence; all of them by default.
        out
            Array to decode into.

        Returns
        -------
        (stop - start, ...). ``silhouettes`` of a sequence that has them in 1 bit only are unpacked to 0 and 255.

        Raises
        ------
        ShardError
            Where the sequence has no such field or frames, or the part is missing or damaged.
        """
        stop = record.length if stop is None else stop
        if not 0 <= start <= stop <= record.length:
            raise ShardError(f"it has {record.length} frames, not {start} to {stop}", where=str(record.key))
        row = record.rows.get(field)
        if row is None:
            row = record.rows.get(_BITS) if field == _GREY else None
        if row is None:
            self._spec(field)
            raise ShardError(f"this sequence has no {field}", where=str(record.key), hint=_has(record.rows))
        return self.array(record.part, field).read(row + start, row + stop, out)

    def sequence(self, record: SequenceRecord | SequenceKey | str) -> SequenceData:
        """A sequence as it was given to the writer."""
        found = record if isinstance(record, SequenceRecord) else self.find(record)
        detail = self.detail(found)
        return SequenceData(
            key=found.key,
            identity=found.identity,
            fps=found.fps,
            camera=detail.camera,
            betas=detail.betas,
            arrays={field: self.read(found, field) for field in self.fields if field in found.rows},
            dropped=detail.dropped,
            joint_set=self.joint_set.name,
        )

    def load(
        self, field: str, records: SequenceTable | Iterable[SequenceRecord] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Decode one field of many sequences into memory, several stretches of frames at a time.

        Parameters
        ----------
        records
            Which, in which order; all of them by default.

        Returns
        -------
        Frames end to end, (N, ...), and offsets (R + 1,): record ``r`` has ``array[offsets[r] : offsets[r + 1]]``.

        Raises
        ------
        ShardError
            Where a sequence has no such field, or a part is missing or damaged.
        """
        spec = self._spec(field)
        table = records if isinstance(records, SequenceTable) else None
        if table is None:
            table = self.sequences if records is None else SequenceTable.of(records)
        rows = table.rows(field)
        if (rows < 0).any():
            key, hint = table[int(np.argmax(rows < 0))].key, f"choose those that have: .sequences.where(has={field!r})"
            raise ShardError(f"this sequence has no {field}", where=str(key), hint=hint)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(table.lengths)])
        array = np.zeros((int(offsets[-1]), *spec.shape), spec.dtype)

        def decode(run: tuple[str, int, int, int]) -> None:
            part, start, stop, at = run
            self.array(part, field).read(start, stop, array[at : at + stop - start])

        with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
            for _ in pool.map(decode, _runs(table, rows, offsets)):
                pass
        return array, offsets

    def _entry(self, part: str) -> PartEntry:
        if part not in self._entries:
            raise ShardError(f"it has no part {part!r}", where=self.url)
        return self._entries[part]

    def _spec(self, field: str) -> ArraySpec:
        found = self._specs.get(field)
        if found is None and field == _GREY and _BITS in self._specs:
            bits = self._specs[_BITS]
            return ArraySpec(_GREY, "uint8", (bits.shape[0], 8 * bits.shape[1]))
        if found is None:
            raise ShardError(f"this dataset has no field {field!r}", where=self.url, hint=_has(self._specs))
        return found


def open_shards(path: str | Path, *, check: bool = True) -> Shards:
    """Open a packed dataset.

    Parameters
    ----------
    path
        Folder that ``mgdata pack`` wrote, or a URL of it that fsspec reads, e.g. ``https://host/shards``.
    check
        Look at each part, on this machine at the size of each of its files. Parts behind a URL are looked at when
        something is read from them.

    Raises
    ------
    ShardError
        Where it is incomplete, damaged as far as sizes of files tell, or of another schema version.
    EnvironmentLacks
        Where the URL cannot be reached.
    """
    store = open_store(path)
    info = read_dataset(store)
    if check and store.is_local:
        for entry in info.parts:
            for finding in find_part(store, entry.name, entry).sizes():
                raise ShardError(finding.message, where=finding.where, hint=finding.hint)
    return Shards(store, info, all_sequences(store, info))


def _runs(table: SequenceTable, rows: NDArray[np.int64], offsets: NDArray[np.int64]) -> list[tuple[str, int, int, int]]:
    """Join sequences that lie end to end: part, first row, last row + 1, first frame in the output."""
    runs: list[tuple[str, int, int, int]] = []
    names = table.part_names
    placed: Sequence[tuple[int, int, int, int]] = list(
        zip(table.part_numbers.tolist(), rows.tolist(), table.lengths.tolist(), offsets.tolist(), strict=False)
    )
    for number, start, length, at in placed:
        part, stop = names[number], start + length
        if runs and runs[-1][0] == part and runs[-1][2] == start:
            runs[-1] = (part, runs[-1][1], stop, runs[-1][3])
        else:
            runs.append((part, start, stop, at))
    return runs


def _has(names: Iterable[str]) -> str:
    return f"it has {', '.join(names)}"
