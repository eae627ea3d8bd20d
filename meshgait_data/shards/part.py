"""One part of a packed dataset, Zarr or HDF5: its files, its arrays, and what it says of its sequences."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import google_crc32c

from meshgait_data.errors import ShardError
from meshgait_data.findings import Finding, Severity
from meshgait_data.shards import chunks_hdf5, chunks_zarr
from meshgait_data.shards.checksums import AGAIN, MANIFEST, PartManifest, parse_manifest
from meshgait_data.shards.chunks import ChunkedArray
from meshgait_data.shards.dataset import ENDINGS, PartEntry, check_version
from meshgait_data.shards.hdf5 import ATTRIBUTES_CRC
from meshgait_data.shards.records import SequenceDetail, SequenceRecord, restore
from meshgait_data.shards.schema import SILHOUETTES, ArraySpec, in_order
from meshgait_data.shards.store import Store, reading
from meshgait_data.shards.zarr import ATTRIBUTES

METADATA = "zarr.json"


@dataclass(frozen=True, slots=True, eq=False)
class PartFiles:
    """Files of a part, to find its arrays in. Slim: a trainer keeps one for each of hundreds of parts."""

    store: Store
    name: str
    size: int
    """Bytes of the file of an HDF5 part."""
    manifest: PartManifest | None
    """List of the files of a Zarr part."""

    @property
    def where(self) -> str:
        """Full name, for messages."""
        return self.store.where(self.name)

    def array(self, spec: ArraySpec) -> ChunkedArray:
        """Frames of one field; raises ShardError where the part has no such field, or the array is damaged."""
        if self.manifest is None:
            table = chunks_hdf5.chunk_table(self.store, spec, self.name, self.size)
        else:
            file = f"{spec.name}/{chunks_zarr.object_name(spec)}"
            if file not in self.manifest.files:
                raise ShardError(f"it has no field {spec.name!r}", where=self.where)
            metadata = self.read(f"{spec.name}/{METADATA}")
            folder, size = f"{self.name}/{spec.name}", self.manifest.files[file][0]
            table = chunks_zarr.chunk_table(self.store, spec, folder, metadata, size)
        return ChunkedArray(self.store, spec, table)

    def attributes(self) -> dict[str, Any]:
        """What the part says of itself, as plain data; raises ShardError where it is missing or damaged."""
        if self.manifest is None:
            with chunks_hdf5.open_file(self.store, self.name) as file:
                text, crc = str(file.attrs[ATTRIBUTES]).encode(), int(file.attrs[ATTRIBUTES_CRC])
            if google_crc32c.value(text) != crc:
                raise ShardError("the attributes have changed since it was packed", where=self.where, hint=AGAIN)
        else:
            text = self.read(METADATA)
        try:
            plain = json.loads(text)
            return plain if self.manifest is None else plain["attributes"][ATTRIBUTES]
        except (ValueError, KeyError, TypeError) as error:
            raise ShardError(f"the attributes are damaged: {error!r}", where=self.where, hint=AGAIN) from error

    def read(self, file: str) -> bytes:
        """Content of one small file of a Zarr part, compared with the list; raises ShardError."""
        data = _read(self.store, f"{self.name}/{file}")
        listed = self.manifest.files.get(file) if self.manifest else None
        if (len(data), google_crc32c.value(data)) != listed:
            where = self.store.where(f"{self.name}/{file}")
            raise ShardError("the content has changed since it was packed", where=where, hint=AGAIN)
        return data

    def sizes(self) -> Iterator[Finding]:
        """Look at each file: what is missing or of another size."""
        if self.manifest is None:
            files = {self.name: self.size}
        else:
            files = {f"{self.name}/{name}": size for name, (size, _) in self.manifest.files.items()}
        for path, size in files.items():
            found = self.store.size(path)
            if found is None:
                yield _error("MG-SHARD-003", self.store.where(path), "the file is missing")
            elif found != size:
                yield _error("MG-SHARD-004", self.store.where(path), f"{found} bytes, expected {size}")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One part with all that it says of itself."""

    files: PartFiles
    specs: Mapping[str, ArraySpec]
    """Name of each field to its array."""
    provenance: Mapping[str, Any]
    sequences: tuple[SequenceRecord, ...]
    details: tuple[SequenceDetail, ...]
    """In the order of the sequences."""
    dataset: str
    """Name of the dataset that it was packed for."""
    licence: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of its folder or file."""
        return self.files.name

    def array(self, field: str) -> ChunkedArray:
        """Frames of one field; raises ShardError where the part has no such field, or the array is damaged."""
        if field not in self.specs:
            hint = f"it has {', '.join(self.specs)}"
            raise ShardError(f"it has no field {field!r}", where=self.files.where, hint=hint)
        return self.files.array(self.specs[field])


def find_part(store: Store, name: str, entry: PartEntry | None = None) -> PartFiles:
    """Find a part without reading its attributes.

    Parameters
    ----------
    entry
        What the dataset says of it; then the part must be that one. On this machine that a file of an HDF5 part is
        the same is seen by its size alone.

    Raises
    ------
    ShardError
        Where it is missing, its list of files is damaged, or it is another part.
    """
    if name.endswith(ENDINGS["hdf5"]):
        size = store.size(name)
        if size is None:
            raise ShardError("this part is missing", where=store.where(name), hint=AGAIN)
        if entry is not None and size != entry.bytes:
            raise ShardError(f"{size} bytes, expected {entry.bytes}", where=store.where(name), hint=AGAIN)
        return PartFiles(store, name, size, None)
    manifest = parse_manifest(_read(store, f"{name}/{MANIFEST}"), store.where(name))
    if entry is not None and manifest.crc32c != entry.crc32c:
        raise ShardError("this part is not the one that the dataset lists", where=store.where(name), hint=AGAIN)
    return PartFiles(store, name, 0, manifest)


def open_part(store: Store, name: str, entry: PartEntry | None = None, *, check: bool = True) -> Part:
    """Open one part; no array is read.

    Parameters
    ----------
    entry
        What the dataset says of it; then the part must be that one.
    check
        Look at the sizes of all files first.

    Raises
    ------
    ShardError
        Where a file is missing or of another size, the attributes are damaged, or of another schema version.
    """
    files = find_part(store, name, entry)
    for finding in files.sizes() if check else ():
        raise ShardError(finding.message, where=finding.where, hint=finding.hint)
    plain = files.attributes()
    try:
        check_version(str(plain["schema"]), files.where)
        specs = in_order({field: ArraySpec.restore(field, said) for field, said in plain["fields"].items()})
        restored = [restore(said, part=name, position=place) for place, said in enumerate(plain["sequences"])]
        part = Part(
            files=files,
            specs=specs,
            provenance=dict(plain["provenance"]),
            sequences=tuple(record for record, _ in restored),
            details=tuple(detail for _, detail in restored),
            dataset=str(plain["dataset"]),
            licence=dict(plain["licence"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ShardError):
            raise
        raise ShardError(f"the attributes are damaged: {error!r}", where=files.where, hint=AGAIN) from error
    _check_rows(part, entry)
    return part


def _check_rows(part: Part, entry: PartEntry | None) -> None:
    """Each field's frames must lie end to end, in the order of the sequences."""
    where, ends = part.files.where, dict.fromkeys(part.specs, 0)
    for record in part.sequences:
        unknown = set(record.rows) - set(ends)
        if record.length < 1 or unknown or any(row != ends[field] for field, row in record.rows.items()):
            raise ShardError(f"{record.key} does not follow the one before", where=where, hint=AGAIN)
        for field in record.rows:
            ends[field] += record.length
    if entry is not None and (entry.sequences, entry.frames) != (len(part.sequences), ends.get("frame_ids")):
        raise ShardError("the sequences do not add up to what the dataset says", where=where, hint=AGAIN)
    if all(name in part.specs for name in SILHOUETTES):
        raise ShardError(f"it has both {' and '.join(SILHOUETTES)}", where=where, hint="pack it again with one of them")


def _read(store: Store, path: str) -> bytes:
    with reading(store, path):
        return store.read(path)


def _error(id: str, where: str, message: str) -> Finding:
    return Finding(Severity.ERROR, id, where, message, AGAIN)
