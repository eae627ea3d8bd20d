"""What was packed comes back, from threads and processes, from a folder and from URLs, and only what is asked for."""

import json
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sample_shards import make_dataset, make_sequence
from served import served

from meshgait_data.errors import ShardError
from meshgait_data.shards import Shards, open_shards
from meshgait_data.shards.dataset import mark_incomplete
from meshgait_data.shards.schema import pack_bits, unpack_bits
from meshgait_data.types import SequenceData, SequenceKey

both = pytest.mark.parametrize("format", ["zarr", "hdf5"])


@pytest.fixture
def either(packed: Path, packed_hdf5: Path, format: str) -> Path:
    return packed if format == "zarr" else packed_hdf5


@pytest.fixture
def copied(dataset: Path, dataset_hdf5: Path, format: str) -> Path:
    return dataset if format == "zarr" else dataset_hdf5


def assert_same(first: SequenceData, second: SequenceData) -> None:
    for name in ("key", "identity", "fps", "dropped", "joint_set"):
        assert getattr(first, name) == getattr(second, name)
    assert_array_equal(first.betas, second.betas)
    assert (first.camera is None) == (second.camera is None)
    if first.camera and second.camera:
        for name in ("intrinsics", "rotation", "translation"):
            assert_array_equal(getattr(first.camera, name), getattr(second.camera, name))
        assert (first.camera.name, first.camera.size) == (second.camera.name, second.camera.size)
    assert first.arrays.keys() == second.arrays.keys()
    for name, array in first.arrays.items():
        assert array.dtype == second.arrays[name].dtype
        assert_array_equal(array, second.arrays[name])


@both
def test_sequences_come_back(either: Path, sequences: list[SequenceData], others: list[SequenceData]) -> None:
    shards = open_shards(either)
    assert len(shards.sequences) == len(sequences + others)
    for number, sequence in enumerate(sequences + others):
        record = shards.sequences[number]
        assert_same(shards.sequence(record), sequence)
        assert_same(shards.sequence(sequence.key), sequence)
        assert_same(shards.sequence(str(sequence.key)), sequence)
        assert shards.find(sequence.key).rows == record.rows
        assert set(record.rows) == set(sequence.arrays)
        detail = shards.detail(record)
        assert detail.dropped == sequence.dropped
        assert record.dropped == len(sequence.dropped)


@both
def test_frames_of_one_field(either: Path, sequences: list[SequenceData]) -> None:
    shards, sequence = open_shards(either), sequences[2]
    record = shards.find(sequence.key)
    for field in ("silhouettes", "joints", "scale"):
        expected = sequence.arrays[field]
        assert_array_equal(shards.read(record, field), expected)
        assert_array_equal(shards.read(record, field, 30), expected[30:])
        assert_array_equal(shards.read(record, field, 5, 37), expected[5:37])
        assert shards.read(record, field, 5, 5).shape == (0, *expected.shape[1:])
        out = np.zeros((7, *expected.shape[1:]), expected.dtype)
        assert shards.read(record, field, 5, 12, out) is out
        assert_array_equal(out, expected[5:12])
        rows = record.rows[field] + np.array([3, 60, 61])
        shards.array(record.part, field).gather(rows, out[:3])
        assert_array_equal(out[:3], expected[[3, 60, 61]])
    for start, stop in ((0, 71), (-1, 5), (6, 5)):
        with pytest.raises(ShardError, match="it has 70 frames") as caught:
            shards.read(record, "scale", start, stop)
        assert caught.value.where == str(record.key)


def test_what_a_dataset_says(packed: Path) -> None:
    shards = open_shards(packed)
    assert shards.url == str(packed)
    assert shards.aligned_size == 64
    assert shards.num_markers == 5
    assert shards.protocol.gallery[0] == "02/01"
    assert shards.split.train
    assert shards.licence.name
    assert shards.body_sha256 == "0" * 64
    assert shards.joint_set.name == "smpl24"
    assert_array_equal(shards.joint_mirror[shards.joint_mirror], np.arange(24))
    assert {"silhouettes", "keypoints", "depth"} <= set(shards.fields)
    assert shards.part("part-00000.zarr").provenance == {"from": "test"}
    assert list(shards.part("part-00000.zarr").specs) == [f for f in shards.fields if f in shards.sequences[0].rows]


