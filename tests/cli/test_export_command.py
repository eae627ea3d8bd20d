"""``mgdata export opengait`` as it is typed."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from meshgait_data.manifest import load_manifest

Program = Callable[..., Result]

OLD = Path(__file__).parents[1] / "data" / "shards" / "v2.tar.xz"


@pytest.fixture
def shards(mgdata: Program, tmp_path: Path) -> Path:
    """A packed dataset: three sequences of two people."""
    with tarfile.open(OLD) as archive:
        archive.extractall(tmp_path, filter="data")
    assert mgdata("convert", tmp_path / "shards_v2", tmp_path / "shards").exit_code == 0
    return tmp_path / "shards"


def test_help_has_examples(mgdata: Program) -> None:
    result = mgdata("export", "opengait", "--help")
    assert result.exit_code == 0
    assert result.output.split("Examples:")[1].count("mgdata export opengait") == 3
    assert "opengait" in mgdata("export", "--help").output
    assert "export" in mgdata("--help").output


def test_a_tree_its_config_and_its_manifest(mgdata: Program, shards: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    result = mgdata("export", "opengait", shards, tree, "--fields", "joints", "--gpus", 4)
    assert result.exit_code == 0, result.output
    assert "left out   windows" in result.stdout
    assert f"--cfgs {tree / 'opengait.yaml'} --phase train" in result.stdout
    names = ["00_silhouettes.pkl", "01_joints.pkl", "02_frame_ids.pkl"]
    assert sorted(path.name for path in (tree / "07/01/090").iterdir()) == names
    assert {path.name for path in tree.iterdir() if path.is_file()} == {
        "dataset.yaml",
        "findings.jsonl",
        "manifest.yaml",
        "meshgait.json",
        "opengait.yaml",
        "partition.json",
    }
    config = yaml.safe_load((tree / "opengait.yaml").read_text())
    assert config["evaluator_cfg"]["sampler"]["batch_size"] == 4
    assert config["data_cfg"]["data_in_use"] == [True, False, False]
    block = load_manifest(str(tree / "manifest.yaml")).source.silhouettes
    assert block is not None
    assert (block.path, block.frame_ids) == ("{folder}/00_silhouettes.pkl", "{folder}/02_frame_ids.pkl")


def test_another_config_does_not_write_the_sequences_again(mgdata: Program, shards: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    assert mgdata("export", "opengait", shards, tree).exit_code == 0
    result = mgdata("export", "opengait", shards, tree, "--scored-as", "CASIA-B", "--json")
    assert json.loads(result.stdout)["written"] == 0
    assert yaml.safe_load((tree / "opengait.yaml").read_text())["data_cfg"]["test_dataset_name"] == "CASIA-B"


def test_what_cannot_be_done_is_refused(mgdata: Program, shards: Path, tmp_path: Path) -> None:
    cases = {
        "OpenGait scores no dataset": (shards, tmp_path / "o", "--scored-as", "casia"),
        "no field 'joint'": (shards, tmp_path / "o", "--fields", "joint"),
        "no such folder": (tmp_path / "nothing", tmp_path / "o"),
        "two places": (shards, shards / "in"),
    }
    for what, arguments in cases.items():
        result = mgdata("export", "opengait", *arguments)
        assert result.exit_code == 2, what
        assert what in result.stderr
        assert "try:" in result.stderr
    assert not (tmp_path / "o").exists()
