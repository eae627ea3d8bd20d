"""Compare a packed dataset with what it says about itself: files, checksums, parts, index, values."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import ShardError
from meshgait_data.findings import Finding, Severity
from meshgait_data.shards.beside import read_index, read_marker_file
from meshgait_data.shards.checksums import AGAIN, MANIFEST
from meshgait_data.shards.chunks import ChunkedArray
from meshgait_data.shards.dataset import DATASET, INDEX, MARKERS, DatasetInfo, PartEntry, is_part_name, read_dataset
from meshgait_data.shards.part import Part, PartFiles, find_part, open_part
from meshgait_data.shards.schema import ArraySpec, specs_of
from meshgait_data.shards.store import Store, open_store, reading
from meshgait_data.shards.table import REBUILD, SequenceTable
from meshgait_data.types import SequenceData

_PIECE = 1 << 24


def verify(path: str | Path, *, deep: bool = False) -> list[Finding]:
    """Check a packed dataset.

    Parameters
    ----------
    path
        Folder that ``mgdata pack`` wrote, or a URL of it.
    deep
        Read every byte: compare the checksums of files and chunks, the parts with the index, and the values with the
        schema. Otherwise only descriptions, lists and sizes of files.

    Returns
    -------
    What is wrong, sorted; empty for a sound dataset.
    """
    store = open_store(path)
    try:
        info = read_dataset(store)
    except ShardError as error:
        return [Finding.of_error(error, "MG-SHARD-001", str(store))]
    findings = [*_unlisted(store, info), *_markers(store, info)]
    tables: list[SequenceTable] = []
    for entry in info.parts:
        found, part = _check(store, entry, info.specs, deep=deep)
        findings += found
        if part is not None:
            tables.append(SequenceTable.of(part.sequences))
    whole = SequenceTable.join(tables) if deep and len(tables) == len(info.parts) else None
    return sorted([*findings, *_check_index(store, info, whole)])


def check_part(store: Store, entry: PartEntry, *, deep: bool = False) -> list[Finding]:
    """Check one part of a packed dataset; see :func:`verify`."""
    return _check(store, entry, None, deep=deep)[0]


def _check(
    store: Store, entry: PartEntry, specs: Mapping[str, ArraySpec] | None, *, deep: bool
) -> tuple[list[Finding], Part | None]:
    """What is wrong with a part; and the part itself, where ``deep`` asks for it and it can be opened."""
    where = store.where(entry.name)
    try:
        files = find_part(store, entry.name)
    except ShardError as error:
        return [Finding.of_error(error, "MG-SHARD-002", where)], None
    if files.manifest is None:
        files = replace(files, size=entry.bytes)
    findings = list(files.sizes())
    if files.manifest is not None and files.manifest.crc32c != entry.crc32c:
        findings.append(_error("MG-SHARD-007", where, "this part is not the one that dataset.json lists"))
    if not deep or findings:
        return findings, None
    findings += _compare_bytes(files, entry)
    try:
        part = open_part(store, entry.name, check=False)
    except ShardError as error:
        return [*findings, Finding.of_error(error, "MG-SHARD-002", where)], None
    if (entry.sequences, entry.frames) != (len(part.sequences), sum(record.length for record in part.sequences)):
        findings.append(_error("MG-SHARD-007", where, "it holds other sequences than dataset.json says"))
    for name, spec in part.specs.items():
        if specs is not None and specs.get(name) != spec:
            findings.append(_error("MG-SHARD-007", where, f"its field {name} is not as dataset.json says"))
    return [*findings, *_check_values(part)], part


def _compare_bytes(files: PartFiles, entry: PartEntry) -> Iterator[Finding]:
    """Checksums of all files of a part whose files have the right sizes, and files that nobody lists."""
    store = files.store
    listed = {"": (entry.bytes, entry.crc32c)} if files.manifest is None else files.manifest.files
    for name, (size, crc) in listed.items():
        path = f"{files.name}/{name}" if name else files.name
        found = 0
        for start in range(0, size, _PIECE):
            with reading(store, path):
                found = google_crc32c.extend(found, store.read_range(path, start, min(start + _PIECE, size)))
        if found != crc:
            message = "the content has changed since it was packed (crc32c differs)"
            yield _error("MG-SHARD-005", store.where(path), message)
    for name in (store.files(files.name) or ()) if files.manifest is not None else ():
        if name not in listed and name != MANIFEST:
            message = f"not listed in {MANIFEST}: not written by mgdata"
            where = store.where(f"{files.name}/{name}")
            yield Finding(Severity.WARNING, "MG-SHARD-006", where, message, "delete it if it is not yours")


def _check_values(part: Part) -> Iterator[Finding]:
    """Decode all frames of a part: chunks that are damaged, and values that cannot be right."""
    arrays: dict[str, ChunkedArray] = {}
    damage: dict[tuple[str, str], list[str]] = {}
    for name in part.specs:
        try:
            arrays[name] = part.array(name)
        except ShardError as error:
            damage[error.where, error.what] = []
    for record, detail in zip(part.sequences, part.details, strict=True):
        read: dict[str, NDArray[Any]] = {}
        for name, row in record.rows.items():
            try:
                if name in arrays:
                    read[name] = arrays[name].read(row, row + record.length)
            except ShardError as error:
                damage.setdefault((error.where, error.what), []).append(str(record.key))
        if len(read) < len(record.rows):
            continue
        try:
            specs_of(
                SequenceData(record.key, record.identity, record.fps, detail.camera, detail.betas, read), part.specs
            )
        except ShardError as error:
            yield _error("MG-SHARD-011", f"{part.files.where}: {record.key}", error.what)
    for (where, what), keys in damage.items():
        more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
        yield _error("MG-SHARD-010", where, f"{what}; needed by {', '.join(keys[:3])}{more}" if keys else what)


def _unlisted(store: Store, info: DatasetInfo) -> Iterator[Finding]:
    listed = {entry.name for entry in info.parts}
    message = "this part is not listed in dataset.json; nobody reads it"
    for name in store.names() or ():
        if is_part_name(name) and name not in listed:
            yield Finding(Severity.WARNING, "MG-SHARD-008", store.where(name), message, "delete it if it is not needed")


def _markers(store: Store, info: DatasetInfo) -> Iterator[Finding]:
    try:
        if info.markers is not None:
            read_marker_file(store, info)
    except ShardError as error:
        id = "MG-SHARD-003" if store.size(MARKERS) is None else "MG-SHARD-005"
        yield Finding.of_error(error, id, str(store))


def _check_index(store: Store, info: DatasetInfo, whole: SequenceTable | None) -> Iterator[Finding]:
    """The index by its checksum; where all parts are known, by what they say."""
    where = store.where(INDEX)
    try:
        table = read_index(store, info)
    except ShardError as error:
        yield Finding.of_error(error, "MG-SHARD-009", where)
        return
    if whole is None:
        return
    if table.parquet() != whole.parquet():
        yield Finding(Severity.ERROR, "MG-SHARD-009", where, "the index disagrees with the parts", REBUILD)
    twice = whole.twice()
    if twice is not None:
        yield _error("MG-SHARD-009", str(store), f"the sequence {twice} occurs in two parts")
    for name, field in info.fields.items():
        count = int(np.count_nonzero(whole.rows(name, exactly=True) >= 0))
        if count != field.sequences:
            message = f"{count} sequences have {name}, {DATASET} says {field.sequences}"
            yield _error("MG-SHARD-007", store.where(DATASET), message)


def _error(id: str, where: str, message: str) -> Finding:
    return Finding(Severity.ERROR, id, where, message, AGAIN)
