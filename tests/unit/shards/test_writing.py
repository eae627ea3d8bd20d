"""What is written is what zarr-python itself would write, and comes back from both containers."""

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import google_crc32c
import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sample_shards import attributes_of, folder_bytes, make_sequence
from zarr.codecs import BloscCodec, Crc32cCodec, TransposeCodec

from meshgait_data.errors import ShardError
from meshgait_data.manifest import Manifest
from meshgait_data.shards.checksums import read_manifest
from meshgait_data.shards.dataset import Format, PartEntry, part_name
from meshgait_data.shards.schema import CHUNK_FRAMES, ArraySpec
from meshgait_data.shards.writing import remove_part, write_part
from meshgait_data.types import SequenceData

FORMATS: tuple[Format, ...] = ("zarr", "hdf5")
DTYPES = [
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
]

formats = pytest.mark.parametrize("format", FORMATS)
lengths = st.lists(st.integers(1, 5) | st.integers(30, 34) | st.integers(60, 100), min_size=1, max_size=4)


def written(folder: Path, sequences: Any, format: Format, **options: Any) -> tuple[Path, PartEntry]:
    path = folder / part_name(0, format)
    options = {"manifest": options.pop("manifest"), "provenance": {"a": 1}, **options}
    return path, write_part(path, sequences, format=format, **options)


def arrays_of(part: Path) -> dict[str, np.ndarray]:
    """All arrays, as somebody reads them who knows zarr-python or h5py only."""
    names = attributes_of(part)["fields"]
    if part.suffix == ".zarr":
        group = zarr.open_group(part, mode="r")
        return {name: np.asarray(group[name]) for name in names}
    with h5py.File(part) as file:
        return {name: file[name][:] for name in names}


def bytes_of(part: Path) -> dict[str, bytes]:
    return folder_bytes(part) if part.is_dir() else {part.name: part.read_bytes()}


@st.composite
def ride_along(draw: st.DrawFn) -> tuple[np.dtype, tuple[int, ...]]:
    return np.dtype(draw(st.sampled_from(DTYPES))), tuple(draw(st.lists(st.integers(1, 7), max_size=3)))


