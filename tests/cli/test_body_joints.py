"""``mgdata body joints`` as users meet it."""

import json

import numpy as np
import pytest

from meshgait_data.body.files import ENVIRONMENT, load_body
from meshgait_data.body.joint_files import joint_set_names, load_joint_set


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)


def test_the_list_names_every_set_and_how_it_is_found(mgdata):
    result = mgdata("body", "joints")
    assert result.exit_code == 0, result.stderr
    for name in joint_set_names():
        assert name in result.stdout
    assert "approximate" not in result.stdout
    facts = json.loads(mgdata("body", "joints", "--json").stdout)
    assert {row["name"]: row["joints"] for row in facts["sets"]}["plug_in_gait"] == 39


def test_a_set_as_a_table_and_as_json(mgdata):
    text = mgdata("body", "joints", "h36m17", "--body", "free-lite").stdout
    for word in ("right_knee", "R_Knee", "knee joint", "Ionescu"):
        assert word in text
    facts = json.loads(mgdata("body", "joints", "coco17", "--json").stdout)
    assert [row["name"] for row in facts["joints"]] == list(load_joint_set("coco17").names)
    assert facts["joints"][5]["rest_m"][0] > 0.1
    assert facts["joints"][5]["errors_mm"]["rigid"] >= 0


def test_a_picture(mgdata, tmp_path):
    out = tmp_path / "picture.png"
    result = mgdata("body", "joints", "grew14", "--body", "free-lite", "--picture", out)
    assert result.exit_code == 0, result.stderr
    assert out.read_bytes().startswith(b"\x89PNG")


def test_a_published_regressor_of_the_user(mgdata, tmp_path):
    body = load_body("free-lite")
    np.save(tmp_path / "rows.npy", body.J_regressor)
    result = mgdata("body", "joints", "smpl24", "--body", "free-lite", "--regressor", tmp_path / "rows.npy")
    assert result.exit_code == 0, result.stderr
    assert "published: rows.npy" in result.stdout
    np.save(tmp_path / "rows.npy", body.J_regressor[:, 1:])
    result = mgdata("body", "joints", "smpl24", "--body", "free-lite", "--regressor", tmp_path / "rows.npy")
    assert result.exit_code == 4
    assert "has shape" in result.stderr


def test_wrong_usage(mgdata, tmp_path):
    assert mgdata("body", "joints", "--picture", tmp_path / "a.png").exit_code == 2
    result = mgdata("body", "joints", "coco")
    assert result.exit_code == 2
    assert "coco17" in result.stderr


def test_the_shipped_files_can_be_written_again(mgdata, tmp_path):
    result = mgdata("body", "joints", "--build", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["free-lite.npz", "free.npz"]
