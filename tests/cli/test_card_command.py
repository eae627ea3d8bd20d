"""``mgdata card``: the card is written anew and keeps the day of packing."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from meshgait_data.shards.card import packed_on

Program = Callable[..., Result]

OLD = Path(__file__).parents[1] / "data" / "shards"


@pytest.fixture
def shards(mgdata: Program, tmp_path: Path) -> Path:
    with tarfile.open(OLD / "v2.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    assert mgdata("convert", tmp_path / "shards_v2", tmp_path / "shards").exit_code == 0
    return tmp_path / "shards"


def test_help_has_examples(mgdata: Program) -> None:
    assert "mgdata card" in mgdata("card", "--help").output.split("Examples:")[1]


def test_the_card_is_written_anew_where_it_lies(mgdata: Program, shards: Path) -> None:
    whole = (shards / "card.md").read_text()
    (shards / "card.md").unlink()
    result = mgdata("card", shards)
    assert (result.exit_code, result.stdout) == (0, f"{shards / 'card.md'}\n")
    assert (shards / "card.md").read_text() == whole


def test_the_day_of_packing_stays(mgdata: Program, shards: Path, tmp_path: Path) -> None:
    path = shards / "card.md"
    text = path.read_text()
    today = packed_on(text)
    assert today is not None
    path.write_text(text.replace(today, "2024-02-29") + "\nA note of mine.\n")
    assert mgdata("card", shards, "--out", tmp_path / "README.md").stdout == f"{tmp_path / 'README.md'}\n"
    assert (tmp_path / "README.md").read_text() == text.replace(today, "2024-02-29")
    assert "A note of mine." in path.read_text()
    mgdata("convert", shards, tmp_path / "h", "--format", "hdf5")
    assert packed_on((tmp_path / "h" / "card.md").read_text()) == "2024-02-29"


def test_it_says_the_licence_of_the_source_and_the_counts(mgdata: Program, shards: Path) -> None:
    text = (shards / "card.md").read_text()
    for word in ("CMU mocap terms", "mocap.cs.cmu.edu", "may be given on", "| train |", "| test |", "open_shards"):
        assert word in text


def test_what_is_no_dataset_has_no_card(mgdata: Program, tmp_path: Path) -> None:
    result = mgdata("card", tmp_path)
    assert result.exit_code == 4
    assert "not a packed dataset" in result.stderr
