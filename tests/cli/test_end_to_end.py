"""The whole line as a user runs it, on four real walks of their own: build, verify, show, train, evaluate, compare."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from meshgait_data.manifest import load_manifest
from meshgait_data.strict import to_plain

WALKS = ("05_01", "07_01", "02_01", "02_02", "16_15", "16_16")


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    """A folder with someone's mocap and the manifest that they wrote for it."""
    folder = tmp_path_factory.mktemp("own")
    shipped = load_manifest("cmu_walk")
    root = shipped.default_root()
    assert root is not None
    for walk in WALKS:
        subject = walk.split("_")[0]
        (folder / "mocap" / subject).mkdir(parents=True, exist_ok=True)
        for name in (f"{subject}.asf", f"{walk}.amc"):
            shutil.copy(root / "asfamc" / subject / name, folder / "mocap" / subject / name)
    manifest = to_plain(shipped)
    manifest |= {"name": "own", "root": "", "same_person": []}
    manifest["layout"]["pattern"] = "{subject}/{subject}_{condition}.amc"
    manifest["source"] |= {"skeleton": "{subject}/{subject}.asf", "keep_every": 12}
    manifest["cameras"]["azimuths_deg"] = {"000": 0, "090": 90}
    manifest["split"] = {"train": ["05", "07"], "test": ["02", "16"]}
    manifest["protocol"]["gallery"] = ["02/01", "16/15"]
    (folder / "own.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def test_the_whole_line(own, mgdata, mgtrain):
    shards = own / "shards"
    built = mgdata("build", own / "own.yaml", "--root", own / "mocap", "--out", shards)
    assert built.exit_code == 0, built.output + built.stderr
    assert "12 with" in built.stdout, "six walks, two views each"
    residual = float(next(line for line in built.stdout.splitlines() if line.startswith("residual")).split()[1])
    assert residual < 20
    again = mgdata("build", own / "own.yaml", "--root", own / "mocap", "--out", shards)
    assert "0 new, 6 up to date" in again.stdout

    assert mgdata("verify", shards, "--deep").exit_code == 0
    shown = mgdata("show", "own/02/01", "--shards", shards, "--out", own / "sheet.png")
    assert shown.exit_code == 0
    assert (own / "sheet.png").stat().st_size > 20_000

    runs = [own / "with_3d", own / "without_3d"]
    for run, branch in zip(runs, ("true", "false"), strict=True):
        trained = mgtrain("run", "debug", "--shards", shards, "--out", run, "-o", f"network.branch_3d={branch}")
        assert trained.exit_code == 0, trained.output + trained.stderr
        scored = mgtrain("eval", run)
        assert scored.exit_code == 0, scored.output + scored.stderr
    figures = json.loads((runs[0] / "metrics.json").read_text())
    assert 0 <= figures["rank1"] <= 1
    assert figures["people"] == 2
    assert 0 < figures["joints_mm"] < 2000

    compared = mgtrain("compare", *runs, "--out", own / "report")
    assert compared.exit_code == 0, compared.output
    assert "| Rank-1 % |" in compared.stdout
    assert (own / "report" / "curves.png").stat().st_size > 10_000


def test_comparing_what_was_not_evaluated_says_what_to_do(own, mgtrain, tmp_path):
    result = mgtrain("compare", tmp_path)
    assert result.exit_code == 2
    assert "mgtrain run" in result.stderr
