"""All sequences of a dataset as columns, and ``index.parquet``, which stores them for the reader and for other tools.

Derived from what the parts say, never the truth about them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import ShardError
from meshgait_data.shards.records import SequenceRecord, Side
from meshgait_data.types import IntArray, SequenceKey

if TYPE_CHECKING:
    import pyarrow as pa

KEY = ("dataset", "subject", "condition", "view")
NAMES = (*KEY, "identity", "side", "part")
"""Columns of text; each is held as codes into its sorted names."""
NUMBERS = {"position": "int64", "length": "int64", "fps": "float64", "dropped": "int64"}
"""Columns of numbers, and their types."""
ROW = "row_"
"""Start of the name of the column that says where a field's frames begin; null where the sequence has no such field."""

REBUILD = "run 'mgdata pack' again: it rebuilds the index"
"""The way out of a damaged index."""

_STAND_IN = {"silhouettes": "silhouettes_1bit"}
"""Field to the one that is read in its place."""


@dataclass(frozen=True, slots=True, eq=False)
class _Names:
    """A column of text."""

    codes: NDArray[np.int32]
    names: NDArray[np.object_]
    """Sorted, each once; some may be unused."""

    def take(self, index: Any) -> "_Names":
        return _Names(self.codes[index], self.names)

    def code(self, name: str) -> int:
        """Code of a name; -1 where there is none."""
        at = int(np.searchsorted(self.names, name))
        return at if at < len(self.names) and self.names[at] == name else -1


