"""Our decoder gives what zarr-python and h5py give, for arrays that these wrote; damage is never read as data."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from zarr.codecs import BloscCodec, Crc32cCodec, TransposeCodec, ZstdCodec

from meshgait_data.errors import ShardError
from meshgait_data.shards import chunks_hdf5, chunks_zarr
from meshgait_data.shards.chunks import ChunkedArray, OneBitArray
from meshgait_data.shards.schema import ArraySpec, pack_bits, unpack_bits
from meshgait_data.shards.store import LocalStore

DTYPES = ["bool", "uint8", "int16", "int32", "uint64", "float16", "float32", "float64"]


def frames_of(count: int, shape: Sequence[int], dtype: str, seed: int) -> np.ndarray:
    # Few different values: HDF5 leaves out compression where it does not help.
    return np.random.default_rng(seed).integers(0, 3, (count, *shape)).astype(dtype)


def write_zarr(
    folder: Path, data: np.ndarray, chunk: int, *, order: Sequence[int] | None = None, **settings: Any
) -> None:
    size, length = data.dtype.itemsize, -(-len(data) // chunk) * chunk
    blosc = BloscCodec(cname="lz4hc", clevel=6, shuffle="shuffle" if size > 1 else "noshuffle", typesize=size)
    settings = {
        "filters": [TransposeCodec(order=order)] if order else None,
        "compressors": [blosc, Crc32cCodec()],
        "config": {"write_empty_chunks": True},
        **settings,
    }
    array = zarr.create_array(
        folder / "f",
        shape=data.shape,
        dtype=data.dtype,
        chunks=(chunk, *data.shape[1:]),
        shards=(length, *data.shape[1:]),
        fill_value=0,
        **settings,
    )
    array[...] = data


def open_zarr(folder: Path, data: np.ndarray) -> ChunkedArray:
    store, spec = LocalStore(folder), ArraySpec("f", data.dtype.name, data.shape[1:])
    size = store.size(f"f/{chunks_zarr.object_name(spec)}")
    assert size is not None
    return ChunkedArray(store, spec, chunks_zarr.chunk_table(store, spec, "f", store.read("f/zarr.json"), size))


def write_hdf5(folder: Path, data: np.ndarray, chunk: int, **settings: Any) -> None:
    settings = {"shuffle": data.dtype.itemsize > 1, "compression": "gzip", "fletcher32": True, **settings}
    with h5py.File(folder / "part.h5", "w", libver=("v110", "v110")) as file:
        maxshape = (None, *data.shape[1:])
        file.create_dataset("f", data=data, chunks=(chunk, *data.shape[1:]), maxshape=maxshape, **settings)


def open_hdf5(folder: Path, data: np.ndarray) -> ChunkedArray:
    store, spec = LocalStore(folder), ArraySpec("f", data.dtype.name, data.shape[1:])
    table = chunks_hdf5.chunk_table(store, spec, "part.h5", (folder / "part.h5").stat().st_size)
    return ChunkedArray(store, spec, table)


@st.composite
def arrays(draw: st.DrawFn) -> tuple[np.ndarray, int, tuple[int, ...]]:
    """Data, frames of a chunk, order of the axes in a chunk."""
    shape = draw(st.lists(st.integers(1, 9), max_size=3))
    data = frames_of(draw(st.integers(1, 90)), shape, draw(st.sampled_from(DTYPES)), draw(st.integers(0, 99)))
    return data, draw(st.integers(1, 33)), tuple(draw(st.permutations(range(data.ndim))))


def check_reads(array: ChunkedArray, data: np.ndarray, draw: st.DataObject) -> None:
    assert array.frames == len(data)
    for _ in range(4):
        start = draw.draw(st.integers(0, len(data)))
        stop = draw.draw(st.integers(start, len(data)))
        found = array.read(start, stop)
        assert found.dtype == data.dtype
        assert_array_equal(found, data[start:stop])
        wide = np.ones((stop - start, *data.shape[1:], 2), data.dtype)
        array.read(start, stop, wide[..., 1])
        assert_array_equal(wide[..., 1], data[start:stop])
    rows = np.array(draw.draw(st.lists(st.integers(0, len(data) - 1), max_size=40)), np.int64)
    for chosen in (rows, np.sort(rows), np.unique(rows)):
        out = np.zeros((len(chosen), *data.shape[1:]), data.dtype)
        array.gather(chosen, out)
        assert_array_equal(out, data[chosen])
    if data.ndim > 1:
        low = draw.draw(st.integers(0, data.shape[-1] - 1))
        columns = slice(low, draw.draw(st.integers(low + 1, data.shape[-1])))
        cut = np.zeros((len(rows), *data.shape[1:-1], columns.stop - low), data.dtype)
        array.gather(rows, cut, columns)
        assert_array_equal(cut, data[rows][..., columns])


@settings(max_examples=40, deadline=None)
@given(arrays(), st.data())
def test_equal_to_zarr_python(case: tuple[np.ndarray, int, tuple[int, ...]], draw: st.DataObject) -> None:
    data, chunk, order = case
    with TemporaryDirectory() as name:
        write_zarr(Path(name), data, chunk, order=order if draw.draw(st.booleans()) else None)
        assert_array_equal(zarr.open_array(Path(name) / "f", mode="r")[...], data)
        check_reads(open_zarr(Path(name), data), data, draw)


@settings(max_examples=40, deadline=None)
@given(arrays(), st.data())
def test_equal_to_h5py(case: tuple[np.ndarray, int, tuple[int, ...]], draw: st.DataObject) -> None:
    data, chunk, _ = case
    # A chunk that is too small to be made smaller would be stored without the filter.
    data = np.zeros_like(data) if data[:1].nbytes * chunk < 64 else data
    chunk = max(chunk, -(-200 // data[:1].nbytes))
    with TemporaryDirectory() as name:
        write_hdf5(Path(name), data, chunk)
        check_reads(open_hdf5(Path(name), data), data, draw)


def test_hdf5_without_isal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not built for every machine; the standard library does the same."""
    monkeypatch.setitem(__import__("sys").modules, "isal", None)
    data = frames_of(50, (5, 4), "float32", 1)
    write_hdf5(tmp_path, data, 16)
    assert chunks_hdf5._inflate()[0].__module__ == "zlib"
    assert_array_equal(open_hdf5(tmp_path, data).read(3, 47), data[3:47])