def test_what_is_not_there(packed: Path) -> None:
    shards = open_shards(packed)
    bare = shards.sequences[4]
    with pytest.raises(ShardError, match="this sequence has no joints") as caught:
        shards.read(bare, "joints")
    assert caught.value.where == str(bare.key)
    assert "silhouettes" in caught.value.hint
    for call in (lambda: shards.read(bare, "sound"), lambda: shards.load("sound")):
        with pytest.raises(ShardError, match="this dataset has no field 'sound'"):
            call()
    with pytest.raises(ShardError, match=r"this sequence has no joints") as caught:
        shards.load("joints")
    assert ".where(has='joints')" in caught.value.hint
    for key in ("cmu_walk/07/99/090", SequenceKey("cmu_walk", "no", "01", "090")):
        with pytest.raises(ShardError, match="it has no sequence"):
            shards.find(key)
    with pytest.raises(ShardError, match="expected dataset/subject/condition/view"):
        shards.find("07/01/090")
    with pytest.raises(ShardError, match="no part"):
        shards.array("part-00009.zarr", "joints")
    with pytest.raises(ShardError, match="it has no field 'depth'"):
        shards.array("part-00000.zarr", "depth")
    with pytest.raises(ShardError, match="it has no field 'depth'"):
        shards.part("part-00000.zarr").array("depth")


@both
@pytest.mark.parametrize("order", [None, [5, 0, 2], [2, 3], [1], [0, 0], []])
@pytest.mark.parametrize("field", ["silhouettes", "scale", "keypoints"])
def test_load_is_the_concatenation_of_reads(either: Path, order: list[int] | None, field: str) -> None:
    shards = open_shards(either)
    table = shards.sequences.where(has=field)
    chosen = table if order is None else table.take([i % len(table) for i in order])
    for records in (chosen, list(chosen)):
        array, offsets = shards.load(field, records)
        assert array.shape == (offsets[-1], *shards.info.specs[field].shape)
        for number, record in enumerate(chosen):
            assert_array_equal(array[offsets[number] : offsets[number + 1]], shards.read(record, field))


def test_silhouettes_of_one_bit_are_unpacked(packed_1bit: Path) -> None:
    shards = open_shards(packed_1bit)
    assert shards.aligned_size == 64
    rows = shards.sequences.rows("silhouettes")
    assert rows.tolist() == [0, 40]
    assert shards.sequences.rows("silhouettes", exactly=True).tolist() == [-1, -1]
    for record in shards.sequences:
        bits = shards.sequence(record).arrays["silhouettes_1bit"]
        assert_array_equal(shards.read(record, "silhouettes_1bit"), bits)
        assert_array_equal(shards.read(record, "silhouettes"), unpack_bits(bits))
        assert_array_equal(shards.read(record, "silhouettes", 3, 9), unpack_bits(bits[3:9]))
    array, offsets = shards.load("silhouettes")
    assert array.shape == (75, 64, 64)
    assert_array_equal(array[offsets[1] :], shards.read(shards.sequences[1], "silhouettes"))


@both
def test_parts_with_and_without_grey(tmp_path: Path, format: str) -> None:
    grey, bits = make_sequence(40, 1), make_sequence(33, 2, one_bit=True)
    root = make_dataset(tmp_path / "shards", [[grey], [bits]], format=format)  # type: ignore[arg-type]
    shards = open_shards(root)
    assert_array_equal(shards.read(shards.find(grey.key), "silhouettes"), grey.arrays["silhouettes"])
    expected = unpack_bits(bits.arrays["silhouettes_1bit"])
    assert_array_equal(shards.read(shards.find(bits.key), "silhouettes"), expected)
    assert_array_equal(shards.load("silhouettes")[0][40:], expected)
    assert_array_equal(pack_bits(expected), bits.arrays["silhouettes_1bit"])


def _delete(path: Path) -> None:
    path.unlink()


def _shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 6 // 10)


@pytest.mark.parametrize("damage", [_delete, _shorten])
@pytest.mark.parametrize(
    ("format", "name"),
    [
        ("zarr", "part-00000.zarr/joints/c/0/0/0"),
        ("zarr", "part-00001.zarr/zarr.json"),
        ("zarr", "part-00000.zarr/MANIFEST.json"),
        ("hdf5", "part-00001.h5"),
        ("zarr", "dataset.json"),
    ],
)
def test_missing_and_truncated_files_are_noticed_on_opening(
    copied: Path, damage: Callable[[Path], None], name: str
) -> None:
    damage(copied / name)
    with pytest.raises(ShardError) as caught:
        open_shards(copied)
    assert caught.value.where in (str((copied / name).parent), str(copied / name))
    assert "mgdata" in caught.value.hint