def noise(rng: np.random.Generator, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Any bits, not numbers included, but for booleans."""
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    return rng.integers(0, 256, (*shape, dtype.itemsize), np.uint8).view(dtype)[..., 0]


@settings(max_examples=15, deadline=None)
@given(lengths, st.lists(ride_along(), max_size=3), st.integers(0, 2**32 - 1), st.data())
def test_both_containers_give_back_what_they_were_given(
    manifest: Manifest,
    counts: list[int],
    extras: list[tuple[np.dtype, tuple[int, ...]]],
    seed: int,
    data: st.DataObject,
) -> None:
    rng = np.random.default_rng(seed)
    sequences = []
    for number, count in enumerate(counts):
        plain = make_sequence(count, number, labels=data.draw(st.booleans()))
        mine = {f"extra_{i}": noise(rng, dtype, (count, *shape)) for i, (dtype, shape) in enumerate(extras)}
        kept = {name: array for name, array in mine.items() if data.draw(st.booleans())}
        sequences.append(replace(plain, arrays={**plain.arrays, **kept}))
    for format in FORMATS:
        with TemporaryDirectory() as name:
            part, entry = written(Path(name), iter(sequences), format, manifest=manifest)
            assert (entry.sequences, entry.frames) == (len(counts), sum(counts))
            assert entry.bytes == sum(map(len, bytes_of(part).values()))
            arrays, plains = arrays_of(part), attributes_of(part)["sequences"]
            rest = {name: len(array) for name, array in arrays.items()}
            for sequence, plain in zip(sequences, plains, strict=True):
                assert (plain["key"], plain["length"]) == (str(sequence.key), len(sequence))
                assert plain["rows"].keys() == sequence.arrays.keys()
                for field, start in plain["rows"].items():
                    stored = arrays[field][start : start + len(sequence)]
                    assert stored.dtype == sequence.arrays[field].dtype
                    assert stored.tobytes() == sequence.arrays[field].tobytes()
                    rest[field] -= len(sequence)
            # No frame beside those of the sequences.
            assert not any(rest.values())


def zarr_pythons(spec: ArraySpec) -> dict[str, Any]:
    """The codecs that the documentation promises."""
    axes, size = len(spec.shape), np.dtype(spec.dtype).itemsize
    shuffle = "noshuffle" if size == 1 else "shuffle"
    return {
        "filters": [TransposeCodec(order=(*range(1, axes + 1), 0))] if axes else [],
        "compressors": [BloscCodec(cname="lz4hc", clevel=6, shuffle=shuffle, typesize=size), Crc32cCodec()],
    }


@settings(max_examples=10, deadline=None)
@given(lengths, ride_along(), st.integers(0, 2**32 - 1))
def test_zarr_part_is_byte_for_byte_what_zarr_python_writes(
    manifest: Manifest, counts: list[int], extra: tuple[np.dtype, tuple[int, ...]], seed: int
) -> None:
    rng, sequences = np.random.default_rng(seed), []
    for number, count in enumerate(counts):
        plain = make_sequence(count, number)
        extra_array = noise(rng, extra[0], (count, *extra[1]))
        sequences.append(replace(plain, arrays={**plain.arrays, "extra": extra_array}))
    with TemporaryDirectory() as name:
        part, _ = written(Path(name), sequences, "zarr", manifest=manifest)
        attributes = attributes_of(part)
        other = Path(name) / "other.zarr"
        group = zarr.create_group(other, zarr_format=3, attributes={"meshgait": attributes})
        frames = sum(counts)
        for field, plain in attributes["fields"].items():
            spec = ArraySpec.restore(field, plain)
            array = group.create_array(
                field,
                shape=(frames, *spec.shape),
                dtype=spec.dtype,
                chunks=(CHUNK_FRAMES, *spec.shape),
                shards=(-(-frames // CHUNK_FRAMES) * CHUNK_FRAMES, *spec.shape),
                **zarr_pythons(spec),
                fill_value=0,
                attributes={"unit": spec.unit, "description": spec.description},
                dimension_names=("frame", *(spec.axis_names or (None,) * len(spec.shape))),
                config={"write_empty_chunks": True},
            )
            array[...] = np.concatenate([sequence.arrays[field] for sequence in sequences])
        ours = bytes_of(part)
        del ours["MANIFEST.json"]
        assert ours == bytes_of(other)


@formats
def test_attributes_and_units(tmp_path: Path, manifest: Manifest, others: list[SequenceData], format: Format) -> None:
    part, _ = written(tmp_path, others, format, manifest=manifest, provenance=lambda: {"late": (1, 2)})
    found = attributes_of(part)
    assert found["schema"] == "3"
    assert found["dataset"] == manifest.name
    assert found["licence"]["name"] == manifest.licence.name
    assert found["provenance"] == {"late": [1, 2]}
    assert found["fields"]["scale"]["unit"] == "window px / m"
    assert list(found["fields"])[-3:] == ["depth", "keypoints", "on_treadmill"]
    if format == "zarr":
        array = zarr.open_group(part, mode="r")["joints"]
        assert array.attrs["unit"] == "window px"
        assert array.metadata.dimension_names == ("frame", "joint", "uvd")
    else:
        with h5py.File(part) as file:
            assert file["joints"].attrs["unit"] == "window px"
            assert [axis.label for axis in file["joints"].dims] == ["frame", "joint", "uvd"]
            assert file.attrs["meshgait_crc32c"] == google_crc32c.value(file.attrs["meshgait"].encode())


def test_both_containers_hold_the_same_attributes(
    tmp_path: Path, manifest: Manifest, others: list[SequenceData]
) -> None:
    parts = [written(tmp_path, others, format, manifest=manifest)[0] for format in FORMATS]
    first, second = (json.dumps(attributes_of(part)) for part in parts)
    assert first == second


@formats
def test_known_arrays_keep_their_description_and_are_not_invented(
    tmp_path: Path, manifest: Manifest, format: Format
) -> None:
    known = {
        "keypoints": ArraySpec("keypoints", "float32", (17, 3), "px", "x, y, score", ("keypoint", "xys")),
        "heat": ArraySpec("heat", "float32", (3,)),
    }
    part, _ = written(tmp_path, [make_sequence(3, extra=True)], format, manifest=manifest, known=known)
    fields = attributes_of(part)["fields"]
    assert ArraySpec.restore("keypoints", fields["keypoints"]) == known["keypoints"]
    assert "heat" not in fields
    other = {"keypoints": replace(known["keypoints"], shape=(16, 3))}
    with pytest.raises(ShardError, match="keypoints"):
        write_part(
            part.with_name(part_name(1, format)),
            [make_sequence(3, extra=True)],
            manifest=manifest,
            provenance={},
            format=format,
            known=other,
        )


def test_chunks_of_zeros_are_stored(tmp_path: Path, manifest: Manifest) -> None:
    plain = make_sequence(100)
    zeros = {"verdict": np.zeros(100, np.uint8), "nothing": np.zeros((100, 4), np.float32)}
    part, _ = written(tmp_path, [replace(plain, arrays={**plain.arrays, **zeros})], "zarr", manifest=manifest)
    for name, path in (("verdict", "c/0"), ("nothing", "c/0/0")):
        index = np.frombuffer((part / name / path).read_bytes()[-4 - 4 * 16 : -4], "<u8").reshape(4, 2)
        assert (index[:, 1] > 4).all()
        assert_array_equal(index[:, 0], np.cumsum([0, *index[:-1, 1]]))


WRITE = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from sample_shards import make_sequence
from meshgait_data.manifest import load_manifest
from meshgait_data.shards.writing import write_part
sequences = [make_sequence(40, 1, extra=True), make_sequence(3, 2), make_sequence(70, 3)]
write_part(Path({path!r}), sequences, manifest=load_manifest("cmu_walk"), provenance={{}}, format={format!r})
"""


@formats
def test_equal_input_gives_equal_bytes_whatever_lay_in_memory(
    tmp_path: Path, manifest: Manifest, format: Format
) -> None:
    sequences = [make_sequence(40, 1, extra=True), make_sequence(3, 2), make_sequence(70, 3)]
    turned = [replace(one, arrays=dict(reversed(one.arrays.items()))) for one in sequences]
    part, entry = written(tmp_path / "here", turned, format, manifest=manifest, provenance={})
    for fill in ("85", "170"):
        path = tmp_path / fill / part.name
        code = WRITE.format(tests=str(Path(__file__).parent), path=str(path), format=format)
        # glibc fills memory with this (or its complement) where it is given out and taken back.
        subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "MALLOC_PERTURB_": fill})
        assert bytes_of(path) == bytes_of(part)
    crc = google_crc32c.value((part / "MANIFEST.json" if part.is_dir() else part).read_bytes())
    assert entry.crc32c == crc


