"""Open a packed dataset: checks that it is all there, then gives records and decoded arrays."""

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from meshgait_data.conventions import SMPL_SET
from meshgait_data.errors import ShardError
from meshgait_data.manifest import Licence, Protocol, Split
from meshgait_data.shards.checksums import AGAIN, PartManifest, compare, read_manifest
from meshgait_data.shards.chunks import FieldFile
from meshgait_data.shards.dataset import MARKERS, DatasetInfo, PartEntry, read_dataset
from meshgait_data.shards.records import SequenceRecord, restore
from meshgait_data.shards.schema import BY_NAME, READABLE, SCHEMA_VERSION, Layout
from meshgait_data.shards.zarr import ATTRIBUTES
from meshgait_data.types import IntArray, MarkerSet, SequenceData

_THREADS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One opened part."""

    folder: Path
    manifest: PartManifest
    layout: Layout
    sequences: tuple[SequenceRecord, ...]
    provenance: Mapping[str, Any]
    files: Mapping[str, FieldFile]
    """Field name to its frames."""

    def sequence(self, record: SequenceRecord) -> SequenceData:
        """A sequence as it was given to the writer."""
        stop = record.start + record.length
        arrays = {name: file.read(record.start, stop) for name, file in self.files.items()}
        joint_set = self.provenance.get("joints", {}).get("name", SMPL_SET)
        return SequenceData(
            record.key, record.identity, record.fps, record.camera, record.betas, arrays, record.dropped, joint_set
        )


def open_part(folder: Path) -> Part:
    """Open one part: sizes of all files are compared with its manifest, no array is read.

    Raises
    ------
    ShardError
        Where a file is missing or of another size, or the part is of another schema version.
    """
    manifest = read_manifest(folder)
    for finding in compare(folder, manifest):
        raise ShardError(finding.message, where=finding.where, hint=finding.hint)
    try:
        plain = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))["attributes"][ATTRIBUTES]
        version = plain["schema"]
        if version not in READABLE:
            hint = "pack it again with 'mgdata pack' into a new folder"
            raise ShardError(f"schema version {version} is not {SCHEMA_VERSION}", where=str(folder), hint=hint)
        layout = Layout(tuple(plain["fields"]), dict(plain["sizes"]))
        records = tuple(restore(item, folder.name) for item in plain["sequences"])
        provenance = dict(plain["provenance"])
        files = {
            name: FieldFile(folder / name, BY_NAME[name], (manifest.frames, *layout.shape(name)))
            for name in layout.fields
        }
    except (OSError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, ShardError):
            raise
        raise ShardError(f"the attributes are damaged: {error!r}", where=str(folder), hint=AGAIN) from error
    part = Part(folder, manifest, layout, records, provenance, files)
    _check_runs(part)
    return part


def _check_runs(part: Part) -> None:
    end = 0
    for record in part.sequences:
        if record.start != end or record.length < 1:
            raise ShardError(f"{record.key} does not follow the one before", where=str(part.folder), hint=AGAIN)
        end += record.length
    if end != part.manifest.frames or len(part.sequences) != part.manifest.sequences:
        raise ShardError("the sequences do not add up to its frames", where=str(part.folder), hint=AGAIN)


@dataclass(frozen=True, eq=False)
class Shards:
    """A packed dataset. Nothing is held open: threads may share it, processes may inherit or unpickle it."""

    path: Path
    info: DatasetInfo
    sequences: tuple[SequenceRecord, ...]
    """All sequences, in the order of the parts."""
    parts: Mapping[str, Part]

    @property
    def protocol(self) -> Protocol:
        """How recognition is scored."""
        return self.info.protocol

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
        """Body that the labels were made with."""
        return self.info.body_sha256

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields that every sequence has."""
        return self.info.fields

    @property
    def num_markers(self) -> int:
        """K, or 0 where markers were not packed."""
        return self.info.sizes.get("K", 0)

    @property
    def joint_mirror(self) -> IntArray:
        """(J,) joint on the other side of the body."""
        return np.array(self.info.joint_mirror)

    @cached_property
    def markers(self) -> MarkerSet:
        """The virtual markers, so that a mesh follows from their coordinates. Raises ShardError without them."""
        check_markers(self.path, self.info)
        from meshgait_data.body.marker_files import read_markers

        return read_markers(self.path / MARKERS)

    def read(self, record: SequenceRecord, field: str) -> NDArray[Any]:
        """Decode one field of one sequence: (length, ...). Raises ShardError where it is damaged."""
        self._require(field)
        return self.parts[record.part].files[field].read(record.start, record.start + record.length)

    def load(
        self, field: str, records: Sequence[SequenceRecord] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Decode one field of many sequences into memory, several parts at a time.

        Parameters
        ----------
        field
            Name in the schema.
        records
            Which, in which order; all of them by default.

        Returns
        -------
        Frames end to end, (N, ...), and offsets (R + 1,): record ``r`` has ``array[offsets[r] : offsets[r + 1]]``.

        Raises
        ------
        ShardError
            Where a file is damaged, or the dataset has no such field.
        """
        self._require(field)
        records = self.sequences if records is None else records
        offsets = np.cumsum([0, *(record.length for record in records)], dtype=np.int64)
        shape = Layout(self.info.fields, self.info.sizes).shape(field)
        array = np.zeros((int(offsets[-1]), *shape), BY_NAME[field].dtype)

        def decode(run: tuple[str, int, int, int]) -> None:
            part, start, stop, at = run
            self.parts[part].files[field].read(start, stop, array[at : at + stop - start])

        with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
            for _ in pool.map(decode, _runs(records)):
                pass
        return array, offsets

    def _require(self, field: str) -> None:
        if field not in self.info.fields:
            have = ", ".join(self.info.fields)
            raise ShardError(f"this dataset has no field {field!r}", where=str(self.path), hint=f"it has {have}")


def _runs(records: Sequence[SequenceRecord]) -> list[tuple[str, int, int, int]]:
    """Join records that lie end to end: part, first frame, last frame + 1, first frame in the output."""
    runs: list[tuple[str, int, int, int]] = []
    at = 0
    for record in records:
        part, start, stop = record.part, record.start, record.start + record.length
        if runs and runs[-1][0] == part and runs[-1][2] == start:
            runs[-1] = (part, runs[-1][1], stop, runs[-1][3])
        else:
            runs.append((part, start, stop, at))
        at += record.length
    return runs


def check_markers(root: Path, info: DatasetInfo) -> None:
    """Compare ``markers.npz`` with what the dataset says of it; raises ShardError."""
    path = root / MARKERS
    if not path.is_file():
        raise ShardError("the file is missing", where=str(path), hint=AGAIN)
    if google_crc32c.value(path.read_bytes()) != info.markers_crc32c:
        raise ShardError("the content has changed since it was packed", where=str(path), hint=AGAIN)


def open_shards(path: str | Path) -> Shards:
    """Open a packed dataset.

    Raises
    ------
    ShardError
        Where it is incomplete, damaged as far as sizes of files tell, or of another schema version.
    """
    root = Path(path)
    info = read_dataset(root)
    parts = {entry.name: _open_listed(root, info, entry) for entry in info.parts}
    records = tuple(record for part in parts.values() for record in part.sequences)
    if len({record.key for record in records}) != len(records):
        raise ShardError("a sequence occurs in two parts", where=str(root), hint=AGAIN)
    return Shards(root, info, records, parts)


def _open_listed(root: Path, info: DatasetInfo, entry: PartEntry) -> Part:
    part = open_part(root / entry.name)
    same = part.layout.fields == info.fields and dict(part.layout.sizes) == info.sizes
    if part.manifest.crc32c != entry.crc32c or not same:
        raise ShardError("this part is not the one that the dataset lists", where=str(part.folder), hint=AGAIN)
    return part
