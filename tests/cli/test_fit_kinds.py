"""``mgdata index`` and ``fit-smpl`` on a dataset with views and a calibration; wrong words in its manifest."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from meshgait_data.fits import read_fit

Program = Callable[..., Result]

FILMED = Path(__file__).parents[1] / "data" / "pose2sim_single"
HEAD = """
schema: 1
name: beam
title: One person on a beam, four cameras
homepage: https://example.org
citation: none
licence: {name: BSD-3-Clause, summary: free}
layout: {pattern: '{subject}/{condition}'}
cameras: casia_b
split: {train: [], test: []}
protocol: {gallery: []}
"""
SOURCE = """
source:
  fps: 60
  keep_every: 3
  min_seconds: 1
  keypoints2d: {path: '{subject}/{condition}/{view}.npz', min_confidence: 0.1}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Detected keypoints of four views, and their calibration."""
    folder = tmp_path / "data" / "anna" / "beam"
    folder.mkdir(parents=True)
    for name in ("cam01", "cam02", "cam03", "cam04"):
        shutil.copy(FILMED / f"{name}.npz", folder)
    shutil.copy(FILMED / "Calib.qca.txt", tmp_path / "data")
    return tmp_path / "data"


def run(mgdata: Program, root: Path, text: str, *more: object) -> Result:
    manifest, work = root.parent / "beam.yaml", root.parent / "work"
    manifest.write_text(HEAD + text, encoding="utf-8")
    index = mgdata("index", manifest, "--root", root, "--work", work)
    return index if index.exit_code else mgdata("fit-smpl", work, "--json", *more)


def test_keypoints_of_calibrated_cameras(mgdata: Program, root: Path) -> None:
    result = run(mgdata, root, SOURCE + "  cameras: {path: Calib.qca.txt}\n")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout.splitlines()[-1])
    assert (figures["fitted"], figures["frames"], figures["depth_unobserved"]) == (1, 34, 0)
    assert figures["means"]["keypoints"] < 40
    fit = read_fit(root.parent / "work" / "fits" / "anna" / "beam.npz")
    assert sorted(fit.cameras) == ["cam01", "cam02", "cam03", "cam04"]
    # The detector takes left for right in this camera for a while; the others know better.
    swapped = fit.residuals["keypoints:cam02"]
    assert np.nanmax(swapped) > 3 * np.nanmax(fit.residuals["keypoints:cam04"])
    assert Path(figures["pictures"]).is_file()


def test_one_view_is_noted(mgdata: Program, root: Path) -> None:
    one = SOURCE.replace("{view}.npz", "cam01.npz").replace("min_confidence", "view: cam01, min_confidence")
    text = one + "  cameras: {path: Calib.qca.txt}\n"
    result = run(mgdata, root, text, "--no-pictures")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout.splitlines()[-1])
    assert (figures["depth_unobserved"], figures["pictures"]) == (1, None)
    fit = read_fit(root.parent / "work" / "fits" / "anna" / "beam.npz")
    assert any(reason.startswith("note: one view only") for reason in fit.reasons)
    flagged = run(mgdata, root, text + "fit: {thresholds: {one_view: flag}}\n", "--no-pictures")
    figures = json.loads(flagged.stdout.splitlines()[-1])
    assert figures["flagged"] + figures["rejected"] == figures["frames"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fit: {keypoints: {bias: 0.1}}", "did you mean 'bias_m'"),
        ("fit: {priors: wlak}", "wlak"),
        ("fit: {given: {mode: replace}}", "'replace' is not one of the choices"),
    ],
)
def test_a_wrong_word_fails_before_anything_is_fitted(mgdata: Program, root: Path, text: str, said: str) -> None:
    result = run(mgdata, root, SOURCE + "  cameras: {path: Calib.qca.txt}\n" + text)
    assert result.exit_code in (2, 4)
    assert said in result.stderr
    assert not (root.parent / "work" / "fits").exists()
