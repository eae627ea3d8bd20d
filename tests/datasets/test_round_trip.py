"""Datasets to shards, to a tree that OpenGait's rules accept, and by ``mgdata index`` back to the same shards."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_line import Line

from meshgait_data.findings import Severity, from_jsonl
from meshgait_data.shards import Shards, open_shards
from meshgait_data.shards.verify import verify

sys.path.append(str(Path(__file__).parents[1] / "unit" / "export"))
from opengait_rules import check

NAMES = ("own_png", "casia_b", "ccpg_raw", "gait3d", "grew", "grew_opengait")


def frames_of(shards: Shards) -> dict[str, tuple[list[int], Any]]:
    """Ids and silhouettes of every sequence."""
    found = {str(record.key): shards.sequence(record).arrays for record in shards.sequences}
    return {key: (arrays["frame_ids"].tolist(), arrays["silhouettes"]) for key, arrays in found.items()}


def assert_equal(one: Shards, other: Shards) -> None:
    first, second = frames_of(one), frames_of(other)
    assert first.keys() == second.keys()
    for key, (ids, silhouettes) in first.items():
        assert second[key][0] == ids, key
        np.testing.assert_array_equal(second[key][1], silhouettes, err_msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_the_tree_is_what_opengait_takes_and_comes_back_by_the_index(
    name: str, line: Callable[[str], Line], tmp_path: Path
) -> None:
    start = line(name)
    start.index()
    shards = start.pack()
    tree, mgdata = tmp_path / "tree", start.mgdata
    result = mgdata("export", "opengait", start.work.with_name("shards"), tree, "--gpus", 2)
    assert result.exit_code == 0, result.output
    sides = check(tree, gpus=2)
    by_side = {record.side for record in shards.sequences}
    assert [bool(side) for side in sides] == ["train" in by_side, "test" in by_side]
    for sequence in (*sides[0], *sides[1]):
        assert sequence.files == ["00_silhouettes.pkl"]
        own = shards.find(f"{shards.info.name}/{sequence.label}/{sequence.type}/{sequence.view}")
        np.testing.assert_array_equal(sequence.data[0], shards.read(own, "silhouettes"))

    work, back = tmp_path / "work", tmp_path / "back"
    result = mgdata("index", tree / "manifest.yaml", "--root", tree, "--work", work)
    assert result.exit_code == 0, result.output
    errors = [one for one in from_jsonl((work / "findings.jsonl").read_text()) if one.severity is Severity.ERROR]
    assert errors == []
    result = mgdata("pack", work, "--out", back)
    assert result.exit_code == 0, result.output
    assert verify(back, deep=True) == []
    assert_equal(shards, open_shards(back))

    # And by the straight way, which reads the labels too.
    result = mgdata("convert", tree, tmp_path / "straight")
    assert result.exit_code == 0, result.output
    assert_equal(shards, open_shards(tmp_path / "straight"))