@pytest.mark.parametrize("rows", [[0, 100], [-1, 3], [100]])
def test_frames_that_are_not_there(tmp_path: Path, rows: list[int]) -> None:
    data = frames_of(100, (3,), "uint8", 1)
    write_zarr(tmp_path, data, 32)
    array = open_zarr(tmp_path, data)
    with pytest.raises(ShardError, match="it has 100 frames"):
        array.gather(np.array(rows), np.zeros((len(rows), 3), np.uint8))
    for start, stop in ((-1, 3), (0, 101), (5, 4)):
        with pytest.raises(ShardError, match="it has 100 frames"):
            array.read(start, stop)


def test_one_bit(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (70, 16, 16)).astype(np.uint8)
    bits = pack_bits(grey)
    write_zarr(tmp_path, bits, 32, order=(1, 2, 0))
    array, expected = OneBitArray(open_zarr(tmp_path, bits)), unpack_bits(bits)
    assert (array.spec.name, array.spec.shape, array.frames) == ("silhouettes", (16, 16), 70)
    assert_array_equal(expected, np.where(grey >= 128, 255, 0))
    assert_array_equal(array.read(3, 69), expected[3:69])
    out = np.zeros((66, 16, 16), np.uint8)
    assert array.read(3, 69, out) is out
    assert_array_equal(out, expected[3:69])
    cut = np.zeros((3, 16, 9), np.uint8)
    array.gather(np.array([5, 69, 5]), cut, slice(4, 13))
    assert_array_equal(cut, expected[[5, 69, 5], :, 4:13])


class CountingStore(LocalStore):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[tuple[int, int]] = []

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        self.asked.append((start, stop))
        return super().read_range(path, start, stop)


