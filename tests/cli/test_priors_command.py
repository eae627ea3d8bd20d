"""``mgdata priors``: what ships is listed and drawn, and a work folder becomes priors."""

import json

import pytest
from prior_people import write_work

from meshgait_data.pipeline.prior_files import read_priors


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return write_work(tmp_path_factory.mktemp("people") / "work", s49=True)


def test_lists_what_ships(mgdata):
    result = mgdata("priors", "info")
    assert result.exit_code == 0, result.output
    assert "walk" in result.output
    assert "general" in result.output
    names = [row["name"] for row in json.loads(mgdata("priors", "info", "--json").output)["priors"]]
    assert names == ["general", "walk"]


def test_says_what_one_knows(mgdata):
    result = mgdata("priors", "info", "walk")
    assert result.exit_code == 0, result.output
    for word in ("EIA-0196217", "69 walks of 12 people", "aligned mm", "strides/s"):
        assert word in result.output
    found = json.loads(mgdata("priors", "info", "walk", "--json").stdout)
    assert found["gait"]["harmonics"] == 4
    assert found["held_out"][0]["styles"] == 0


def test_draws(mgdata, tmp_path):
    curves, bodies = tmp_path / "curves.png", tmp_path / "bodies.png"
    result = mgdata("priors", "info", "walk", "--picture", curves, "--bodies", bodies, "--body", "free-lite")
    assert result.exit_code == 0, result.output
    for path in (curves, bodies):
        assert path.read_bytes().startswith(b"\x89PNG")
        assert str(path) in result.stderr


@pytest.mark.parametrize("args", [("--picture",), ("general", "--picture"), ("general", "--bodies")])
def test_refuses_to_draw_nothing(mgdata, tmp_path, args):
    result = mgdata("priors", "info", *args, tmp_path / "x.png")
    assert result.exit_code == 2
    assert "walk" in result.stderr
    assert not list(tmp_path.iterdir())


def test_learns_and_names_what_it_left_out(mgdata, work, tmp_path):
    out = tmp_path / "mine.npz"
    line = ("priors", "learn", work, "--out", out, "--body", "free-lite", "--styles", 3, "--exclude-subject", "02")
    result = mgdata(*line)
    assert result.exit_code == 0, result.output
    assert "left out cmu_walk/49/09" in result.stderr
    found = read_priors(out)
    assert found.name == "mine"
    assert found.gait.size == 3
    assert found.provenance["people"] == ["05", "06", "07"]
    again = mgdata(*line)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr
    before = out.read_bytes()
    assert mgdata(*line, "--overwrite", "--json").exit_code == 0
    assert out.read_bytes() == before


def test_learns_a_general_prior(mgdata, work, tmp_path):
    out = tmp_path / "wide.npz"
    result = mgdata("priors", "learn", work, "--out", out, "--body", "free-lite", "--general")
    assert result.exit_code == 0, result.output
    assert read_priors(out).gait is None


def test_folder_without_fits(mgdata, tmp_path):
    result = mgdata("priors", "learn", tmp_path, "--out", tmp_path / "x.npz")
    assert result.exit_code == 2
    assert "mgdata index" in result.stderr
