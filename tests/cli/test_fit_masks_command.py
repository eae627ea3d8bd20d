"""``mgdata fit-smpl --masks``: fits refined to masks in files, again only where masks changed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from meshgait_data.fits import read_fit
from meshgait_data.manifest import load_manifest

Program = Callable[..., Result]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, mgdata: Program) -> Path:
    """One shipped walk, thinned to every 16th frame, fitted and rendered from the side."""
    source = load_manifest("cmu_walk").default_root()
    assert source is not None
    root = tmp_path_factory.mktemp("cmu")
    folder = root / "asfamc" / "35"
    folder.mkdir(parents=True)
    for name in ("35.asf", "35_01.amc"):
        shutil.copy(source / "asfamc" / "35" / name, folder)
    manifest = root / "thin.yaml"
    shipped = (Path(__file__).parents[2] / "manifests" / "datasets" / "cmu_walk.yaml").read_text(encoding="utf-8")
    manifest.write_text(shipped.replace("keep_every: 4", "keep_every: 16"), encoding="utf-8")
    work = root / "work"
    for words in (
        ("index", manifest, "--root", root, "--work", work),
        ("fit-smpl", work),
        ("render", work, "--select", "view=090|000", "--out", root / "masks"),
    ):
        result = mgdata(*words)
        assert result.exit_code == 0, result.output
    return work


def fit_with(mgdata: Program, work: Path, *more: object) -> dict[str, object]:
    result = mgdata("fit-smpl", work, "--json", *more)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_masks_refine_a_fit_and_are_part_of_its_recipe(mgdata: Program, work: Path) -> None:
    masks, path = work.parent / "masks", work / "fits" / "35" / "01.npz"
    plain = read_fit(path)
    assert fit_with(mgdata, work, "--masks", masks)["fitted"] == 1
    refined = read_fit(path)
    for view in ("000", "090"):
        assert refined.residuals[f"mask_iou:{view}"].mean() > 0.9
        assert view in refined.cameras
    assert refined.provenance["observed"] == ["joints", "masks"]
    # The masks are those of the plain fit, which the refined one must not leave by more than a few millimetres.
    assert np.abs(refined.residuals["joints"] - plain.residuals["joints"]).max() < 0.02
    assert fit_with(mgdata, work, "--masks", masks)["kept"] == 1
    assert fit_with(mgdata, work)["fitted"] == 1
    assert not any(name.startswith("mask_iou") for name in read_fit(path).residuals)
    np.testing.assert_array_equal(read_fit(path).params.body_pose, plain.params.body_pose)


def test_a_walk_without_masks_fails_and_says_so(mgdata: Program, work: Path, tmp_path: Path) -> None:
    result = mgdata("fit-smpl", work, "--masks", tmp_path)
    assert result.exit_code == 1
    assert "no masks of this walk" in result.output
    assert "mgdata render" in (work / "failures.jsonl").read_text(encoding="utf-8")


def test_files_of_another_walk_or_without_masks_fail(mgdata: Program, work: Path, tmp_path: Path) -> None:
    source = work.parent / "masks" / "35" / "01" / "090.npz"
    folder = tmp_path / "35" / "01"
    folder.mkdir(parents=True)
    with np.load(source) as file:
        arrays = {name: file[name] for name in file.files}
    other = str(arrays["meta"]).replace("cmu_walk/35/01/090", "cmu_walk/36/01/090")
    for spoilt, said in (
        ({**arrays, "meta": np.array(other)}, "masks of cmu_walk/36/01/090"),
        ({name: array for name, array in arrays.items() if name != "windows"}, "no windows"),
    ):
        np.savez(folder / "090.npz", **spoilt)
        result = mgdata("fit-smpl", work, "--masks", tmp_path)
        assert result.exit_code == 1
        assert said in result.output
