"""What is packed comes back: through our decoder and through zarr-python, and packed again bit for bit."""

import json
import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sample_shards import folder_bytes, make_dataset, make_sequence

from meshgait_data.conventions import SMPL_MIRROR
from meshgait_data.errors import ShardError
from meshgait_data.manifest import Manifest
from meshgait_data.shards import Shards, open_shards
from meshgait_data.shards.checksums import read_manifest, write_manifest
from meshgait_data.shards.dataset import describe
from meshgait_data.shards.reader import open_part
from meshgait_data.shards.schema import BY_NAME, FIELDS
from meshgait_data.shards.verify import verify
from meshgait_data.shards.zarr import write_part
from meshgait_data.types import SequenceData


def assert_same(first: SequenceData, second: SequenceData) -> None:
    for name in ("key", "identity", "fps", "dropped"):
        assert getattr(first, name) == getattr(second, name)
    assert_array_equal(first.betas, second.betas)
    for name in ("intrinsics", "rotation", "translation"):
        assert_array_equal(getattr(first.camera, name), getattr(second.camera, name))
    assert (first.camera.name, first.camera.size) == (second.camera.name, second.camera.size)
    assert first.arrays.keys() == second.arrays.keys()
    for name, array in first.arrays.items():
        assert array.dtype == second.arrays[name].dtype
        assert_array_equal(array, second.arrays[name])


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=1, max_size=5), st.data())
def test_part_round_trip_and_equal_to_zarr_python(manifest: Manifest, lengths: list[int], data: st.DataObject) -> None:
    sequences = [make_sequence(length, seed) for seed, length in enumerate(lengths)]
    with TemporaryDirectory() as name:
        folder = Path(name) / "part-00000.zarr"
        write_part(folder, sequences, manifest=manifest, provenance={"a": 1})
        part = open_part(folder)
        for sequence, record in zip(sequences, part.sequences, strict=True):
            assert_same(sequence, part.sequence(record))
        group = zarr.open_group(folder, mode="r")
        start = data.draw(st.integers(0, sum(lengths) - 1))
        stop = data.draw(st.integers(start + 1, sum(lengths)))
        for field in FIELDS:
            stock = np.asarray(group[field.name])
            assert_array_equal(part.files[field.name].read(0, len(stock)), stock)
            assert_array_equal(part.files[field.name].read(start, stop), stock[start:stop])


def test_version_1_is_still_read(tmp_path: Path) -> None:
    """It had no visibility, no size J and no word about joint sets."""
    new = make_sequence(40, 1)
    arrays = {name: array for name, array in new.arrays.items() if not name.endswith("_visible")}
    old = replace(new, arrays=arrays)
    root = make_dataset(tmp_path / "shards", [[old]])
    part = root / "part-00000.zarr"
    attributes = json.loads((part / "zarr.json").read_text())
    plain = attributes["attributes"]["meshgait"]
    plain["schema"], plain["sizes"] = "1", {"S": 64, "K": 5}
    (part / "zarr.json").write_text(json.dumps(attributes))
    (part / "MANIFEST.json").unlink()
    write_manifest(part, sequences=1, frames=40)
    dataset = json.loads((root / "dataset.json").read_text())
    dataset["parts"][0]["crc32c"] = read_manifest(part).crc32c
    dataset |= {"schema": "1", "sizes": plain["sizes"]}
    for name in ("joint_set", "joint_names", "joint_mirror"):
        del dataset[name]
    (root / "dataset.json").write_text(json.dumps(dataset))
    shards = open_shards(root)
    assert_same(shards.parts[part.name].sequence(shards.sequences[0]), old)
    assert shards.info.joint_set == "smpl24"
    assert_array_equal(shards.joint_mirror, SMPL_MIRROR)
    assert shards.load("joints")[0].shape == (40, 24, 3)
    assert verify(root, deep=True) == []


def test_a_dataset_names_its_joint_set(tmp_path: Path, manifest: Manifest) -> None:
    names = ("nose", "left_hip", "right_hip")
    new = make_sequence(4, 1)
    arrays = {
        **new.arrays,
        "joints": new.arrays["joints"][:, :3],
        "joints_visible": new.arrays["joints_visible"][:, :3],
    }
    folder = tmp_path / "part-00000.zarr"
    write_part(folder, [replace(new, arrays=arrays)], manifest=manifest, provenance={"joints": {"name": "three"}})
    part = open_part(folder)
    assert part.sequence(part.sequences[0]).joint_set == "three"
    info = describe(manifest, ("b", "0" * 64, "CC0"), ("m", 1), [part], joints=("three", names))
    assert (info.joint_set, info.joint_names, info.joint_mirror) == ("three", names, (0, 2, 1))
    assert info.sizes["J"] == 3
    with pytest.raises(ValueError, match="does not fit 3 joints"):
        describe(manifest, ("b", "0" * 64, "CC0"), ("m", 1), [part])


