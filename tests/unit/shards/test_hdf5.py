"""HDF5 parts: filters that every HDF5 has, checksums as HDF5 computes them, damage that is found."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_shards import make_sequence

from meshgait_data.manifest import Manifest
from meshgait_data.shards import hdf5
from meshgait_data.shards.checksums import crc32c_of, fletcher32
from meshgait_data.shards.writing import write_part


@pytest.fixture
def part(tmp_path: Path, manifest: Manifest) -> Path:
    path = tmp_path / "part-00000.h5"
    sequences = [make_sequence(90, 1, extra=True), make_sequence(7, 2)]
    write_part(path, sequences, manifest=manifest, provenance={}, format="hdf5")
    return path


def by_hdf5(data: bytes) -> int:
    """The checksum that HDF5's own filter appends."""
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        dataset = file.create_dataset("a", data=np.frombuffer(data, np.uint8), chunks=(len(data),), fletcher32=True)
        file.flush()
        _, stored = dataset.id.read_direct_chunk((0,))
    assert stored[:-4] == data
    return int.from_bytes(stored[-4:], "little")


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=3000))
def test_fletcher32_is_that_of_hdf5(data: bytes) -> None:
    assert fletcher32(data) == by_hdf5(data)
    assert fletcher32(np.frombuffer(data, np.uint8)) == by_hdf5(data)


@pytest.mark.parametrize("size", [1, 2, 719, 720, 721, 131_070, 131_072, 131_073, 400_001])
@pytest.mark.parametrize("fill", [0, 1, 255, None])
def test_fletcher32_of_long_and_even_data(size: int, fill: int | None) -> None:
    noise = np.random.default_rng(size).integers(0, 256, size, np.uint8).tobytes()
    data = noise if fill is None else bytes([fill]) * size
    assert fletcher32(data) == by_hdf5(data)


def test_only_filters_that_every_hdf5_has(part: Path) -> None:
    with h5py.File(part) as file:
        assert file.libver == ("v110", "v110") or file.libver[0] == "earliest"
        for dataset in file.values():
            plist = dataset.id.get_create_plist()
            filters = [plist.get_filter(number)[0] for number in range(plist.get_nfilters())]
            shuffle = [h5py.h5z.FILTER_SHUFFLE] if dataset.dtype.itemsize > 1 else []
            assert filters == [*shuffle, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32]
            assert dataset.chunks == (hdf5.CHUNK_FRAMES, *dataset.shape[1:])
            chunks = [dataset.id.get_chunk_info(number) for number in range(dataset.id.get_num_chunks())]
            assert len(chunks) == -(-len(dataset) // hdf5.CHUNK_FRAMES)
            assert all(chunk.filter_mask == 0 for chunk in chunks)


def test_file_says_no_time(part: Path) -> None:
    with h5py.File(part) as file:
        assert h5py.h5o.get_info(file["/"].id).mtime == 0
        assert all(h5py.h5o.get_info(dataset.id).mtime == 0 for dataset in file.values())


def test_attributes_may_be_long(tmp_path: Path, manifest: Manifest) -> None:
    path = tmp_path / "part-00000.h5"
    write_part(path, [make_sequence(3)], manifest=manifest, provenance={"a": "é" * 200_000}, format="hdf5")
    with h5py.File(path) as file:
        assert "é" * 200_000 in file.attrs["meshgait"]


def flip(path: Path, place: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))


def test_damaged_chunk_of_hdf5_is_named_and_refused_by_h5py(part: Path) -> None:
    assert list(hdf5.damaged_chunks(part)) == []
    before = crc32c_of(part)
    with h5py.File(part) as file:
        info = file["joints"].id.get_chunk_info(2)
    flip(part, info.byte_offset + info.size // 2)
    assert crc32c_of(part) != before
    assert list(hdf5.damaged_chunks(part)) == [("joints", 32, 48)]
    with h5py.File(part) as file:
        assert file["joints"][:32].any()
        with pytest.raises(OSError, match="filter returned failure"):
            file["joints"][32:48]
