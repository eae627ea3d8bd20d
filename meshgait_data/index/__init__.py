"""What a dataset holds: one row a sequence, scanned from disk and kept in a table."""

from meshgait_data.index.cache import FILE as CACHE
from meshgait_data.index.files import read_index, write_index
from meshgait_data.index.rows import Index, IndexRow
from meshgait_data.index.scan import NO_PARTITION, scan

__all__ = ["CACHE", "NO_PARTITION", "Index", "IndexRow", "read_index", "scan", "write_index"]