@both
def test_unchecked_opening_notices_on_reading(copied: Path, format: str) -> None:
    name = {"zarr": "part-00000.zarr/joints/c/0/0/0", "hdf5": "part-00000.h5"}[format]
    _shorten(copied / name)
    shards = open_shards(copied, check=False)
    with pytest.raises(ShardError) as caught:
        shards.read(shards.sequences[0], "joints")
    assert caught.value.where == str(copied / name)


@pytest.mark.parametrize(
    "name", ["part-00000.zarr/zarr.json", "part-00000.zarr/joints/zarr.json", "part-00000.zarr/joints/c/0/0/0"]
)
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.9999])
def test_one_flipped_bit_is_never_read_as_data(dataset: Path, name: str, place: float) -> None:
    data = bytearray((dataset / name).read_bytes())
    data[int(len(data) * place)] ^= 1
    (dataset / name).write_bytes(data)
    shards = open_shards(dataset)

    def read_all() -> None:
        for record in shards.sequences[:3]:
            shards.sequence(record)

    with pytest.raises(ShardError, match=r"damaged|changed") as caught:
        read_all()
    assert caught.value.where == str(dataset / name)


def test_no_flipped_bit_of_an_hdf5_file_gives_another_sequence(dataset_hdf5: Path) -> None:
    path = dataset_hdf5 / "part-00000.h5"
    whole, expected = path.read_bytes(), open_shards(dataset_hdf5).sequence("cmu_walk/07/02/000")
    noticed = []
    for place in range(0, len(whole), len(whole) // 100):
        data = bytearray(whole)
        data[place] ^= 4
        path.write_bytes(data)
        try:
            assert_same(open_shards(dataset_hdf5).sequence("cmu_walk/07/02/000"), expected)
        except ShardError as error:
            noticed.append(str(error))
    assert len(noticed) > 10
    assert all(str(path) in text for text in noticed)


def test_a_part_of_another_dataset(tmp_path: Path, dataset: Path) -> None:
    other = make_dataset(tmp_path / "other", [[make_sequence(36, 9)], [make_sequence(36, 8)]])
    (dataset / "part-00001.zarr").rename(dataset / "gone")
    (other / "part-00001.zarr").rename(dataset / "part-00001.zarr")
    with pytest.raises(ShardError, match="not the one"):
        open_shards(dataset)


def test_a_sequence_in_two_parts(tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "shards", [[make_sequence(3, 1)], [make_sequence(3, 1)]])
    with pytest.raises(ShardError, match="cmu_walk/07/01/090 occurs in two parts"):
        open_shards(root)


@both
@pytest.mark.parametrize("damage", [_delete, _shorten])
def test_an_index_that_is_gone_is_made_anew(
    copied: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    expected = open_shards(copied).sequences.parquet()
    damage(copied / "index.parquet")
    with caplog.at_level(logging.WARNING):
        shards = open_shards(copied)
    assert "index.parquet" in caplog.text
    assert "reading all parts instead" in caplog.text
    assert shards.sequences.parquet() == expected


@pytest.mark.parametrize(
    ("version", "way_out"), [("2", "mgdata convert {0} {0}-v3"), ("4", "upgrade"), ("x", "upgrade")]
)
def test_other_schema_versions(dataset: Path, version: str, way_out: str) -> None:
    path = dataset / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": version}))
    with pytest.raises(ShardError, match=f"schema version {version} is not 3") as caught:
        open_shards(dataset)
    assert way_out.format(dataset) in caught.value.hint


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": "3"}', '{"schema": "3", "complete": true, "parts": []}'])
def test_a_damaged_description(dataset: Path, text: str) -> None:
    (dataset / "dataset.json").write_text(text)
    with pytest.raises(ShardError):
        open_shards(dataset)


def test_an_incomplete_dataset_says_so(dataset: Path) -> None:
    mark_incomplete(dataset, {"part-00000.zarr"})
    with pytest.raises(ShardError, match="packing has not ended"):
        open_shards(dataset)


def test_changed_markers(dataset: Path) -> None:
    (dataset / "markers.npz").write_bytes(b"other")
    with pytest.raises(ShardError, match="changed"):
        _ = open_shards(dataset).markers
    (dataset / "markers.npz").unlink()
    with pytest.raises(ShardError, match="missing"):
        _ = open_shards(dataset).markers


def test_few_parts_are_kept(tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "shards", [[make_sequence(2, seed, labels=False)] for seed in range(7)])
    shards = open_shards(root)
    for record in [*shards.sequences, *shards.sequences]:
        assert shards.detail(record).dropped == (1, 5)
    assert len(shards._parts) == 4


def _random_reads(shards: Shards, seed: int, count: int) -> list[bytes]:
    rng, table = np.random.default_rng(seed), shards.sequences
    read = []
    for _ in range(count):
        record = table[int(rng.integers(len(table)))]
        field = sorted(record.rows)[int(rng.integers(len(record.rows)))]
        start, stop = sorted(rng.integers(0, record.length + 1, 2).tolist())
        read.append(shards.read(record, field, start, stop).tobytes())
    return read


@both
def test_threads(either: Path) -> None:
    expected = [_random_reads(open_shards(either), seed, 50) for seed in range(8)]
    fresh = open_shards(either)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda seed: _random_reads(fresh, seed, 50), range(8))) == expected


