"""The card says what is in a dataset, and its programs run for somebody who only has that folder."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from sample_shards import make_dataset, make_sequence

from meshgait_data.shards import open_shards
from meshgait_data.shards.card import card, packed_on

DAY = "2026-02-28"


def card_of(root: Path) -> str:
    shards = open_shards(root)
    return card(shards.info, shards.sequences, date=DAY)


def rows_below(text: str, heading: str) -> list[list[str]]:
    """Cells of the first table below a heading."""
    table = re.search(r"(\|.*\n)+", text.split(f"## {heading}\n", 1)[1])
    assert table is not None
    return [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in table[0].splitlines()]


@pytest.mark.parametrize("format", ["zarr", "hdf5"])
def test_head_is_yaml(packed: Path, packed_hdf5: Path, format: str) -> None:
    root = packed if format == "zarr" else packed_hdf5
    info, text = open_shards(root).info, card_of(root)
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["name"] == "cmu_walk"
    assert head["licence"] == info.licence.name
    assert head["schema"] == "meshgait shards 3"
    assert head["format"] == format
    assert (head["sequences"], head["frames"], head["parts"]) == (6, 152, 2)
    files = [path for path in root.rglob("*") if path.is_file() and "part-" in str(path.relative_to(root))]
    assert head["bytes"] == sum(path.stat().st_size for path in files)
    assert str(head["packed"]) == DAY


def test_day_of_packing(packed: Path) -> None:
    text = card_of(packed)
    assert packed_on(text) == DAY
    for other in ("", "no card", text.replace("packed: ", "made: "), text.split("---\n", 2)[2], f"packed: {DAY}\n"):
        assert packed_on(other) is None


def test_counts(packed: Path) -> None:
    rows = rows_below(card_of(packed), "Contents")
    assert rows[2] == ["train", "1", "1", "3", "2", "3", "74"]
    assert rows[3] == ["test", "2", "2", "3", "1", "3", "78"]
    assert "| 000 | 1 | 1 |" in card_of(packed)
    assert "Frames of the source that were left out: 12." in card_of(packed)


def test_fields_and_in_how_many_sequences(packed: Path) -> None:
    rows = {row[0]: row for row in rows_below(card_of(packed), "Fields")[2:]}
    assert rows["`silhouettes`"][1:5] == ["6", "uint8", "64, 64", "grey"]
    assert rows["`joints`"][1:5] == ["5", "float32", "24, 3", "window px"]
    assert rows["`keypoints`"][1:4] == ["1", "float32", "17, 3"]


def test_licence(packed: Path) -> None:
    info, sequences = open_shards(packed).info, open_shards(packed).sequences
    text = card(info, sequences, date=DAY)
    assert info.licence.acknowledgement in text
    assert info.citation in text
    assert ["silhouettes", "yes"] in rows_below(text, "Licence")
    assert "what rides along from the source (`depth`, `keypoints`, `on_treadmill`) | ask its owners" in text
    closed = replace(info, licence=replace(info.licence, may_share_labels=False, acknowledgement=""))
    text = card(closed, sequences, date=DAY)
    assert ["silhouettes", "**no**"] in rows_below(text, "Licence")
    assert "Acknowledgement" not in text


def test_what_one_bit_loses(packed: Path, packed_1bit: Path) -> None:
    assert "2 sequences) hold one bit a pixel" in card_of(packed_1bit)
    assert "lost for good" in card_of(packed_1bit)
    assert "lost for good" not in card_of(packed)


def test_a_dataset_without_labels(tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "shards", [[make_sequence(3, 1, labels=False)]])
    info = replace(open_shards(root).info, body=None)
    text = card(info, open_shards(root).sequences, date=DAY)
    assert "virtual markers" not in text
    assert "the body model | not in here |" in text


def test_many_conditions_are_only_counted(tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "shards", [[make_sequence(1, seed, labels=False) for seed in range(30)]])
    assert "30 conditions, of 1 to 1 sequences each." in card_of(root)


@pytest.mark.parametrize("kind", ["packed", "packed_hdf5", "packed_1bit"])
def test_programs_of_the_card_run(kind: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(kind)
    programs = re.findall(r"```python\n(.*?)```", card_of(root), re.DOTALL)
    assert len(programs) == 2
    for program in programs:
        assert len(program.splitlines()) <= 10
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True, timeout=60
        )
        first = done.stdout.splitlines()[0]
        assert "cmu_walk/07/01/090" in first
        assert "(40, 64" in first
    assert "meshgait" not in programs[1].replace('["meshgait"]', "")