@pytest.mark.parametrize("container", ["zarr", "hdf5"])
def test_only_the_chunks_that_are_needed_neighbours_at_once(tmp_path: Path, container: str) -> None:
    data = frames_of(320, (20, 20), "uint8", 1)
    (write_zarr if container == "zarr" else write_hdf5)(tmp_path, data, 32)
    found = open_zarr(tmp_path, data) if container == "zarr" else open_hdf5(tmp_path, data)
    offsets, ends = found.table.offsets.tolist(), found.table.ends.tolist()
    assert [end - offset for offset, end in zip(offsets, ends, strict=True)] != [0] * 10
    store = CountingStore(tmp_path)
    array = ChunkedArray(store, found.spec, found.table)
    array.read(40, 60)
    assert store.asked == [(offsets[1], ends[1])]
    store.asked.clear()
    array.gather(np.array([5, 300, 40, 299]), np.zeros((4, 20, 20), np.uint8))
    joined = [(offsets[0], ends[1]) if offsets[1] == ends[0] else (offsets[0], ends[0])]
    assert store.asked[:1] == joined
    assert store.asked[-1] == (offsets[9], ends[9])
    assert sum(stop - start for start, stop in store.asked) == sum(ends[i] - offsets[i] for i in (0, 1, 9))


def test_threads_do_not_share_scratch(tmp_path: Path) -> None:
    data = frames_of(640, (16, 16), "uint8", 1)
    write_zarr(tmp_path, data, 32, order=(1, 2, 0))
    array = open_zarr(tmp_path, data)

    def read(seed: int) -> bool:
        rows = np.random.default_rng(seed).integers(0, 640, 30)
        out = np.zeros((30, 16, 16), np.uint8)
        array.gather(rows, out)
        return bool((out == data[rows]).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(400)))


def _flips(path: Path, step: int) -> list[tuple[int, Callable[[], None]]]:
    whole = path.read_bytes()

    def damage(place: int) -> Callable[[], None]:
        def change() -> None:
            data = bytearray(whole)
            data[place] ^= 1 << place % 8
            path.write_bytes(data)

        return change

    return [(place, damage(place)) for place in range(0, len(whole), step)]


def test_every_damaged_byte_of_a_zarr_object_is_noticed(tmp_path: Path) -> None:
    data = frames_of(40, (4, 3), "float32", 1)
    write_zarr(tmp_path, data, 16, order=(1, 2, 0))
    path = tmp_path / "f/c/0/0/0"
    for _, damage in _flips(path, 1):
        damage()
        with pytest.raises(ShardError, match="damaged") as caught:
            open_zarr(tmp_path, data).read(0, 40)
        assert caught.value.where == str(path)
        assert "mgdata pack" in caught.value.hint


def test_no_damaged_byte_of_an_hdf5_file_gives_other_data(tmp_path: Path) -> None:
    data = frames_of(40, (4, 3), "float32", 1)
    write_hdf5(tmp_path, data, 16)
    noticed = []
    for place, damage in _flips(tmp_path / "part.h5", 3):
        damage()
        try:
            # Some bytes mean nothing.
            assert_array_equal(open_hdf5(tmp_path, data).read(0, 40), data, f"byte {place}")
        except ShardError as error:
            noticed.append(error)
    assert len(noticed) > 100
    assert {error.where for error in noticed} == {str(tmp_path / "part.h5")}
    assert all("mgdata pack" in error.hint for error in noticed)


@pytest.mark.parametrize("container", ["zarr", "hdf5"])
def test_every_truncation_is_noticed(tmp_path: Path, container: str) -> None:
    data = frames_of(40, (4, 3), "float32", 1)
    (write_zarr if container == "zarr" else write_hdf5)(tmp_path, data, 16)
    path = tmp_path / ("f/c/0/0/0" if container == "zarr" else "part.h5")
    opened, whole = (open_zarr if container == "zarr" else open_hdf5)(tmp_path, data), path.read_bytes()
    for length in range(len(whole) - 1, 0, -7):
        path.write_bytes(whole[:length])
        with pytest.raises(ShardError):
            (open_zarr if container == "zarr" else open_hdf5)(tmp_path, data).read(0, 40)
    # Cut off after it was opened.
    path.write_bytes(whole[: int(opened.table.offsets[1])])
    with pytest.raises(ShardError, match="ends before") as caught:
        opened.read(0, 40)
    assert caught.value.where == str(path)
    path.unlink()
    with pytest.raises(ShardError, match="missing"):
        ChunkedArray(LocalStore(tmp_path), opened.spec, opened.table).read(0, 40)