def test_manifest_of_a_zarr_part(tmp_path: Path, manifest: Manifest) -> None:
    part, entry = written(tmp_path, [make_sequence(40, 1), make_sequence(3, 2)], "zarr", manifest=manifest)
    listed = read_manifest(part)
    assert (listed.sequences, listed.frames, listed.crc32c) == (2, 43, entry.crc32c)
    content = bytes_of(part)
    del content["MANIFEST.json"]
    assert listed.files == {name: (len(data), google_crc32c.value(data)) for name, data in content.items()}


@formats
def test_memory_does_not_grow_with_the_part(tmp_path: Path, manifest: Manifest, format: Format) -> None:
    plain = make_sequence(40, labels=False)

    def stream(count: int) -> Iterator[SequenceData]:
        for number in range(count):
            arrays = {name: array.copy() for name, array in plain.arrays.items()}
            yield replace(plain, key=replace(plain.key, condition=str(number)), arrays=arrays)

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            written(tmp_path / str(count), stream(count), format, manifest=manifest)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)
    few, many = peak(80), peak(160)
    # The others are 13 MB more of silhouettes.
    assert many - few < 500_000


def refused(case: str) -> tuple[list[SequenceData], str]:
    first = make_sequence(3, 1)
    joints = make_sequence(3, 2)
    joints = replace(joints, arrays={**joints.arrays, "joints": joints.arrays["joints"][:, :20]})
    return {
        "none": ([], "no sequence"),
        "twice": ([first, first], "twice"),
        "shape": ([first, joints], "joints"),
        "bits": ([first, make_sequence(3, 2, one_bit=True)], "in one part"),
        "json": ([replace(first, fps=float("nan"))], "JSON"),
    }[case]


@formats
@pytest.mark.parametrize("case", ["none", "twice", "shape", "bits", "json"])
def test_refused_sequences_leave_nothing(tmp_path: Path, manifest: Manifest, case: str, format: Format) -> None:
    sequences, words = refused(case)
    with pytest.raises(ShardError, match=words) as caught:
        written(tmp_path, sequences, format, manifest=manifest)
    assert not sequences or caught.value.where == str(sequences[-1].key)
    assert not list(tmp_path.iterdir())


@formats
def test_removed_part(tmp_path: Path, manifest: Manifest, format: Format) -> None:
    part, _ = written(tmp_path, [make_sequence(3)], format, manifest=manifest)
    remove_part(part)
    assert not list(tmp_path.iterdir())
