"""Columns of sequences: records, choices, look-up by key, and the file that keeps them."""

import copy

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from meshgait_data.errors import ShardError
from meshgait_data.shards import SequenceRecord, SequenceTable
from meshgait_data.types import SequenceKey

words = st.sampled_from(["a", "b", "07", "nm-01", "ß", "z-z"])
fields = st.dictionaries(st.sampled_from(["frame_ids", "silhouettes_1bit", "joints", "depth"]), st.integers(0, 10**6))


@st.composite
def records(draw: st.DrawFn) -> list[SequenceRecord]:
    keys = draw(st.lists(st.builds(SequenceKey, st.just("d"), words, words, words), unique=True, max_size=12))
    return [
        SequenceRecord(
            key=key,
            identity=draw(words),
            side=draw(st.sampled_from(["train", "test", "unused"])),
            part=f"part-{draw(st.integers(0, 3)):05d}.zarr",
            position=draw(st.integers(0, 99)),
            length=draw(st.integers(1, 500)),
            fps=draw(st.floats(1, 120)),
            rows=draw(fields),
            dropped=draw(st.integers(0, 9)),
        )
        for key in keys
    ]


def as_dict(record: SequenceRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in SequenceRecord.__slots__}


@given(records())
def test_records_come_back(listed: list[SequenceRecord]) -> None:
    table = SequenceTable.of(listed)
    assert len(table) == len(listed)
    for other in (table, SequenceTable.parse(table.parquet()), SequenceTable.of(table), copy.deepcopy(table)):
        assert [as_dict(record) for record in other] == [as_dict(record) for record in listed]
    assert SequenceTable.parse(table.parquet()).parquet() == table.parquet() == SequenceTable.of(listed).parquet()


@given(records(), st.data())
def test_choices(listed: list[SequenceRecord], draw: st.DataObject) -> None:
    table = SequenceTable.of(listed)
    index = draw.draw(st.lists(st.integers(-len(listed), len(listed) - 1)) if listed else st.just([]))
    assert [as_dict(record) for record in table[index]] == [as_dict(listed[i]) for i in index]
    start, stop = draw.draw(st.integers(-15, 15)), draw.draw(st.integers(-15, 15))
    assert [as_dict(record) for record in table[start:stop]] == [as_dict(record) for record in listed[start:stop]]
    side, has = (
        draw.draw(st.sampled_from(["train", "test", None])),
        draw.draw(st.sets(st.sampled_from(["joints", "depth"]))),
    )
    chosen = [r for r in listed if (side is None or r.side == side) and has <= set(r.rows)]
    assert [as_dict(record) for record in table.where(side=side, has=sorted(has))] == [as_dict(r) for r in chosen]
    cut = draw.draw(st.integers(0, len(listed)))
    joined = SequenceTable.join([table[:cut], table[cut:]])
    assert [as_dict(record) for record in joined] == [as_dict(record) for record in listed]


@given(records())
def test_columns(listed: list[SequenceRecord]) -> None:
    table = SequenceTable.of(listed)
    assert table.subjects.tolist() == [record.key.subject for record in listed]
    assert table.conditions.tolist() == [record.key.condition for record in listed]
    assert table.views.tolist() == [record.key.view for record in listed]
    assert table.identities.tolist() == [record.identity for record in listed]
    assert table.sides.tolist() == [record.side for record in listed]
    assert table.lengths.tolist() == [record.length for record in listed]
    assert table.positions.tolist() == [record.position for record in listed]
    assert table.dropped.tolist() == [record.dropped for record in listed]
    assert table.fps.tolist() == [record.fps for record in listed]
    assert [table.part_names[i] for i in table.part_numbers] == [record.part for record in listed]
    assert table.rows("joints").tolist() == [record.rows.get("joints", -1) for record in listed]
    assert table.rows("absent").tolist() == [-1] * len(listed)
    bits = [record.rows.get("silhouettes_1bit", -1) for record in listed]
    assert table.rows("silhouettes").tolist() == bits
    assert table.rows("silhouettes", exactly=True).tolist() == [-1] * len(listed)
    assert table.parts_with("joints") == {record.part for record in listed if "joints" in record.rows}
    codes, names = table.identity_codes()
    assert [names[code] for code in codes] == [record.identity for record in listed]
    assert list(names) == sorted({record.identity for record in listed})


@given(records())
def test_find(listed: list[SequenceRecord]) -> None:
    table = SequenceTable.of(listed)
    assert table.twice() is None
    for record in listed:
        found = table.find(record.key)
        assert found is not None
        assert as_dict(found) == as_dict(record)
    known = {record.key for record in listed}
    for key in (SequenceKey("d", s, c, "a") for s in ("a", "b", "q") for c in ("07", "ß")):
        assert (table.find(key) is None) == (key not in known)
    if listed:
        assert SequenceTable.of([*listed, listed[0]]).twice() == listed[0].key


def test_one_record() -> None:
    record = SequenceRecord(SequenceKey("d", "s", "c", "v"), "s", "train", "part-00000.zarr", 0, 5, 25.0, {"joints": 0})
    table = SequenceTable.of([record])
    assert as_dict(table[-1]) == as_dict(table[np.int64(0)]) == as_dict(record)
    for index in (1, -2):
        with pytest.raises(IndexError):
            table[index]
    assert_array_equal(table[np.array([True])].lengths, [5])
    assert len(table[np.array([False])]) == 0


@given(records())
def test_other_tools_read_the_file(listed: list[SequenceRecord]) -> None:
    import pyarrow as pa

    rows = pq.read_table(pa.BufferReader(SequenceTable.of(listed).parquet())).to_pylist()
    for row, record in zip(rows, listed, strict=True):
        assert row["subject"] == record.key.subject
        assert row["length"] == record.length
        for field in ("joints", "depth"):
            if f"row_{field}" in row:
                assert row[f"row_{field}"] == record.rows.get(field)


@pytest.mark.parametrize("damage", ["empty", "text", "columns", "nulls", "flip"])
def test_what_is_no_index_is_refused(damage: str) -> None:
    import pyarrow as pa

    record = SequenceRecord(SequenceKey("d", "s", "c", "v"), "s", "train", "part-00000.zarr", 0, 5, 25.0, {"joints": 0})
    data = SequenceTable.of([record]).parquet()
    if damage == "empty":
        data = b""
    elif damage == "text":
        data = b"subject,condition\n"
    elif damage == "flip":
        data = data[: len(data) // 2]
    else:
        table = pq.read_table(pa.BufferReader(data))
        names = table.column_names
        if damage == "columns":
            table = table.drop_columns(["view"])
        else:
            table = table.set_column(names.index("subject"), "subject", pa.array([None], pa.string()))
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        data = sink.getvalue().to_pybytes()
    with pytest.raises(ShardError, match="the index is damaged") as caught:
        SequenceTable.parse(data, "here/index.parquet")
    assert caught.value.where == "here/index.parquet"
    assert "mgdata pack" in caught.value.hint
