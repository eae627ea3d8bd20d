"""``mgdata fit-smpl`` on shipped walks: results, resuming, failures, plans."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import Result

from meshgait_data.fits import read_fit
from meshgait_data.manifest import dump_yaml, load_joint_map, load_manifest

Program = Callable[..., Result]

TAKES = ("35/35_01", "16/16_15", "07/07_01")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shipped walks."""
    source = load_manifest("cmu_walk").default_root()
    assert source is not None
    root = tmp_path_factory.mktemp("cmu")
    for take in TAKES:
        folder = root / "asfamc" / take[:2]
        folder.mkdir(parents=True)
        shutil.copy(source / "asfamc" / take[:2] / f"{take[:2]}.asf", folder)
        shutil.copy(source / "asfamc" / f"{take}.amc", folder)
    return root


def _index(mgdata: Program, root: Path, work: Path) -> None:
    result = mgdata("index", "cmu_walk", "--root", root, "--work", work)
    assert result.exit_code == 0, result.output


@pytest.fixture
def work(tmp_path: Path, mgdata: Program, root: Path) -> Path:
    """A work folder with an index."""
    _index(mgdata, root, tmp_path / "work")
    return tmp_path / "work"


def _fits(work: Path) -> list[str]:
    return [str(path.relative_to(work)) for path in sorted((work / "fits").rglob("*.npz"))]


def _arrays(work: Path) -> list[dict[str, np.ndarray]]:
    found = []
    for name in _fits(work):
        with np.load(work / name) as file:
            found.append({array: file[array] for array in file.files if array != "meta"})
    return found


def _figures(result: Result) -> dict[str, object]:
    return json.loads(result.stdout.splitlines()[-1])


def test_help_has_examples(mgdata: Program) -> None:
    result = mgdata("fit-smpl", "--help")
    assert result.exit_code == 0
    assert "mgdata fit-smpl" in result.output.split("Examples:")[1]


def test_every_walk_gets_a_fit(mgdata: Program, work: Path) -> None:
    result = mgdata("fit-smpl", work)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["captures", "frames", "residual", "worst", "pictures", "next"]
    assert lines[0] == "captures   3 fitted, 0 up to date, 0 failed"
    assert lines[5] == f"next       mgdata pack {work} --out shards/"
    assert (work / "pictures" / "fits.png").read_bytes().startswith(b"\x89PNG")
    assert _fits(work) == ["fits/07/01.npz", "fits/16/15.npz", "fits/35/01.npz"]
    assert not (work / "failures.jsonl").exists()
    fit = read_fit(work / "fits" / "35" / "01.npz")
    assert fit.converged
    assert fit.residuals["joints"].mean() < 0.02
    assert np.abs(fit.params.betas).max() < 3
    assert set(np.diff(fit.frame_ids)) == {4}
    assert {"settings_sha256", "joint_map_sha256", "body_sha256", "source_sha256"} <= set(fit.provenance)


