"""``mgdata body`` as users meet it."""

import importlib.util
import json

import numpy as np
import pytest

from meshgait_data.body.files import ENVIRONMENT, find_body, load_body


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)


def test_info_says_what_is_used_and_why(mgdata):
    result = mgdata("body", "info")
    assert result.exit_code == 0
    free = load_body()
    for fact in ("free.npz", "the default", str(free.num_vertices), str(len(free.faces)), free.sha256, "CC0"):
        assert fact in result.stdout


def test_info_as_json_of_the_body_that_the_environment_names(mgdata, monkeypatch, tmp_path):
    mine = tmp_path / "mine.npz"
    mine.write_bytes(find_body("free").path.read_bytes())
    monkeypatch.setenv(ENVIRONMENT, str(mine))
    facts = json.loads(mgdata("body", "info", "--json").stdout)
    assert facts["name"] == "mine"
    assert facts["file"] == str(mine)
    assert ENVIRONMENT in facts["found by"]
    assert facts["sha256"] == load_body("free").sha256
    assert facts["height (m)"] == pytest.approx(1.69, abs=0.05)


def test_a_missing_body_is_exit_code_3_with_every_way_out(mgdata, tmp_path):
    result = mgdata("body", "info", "--body", tmp_path)
    assert result.exit_code == 3
    assert result.stdout == ""
    for word in (str(tmp_path), "SMPL_NEUTRAL", ENVIRONMENT, "smpl.is.tue.mpg.de"):
        assert word in result.stderr


def test_a_damaged_body_is_exit_code_4(mgdata, tmp_path):
    np.savez(tmp_path / "bad.npz", v_template=np.zeros((5, 3)))
    result = mgdata("body", "info", "--body", tmp_path / "bad.npz")
    assert result.exit_code == 4
    assert "lacks shapedirs" in result.stderr


@pytest.mark.skipif(importlib.util.find_spec("anny") is not None, reason="anny is installed")
def test_building_without_anny_says_how_to_install_it(mgdata, tmp_path):
    result = mgdata("body", "build", tmp_path / "free.npz")
    assert result.exit_code == 3
    assert "pip install 'meshgait[anny]'" in result.stderr
    assert not (tmp_path / "free.npz").exists()


@pytest.mark.parametrize("command", [("body",), ("body", "info"), ("body", "build")])
def test_help_has_examples(mgdata, command):
    result = mgdata(*command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