def test_zarr_chunks_that_were_never_written_are_not_zeros(tmp_path: Path) -> None:
    data = frames_of(64, (4,), "uint8", 1)
    data[:32] = 0
    write_zarr(tmp_path, data, 32, config={"write_empty_chunks": False})
    assert_array_equal(zarr.open_array(tmp_path / "f", mode="r")[...], data)
    with pytest.raises(ShardError, match="never written"):
        open_zarr(tmp_path, data)


def test_hdf5_chunks_that_were_never_written_are_not_zeros(tmp_path: Path) -> None:
    data = frames_of(64, (400,), "uint8", 1)
    with h5py.File(tmp_path / "part.h5", "w") as file:
        made = file.create_dataset("f", (64, 400), "u1", chunks=(32, 400), compression="gzip", fletcher32=True)
        made[:32] = data[:32]
    with pytest.raises(ShardError, match="index of the chunks"):
        open_hdf5(tmp_path, data)


@pytest.mark.parametrize(
    "settings",
    [
        {"compressors": [ZstdCodec(), Crc32cCodec()]},
        {"compressors": [BloscCodec(cname="lz4")]},
        {"compressors": None},
        {"chunk_key_encoding": {"name": "v2"}},
        {"shards": None},
        {"shards": (64, 4, 3)},
        {"shards": (32, 4, 3)},
        {"chunks": (16, 2, 3)},
        {"dtype": "float64"},
    ],
)
def test_other_layouts_of_zarr_are_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    data = frames_of(40, (4, 3), "float32", 1)
    settings = {
        "shape": data.shape,
        "dtype": "float32",
        "chunks": (16, 4, 3),
        "shards": (48, 4, 3),
        "compressors": [BloscCodec(cname="lz4"), Crc32cCodec()],
        **settings,
    }
    zarr.create_array(tmp_path / "f", **settings)[...] = data
    store, spec = LocalStore(tmp_path), ArraySpec("f", "float32", (4, 3))
    with pytest.raises(ShardError, match="not laid out as ours") as caught:
        chunks_zarr.chunk_table(store, spec, "f", store.read("f/zarr.json"), 1000)
    assert caught.value.where == str(tmp_path / "f/zarr.json")


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"fletcher32": False}, "filters"),
        ({"compression": None}, "filters"),
        ({"compression": "lzf"}, "filters"),
        ({"data": np.zeros((40, 4, 3))}, "expected float32"),
        ({"data": np.zeros((40, 3, 4), np.float32)}, "expected float32"),
        ({"data": np.zeros((40, 4, 3), ">f4")}, "expected float32"),
    ],
)
def test_other_layouts_of_hdf5_are_refused(tmp_path: Path, settings: dict[str, Any], what: str) -> None:
    data = frames_of(40, (4, 3), "float32", 1)
    settings = {"shuffle": False, **settings}
    write_hdf5(tmp_path, settings.pop("data", data), settings.pop("chunk", 16), **settings)
    with pytest.raises(ShardError, match=what) as caught:
        open_hdf5(tmp_path, data)
    assert caught.value.where == str(tmp_path / "part.h5")


def test_hdf5_chunks_without_their_filters_are_refused(tmp_path: Path) -> None:
    data = frames_of(40, (4, 3), "float32", 1)
    write_hdf5(tmp_path, data, 16)
    with h5py.File(tmp_path / "part.h5", "r+") as file:
        file["f"].id.write_direct_chunk((0, 0, 0), data[:16].tobytes(), filter_mask=0b111)
        assert_array_equal(file["f"][:], data)
    with pytest.raises(ShardError, match="left out a filter"):
        open_hdf5(tmp_path, data)


def test_hdf5_files_that_are_open_otherwise(tmp_path: Path) -> None:
    data = frames_of(40, (4, 3), "float32", 1)
    write_hdf5(tmp_path, data, 16)
    for locking in (True, False, "best-effort"):
        with h5py.File(tmp_path / "part.h5", "r", locking=locking):
            assert_array_equal(open_hdf5(tmp_path, data).read(0, 40), data)