def test_pack_read_pack_is_byte_identical(tmp_path: Path, manifest: Manifest, sequences: list[SequenceData]) -> None:
    first, second = tmp_path / "a" / "part-00000.zarr", tmp_path / "b" / "part-00000.zarr"
    write_part(first, sequences, manifest=manifest, provenance={"versions": {"meshgait": "1"}})
    part = open_part(first)
    again = [part.sequence(record) for record in part.sequences]
    write_part(second, again, manifest=manifest, provenance=part.provenance)
    assert folder_bytes(first) == folder_bytes(second)


def test_one_shard_object_an_array_and_no_temporary_left(dataset: Path) -> None:
    for part in dataset.glob("part-*.zarr"):
        assert len([path for path in part.rglob("c/**/*") if path.is_file()]) == len(FIELDS)
    assert not list(dataset.rglob("*.tmp"))


def test_arrays_of_zeros_are_stored(tmp_path: Path, manifest: Manifest) -> None:
    sequence = make_sequence(1)
    arrays = {**sequence.arrays, "frame_ids": np.zeros(1, np.int32), "verdict": np.zeros(1, np.uint8)}
    folder = tmp_path / "part-00000.zarr"
    write_part(folder, [replace(sequence, arrays=arrays)], manifest=manifest, provenance={})
    assert_array_equal(open_part(folder).files["frame_ids"].read(0, 1), [0])


def test_records_and_reads(dataset: Path, sequences: list[SequenceData]) -> None:
    shards = open_shards(dataset)
    assert [str(record.key) for record in shards.sequences] == [
        *(str(sequence.key) for sequence in sequences),
        "cmu_walk/07/04/090",
        "cmu_walk/02/05/090",
    ]
    assert [record.side for record in shards.sequences] == ["train", "train", "test", "train", "test"]
    assert [record.length for record in shards.sequences] == [40, 1, 70, 33, 3]
    assert shards.protocol.gallery[0] == "02/01"
    assert shards.num_markers == 5
    for record, sequence in zip(shards.sequences, sequences, strict=False):
        for name in shards.fields:
            assert_array_equal(shards.read(record, name), sequence.arrays[name])


@pytest.mark.parametrize("order", [None, [4, 0, 2], [2, 3, 4], [1], [0, 0], []])
@pytest.mark.parametrize("field", ["silhouettes", "scale", "markers"])
def test_load_is_the_concatenation_of_reads(dataset: Path, order: list[int] | None, field: str) -> None:
    shards = open_shards(dataset)
    records = None if order is None else [shards.sequences[i] for i in order]
    array, offsets = shards.load(field, records)
    wanted = shards.sequences if records is None else records
    assert array.shape == (offsets[-1], *BY_NAME[field].shape(shards.info.sizes))
    for number, record in enumerate(wanted):
        assert_array_equal(array[offsets[number] : offsets[number + 1]], shards.read(record, field))


def test_threads(dataset: Path) -> None:
    expected = {record.key: open_shards(dataset).read(record, "joints") for record in open_shards(dataset).sequences}
    fresh = open_shards(dataset)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda record: fresh.read(record, "joints"), list(fresh.sequences) * 20))
    for record, result in zip(list(fresh.sequences) * 20, results, strict=True):
        assert_array_equal(result, expected[record.key])


def _sums(shards: Shards, fields: tuple[str, ...]) -> list[float]:
    return [float(shards.read(record, field).sum()) for record in shards.sequences for field in fields]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_started_while_another_thread_reads(dataset: Path, method: str) -> None:
    shards = open_shards(dataset)
    fields = ("silhouettes", "joints")
    expected = _sums(shards, fields)
    stop = threading.Event()

    def keep_reading() -> None:
        while not stop.is_set():
            _sums(shards, fields)

    reader = threading.Thread(target=keep_reading)
    reader.start()
    try:
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.starmap_async(_sums, [(shards, fields)] * 4).get(60) == [expected] * 4
    finally:
        stop.set()
        reader.join()


def test_unknown_field_says_which_there_are(dataset: Path) -> None:
    shards = open_shards(dataset)
    with pytest.raises(ShardError, match="no field 'depth'") as caught:
        shards.load("depth")
    assert "silhouettes" in caught.value.hint


def test_same_sequence_in_two_parts(tmp_path: Path) -> None:
    make_dataset(tmp_path, [[make_sequence(3, 1)], [make_sequence(3, 1)]])
    with pytest.raises(ShardError, match="two parts"):
        open_shards(tmp_path)
