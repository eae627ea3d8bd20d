"""``mgdata markers``: from a work folder to a set, what is printed, and what goes wrong helpfully."""

import json
from importlib.resources import files

import numpy as np
import pytest

from meshgait_data.body.files import load_body
from meshgait_data.body.marker_files import load_markers
from meshgait_data.fits import fit_path, write_fit
from meshgait_data.types import BodyParams, CaptureKey, Fit


@pytest.fixture(scope="module")
def small_body(tmp_path_factory):
    """Every thirtieth left/right pair of the free body, with random triangles: learned on in a second."""
    body, rng = load_body("free"), np.random.default_rng(0)
    left = np.flatnonzero(np.arange(body.num_vertices) < body.mirror)[::30]
    ids, count = np.concatenate([left, body.mirror[left]]), 2 * len(left)
    regressor = body.J_regressor @ rng.dirichlet(np.ones(count), size=body.num_vertices)
    path = tmp_path_factory.mktemp("body") / "small.npz"
    parents = np.where(body.parents < 0, 2**32 - 1, body.parents)
    np.savez(
        path,
        v_template=body.v_template[ids],
        shapedirs=body.shapedirs[ids],
        posedirs=body.posedirs[ids],
        J_regressor=regressor / regressor.sum(axis=1, keepdims=True),
        weights=body.weights[ids],
        kintree_table=np.stack([parents, np.arange(24)]).astype(np.uint32),
        f=rng.permuted(np.tile(np.arange(count), (500, 1)), axis=1)[:, :3],
        mirror=np.roll(np.arange(count), len(left)),
    )
    return path


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A work folder with random poses of a person of each side of the split."""
    folder, rng = tmp_path_factory.mktemp("work"), np.random.default_rng(0)
    manifest = files("meshgait_data.manifests") / "datasets" / "cmu_walk.yaml"
    (folder / "manifest.yaml").write_text(manifest.read_text())
    frames = 20
    for subject in ("07", "16"):
        pose, zero = (0.2 * rng.normal(size=(frames, 69))).astype(np.float32), np.zeros((frames, 3), np.float32)
        key = CaptureKey("cmu_walk", subject, "01")
        params = BodyParams(np.zeros(10, np.float32), zero, pose, zero)
        verdict = np.zeros(frames, np.uint8)
        fit = Fit(key, params, np.arange(frames), 30.0, {}, verdict, (), True, "another", "0" * 64)
        write_fit(fit_path(folder, key), fit)
    return folder


def test_learn_writes_a_set_that_loads(mgdata, work, small_body, tmp_path):
    out = tmp_path / "few.npz"
    result = mgdata("markers", "learn", work, "--body", small_body, "-k", 8, "--meshes", 6, "--out", out)
    assert result.exit_code == 0, result.output
    assert "signed, markers 10 mm off" in result.stdout
    assert "moving markers" in result.stderr
    markers = load_markers(load_body(small_body), out)
    assert (markers.name, len(markers)) == ("few", 8)
    assert markers.provenance["people"] == {"train": ["07"], "test": ["16"]}
    assert set(markers.provenance["errors_mm"]["convex"]) >= {"mean", "p95", "head"}

    again = mgdata("markers", "learn", work, "--body", small_body, "--out", out)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr


def test_without_a_work_folder_it_explains_how_to_make_one(mgdata, tmp_path):
    result = mgdata("markers", "learn", "--out", tmp_path / "x.npz")
    assert result.exit_code == 2
    assert "mgdata fit-smpl" in result.stderr
    empty = mgdata("markers", "learn", tmp_path, "--body", "free", "--out", tmp_path / "x.npz")
    assert empty.exit_code == 2
    assert "mgdata fit-smpl" in empty.stderr


def test_one_sided_work_folder(mgdata, work, tmp_path):
    (tmp_path / "fits" / "07").mkdir(parents=True)
    (tmp_path / "fits" / "07" / "01.npz").write_bytes((work / "fits" / "07" / "01.npz").read_bytes())
    (tmp_path / "manifest.yaml").write_text((work / "manifest.yaml").read_text())
    result = mgdata("markers", "learn", tmp_path, "--body", "free", "--out", tmp_path / "x.npz")
    assert result.exit_code == 4
    assert "test side" in result.stderr


def test_info_of_the_shipped_set(mgdata):
    text = mgdata("markers", "info")
    assert text.exit_code == 0, text.output
    assert "on the mid-line" in text.stdout
    record = json.loads(mgdata("markers", "info", "free-64", "--json").stdout)
    assert record["markers"] == 64 == 2 * len(record["pairs"]) + len(record["midline"])
    assert record["errors_mm"]["signed"]["mean"] > 0


def test_info_of_nothing(mgdata):
    result = mgdata("markers", "info", "nowhere")
    assert result.exit_code == 2
    assert "free-64" in result.stderr
