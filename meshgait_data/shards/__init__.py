"""Packed datasets: schema, writing, reading, verifying."""

from meshgait_data.shards.reader import Shards as Shards
from meshgait_data.shards.reader import open_shards as open_shards
from meshgait_data.shards.records import SequenceRecord as SequenceRecord
from meshgait_data.shards.table import SequenceTable as SequenceTable
