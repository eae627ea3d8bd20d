"""``mgdata body`` as users meet it."""

import importlib.util
import json
from dataclasses import replace

import numpy as np
import pytest

from meshgait_data.body.files import ENVIRONMENT, find_body, load_body
from meshgait_data.body.measure_ways import QUANTITIES
from meshgait_data.fits import write_fit
from meshgait_data.types import BodyParams, CaptureKey, Fit

PNG = b"\x89PNG"


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


def test_info_draws_the_body(mgdata, tmp_path):
    result = mgdata("body", "info", "--picture", tmp_path / "body.png")
    assert result.exit_code == 0
    assert (tmp_path / "body.png").read_bytes().startswith(PNG)


def test_measure_prints_every_measurement_with_its_unit(mgdata):
    result = mgdata("body", "measure", "--betas", "1.0,-0.5")
    assert result.exit_code == 0
    assert "1, -0.5" in result.stdout
    for name, quantity in QUANTITIES.items():
        line = next(line for line in result.stdout.splitlines() if line.startswith(name + " "))
        assert line.endswith(quantity.unit)


def test_the_body_of_a_height_and_a_mass_can_be_written_and_measured_again(mgdata, tmp_path):
    out, picture = tmp_path / "me.npz", tmp_path / "me.png"
    asked = ("--height", 1.75, "--mass", 80, "--out", out, "--picture", picture, "--json")
    facts = json.loads(mgdata("body", "measure", *asked).stdout)
    assert facts["measurements"]["height"] == pytest.approx(1.75, abs=1e-4)
    assert facts["measurements"]["mass"] == pytest.approx(80.0, abs=0.01)
    assert facts["units"]["mass"] == "kg"
    with np.load(out, allow_pickle=False) as written:
        assert written["betas"] == pytest.approx(facts["betas"], abs=1e-4)
        assert str(written["body_sha256"]) == load_body().sha256
    assert picture.read_bytes().startswith(PNG)
    again = ",".join(str(beta) for beta in facts["betas"])
    repeated = json.loads(mgdata("body", "measure", "--betas", again, "--json").stdout)
    assert repeated["measurements"]["mass"] == pytest.approx(80.0, abs=0.02)


def test_measure_reads_the_shape_of_a_fit_of_the_same_body_only(mgdata, tmp_path):
    frames = np.zeros((2, 3), np.float32)
    params = BodyParams(np.array([0.5, 1.0], np.float32), frames, np.zeros((2, 69), np.float32), frames)
    fit = Fit(
        key=CaptureKey("walks", "07", "01"), params=params, frame_ids=np.arange(2), fps=30.0, residuals={},
        verdict=np.zeros(2, np.uint8), reasons=(), converged=True, body_name="free", body_sha256=load_body().sha256,
    )  # fmt: skip
    write_fit(tmp_path / "ours.npz", fit)
    write_fit(tmp_path / "theirs.npz", replace(fit, body_name="other", body_sha256="0"))
    ours = json.loads(mgdata("body", "measure", "--fit", tmp_path / "ours.npz", "--json").stdout)
    same = json.loads(mgdata("body", "measure", "--betas", "0.5,1.0", "--json").stdout)
    assert ours["measurements"] == same["measurements"]
    theirs = mgdata("body", "measure", "--fit", tmp_path / "theirs.npz")
    assert theirs.exit_code == 4
    assert "another body ('other')" in theirs.stderr


def test_the_mesh_of_a_shape_is_written_as_obj(mgdata, tmp_path):
    assert mgdata("body", "measure", "--betas", "1", "--out", tmp_path / "tall.obj").exit_code == 0
    lines = (tmp_path / "tall.obj").read_text().splitlines()
    body = load_body()
    vertices = np.array([line.split()[1:] for line in lines if line.startswith("v ")], float)
    assert vertices == pytest.approx(body.v_template + body.shapedirs[..., 0], abs=1e-5)
    assert sum(line.startswith("f ") for line in lines) == len(body.faces)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--height", 3), 4, "height can be"),
        (("--height", -1), 2, "positive"),
        (("--want", "tail=1"), 2, "waist_girth"),
        (("--want", "waist_girth"), 2, "NAME=NUMBER"),
        (("--betas", "tall"), 2, "numbers between commas"),
        (("--betas", "1", "--height", 1.7), 2, "one of the three"),
        (("--betas", ",".join(["1"] * 400)), 4, "takes at most"),
        (("--fit", "nowhere.npz"), 2, "no fit here"),
        (("--out", "body.stl"), 2, ".npz or .obj"),
    ],
)
def test_measure_says_what_is_wrong_and_how(mgdata, options, code, said):
    result = mgdata("body", "measure", *options)
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_compare_tells_bodies_apart_by_region_and_draws_it(mgdata, tmp_path):
    with np.load(find_body("free").path, allow_pickle=False) as file:
        arrays = dict(file)
    head = arrays["v_template"][:, 1] > 0.45
    arrays["v_template"][head, 2] += 0.02
    np.savez(tmp_path / "mine.npz", **arrays)
    few = ("--shapes", 1, "--every", 1000)
    result = mgdata("body", "compare", "free", tmp_path / "mine.npz", *few, "--picture", tmp_path / "apart.png")
    assert result.exit_code == 0
    assert "between equal vertices" in result.stdout
    assert f"the first {load_body().num_betas} of" in result.stdout
    assert (tmp_path / "apart.png").read_bytes().startswith(PNG)
    facts = json.loads(mgdata("body", "compare", "free", tmp_path / "mine.npz", *few, "--as-is", "--json").stdout)
    assert facts["rest_mm"]["a_to_b"]["head"]["max"] == pytest.approx(20.0, abs=0.01)
    assert facts["rest_mm"]["a_to_b"]["feet"]["max"] == 0.0
    assert facts["measurements"][1]["mass"] > 0


@pytest.mark.skipif(importlib.util.find_spec("anny") is not None, reason="anny is installed")
def test_building_without_anny_says_how_to_install_it(mgdata, tmp_path):
    result = mgdata("body", "build", tmp_path / "free.npz")
    assert result.exit_code == 3
    assert "pip install 'meshgait[anny]'" in result.stderr
    assert not (tmp_path / "free.npz").exists()


@pytest.mark.parametrize(
    "command", [("body",), ("body", "info"), ("body", "measure"), ("body", "compare"), ("body", "build")]
)
def test_help_has_examples(mgdata, command):
    result = mgdata(*command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
