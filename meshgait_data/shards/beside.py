"""Files that lie beside the parts of a packed dataset: the index and the virtual markers."""

import logging
from collections.abc import Iterable

import google_crc32c

from meshgait_data.errors import ShardError
from meshgait_data.shards.checksums import AGAIN
from meshgait_data.shards.dataset import INDEX, MARKERS, DatasetInfo, PartEntry
from meshgait_data.shards.part import open_part
from meshgait_data.shards.store import Store, reading
from meshgait_data.shards.table import REBUILD, SequenceTable

_LOG = logging.getLogger(__name__)


def read_index(store: Store, info: DatasetInfo) -> SequenceTable:
    """Read ``index.parquet``; raises ShardError where it is missing, or not the one that was packed."""
    where = store.where(INDEX)
    with reading(store, INDEX):
        data = store.read(INDEX)
    if google_crc32c.value(data) != info.index_crc32c:
        raise ShardError("the index has changed since it was packed", where=where, hint=REBUILD)
    return SequenceTable.parse(data, where)


def read_marker_file(store: Store, info: DatasetInfo) -> bytes:
    """Content of ``markers.npz``; raises ShardError where there is none, or not the one that was packed."""
    if info.markers is None:
        raise ShardError("it was packed without markers", where=str(store))
    with reading(store, MARKERS):
        data = store.read(MARKERS)
    if google_crc32c.value(data) != info.markers.crc32c:
        what = "the content has changed since it was packed"
        raise ShardError(what, where=store.where(MARKERS), hint=AGAIN)
    return data


def rebuild(store: Store, entries: Iterable[PartEntry]) -> SequenceTable:
    """Make the index again of what the parts say; raises ShardError where one is missing or damaged."""
    return SequenceTable.of(
        record for entry in entries for record in open_part(store, entry.name, entry, check=False).sequences
    )


def all_sequences(store: Store, info: DatasetInfo) -> SequenceTable:
    """The index, made anew of the parts with a warning where it is missing or has changed.

    Raises
    ------
    ShardError
        Where then a part is missing or damaged, or a sequence occurs twice.
    """
    try:
        table = read_index(store, info)
    except ShardError as error:
        _LOG.warning("%s; reading all parts instead. %s", error, error.hint)
        table = rebuild(store, info.parts)
    twice = table.twice()
    if twice is not None:
        raise ShardError(f"the sequence {twice} occurs in two parts", where=str(store), hint=AGAIN)
    return table
