"""``index.parquet``: one row a sequence, for people and data-frame tools; derived from the parts, never their truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meshgait_data.atomic import write_with
from meshgait_data.errors import ShardError
from meshgait_data.shards.dataset import INDEX
from meshgait_data.shards.records import SequenceRecord


def rows(records: Sequence[SequenceRecord]) -> list[dict[str, Any]]:
    """Plain rows of the table."""
    return [
        {
            "dataset": record.key.dataset,
            "subject": record.key.subject,
            "condition": record.key.condition,
            "view": record.key.view,
            "identity": record.identity,
            "side": record.side,
            "part": record.part,
            "start": record.start,
            "length": record.length,
            "fps": record.fps,
            "dropped": len(record.dropped),
        }
        for record in records
    ]


def write_table(root: Path, records: Sequence[SequenceRecord]) -> None:
    """Write ``index.parquet``."""
    import pyarrow as pa
    from pyarrow import parquet

    text = [(name, pa.string()) for name in ("dataset", "subject", "condition", "view", "identity", "side", "part")]
    numbers = [("start", pa.int64()), ("length", pa.int64()), ("fps", pa.float64()), ("dropped", pa.int64())]
    table = pa.Table.from_pylist(rows(records), schema=pa.schema(text + numbers))
    write_with(root / INDEX, lambda file: parquet.write_table(table, file))


def read_table(root: Path) -> list[dict[str, Any]]:
    """Read ``index.parquet``; raises ShardError where it is missing or damaged."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        found: list[dict[str, Any]] = parquet.read_table(root / INDEX).to_pylist()
    except (OSError, pa.ArrowException) as error:
        hint = "run 'mgdata pack' again: it rebuilds the index"
        raise ShardError(f"cannot read {INDEX}", where=str(root), hint=hint) from error
    return found
