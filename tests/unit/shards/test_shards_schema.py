"""Sequences that do not fit the schema are refused before a byte is written."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_shards import make_sequence

from meshgait_data.errors import ShardError
from meshgait_data.manifest import Manifest
from meshgait_data.shards.schema import FIELDS, layout_of, markdown_table
from meshgait_data.shards.zarr import write_part
from meshgait_data.types import SequenceData

DOCS = Path(__file__).parents[3] / "docs" / "formats" / "shards.md"


def _with(**arrays: Any) -> Callable[[SequenceData], SequenceData]:
    return lambda sequence: replace(
        sequence,
        arrays={name: array for name, array in {**sequence.arrays, **arrays}.items() if array is not None},
    )


def _edited(name: str, index: Any, value: float) -> Callable[[SequenceData], SequenceData]:
    def edit(sequence: SequenceData) -> SequenceData:
        array = sequence.arrays[name].copy()
        array[index] = value
        return _with(**{name: array})(sequence)

    return edit


BAD = {
    "missing.*silhouettes": _with(silhouettes=None),
    "unknown.*depth": _with(depth=np.zeros(4)),
    "float64": _with(scale=np.ones(4)),
    r"joints_visible is uint8 \(4, 24\), expected uint8 \(4, 25\)": _with(joints=np.zeros((4, 25, 3), np.float32)),
    r"scale is float32 \(3,\)": _with(scale=np.ones(3, np.float32)),
    "transl has values that are not finite in frame 2": _edited("transl", (2, 1), np.nan),
    "do not increase": _edited("frame_ids", 3, -7),
    "joints_visible must be 0 or 1": _edited("joints_visible", (1, 3), 2),
    "scale must be positive": _edited("scale", 1, 0.0),
    "silhouette of frame 1 is empty": _edited("silhouettes", 1, 0),
    "no frame": lambda sequence: replace(sequence, arrays={name: a[:0] for name, a in sequence.arrays.items()}),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_sequence_is_refused_with_its_key(tmp_path: Path, manifest: Manifest, message: str) -> None:
    bad = BAD[message](make_sequence(4, 1))
    with pytest.raises(ShardError, match=message) as caught:
        write_part(tmp_path / "part-00000.zarr", [bad], manifest=manifest, provenance={})
    assert caught.value.where == "cmu_walk/07/01/090"
    assert not list(tmp_path.iterdir())


def test_nothing_to_pack(tmp_path: Path, manifest: Manifest) -> None:
    with pytest.raises(ShardError, match="no sequence"):
        write_part(tmp_path / "part-00000.zarr", [], manifest=manifest, provenance={})


def test_sequences_must_agree() -> None:
    good = make_sequence(4, 1)
    with pytest.raises(ShardError, match=r"only some sequences.*joints"):
        layout_of([good, _with(joints=None)(make_sequence(4, 2))])
    with pytest.raises(ShardError, match="markers is float32"):
        layout_of([good, _with(markers=np.zeros((4, 9, 3), np.float32))(make_sequence(4, 2))])
    with pytest.raises(ShardError, match="twice"):
        layout_of([good, good])


def test_labels_may_be_absent_as_a_whole() -> None:
    labels = {field.name: None for field in FIELDS if not field.required}
    assert layout_of([_with(**labels)(make_sequence(4, 1))]).fields == ("silhouettes", "windows", "frame_ids")


def test_documentation_carries_the_table() -> None:
    assert markdown_table() in DOCS.read_text(encoding="utf-8")
