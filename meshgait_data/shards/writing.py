"""Write one part, Zarr or HDF5, from a stream of sequences: complete or absent, and one chunk a field in memory."""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from meshgait_data.atomic import new_file, new_folder, writing
from meshgait_data.errors import ShardError
from meshgait_data.manifest import Licence
from meshgait_data.shards import hdf5, zarr
from meshgait_data.shards.checksums import MANIFEST, crc32c_of, read_manifest
from meshgait_data.shards.dataset import Format, PartEntry
from meshgait_data.shards.records import Side, describe
from meshgait_data.shards.schema import CHUNK_FRAMES, SCHEMA_VERSION, SILHOUETTES, ArraySpec, in_order, specs_of
from meshgait_data.shards.spool import ArraySpool
from meshgait_data.strict import to_plain
from meshgait_data.types import SequenceData, SequenceKey

Provenance = Mapping[str, Any]
"""Plain data that is stored along: versions, settings and hashes, no dates."""


class Origin(Protocol):
    """What a part repeats of the dataset that it belongs to; a manifest says it."""

    @property
    def name(self) -> str:
        """Name of the dataset."""

    @property
    def licence(self) -> Licence:
        """Terms that the data come under."""

    def side(self, subject: str) -> Side:
        """Side of the split that a subject is on."""


def write_part(
    path: Path,
    sequences: Iterable[SequenceData],
    *,
    manifest: Origin,
    provenance: Provenance | Callable[[], Provenance],
    format: Format = "zarr",
    known: Mapping[str, ArraySpec] | None = None,
) -> PartEntry:
    """Write sequences as one part. Equal input gives equal bytes.

    Parameters
    ----------
    path
        New folder ``part-NNNNN.zarr`` or file ``part-NNNNN.h5``. Nothing is there under this name until all is
        written and synced, and nothing is left behind where a sequence cannot be had or written.
    sequences
        In the order in which they are to lie; each is let go before the next is asked for.
    manifest
        Dataset that they belong to: gives name, licence and sides of the split.
    provenance
        Stored along; a function is called when all sequences have been taken.
    format
        Container.
    known
        Arrays as they are elsewhere in the dataset, which these must agree with: keeps units and descriptions of what
        rides along. Those that no sequence has are not written.

    Raises
    ------
    ShardError
        Where a sequence does not fit the schema, a key occurs twice, there is no sequence, or ``path`` exists already.
    EnvironmentLacks
        Where there is no space or no right to write.
    """
    if path.exists():
        raise _taken(path)
    stage = new_folder if format == "zarr" else new_file
    try:
        with stage(path) as target, _Content(target, format, known or {}) as content:
            for sequence in sequences:
                with writing(path):
                    content.add(sequence, manifest.side(sequence.key.subject))
                # Otherwise it would be there until the next one is.
                del sequence
            attributes = {
                "schema": SCHEMA_VERSION,
                "dataset": manifest.name,
                "licence": to_plain(manifest.licence),
                "provenance": dict(provenance() if callable(provenance) else provenance),
            }
            with writing(path):
                return content.finish(path.name, attributes)
    except FileExistsError as error:
        if not path.exists():
            raise
        raise _taken(path) from error


def remove_part(path: Path) -> None:
    """Remove a part so that no half of it is ever seen under its name."""
    if path.is_file():
        path.unlink()
        return
    gone = path.with_name(f".{path.name}.removed.tmp")
    path.rename(gone)
    shutil.rmtree(gone)


class _Content:
    """What has come in of a part."""

    def __init__(self, target: Path, format: Format, known: Mapping[str, ArraySpec]) -> None:
        self._target = target
        self._format: Format = format
        self._specs = dict(known)
        self._spools: dict[str, ArraySpool] = {}
        self._records: list[dict[str, Any]] = []
        self._keys: set[SequenceKey] = set()
        self._files = ExitStack()

    def __enter__(self) -> "_Content":
        return self

    def __exit__(self, *error: object) -> None:
        self._files.close()

    def add(self, sequence: SequenceData, side: Side) -> None:
        if sequence.key in self._keys:
            raise ShardError("this sequence occurs twice", where=str(sequence.key))
        self._specs = specs_of(sequence, self._specs)
        self._check_silhouettes(sequence)
        self._keys.add(sequence.key)
        names = [name for name in self._specs if name in sequence.arrays]
        spools = {name: self._spools.get(name) or self._new_spool(name) for name in names}
        rows = {name: spool.frames for name, spool in spools.items()}
        self._records.append(_plain(describe(sequence, side=side, rows=rows), str(sequence.key)))
        for name, spool in spools.items():
            spool.append(sequence.arrays[name])

    def finish(self, name: str, attributes: Mapping[str, Any]) -> PartEntry:
        """Complete the target; gives what the dataset's file says of the part called ``name``."""
        if not self._records:
            raise ShardError("there is no sequence to pack", hint="every capture failed: see failures.jsonl")
        specs = in_order({name: spool.spec for name, spool in self._spools.items()})
        spools = [self._spools[name] for name in specs]
        for spool in spools:
            spool.finish()
        content = _plain(attributes, name) | {
            "fields": {name: spec.plain() for name, spec in specs.items()},
            "sequences": self._records,
        }
        sequences, frames = len(self._records), sum(record["length"] for record in self._records)
        if self._format == "hdf5":
            hdf5.finish(self._target, spools, content)
            return PartEntry(name, sequences, frames, *crc32c_of(self._target))
        zarr.finish(self._target, spools, content, sequences)
        size, crc = crc32c_of(self._target / MANIFEST)
        size += sum(size for size, _ in read_manifest(self._target).files.values())
        return PartEntry(name, sequences, frames, size, crc)

    def _check_silhouettes(self, sequence: SequenceData) -> None:
        if all(name in self._spools or name in sequence.arrays for name in SILHOUETTES):
            hint = "pack them all with or all without 1-bit silhouettes"
            raise ShardError(f"{' and '.join(SILHOUETTES)} in one part", where=str(sequence.key), hint=hint)

    def _new_spool(self, name: str) -> ArraySpool:
        spec = self._specs[name]
        if self._format == "hdf5":
            spool = ArraySpool(self._target.with_name(f"{name}.chunks"), spec, hdf5.encoder(spec), hdf5.CHUNK_FRAMES)
        else:
            spool = ArraySpool(zarr.object_path(self._target, spec), spec, zarr.encoder(spec), CHUNK_FRAMES)
        self._spools[name] = spool
        self._files.callback(spool.abandon)
        return spool


def _plain(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same as JSON gives it back, so that both containers hold one and the same."""
    try:
        return json.loads(json.dumps(values, allow_nan=False))
    except (ValueError, TypeError) as error:
        raise ShardError(f"cannot be stored as JSON: {error}", where=where) from error


def _taken(path: Path) -> ShardError:
    hint = "is another mgdata writing to the same folder?"
    return ShardError("this part exists already", where=str(path), hint=hint)
