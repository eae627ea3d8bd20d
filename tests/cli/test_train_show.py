"""``mgtrain show``: what is drawn follows the setting, the step and the side; nothing is drawn that is not there."""

import sys
from pathlib import Path

import cv2
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "model"))
from walk_shards import make_shards


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    return make_shards(tmp_path_factory.mktemp("shown") / "shards")


def height(path):
    return cv2.imread(str(path)).shape[0]


def test_the_clips_of_a_step_are_drawn(mgtrain, packed, tmp_path):
    def drawn(name, *more):
        path = tmp_path / name
        result = mgtrain("show", "debug", "--shards", packed, "--out", path, *more)
        assert result.exit_code == 0, result.output
        assert result.stdout.strip() == str(path)
        return path.read_bytes()

    first = drawn("a.png")
    assert drawn("b.png") == first
    assert drawn("c.png", "--step", "1") != first
    assert drawn("d.png", "-o", "data.augment.erase=1") != first
    assert drawn("e.png", "--clips", "1") != first
    assert height(tmp_path / "e.png") < height(tmp_path / "a.png")


def test_a_run_also_says_what_it_sees(mgtrain, packed, tmp_path):
    run = tmp_path / "run"
    command = ("run", "debug", "--shards", packed, "--out", run, "-o", "run.steps=1", "-o", "run.device=cpu")
    assert mgtrain(*command).exit_code == 0
    for name, source in (("run.png", run), ("labels.png", "debug")):
        result = mgtrain("show", source, "--shards", packed, "--out", tmp_path / name, "--test", "--clips", "2")
        assert result.exit_code == 0, result.output
    assert height(tmp_path / "run.png") > height(tmp_path / "labels.png")
    refused = mgtrain("show", run, "--out", tmp_path / "x.png", "-o", "seed=2")
    assert refused.exit_code == 2
    assert "a run has its setting" in refused.output
    nothing = mgtrain("show", "debug", "--out", tmp_path / "x.png")
    assert nothing.exit_code == 2
    assert "--shards" in nothing.output
