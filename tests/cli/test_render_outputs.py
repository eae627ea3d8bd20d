"""``mgdata render``: every format, channels, rigs, degradations and the picture; and running the same line again."""

import json
import os
import pickletools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
import zarr
from click.testing import Result

from meshgait_data.body.files import load_body
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.findings import from_jsonl
from meshgait_data.fits import fit_path, write_fit
from meshgait_data.index import Index, IndexRow, write_index
from meshgait_data.manifest import load_manifest
from meshgait_data.pipeline.render_files import pickled, read_render
from meshgait_data.types import BodyParams, CaptureKey, Fit

Run = Callable[..., Result]

FRAMES = 12
VIEWS = {"000": 0.0, "090": 90.0}


def write_walk(work: Path, condition: str, length: float = 2.0) -> None:
    """A body that slides along z with swinging legs, as a fit of the free body."""
    body = load_body("free")
    swing = 0.5 * np.sin(np.arange(FRAMES))
    pose = np.zeros((FRAMES, 24, 3), np.float32)
    pose[:, SMPL_JOINTS.index("left_hip"), 0], pose[:, SMPL_JOINTS.index("right_hip"), 0] = -swing, swing
    along = np.linspace(-length / 2, length / 2, FRAMES)[:, None] * np.array([0.0, 0.0, 1.0])
    params = BodyParams(
        np.zeros(10, np.float32),
        np.zeros((FRAMES, 3), np.float32),
        pose[:, 1:].reshape(FRAMES, 69),
        along.astype(np.float32),
    )
    fit = Fit(
        CaptureKey("cmu_walk", "07", condition), params, 4 * np.arange(FRAMES), 30.0, {"joints": np.full(FRAMES, 0.02)},
        np.zeros(FRAMES, np.uint8), (), True, body.name, body.sha256,
    )  # fmt: skip
    write_fit(fit_path(work, fit.key), fit)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Two fitted walks, two views each."""
    manifest = load_manifest("cmu_walk")
    manifest = replace(manifest, cameras=replace(manifest.cameras, azimuths_deg=VIEWS))
    folder = tmp_path / "work"
    rows = []
    for condition in ("01", "02"):
        write_walk(folder, condition)
        rows += [
            IndexRow("cmu_walk", "07", condition, view, "07", "train", "x.amc", "x.asf", FRAMES, 30.0, "")
            for view in VIEWS
        ]
    write_index(folder, Index(manifest, tmp_path, tuple(rows)), [])
    return folder


def figures(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_all_formats_hold_the_same_pictures(mgdata: Run, work: Path, tmp_path: Path) -> None:
    for name in ("npz", "pkl", "png", "zarr"):
        done = figures(
            mgdata(
                *("render", work, "--select", "condition=01", "--json", "--format", name, "--out", tmp_path / name),
                *("--channels", "depth,parts,layers"),
            )
        )
        assert (done["sequences"], done["frames"], done["kept"]) == (2, 2 * FRAMES, 0)
    expected = read_render(tmp_path / "npz/07/01/090.npz").arrays
    assert {"joints", "markers", "scale", "depth", "parts", "layers"} <= expected.keys()
    group = zarr.open_group(tmp_path / "zarr/07/01/090.zarr", mode="r")
    for name, array in expected.items():
        np.testing.assert_array_equal(group[name][...], array, strict=True)
    assert group.attrs["meshgait"]["key"] == "cmu_walk/07/01/090"
    for name, suffix in (("silhouettes", ""), ("depth", "-depth"), ("parts", "-parts"), ("layers", "-layers")):
        # As OpenGait's loader reads it, which unpickles.
        stored = np.load(tmp_path / f"pkl/07/01/090/090{suffix}.pkl", allow_pickle=True)
        np.testing.assert_array_equal(stored, expected[name], strict=True)
        for number, image in zip(expected["frame_ids"], expected[name], strict=True):
            path = tmp_path / f"png/07/01/090/{number:06d}{suffix}.png"
            np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), image, strict=True)


def test_the_tree_is_opengaits(mgdata: Run, work: Path, tmp_path: Path) -> None:
    assert mgdata("render", work, "--format", "pkl", "--out", tmp_path / "t", "--size", 128).exit_code == 0
    found = sorted(str(p.relative_to(tmp_path / "t")) for p in (tmp_path / "t").rglob("*.pkl"))
    assert found == [f"07/{c}/{v}/{v}.pkl" for c in ("01", "02") for v in VIEWS]
    array = np.load(tmp_path / "t/07/02/000/000.pkl", allow_pickle=True)
    assert (array.dtype, array.shape) == (np.uint8, (FRAMES, 128, 128))
    # Nothing but the sequences lies in a subject's folder, which OpenGait lists without looking at names.
    assert sorted(os.listdir(tmp_path / "t/07")) == ["01", "02"]


def test_pickles_are_read_by_any_numpy(rng: np.random.Generator) -> None:
    array = rng.integers(0, 255, (3, 64, 64)).astype(np.uint8)
    names = {
        argument for code, argument, _ in pickletools.genops(pickled(array)) if code.name in ("GLOBAL", "STACK_GLOBAL")
    }
    assert names == {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}


def test_running_again_makes_only_what_is_missing(mgdata: Run, work: Path) -> None:
    first = figures(mgdata("render", work, "--json", "--jobs", 2))
    assert (first["sequences"], first["kept"]) == (4, 0)
    files = {path: path.stat().st_mtime_ns for path in (work / "renders").rglob("*.npz")}
    again = figures(mgdata("render", work, "--json"))
    assert (again["sequences"], again["kept"], again["frames"]) == (4, 4, first["frames"])
    assert {path: path.stat().st_mtime_ns for path in files} == files
    # A lost file, a changed fit, another setting: each makes just what follows from it.
    (work / "renders/07/01/090.npz").unlink()
    assert figures(mgdata("render", work, "--json"))["kept"] == 3
    write_walk(work, "02", length=1.5)
    assert figures(mgdata("render", work, "--json", "--existing", "skip"))["kept"] == 4
    assert figures(mgdata("render", work, "--json"))["kept"] == 2
    assert figures(mgdata("render", work, "--json", "--degrade", "holes"))["kept"] == 0
    assert figures(mgdata("render", work, "--json", "--degrade", "holes", "--existing", "overwrite"))["kept"] == 0
    (work / "renders/.meshgait/07/01/000.json").write_text("{")
    assert figures(mgdata("render", work, "--json", "--degrade", "holes"))["kept"] == 3
    refused = mgdata("render", work, "--existing", "error")
    assert (refused.exit_code, "there already" in refused.stderr) == (2, True)


def test_kept_sequences_keep_their_findings(mgdata: Run, work: Path) -> None:
    write_walk(work, "01", length=9.0)
    before = figures(mgdata("render", work, "--json"))
    assert before["dropped"] > 0
    text = (work / "renders/findings.jsonl").read_text()
    assert {finding.where for finding in from_jsonl(text)} == {"cmu_walk/07/01/000", "cmu_walk/07/01/090"}
    after = figures(mgdata("render", work, "--json"))
    assert (after["dropped"], after["kept"]) == (before["dropped"], 4)
    assert (work / "renders/findings.jsonl").read_text() == text


def test_other_cameras(mgdata: Run, work: Path, tmp_path: Path) -> None:
    out = tmp_path / "o"
    done = figures(
        mgdata(
            "render", work, "--rig", "oumvlp", "--resolution", 0.25, "--out", out, "--json", "--select", "condition=01"
        )
    )
    assert done["sequences"] == 14
    camera = read_render(out / "07/01/255.npz").camera
    assert (camera.size, camera.name) == ((320, 245), "255")
    wild = tmp_path / "w"
    assert (
        figures(mgdata("render", work, "--rig", "in_the_wild", "--resolution", 0.5, "--out", wild, "--json"))[
            "sequences"
        ]
        == 16
    )
    one, other = (read_render(wild / f"07/{condition}/w2.npz").camera for condition in ("01", "02"))
    assert not np.allclose(one.translation, other.translation)
    assert mgdata("render", work, "--rig", "nowhere").exit_code == 2


def test_cameras_without_labels(mgdata: Run, work: Path, tmp_path: Path) -> None:
    rig = {
        "title": "fish",
        "origin": "test",
        "cameras": {
            "azimuths_deg": {"a": 80}, "distance_m": 6.0, "height_m": 2.0, "target_m": 0.9, "focal_px": 300,
            "image_size": [320, 240], "distortion": [-0.2, 0.03, 0.0, 0.0],
        },
    }  # fmt: skip
    path = tmp_path / "fish.yaml"
    path.write_text(yaml.safe_dump(rig))
    refused = mgdata("render", work, "--rig", path)
    assert refused.exit_code == 1
    assert "labels need a perspective camera without distortion" in refused.stderr
    assert "--format png or pkl" in refused.stderr
    drawn = mgdata("render", work, "--rig", path, "--format", "pkl", "--channels", "parts", "--out", tmp_path / "fish")
    assert drawn.exit_code == 0
    assert np.load(tmp_path / "fish/07/01/a/a.pkl", allow_pickle=True).any()


def test_degradations_are_seeded_and_leave_labels_true(mgdata: Run, work: Path, tmp_path: Path) -> None:
    runs = {"plain": (), "one": ("--seed", 1), "same": ("--seed", 1), "other": ("--seed", 2)}
    found = {}
    for name, seed in runs.items():
        steps = () if name == "plain" else ("--degrade", "holes,cut_feet:0.8")
        assert (
            mgdata(
                "render", work, "--select", "condition=01,view=090", "--out", tmp_path / name, *steps, *seed
            ).exit_code
            == 0
        )
        found[name] = read_render(tmp_path / name / "07/01/090.npz").arrays
    np.testing.assert_array_equal(found["one"]["silhouettes"], found["same"]["silhouettes"])
    assert not np.array_equal(found["one"]["silhouettes"], found["other"]["silhouettes"])
    # Without feet the body fills the window with less of itself; the labels' metres are the same all the same.
    assert np.all(found["one"]["scale"] > found["plain"]["scale"])
    head = SMPL_JOINTS.index("head")
    metres = {name: (a["joints"][:, head] - a["joints"][:, 0]) / a["scale"][:, None] for name, a in found.items()}
    np.testing.assert_allclose(metres["one"][:, 1:], metres["plain"][:, 1:], atol=2e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--channels", "normals"), "no channel is called 'normals'"),
        (("--degrade", "hole"), "no degradation is called 'hole'"),
        (("--rig", "casia"), "among rigs"),
        (("--size", "63"), "not an even number"),
    ],
)
def test_names_that_do_not_exist(mgdata: Run, work: Path, options: tuple[str, str], message: str) -> None:
    result = mgdata("render", work, *options)
    assert (result.exit_code, message in result.stderr) == (2, True)
    assert not (work / "renders").exists()


def test_the_picture(mgdata: Run, work: Path, tmp_path: Path) -> None:
    one, again = tmp_path / "one.png", tmp_path / "again.png"
    for path in (one, again):
        result = mgdata("render", work, "--select", "view=090", "--picture", path)
        assert (result.exit_code, result.stdout.strip()) == (0, str(path))
    assert one.read_bytes() == again.read_bytes()
    image = cv2.imread(str(one))
    cameras = tmp_path / "cameras.png"
    assert mgdata("render", work, "--rig", "oumvlp", "--picture", cameras).exit_code == 0
    # Four rows of at most four images, 320 wide each.
    assert cv2.imread(str(cameras)).shape[1] > 4 * 320
    # Ten rows of masks and three of channels.
    assert image.shape[0] > 13 * 168
    assert not (work / "renders").exists()
