"""The index on disk: ``index.parquet``, the resolved ``manifest.yaml`` and ``findings.jsonl`` of a work folder."""

import io
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meshgait_data.atomic import write_bytes, write_text
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.findings import Finding, to_jsonl
from meshgait_data.index.rows import Index, IndexRow
from meshgait_data.manifest import dump_yaml, load_manifest

if TYPE_CHECKING:
    import pyarrow as pa

# pyarrow is imported where it is needed: workers that read files go without its memory.

SCHEMA_VERSION = 2
"""Version of the columns; a reader refuses any other."""

_VERSION, _ROOT, _MANIFEST = b"meshgait.index_schema", b"meshgait.root", b"meshgait.manifest_sha256"


def _columns() -> "pa.Schema":
    import pyarrow as pa

    types: dict[Any, pa.DataType] = {
        str: pa.string(),
        int: pa.int32(),
        float: pa.float64(),
        tuple[str, ...]: pa.list_(pa.string()),
        tuple[int, ...]: pa.list_(pa.int32()),
    }
    return pa.schema([pa.field(column.name, types[column.type], nullable=False) for column in fields(IndexRow)])


def write_index(work: Path, index: Index, findings: Iterable[Finding]) -> None:
    """Write an index and what was noticed while making it.

    Equal indexes give equal bytes. ``index.parquet`` comes last, so that an interrupted run leaves the old index
    with a manifest that it refuses, never a new index with old company.

    Raises
    ------
    EnvironmentLacks
        Where the folder cannot be written to.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    metadata = {
        _VERSION: str(SCHEMA_VERSION),
        _ROOT: str(index.root.absolute()),
        _MANIFEST: index.manifest.sha256(),
    }
    columns = {f.name: [getattr(row, f.name) for row in index.rows] for f in fields(IndexRow)}
    table = pa.table(columns, schema=_columns().with_metadata(metadata))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_text(work / "manifest.yaml", dump_yaml(index.manifest))
    write_text(work / "findings.jsonl", to_jsonl(findings))
    write_bytes(work / "index.parquet", buffer.getvalue())


def read_index(work: Path) -> Index:
    """Read what :func:`write_index` wrote.

    Raises
    ------
    UsageError
        Where the folder has no index.
    InvalidData
        Where the table is damaged, of another schema version, or the manifest beside it was changed since.
    """
    path, manifest_path = work / "index.parquet", work / "manifest.yaml"
    again = f"mgdata index MANIFEST --work {work}"
    for needed in (path, manifest_path):
        if not needed.is_file():
            raise UsageError(f"no {needed.name} in the work folder {work}", hint=again)
    table = _read_table(path, again)
    manifest = load_manifest(str(manifest_path))
    metadata = table.schema.metadata
    if metadata[_MANIFEST].decode() != manifest.sha256():
        what = "the manifest was changed after the index was made"
        root = metadata[_ROOT].decode()
        hint = f"mgdata index {manifest_path} --root {root} --work {work}"
        raise InvalidData(what, where=str(manifest_path), hint=hint)
    columns = [_values(table.column(f.name)) for f in fields(IndexRow)]
    rows = tuple(IndexRow(*values) for values in zip(*columns, strict=True))
    return Index(manifest, Path(metadata[_ROOT].decode()), rows)


def _values(column: "pa.ChunkedArray") -> list[Any]:
    """Values of a column; equal ones are one object, since most words stand in many rows."""
    known: dict[Any, Any] = {}
    values = [tuple(value) if isinstance(value, list) else value for value in column.to_pylist()]
    return [known.setdefault(value, value) for value in values]


def _read_table(path: Path, again: str) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InvalidData(f"damaged: {str(error).splitlines()[0]}", where=str(path), hint=again) from error
    metadata = table.schema.metadata or {}
    version = metadata.get(_VERSION, b"none").decode()
    if version != str(SCHEMA_VERSION):
        what = f"index schema version {version}; this meshgait reads {SCHEMA_VERSION}"
        raise InvalidData(what, where=str(path), hint=again)
    if not table.schema.equals(_columns()) or not {_ROOT, _MANIFEST} <= set(metadata):
        raise InvalidData("the columns are not those of an index", where=str(path), hint=again)
    return table
