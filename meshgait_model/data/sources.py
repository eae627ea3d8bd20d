"""Where frames come from: compressed shards, or arrays that were decoded before. Both count frames in rows.

Shape letters: N sequences, M frames asked for.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import InvalidData
from meshgait_data.shards.reader import Shards
from meshgait_data.shards.schema import ArraySpec
from meshgait_data.shards.table import SequenceTable
from meshgait_data.types import IntArray
from meshgait_model.data.cut import FrameSpec, columns_of, cut_spec, move

_SCATTERED = 4
"""Stretches of fewer frames than this, on average, are put in order before they are read."""


class FrameSource(Protocol):
    """Frames of some sequences. Several threads may read at the same time, and it may be sent to other processes."""

    @property
    def specs(self) -> Mapping[str, FrameSpec]:
        """Fields that it has."""
        ...

    @property
    def starts(self) -> Mapping[str, IntArray]:
        """Field to (N,) row of the first frame of each sequence, -1 where a sequence lacks the field."""
        ...

    def read(self, name: str, rows: IntArray, out: NDArray[Any]) -> None:
        """Copy rows (M,) of a field to ``out`` (M, ...), which is C-contiguous. Rows must exist."""
        ...


class ShardSource:
    """Frames decoded from the shards whenever they are asked for.

    Rows count through the arrays of all parts, one after the other.

    Parameters
    ----------
    shards
        The packed dataset.
    sequences
        Those that are wanted.
    fields
        Those that are wanted.
    cut
        Columns to leave out on each side.

    Raises
    ------
    InvalidData
        Where the dataset has no such field, or the cut leaves nothing.
    """

    def __init__(self, shards: Shards, sequences: SequenceTable, fields: Sequence[str], cut: int) -> None:
        self.shards, self.cut = shards, cut
        self.lengths: IntArray = np.array(sequences.lengths, np.int64)
        self.places = (np.array(sequences.part_numbers, np.int64), np.array(sequences.rows("frame_ids"), np.int64))
        self.specs: dict[str, FrameSpec] = {name: cut_spec(_wanted(shards, name), cut) for name in fields}
        self.starts: dict[str, IntArray] = {}
        self._parts: dict[str, list[str]] = {}
        self._bases: dict[str, IntArray] = {}
        for name in fields:
            self._lay_out(name, sequences)

    def _lay_out(self, name: str, sequences: SequenceTable) -> None:
        """Give the array of each part that has the field a place in its rows."""
        rows, numbers = sequences.rows(name), sequences.part_numbers
        starts = np.full(len(sequences), -1, np.int64)
        parts, bases = np.unique(numbers[rows >= 0]), [0]
        for number in parts:
            mine = (numbers == number) & (rows >= 0)
            starts[mine] = bases[-1] + rows[mine]
            bases.append(bases[-1] + int((rows[mine] + self.lengths[mine]).max()))
        self.starts[name], self._bases[name] = starts, np.array(bases)
        self._parts[name] = [sequences.part_names[number] for number in parts]

    def read(self, name: str, rows: IntArray, out: NDArray[Any]) -> None:
        """Copy rows (M,) of a field to ``out`` (M, ...).

        Raises
        ------
        ShardError
            Where a file is missing or damaged: checksums of all chunks are checked.
        """
        numbers = np.searchsorted(self._bases[name], rows, side="right") - 1
        runs = _runs(rows, numbers)
        if _SCATTERED * len(runs) <= len(rows):
            for begin, end in runs:
                self._gather(name, int(numbers[begin]), rows[begin:end], out[begin:end])
        else:
            # Frames in random order: asked for together, each chunk is decoded once.
            for number in np.unique(numbers):
                mine = np.flatnonzero(numbers == number)
                taken = np.zeros((len(mine), *out.shape[1:]), out.dtype)
                self._gather(name, int(number), rows[mine], taken)
                out[mine] = taken
        move(name, out, self.cut)

    def _gather(self, name: str, number: int, rows: IntArray, out: NDArray[Any]) -> None:
        array = self.shards.array(self._parts[name][number], name)
        array.gather(rows - self._bases[name][number], out, columns_of(name, self.cut))


class DecodedSource:
    """Frames of arrays that were decoded before: in memory, or mapped from files.

    Parameters
    ----------
    arrays
        Field to what holds its array (M, ...), see :mod:`meshgait_model.data.memory`.
    lengths
        (N,) frames of each sequence.
    has
        Field to (N,) whether each sequence has it; frames of those that do follow each other in the array.
    """

    def __init__(self, arrays: Mapping[str, "Holder"], lengths: IntArray, has: Mapping[str, NDArray[np.bool_]]) -> None:
        self._holders = dict(arrays)
        self.specs = {name: FrameSpec(h.array.dtype, h.array.shape[1:]) for name, h in self._holders.items()}
        self.starts = {name: decoded_starts(lengths, has[name]) for name in self._holders}

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Field to its decoded array."""
        return {name: holder.array for name, holder in self._holders.items()}

    def read(self, name: str, rows: IntArray, out: NDArray[Any]) -> None:
        """Copy rows (M,) of a field to ``out`` (M, ...)."""
        holder = self._holders[name]
        holder.expect(rows)
        # With any other mode numpy copies twice. It moves whole frames and lets other threads run meanwhile.
        np.take(holder.array, rows, axis=0, out=out, mode="clip")


class Holder(Protocol):
    """What holds a decoded array and can be sent to other processes without a copy of it."""

    array: NDArray[Any]

    def expect(self, rows: IntArray) -> None:
        """Hear which rows are about to be read."""
        ...


def decoded_starts(lengths: IntArray, has: NDArray[np.bool_]) -> IntArray:
    """Rows (N,) of the first frames of sequences that follow each other; -1 where a sequence has none."""
    held = np.where(has, lengths, 0)
    return np.where(has, np.cumsum(held) - held, -1)


def _wanted(shards: Shards, name: str) -> ArraySpec:
    fields = shards.info.specs
    if name == "silhouettes" and name not in fields:
        # Those of one bit are read in their place, as 0 and 255.
        return ArraySpec(name, "uint8", (shards.aligned_size, shards.aligned_size))
    if name not in fields:
        raise InvalidData(f"these shards have no {name}", where=shards.url, hint=f"they have {', '.join(fields)}")
    return fields[name]


def _runs(rows: IntArray, numbers: IntArray) -> list[tuple[int, int]]:
    """Stretches of rows that do not decrease and lie in one array, whose numbers are given."""
    breaks = np.flatnonzero((np.diff(rows) < 0) | (np.diff(numbers) != 0)) + 1
    ends = [0, *breaks.tolist(), len(rows)]
    return list(pairwise(ends))