class SequenceTable(Sequence[SequenceRecord]):
    """Sequences of a packed dataset, in the order of the parts. Records are made when asked for."""

    def __init__(
        self, names: Mapping[str, _Names], numbers: Mapping[str, NDArray[Any]], rows: Mapping[str, NDArray[np.int64]]
    ) -> None:
        self._names, self._numbers, self._rows = dict(names), dict(numbers), dict(rows)
        self._found: tuple[NDArray[np.int64], NDArray[np.intp]] | None = None

    @classmethod
    def of(cls, records: Iterable[SequenceRecord]) -> Self:
        """Table of records."""
        listed = list(records)
        keys = {name: [getattr(record.key, name) for record in listed] for name in KEY}
        keys |= {name: [getattr(record, name) for record in listed] for name in NAMES[len(KEY) :]}
        numbers = {name: np.array([getattr(r, name) for r in listed], dtype) for name, dtype in NUMBERS.items()}
        fields = sorted({field for record in listed for field in record.rows})
        rows: dict[str, NDArray[np.int64]] = {}
        for field in fields:
            _add(rows, field, np.array([record.rows.get(field, -1) for record in listed], np.int64))
        return cls({name: _coded(values) for name, values in keys.items()}, numbers, rows)

    @classmethod
    def join(cls, tables: Sequence["SequenceTable"]) -> Self:
        """Tables one after the other."""
        names = {}
        for name in NAMES:
            # Object arrays: numpy's own text would cost four bytes a letter.
            united = np.array(sorted({text for table in tables for text in table._names[name].names}), object)
            parts = [
                np.searchsorted(united, table._names[name].names).astype(np.int32)[table._names[name].codes]
                for table in tables
            ]
            names[name] = _Names(np.concatenate([np.zeros(0, np.int32), *parts]), united)
        numbers = {
            name: np.concatenate([np.zeros(0, dtype), *(table._numbers[name] for table in tables)])
            for name, dtype in NUMBERS.items()
        }
        fields = sorted({field for table in tables for field in table._rows})
        rows: dict[str, NDArray[np.int64]] = {}
        for field in fields:
            _add(rows, field, np.concatenate([np.zeros(0, np.int64), *(table._row(field) for table in tables)]))
        return cls(names, numbers, rows)

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> SequenceRecord: ...
    @overload
    def __getitem__(self, index: "slice | IntArray | Sequence[int]") -> "SequenceTable": ...
    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, int | np.integer):
            return self.take(index)
        at = range(len(self))[index]
        text = {name: column.names[column.codes[at]] for name, column in self._names.items()}
        return SequenceRecord(
            key=SequenceKey(*(text[name] for name in KEY)),
            identity=text["identity"],
            side=text["side"],
            part=text["part"],
            position=int(self._numbers["position"][at]),
            length=int(self._numbers["length"][at]),
            fps=float(self._numbers["fps"][at]),
            rows={field: row for field, column in self._rows.items() if (row := int(column[at])) >= 0},
            dropped=int(self._numbers["dropped"][at]),
        )

    def __iter__(self) -> Iterator[SequenceRecord]:
        return (self[i] for i in range(len(self)))

    def take(self, index: "slice | NDArray[Any] | Sequence[int]") -> "SequenceTable":
        """Some of the sequences: a slice, (N,) bool, or numbers in any order."""
        chosen: Any = index if isinstance(index, slice) else np.asarray(index, None if len(index) else np.intp)
        distinct = {id(column): column[chosen] for column in self._rows.values()}
        return SequenceTable(
            {name: column.take(chosen) for name, column in self._names.items()},
            {name: column[chosen] for name, column in self._numbers.items()},
            {field: distinct[id(column)] for field, column in self._rows.items()},
        )

    def where(self, *, side: Side | None = None, has: str | Sequence[str] = ()) -> "SequenceTable":
        """Sequences of one side of the split and, or, with some fields."""
        keep = np.ones(len(self), bool)
        if side is not None:
            keep &= self._names["side"].codes == self._names["side"].code(side)
        for field in (has,) if isinstance(has, str) else has:
            keep &= self.rows(field) >= 0
        return self.take(keep)

    def find(self, key: SequenceKey) -> SequenceRecord | None:
        """The sequence of that key; None where there is none."""
        if self._found is None:
            codes = self._key_codes()
            order = np.argsort(codes, kind="stable")
            self._found = codes[order], order
        codes, order = self._found
        wanted = 0
        for name in KEY:
            column = self._names[name]
            code = column.code(getattr(key, name))
            if code < 0:
                return None
            wanted = wanted * len(column.names) + code
        at = int(np.searchsorted(codes, wanted))
        return self[int(order[at])] if at < len(codes) and codes[at] == wanted else None

    def twice(self) -> SequenceKey | None:
        """A key that occurs more than once; None for a sound table."""
        codes = self._key_codes()
        order = np.argsort(codes, kind="stable")
        same = np.flatnonzero(np.diff(codes[order]) == 0)
        return self[int(order[same[0]])].key if len(same) else None

    def _key_codes(self) -> NDArray[np.int64]:
        codes = np.zeros(len(self), np.int64)
        for name in KEY:
            codes = codes * len(self._names[name].names) + self._names[name].codes
        return codes

    def _text(self, name: str) -> NDArray[np.object_]:
        column = self._names[name]
        return column.names[column.codes]

    @property
    def subjects(self) -> NDArray[np.object_]:
        """(N,) text."""
        return self._text("subject")

    @property
    def conditions(self) -> NDArray[np.object_]:
        """(N,) text."""
        return self._text("condition")

    @property
    def views(self) -> NDArray[np.object_]:
        """(N,) text."""
        return self._text("view")

    @property
    def identities(self) -> NDArray[np.object_]:
        """(N,) text: persons as the protocol counts them."""
        return self._text("identity")

    @property
    def sides(self) -> NDArray[np.object_]:
        """(N,) ``train``, ``test`` or ``unused``."""
        return self._text("side")

    def identity_codes(self) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """(N,) number of each sequence's identity, and the names of these identities, sorted."""
        column = self._names["identity"]
        used, codes = np.unique(column.codes, return_inverse=True)
        return codes.astype(np.int64), tuple(column.names[used])

    @property
    def part_numbers(self) -> NDArray[np.int32]:
        """(N,) which of ``part_names`` each sequence is in."""
        return self._names["part"].codes

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of parts, sorted; a table of some of the sequences may not use all."""
        return tuple(self._names["part"].names)

    @property
    def positions(self) -> NDArray[np.int64]:
        """(N,) place of each sequence in its part."""
        return self._numbers["position"]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) frames."""
        return self._numbers["length"]

    @property
    def fps(self) -> NDArray[np.float64]:
        """(N,) frames per second."""
        return self._numbers["fps"]

    @property
    def dropped(self) -> NDArray[np.int64]:
        """(N,) frames that were left out."""
        return self._numbers["dropped"]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of all fields that any sequence may have, sorted."""
        return tuple(self._rows)

    def rows(self, field: str, *, exactly: bool = False) -> NDArray[np.int64]:
        """(N,) first row of each sequence in its part's array of a field; -1 where the sequence has no such field.

        For ``silhouettes`` of sequences that have them in 1 bit only, the row in that array, unless it is asked for
        ``exactly`` this field.
        """
        rows, instead = self._row(field), _STAND_IN.get(field)
        return rows if instead is None or exactly else np.where(rows < 0, self._row(instead), rows)

    def parts_with(self, field: str) -> set[str]:
        """Parts in which any sequence has a field of exactly this name."""
        return {self.part_names[number] for number in np.unique(self.part_numbers[self.rows(field, exactly=True) >= 0])}

    def _row(self, field: str) -> NDArray[np.int64]:
        found = self._rows.get(field)
        return np.full(len(self), -1, np.int64) if found is None else found

    def parquet(self) -> bytes:
        """Content of ``index.parquet``; equal tables give equal bytes."""
        import pyarrow as pa
        from pyarrow import parquet

        columns: dict[str, Any] = {name: pa.array(self._text(name), pa.string()) for name in NAMES}
        columns |= {name: pa.array(column) for name, column in self._numbers.items()}
        for field, rows in self._rows.items():
            columns[ROW + field] = pa.array(rows, mask=rows < 0)
        file = pa.BufferOutputStream()
        parquet.write_table(pa.table(columns), file, compression="zstd", store_schema=False)
        return file.getvalue().to_pybytes()

    @classmethod
    def parse(cls, data: bytes, where: str = "index.parquet") -> Self:
        """Read what :meth:`parquet` gave; raises ShardError where it is something else."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            file = parquet.ParquetFile(pa.BufferReader(data), read_dictionary=list(NAMES))

            def read(name: str) -> Any:
                # One column at a time: decoding all at once takes several times the memory that they need.
                return file.read(columns=[name], use_threads=False).column(name).combine_chunks()

            names = {name: _dictionary(read(name)) for name in NAMES}
            numbers = {name: np.array(read(name), dtype) for name, dtype in NUMBERS.items()}
            rows: dict[str, NDArray[np.int64]] = {}
            for column in file.schema_arrow.names:
                if column.startswith(ROW):
                    _add(rows, column.removeprefix(ROW), np.array(read(column).fill_null(-1), np.int64))
            pa.default_memory_pool().release_unused()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException) as error:
            raise ShardError(f"the index is damaged: {error}", where=where, hint=REBUILD) from error
        return cls(names, numbers, rows)


def _coded(values: Sequence[str]) -> _Names:
    names = sorted(set(values))
    numbers = {name: number for number, name in enumerate(names)}
    return _Names(np.array([numbers[value] for value in values], np.int32), np.array(names, object))


def _add(rows: dict[str, NDArray[np.int64]], field: str, column: NDArray[np.int64]) -> None:
    """Fields of the same sequences begin at the same rows; they share one column."""
    rows[field] = next((other for other in rows.values() if np.array_equal(other, column)), column)


def _dictionary(column: "pa.DictionaryArray") -> _Names:
    """Codes into sorted names, each once, whatever the order and repetitions in the file."""
    found = column.dictionary.to_pylist()
    if column.null_count or None in found:
        raise ValueError("a sequence has no name")
    names = np.array(sorted(set(found)), object)
    places = np.searchsorted(names, np.array(found, object)).astype(np.int32)
    return _Names(places[column.indices.to_numpy()], names)
