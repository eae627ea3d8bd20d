"""``mgdata render`` and ``mgdata show`` on a small work folder: files, pictures, failures that stop nothing."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from meshgait_data.body.files import load_body
from meshgait_data.body.marker_files import load_markers
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.findings import from_jsonl
from meshgait_data.fits import fit_path, read_fit, write_fit
from meshgait_data.index import Index, IndexRow, read_index, write_index
from meshgait_data.manifest import load_manifest
from meshgait_data.pipeline.render_files import read_render, render_path
from meshgait_data.render.sequence import pose_capture, render_sequence
from meshgait_data.types import BodyParams, CaptureKey, Fit, SequenceKey

CMU = load_manifest("cmu_walk")
VIEWS = {"000": 0.0, "090": 90.0}


def make_fit(condition: str, length: float = 2.0, frames: int = 9) -> Fit:
    body = load_body("free")
    swing = 0.5 * np.sin(np.arange(frames))
    pose = np.zeros((frames, 24, 3), np.float32)
    pose[:, SMPL_JOINTS.index("left_hip"), 0], pose[:, SMPL_JOINTS.index("right_hip"), 0] = -swing, swing
    along = np.linspace(-length / 2, length / 2, frames)[:, None] * np.array([0.0, 0.0, 1.0])
    orient = np.zeros((frames, 3), np.float32)
    params = BodyParams(np.zeros(10, np.float32), orient, pose[:, 1:].reshape(frames, 69), along.astype(np.float32))
    residuals = {"joints": np.linspace(0.01, 0.03, frames)}
    verdict = np.zeros(frames, np.uint8)
    key = CaptureKey("cmu_walk", "07", condition)
    return Fit(
        key, params, 4 * np.arange(frames), 30.0, residuals, verdict, (), True, body.name, body.sha256, {"from": "test"}
    )


@pytest.fixture
def work(tmp_path):
    """Three indexed takes, two fitted: one of 2 m, and one of 12 m whose side view is cut by the image border."""
    folder = tmp_path / "work"
    manifest = replace(CMU, cameras=replace(CMU.cameras, azimuths_deg=VIEWS, distance_m=9.0))
    rows = [
        IndexRow("cmu_walk", "07", condition, view, "07", "train", "x.amc", "x.asf", 9, 30.0, "")
        for condition in ("01", "02", "03")
        for view in VIEWS
    ]
    write_index(folder, Index(manifest, tmp_path, tuple(rows)), [])
    for condition, length in (("01", 2.0), ("02", 12.0)):
        write_fit(fit_path(folder, CaptureKey("cmu_walk", "07", condition)), make_fit(condition, length))
    return folder


def picture(path):
    return cv2.imread(str(path))


def test_render_writes_what_render_sequence_gives(mgdata, work):
    result = mgdata("render", work, "--select", "condition=01", "--png")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "sequences  2 with 18 frames; 0 frames left out"
    assert result.stdout.splitlines()[-1] == f"next       mgdata pack {work} --out shards/"
    body = load_body("free")
    fit = read_fit(fit_path(work, CaptureKey.parse("cmu_walk/07/01")))
    posed, cameras = pose_capture(body, fit, read_index(work).manifest.cameras)
    for camera in cameras:
        path = render_path(work / "renders", fit.key.sequence(camera.name))
        found = read_render(path)
        expected = render_sequence(body, load_markers(body), fit, camera, identity="07", posed=posed)
        assert (found.key, found.identity, found.fps, found.dropped) == (expected.key, "07", 30.0, ())
        assert found.arrays.keys() == expected.arrays.keys()
        for name, array in expected.arrays.items():
            np.testing.assert_array_equal(found.arrays[name], array, strict=True)
        for name in ("intrinsics", "rotation", "translation"):
            np.testing.assert_array_equal(getattr(found.camera, name), getattr(camera, name))
        assert found.camera.size == camera.size
        assert picture(path.with_suffix(".png")).shape[0] == 128


def test_failures_stop_nothing(mgdata, work):
    result = mgdata("render", work, "--json", "--jobs", 2)
    assert result.exit_code == 1
    figures = json.loads(result.stdout)
    lost = figures["dropped"]
    assert (figures["sequences"], figures["failures"], figures["frames"]) == (4, 1, 36 - lost)
    assert 0 < lost < 18
    [failure] = [json.loads(line) for line in (work / "failures.jsonl").read_text().splitlines()]
    assert (failure["stage"], failure["key"]) == ("render", "cmu_walk/07/03")
    assert "fit-smpl" in failure["hint"]
    assert "failed cmu_walk/07/03" in result.stderr
    findings = from_jsonl((work / "renders" / "findings.jsonl").read_text())
    assert {f.where for f in findings} <= {"cmu_walk/07/02/000", "cmu_walk/07/02/090"}
    assert "cut by the image border" in findings[0].message
    before = {path: path.read_bytes() for path in (work / "renders").rglob("*") if path.is_file()}
    assert mgdata("render", work).exit_code == 1
    assert {path: path.read_bytes() for path in before} == before


def test_a_view_can_fail_alone(mgdata, work):
    fit = make_fit("03", frames=2)
    fit.params.transl[:, 2] *= 8
    write_fit(fit_path(work, fit.key), fit)
    result = mgdata("render", work, "--select", "condition=03")
    assert result.exit_code == 1
    assert "failed cmu_walk/07/03/090: cmu_walk/07/03/090: none of 2 frames is usable" in result.stderr
    assert "cameras.distance_m" in result.stderr


def test_nothing_to_render(mgdata, work):
    result = mgdata("render", work, "--select", "subject=99")
    assert result.exit_code == 2
    assert "a key is like cmu_walk/07/01/000" in result.stderr
    result = mgdata("render", work, "--select", "condition=03")
    assert result.exit_code == 2
    assert "mgdata fit-smpl" in result.stderr
    assert mgdata("render", work / "nowhere").exit_code == 2


def test_damaged_render_is_named(mgdata, work):
    assert mgdata("render", work, "--select", "condition=01,view=000").exit_code == 0
    path = render_path(work / "renders", SequenceKey.parse("cmu_walk/07/01/000"))
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match="not a rendered sequence"):
        read_render(path)


def test_show_one_view_and_all(mgdata, work, tmp_path):
    one, every = tmp_path / "one.png", tmp_path / "all.png"
    result = mgdata("show", "cmu_walk/07/01/090", "--work", work, "--out", one, "--zoom", 2, "--frames", 4)
    assert (result.exit_code, result.stdout.strip()) == (0, str(one))
    assert mgdata("show", "cmu_walk/07/01", "--work", work, "--out", every, "--zoom", 2, "--frames", 4).exit_code == 0
    assert picture(every).shape[0] > 1.7 * picture(one).shape[0]
    assert picture(every).shape[1] == picture(one).shape[1]
    again = tmp_path / "again.png"
    mgdata("show", "cmu_walk/07/01/090", "--work", work, "--out", again, "--zoom", 2, "--frames", 4)
    assert again.read_bytes() == one.read_bytes()


def test_show_what_was_packed(mgdata, work, tmp_path):
    shards, packed, fitted = tmp_path / "shards", tmp_path / "packed.png", tmp_path / "fitted.png"
    assert mgdata("pack", work, "--out", shards, "--select", "condition=01").exit_code == 0
    key = "cmu_walk/07/01/000"
    assert mgdata("show", key, "--shards", shards, "--out", packed).exit_code == 0
    assert mgdata("show", key, "--work", work, "--out", fitted).exit_code == 0
    # The same pictures; only the captions differ, since shards do not keep residuals.
    from_pack, from_fit = picture(packed)[90:600], picture(fitted)[90:600]
    np.testing.assert_array_equal(from_pack, from_fit)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cmu_walk/07/1/090",), "did you mean cmu_walk/07/01/090"),
        (("nonsense",), "a key is like cmu_walk/07/01"),
        (("cmu_walk/07/03",), "mgdata fit-smpl"),
    ],
)
def test_show_unknown_keys(mgdata, work, arguments, message):
    result = mgdata("show", *arguments, "--work", work)
    assert result.exit_code == 2
    assert message in result.stderr


def test_show_needs_a_place(mgdata, work):
    for arguments in ((), ("--work", work, "--shards", work)):
        result = mgdata("show", "cmu_walk/07/01", *arguments)
        assert result.exit_code == 2
        assert "give either --work WORK or --shards SHARDS" in result.stderr


@pytest.mark.parametrize("command", ["render", "show"])
def test_help_has_examples(mgdata, command):
    result = mgdata(command, "--help")
    assert result.exit_code == 0
    assert f"  mgdata {command} " in result.output.split("Examples:")[1]