@both
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_started_while_another_thread_reads(either: Path, method: str) -> None:
    shards = open_shards(either)
    expected = [_random_reads(shards, seed, 300) for seed in range(2)]
    stop = threading.Event()

    def keep_reading() -> None:
        while not stop.is_set():
            _random_reads(open_shards(either), 5, 5)

    reader = threading.Thread(target=keep_reading)
    reader.start()
    try:
        with multiprocessing.get_context(method).Pool(2) as pool:
            asked = [(shards, seed, 300) for seed in range(2)]
            assert pool.starmap_async(_random_reads, asked, chunksize=1).get(120) == expected
    finally:
        stop.set()
        reader.join()


@both
def test_from_memory(either: Path, format: str) -> None:
    fsspec.filesystem("memory").put(f"{either}/", f"/{format}/", recursive=True)
    shards = open_shards(f"memory://{format}")
    assert shards.url == f"memory://{format}"
    assert _random_reads(shards, 1, 60) == _random_reads(open_shards(either), 1, 60)
    for record in shards.sequences:
        assert_same(shards.sequence(record), open_shards(either).sequence(record.key))


@pytest.fixture(scope="module")
def long_parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One sequence that is long and hard to compress, in both containers."""
    sequence = make_sequence(1200, 1, labels=False)
    root = tmp_path_factory.mktemp("long")
    return {
        format: make_dataset(root / format, [[sequence], [make_sequence(5, 2)]], format=format)
        for format in ("zarr", "hdf5")
    }


@both
def test_from_a_web_server_only_the_bytes_that_are_needed(long_parts: dict[str, Path], format: str) -> None:
    local = open_shards(long_parts[format])
    with served(long_parts[format]) as asked:
        shards = open_shards(asked.url)
        assert {path for path, _ in asked.sent} == {"/dataset.json", "/index.parquet"}
        record = shards.sequences[0]
        array = shards.array(record.part, "silhouettes")
        assert asked.bytes("part-") < local.info.parts[0].bytes / 3
        asked.sent.clear()
        rows = record.rows["silhouettes"] + np.arange(610, 640)
        out = np.zeros((30, 64, 44), np.uint8)
        array.gather(rows, out, slice(10, 54))
        assert_array_equal(out, local.read(record, "silhouettes", 610, 640)[..., 10:54])
        table = local.array(record.part, "silhouettes").table  # type: ignore[attr-defined]
        first, last = 610 // table.chunk_frames, 639 // table.chunk_frames
        assert [count for _, count in asked.sent] == [table.ends[last] - table.offsets[first]]
        assert_same(shards.sequence(record), local.sequence(record.key))
        assert _random_reads(shards, 1, 20) == _random_reads(local, 1, 20)


def test_a_web_server_that_lost_a_file(dataset: Path) -> None:
    with served(dataset) as asked:
        shards = open_shards(asked.url)
        (dataset / "part-00000.zarr/joints/c/0/0/0").unlink()
        with pytest.raises(ShardError, match="missing") as caught:
            shards.read(shards.sequences[0], "joints")
        assert caught.value.where == f"{asked.url}/part-00000.zarr/joints/c/0/0/0"
        (dataset / "dataset.json").unlink()
        with pytest.raises(ShardError, match="not a packed dataset"):
            open_shards(asked.url)


SLIM = """
import sys
from meshgait_data.shards import open_shards
shards = open_shards({root!r})
shards.load("silhouettes")
shards.sequence(shards.sequences[0])
print(*(name for name in ("torch", "zarr", "numba", "cv2", "scipy", "fsspec") if name in sys.modules))
"""


@both
def test_reading_imports_little(either: Path) -> None:
    code = SLIM.format(root=str(either))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
