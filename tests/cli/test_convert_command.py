"""``mgdata convert`` as it is typed: from old versions, between containers, to and from trees of OpenGait."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from meshgait_data.shards import open_shards

Program = Callable[..., Result]

OLD = Path(__file__).parents[1] / "data" / "shards"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A packed dataset of version 2: three sequences of two people in two parts."""
    with tarfile.open(OLD / "v2.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "shards_v2"


@pytest.fixture
def shards(mgdata: Program, old: Path, tmp_path: Path) -> Path:
    result = mgdata("convert", old, tmp_path / "shards")
    assert result.exit_code == 0, result.output
    return tmp_path / "shards"


def test_help_has_examples(mgdata: Program) -> None:
    result = mgdata("convert", "--help")
    assert result.exit_code == 0
    assert result.output.split("Examples:")[1].count("mgdata convert") == 4


def test_an_old_dataset_is_refused_with_the_very_line_that_helps(mgdata: Program, old: Path) -> None:
    result = mgdata("convert", old, old.with_name("tree"), "--format", "opengait")
    assert result.exit_code == 4
    assert "schema version 2 is not 3" in result.stderr
    line = result.stderr.split("mgdata convert ")[1].splitlines()[0]
    assert mgdata("convert", *line.split()).exit_code == 0
    assert len(open_shards(f"{old}-v3").sequences) == 3
    assert mgdata("verify", f"{old}-v3", "--deep").exit_code == 0


@pytest.mark.parametrize("command", ["verify", "card", "convert"])
def test_every_command_refuses_what_is_newer(mgdata: Program, shards: Path, command: str) -> None:
    path = shards / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": "4"}))
    more = [shards.with_name("out"), "--format", "hdf5"] if command == "convert" else []
    result = mgdata(command, shards, *more)
    assert result.exit_code == 4
    assert "schema version 4 is not 3" in result.output
    assert "pip install --upgrade meshgait" in result.output


def test_there_and_back(mgdata: Program, shards: Path, tmp_path: Path) -> None:
    result = mgdata("convert", shards, tmp_path / "h", "--format", "hdf5", "--json")
    assert result.exit_code == 0
    figures = json.loads(result.stdout)
    assert (figures["sequences"], figures["frames"], figures["written"], figures["reused"]) == (3, 6, 2, 0)
    assert figures["findings"] == []
    assert mgdata("convert", tmp_path / "h", tmp_path / "z").exit_code == 0
    for path in shards.rglob("*"):
        if path.is_file():
            assert (tmp_path / "z" / path.relative_to(shards)).read_bytes() == path.read_bytes(), path
    again = mgdata("convert", shards, tmp_path / "h", "--format", "hdf5")
    assert "0 written, 2 there already" in again.stdout


def test_to_a_tree_and_back(mgdata: Program, shards: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    result = mgdata("convert", shards, tree, "--format", "opengait", "--fields", "joints, smpl")
    assert result.exit_code == 0, result.output
    assert "left out   windows, joints_visible" in result.stdout
    assert "cannot hold cameras" in result.stdout
    assert sorted(path.name for path in (tree / "07/01/090").iterdir()) == [
        f"{number:02d}_{name}.pkl"
        for number, name in enumerate(
            ["silhouettes", "joints", "global_orient", "body_pose", "transl", "betas", "frame_ids"]
        )
    ]
    result = mgdata("convert", tree, tmp_path / "back", "--format", "hdf5")
    assert result.exit_code == 0, result.output
    # The split names people who are not in this small dataset.
    assert "MG-TREE-006" in result.stderr
    assert "mgdata verify" in result.stdout
    assert mgdata("verify", tmp_path / "back", "--deep").exit_code == 0


def test_damage_in_a_tree_ends_with_1(mgdata: Program, shards: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    mgdata("convert", shards, tree, "--format", "opengait")
    (tree / "07/01/090/00_silhouettes.pkl").write_bytes(b"\x80\x04cut")
    result = mgdata("convert", tree, tmp_path / "back", "--json")
    assert result.exit_code == 1
    listed = json.loads(result.stdout)["findings"]
    assert [finding["id"] for finding in listed if finding["severity"] == "ERROR"] == ["MG-TREE-001"]


def test_usage_errors_say_the_way_out(mgdata: Program, shards: Path, tmp_path: Path) -> None:
    cases = {
        "two places": (shards, shards / "in"),
        "already": (shards, tmp_path / "o"),
        "no such folder": (tmp_path / "nothing", tmp_path / "o"),
        "no field 'joint'": (shards, tmp_path / "o", "--format", "opengait", "--fields", "joint"),
        "--manifest": (shards, tmp_path / "o", "--manifest", "cmu_walk"),
    }
    for what, arguments in cases.items():
        result = mgdata("convert", *arguments)
        assert result.exit_code == 2, what
        assert what in result.stderr
        assert "try:" in result.stderr
    assert not (tmp_path / "o").exists()


def test_a_folder_that_is_no_dataset_and_no_tree_is_refused(mgdata: Program, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = mgdata("convert", tmp_path / "empty", tmp_path / "out")
    assert result.exit_code == 2
    assert "--manifest" in result.stderr
    result = mgdata("convert", tmp_path / "empty", tmp_path / "out", "--manifest", "cmu_walk")
    assert result.exit_code == 2
    assert "no sequence in OpenGait's layout" in result.stderr