def test_interrupted_and_resumed_is_uninterrupted(mgdata: Program, work: Path) -> None:
    assert mgdata("fit-smpl", work, "--jobs", 2).exit_code == 0
    whole = _arrays(work)
    shutil.rmtree(work / "fits")
    assert mgdata("fit-smpl", work, "--select", "subject=16").exit_code == 0
    # What a killed writer leaves behind, and a file that was damaged afterwards.
    (work / "fits" / "16" / ".15.npz.0badf00d.tmp").write_bytes(b"half")
    (work / "fits" / "07").mkdir()
    (work / "fits" / "07" / "01.npz").write_bytes(b"damaged")
    result = mgdata("fit-smpl", work, "--json")
    assert (_figures(result)["fitted"], _figures(result)["kept"]) == (2, 1)
    # Walks are solved side by side; in other company, sums are rounded otherwise in the last digit.
    for again, before in zip(_arrays(work), whole, strict=True):
        assert list(again) == list(before)
        for name, array in again.items():
            np.testing.assert_allclose(array, before[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_a_bad_walk_does_not_stop_the_others(mgdata: Program, work: Path, root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    _index(mgdata, copy, work)
    damaged = copy / "asfamc" / "16" / "16_15.amc"
    damaged.write_text(damaged.read_text().replace("lfemur", "lfemu", 1))
    result = mgdata("fit-smpl", work)
    assert result.exit_code == 1
    assert "failed cmu_walk/16/15" in result.stderr
    assert "captures   2 fitted, 0 up to date, 1 failed" in result.stdout
    (record,) = map(json.loads, (work / "failures.jsonl").read_text().splitlines())
    assert (record["stage"], record["key"]) == ("fit-smpl", "cmu_walk/16/15")
    assert record["hint"]
    assert not record["trace"]
    shutil.copy(root / "asfamc" / "16" / "16_15.amc", damaged)
    assert mgdata("fit-smpl", work).exit_code == 0
    assert not (work / "failures.jsonl").exists()


def test_files_that_changed_after_the_index(mgdata: Program, work: Path, root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    _index(mgdata, copy, work)
    path = copy / "asfamc" / "35" / "35_01.amc"
    path.write_text(path.read_text() + "\n")
    result = mgdata("fit-smpl", work, "--select", "subject=35")
    assert result.exit_code == 1
    assert "changed after the index was made" in result.stderr


def test_existing(mgdata: Program, work: Path) -> None:
    only = ("--select", "subject=35", "--json")
    assert mgdata("fit-smpl", work, *only).exit_code == 0
    path = work / "fits" / "35" / "01.npz"
    before = path.stat().st_mtime_ns
    for existing in ("refresh", "skip"):
        assert _figures(mgdata("fit-smpl", work, *only, "--existing", existing))["kept"] == 1
    assert path.stat().st_mtime_ns == before
    refused = mgdata("fit-smpl", work, *only, "--existing", "error")
    assert refused.exit_code == 2
    assert "fitted already" in refused.stderr
    assert _figures(mgdata("fit-smpl", work, *only, "--existing", "overwrite"))["fitted"] == 1
    assert path.stat().st_mtime_ns > before


def test_another_joint_map_is_fitted_again(mgdata: Program, root: Path, tmp_path: Path) -> None:
    joint_map, manifest = tmp_path / "map.yaml", tmp_path / "mine.yaml"
    plain = yaml.safe_load(dump_yaml(load_joint_map("cmu")))
    joint_map.write_text(yaml.safe_dump(plain))
    content = yaml.safe_load(dump_yaml(load_manifest("cmu_walk")))
    content["source"]["joint_map"] = str(joint_map)
    manifest.write_text(yaml.safe_dump(content))
    work = tmp_path / "work"
    assert mgdata("index", manifest, "--root", root, "--work", work).exit_code == 0
    assert _figures(mgdata("fit-smpl", work, "--json"))["fitted"] == 3
    assert _figures(mgdata("fit-smpl", work, "--json"))["kept"] == 3
    plain["joints"][0]["weight"] = 0.4
    joint_map.write_text(yaml.safe_dump(plain))
    assert _figures(mgdata("fit-smpl", work, "--json"))["fitted"] == 3


def test_dry_run_writes_nothing(mgdata: Program, work: Path) -> None:
    result = mgdata("fit-smpl", work, "-n", "--select", "subject=07|35")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "would fit cmu_walk/07/01",
        "would fit cmu_walk/35/01",
        "captures   2 to fit, 0 up to date",
    ]
    assert not (work / "fits").exists()
    assert json.loads(mgdata("fit-smpl", work, "-n", "--json").stdout)["captures"] == 3


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--select", "subject=99"), 2, "matches 'subject=99'"),
        (("--select", "person=07"), 2, "cannot select by"),
        (("--body", "/nowhere/SMPL.npz"), 3, "/nowhere/SMPL.npz"),
    ],
)
def test_wrong_use(mgdata: Program, work: Path, arguments: tuple[str, ...], code: int, text: str) -> None:
    result = mgdata("fit-smpl", work, *arguments)
    assert result.exit_code == code
    assert text in result.stderr
    assert "try:" in result.stderr


def test_explain_fits_a_walk_and_tells_what_it_is_made_of(mgdata: Program, work: Path) -> None:
    result = mgdata("fit-smpl", work, "--explain", "35/01")
    assert result.exit_code == 0, result.output
    head, _, table = result.stdout.partition("\n\n")
    assert head.startswith("walk       cmu_walk/35/01: 56 frames at 30 a second")
    rows = {line.split()[0]: line.split() for line in table.splitlines() if line.strip()}
    assert rows["joints"][1] == "mm"
    assert float(rows["joints"][2]) < 20
    assert _fits(work) == ["fits/35/01.npz"]
    found = json.loads(mgdata("fit-smpl", work, "--explain", "cmu_walk/35/01", "--json").stdout)
    assert (found["observed"], found["depth_observed"], sum(found["verdicts"].values())) == (["joints"], True, 56)
    joints = next(row for row in found["rows"] if row["name"] == "joints")
    assert joints["mean"] == pytest.approx(float(rows["joints"][2]) / 1e3, rel=0.01)
    for wrong in ("35/99", "35", "a/b/c/d"):
        refused = mgdata("fit-smpl", work, "--explain", wrong)
        assert (refused.exit_code, "try:" in refused.stderr) == (2, True)


def test_use(mgdata: Program, work: Path) -> None:
    only = ("--select", "subject=35", "--json")
    assert _figures(mgdata("fit-smpl", work, *only, "--use", "joints,masks"))["fitted"] == 1
    assert read_fit(work / "fits" / "35" / "01.npz").provenance["observed"] == ["joints"]
    assert _figures(mgdata("fit-smpl", work, *only))["fitted"] == 1, "other observations may make another fit"
    nothing = mgdata("fit-smpl", work, *only, "--use", "masks")
    assert nothing.exit_code == 1
    assert "has no masks, only joints" in nothing.stderr
    unknown = mgdata("fit-smpl", work, "--use", "markers,silhouettes")
    assert (unknown.exit_code, "no such kind" in unknown.stderr) == (2, True)


def test_thresholds_and_settings_of_the_manifest(mgdata: Program, root: Path, tmp_path: Path) -> None:
    def fitted(fit: object) -> Result:
        content = yaml.safe_load(dump_yaml(load_manifest("cmu_walk")))
        content["fit"] = fit
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
        index = mgdata("index", tmp_path / "mine.yaml", "--root", root, "--work", tmp_path / "work")
        return index if index.exit_code else mgdata("fit-smpl", tmp_path / "work", "--select", "subject=35", "--json")

    assert _figures(fitted({}))["rejected"] == 0
    strict = _figures(fitted({"thresholds": {"reject": {"joints": 0.001}}}))
    assert strict["rejected"] == strict["frames"]
    assert _figures(fitted({"settings": {"num_betas": 3}}))["fitted"] == 1
    assert len(read_fit(tmp_path / "work" / "fits" / "35" / "01.npz").params.betas) == 3
    for wrong, code, said in (
        ({"settings": {"num_beta": 3}}, 4, "did you mean 'num_betas'"),
        ({"thresholds": {"reject": {"joint": 0.1}}}, 4, "did you mean 'joints'"),
        ({"thresholds": {"regect": {}}}, 4, "did you mean 'reject'"),
    ):
        result = fitted(wrong)
        assert (result.exit_code, said in result.stderr) == (code, True), result.stderr


def test_no_index(mgdata: Program, tmp_path: Path) -> None:
    result = mgdata("fit-smpl", tmp_path)
    assert result.exit_code == 2
    assert "mgdata index" in result.stderr
