"""Sequences that do not fit the schema are refused before a byte is written."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from sample_shards import make_sequence

from meshgait_data.errors import ShardError
from meshgait_data.manifest import Manifest
from meshgait_data.shards.dataset import fields_of
from meshgait_data.shards.schema import (
    FIELDS,
    MOST_FRAME_BYTES,
    ArraySpec,
    in_order,
    pack_bits,
    sizes_of,
    specs_of,
    unpack_bits,
)
from meshgait_data.shards.writing import write_part
from meshgait_data.types import SequenceData

Edit = Callable[[SequenceData], SequenceData]


def _with(**arrays: Any) -> Edit:
    return lambda sequence: replace(
        sequence,
        arrays={name: array for name, array in {**sequence.arrays, **arrays}.items() if array is not None},
    )


def _edited(name: str, index: Any, value: float) -> Edit:
    def edit(sequence: SequenceData) -> SequenceData:
        array = sequence.arrays[name].copy()
        array[index] = value
        return _with(**{name: array})(sequence)

    return edit


BAD: dict[str, Edit] = {
    "has no silhouettes": _with(silhouettes=None),
    "has no frame_ids": _with(frame_ids=None),
    "'Depth maps' cannot be the name": _with(**{"Depth maps": np.zeros((4, 2))}),
    "of object|depth is object": _with(depth=np.array([None] * 4)),
    r"a frame of depth has shape \(0,\), 0 bytes": _with(depth=np.zeros((4, 0))),
    "a frame of depth has": _with(depth=np.broadcast_to(np.uint8(0), (4, MOST_FRAME_BYTES + 1))),
    "depth has 3 frames, frame_ids 4": _with(depth=np.zeros((3, 2))),
    r"scale is float64 \(4,\), expected float32 \(F\)": _with(scale=np.ones(4)),
    "joints_visible says J = 24, others 25": _with(joints=np.zeros((4, 25, 3), np.float32)),
    "silhouettes_1bit says S = 128, others 64": _with(silhouettes_1bit=np.ones((4, 128, 16), np.uint8)),
    r"transl is float32 \(4, 4\), expected float32 \(F, 3\)": _with(transl=np.ones((4, 4), np.float32)),
    r"silhouettes_128 is uint8 \(4, 96, 96\)": _with(silhouettes_128=np.ones((4, 96, 96), np.uint8)),
    "scale has 3 frames": _with(scale=np.ones(3, np.float32)),
    "transl has values that are not finite in frame 2": _edited("transl", (2, 1), np.nan),
    "do not increase": _edited("frame_ids", 3, -7),
    "joints_visible must be 0 or 1": _edited("joints_visible", (1, 3), 2),
    "valid must be 0 or 1": _edited("valid", 1, 3),
    "scale must be positive": _edited("scale", 1, 0.0),
    "silhouette of frame 1 is empty": _edited("silhouettes", 1, 0),
    "every silhouette is empty": lambda sequence: replace(
        sequence,
        arrays=sequence.arrays | {"silhouettes": np.zeros((4, 64, 64), np.uint8), "valid": np.zeros(4, np.uint8)},
    ),
    "no frame": lambda sequence: replace(sequence, arrays={name: a[:0] for name, a in sequence.arrays.items()}),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_sequence_is_refused_with_its_key(tmp_path: Path, manifest: Manifest, message: str) -> None:
    bad = BAD[message](make_sequence(4, 1))
    with pytest.raises(ShardError, match=message) as caught:
        write_part(tmp_path / "part-00000.zarr", [bad], manifest=manifest, provenance={})
    assert caught.value.where == "cmu_walk/07/01/090"
    assert not list(tmp_path.iterdir())


def test_an_empty_silhouette_is_taken_where_it_is_not_valid(tmp_path: Path, manifest: Manifest) -> None:
    sequence = _edited("silhouettes", 1, 0)(make_sequence(4, 1))
    marked = replace(sequence, arrays=sequence.arrays | {"valid": np.array([1, 0, 1, 1], np.uint8)})
    write_part(tmp_path / "part-00000.zarr", [marked], manifest=manifest, provenance={})


def test_nothing_to_pack(tmp_path: Path, manifest: Manifest) -> None:
    with pytest.raises(ShardError, match="no sequence"):
        write_part(tmp_path / "part-00000.zarr", [], manifest=manifest, provenance={})


def test_fields_are_collected_sequence_by_sequence() -> None:
    """Each sequence may lack what is optional and bring what the ones before did not have."""
    plain, extra = make_sequence(4, 1, labels=False), make_sequence(5, 2, extra=True)
    specs = specs_of(extra, specs_of(plain))
    assert set(specs) == set(plain.arrays) | set(extra.arrays)
    table = [field.name for field in FIELDS]
    names = list(specs)
    known = [name for name in names if name in table]
    assert known == sorted(known, key=table.index)
    assert names == known + sorted(set(names) - set(table))
    for name, spec in specs.items():
        source = extra.arrays.get(name, plain.arrays.get(name))
        assert source is not None
        assert (spec.dtype, spec.shape) == (source.dtype.name, source.shape[1:])
        assert spec.frame_bytes == source[0].nbytes


def test_sequences_must_agree() -> None:
    known = specs_of(make_sequence(4, 1))
    with pytest.raises(ShardError, match=r"markers is float32 \(9, 3\), and float32 \(5, 3\)"):
        specs_of(_with(markers=np.zeros((4, 9, 3), np.float32))(make_sequence(4, 2)), known)
    riding = specs_of(_with(depth=np.zeros((4, 2), np.int16))(make_sequence(4, 1)))
    with pytest.raises(ShardError, match="depth is int32"):
        specs_of(_with(depth=np.zeros((4, 2), np.int32))(make_sequence(4, 2)), riding)


def test_parts_must_agree() -> None:
    one = {"depth": ArraySpec("depth", "int16", (2,))}
    fields = fields_of([(one, {"depth": 3}), (one, {"depth": 4})], "x")
    assert fields["depth"].sequences == 7
    with pytest.raises(ShardError, match="depth is int32"):
        fields_of([(one, {"depth": 3}), ({"depth": ArraySpec("depth", "int32", (2,))}, {"depth": 1})], "x")


def test_what_rides_along_may_be_missing_in_frames() -> None:
    depth = np.full((4, 2), np.nan, np.float32)
    assert specs_of(_with(depth=depth)(make_sequence(4, 1)))["depth"].shape == (2,)


def test_specs_survive_their_plain_form() -> None:
    specs = specs_of(make_sequence(4, 1, extra=True))
    assert {name: ArraySpec.restore(name, spec.plain()) for name, spec in specs.items()} == specs
    assert list(in_order(dict(reversed(specs.items())))) == list(specs)
    assert sizes_of(specs, "x")["S"] == 64
    with pytest.raises(ValueError, match="is no field"):
        ArraySpec.restore("../etc", specs["joints"].plain())


@given(arrays_of.arrays(np.uint8, st.tuples(st.integers(1, 3), st.just(8), st.sampled_from([8, 16, 64]))))
def test_one_bit_keeps_the_side_of_the_threshold(silhouettes: np.ndarray) -> None:
    bits = pack_bits(silhouettes)
    assert bits.shape == (*silhouettes.shape[:2], silhouettes.shape[2] // 8)
    np.testing.assert_array_equal(unpack_bits(bits), np.where(silhouettes >= 128, 255, 0))
