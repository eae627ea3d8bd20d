"""The runner of the evidence: what it converts, what it does again, what its tables say."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meshgait_data.errors import SourceError
from meshgait_data.manifest import load_manifest
from meshgait_data.sources.keypoints import read_keypoints
from meshgait_data.sources.masks import read_masks
from meshgait_model.config.experiment import load_config

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "benchmarks"))
import evidence_kth  # noqa: E402
import evidence_runs  # noqa: E402
import evidence_tables  # noqa: E402

sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture
def clip(tmp_path):
    """A file of two passes: 20 frames to the right, of which the first touches the border; 20 frames to the left."""
    arrays = {}
    for number, step in ((0, 10), (1, -10)):
        masks = np.zeros((20, 240, 320), np.uint8)
        keypoints = np.zeros((20, 33, 3))
        for frame in range(20):
            left = (0 if step > 0 else 219) + step * frame
            masks[frame, 100:180, left : left + 20] = 1
            keypoints[frame] = [left / 2 + 5, 70, 0.9]
        keypoints[:, 11, 0] += 1  # the left shoulder lies further to the right
        arrays |= {f"mask{number}": np.packbits(masks, axis=-1), f"kp{number}": keypoints.astype(np.float16)}
        arrays[f"frame{number}"] = np.arange(100, 120, dtype=np.int16)
    np.savez(tmp_path / "person03_walking_d1.npz", **arrays)
    return tmp_path


def test_kth_passes_become_walks_to_the_right(clip, tmp_path):
    assert evidence_kth.convert(clip, tmp_path / "out") == 2
    for number, kept in (("1", 19), ("2", 20)):
        folder = tmp_path / "out" / "03" / f"d1-{number}"
        masks, points = read_masks(folder / "masks.npz", "side"), read_keypoints(folder / "keypoints.npz", "side")
        assert len(masks.frame_ids) == kept
        assert masks.frame_ids.tolist() == points.frame_ids.tolist() == list(range(120 - kept, 120))
        columns = np.arange(320)
        middles = (masks.data.images > 0).sum(1) @ columns / (masks.data.images > 0).sum((1, 2))
        np.testing.assert_allclose(np.diff(middles), 10)
        # Points keep their place on the person: mirrored with the mask, the left shoulder is the right one.
        names = points.data.names
        inner = points.data.points[:, names.index("nose"), 0]
        np.testing.assert_allclose(inner, middles, atol=0.6)
        side, shift = ("left", 2) if number == "1" else ("right", -2)
        shoulder = points.data.points[:, names.index(f"{side}_shoulder"), 0]
        np.testing.assert_allclose(shoulder - inner, shift, atol=0.3)


def test_kth_folder_without_files_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no masks and keypoints"):
        evidence_kth.convert(tmp_path, tmp_path / "out")


def test_kth_manifest_names_disjoint_people_and_every_scene():
    manifest = load_manifest(str(evidence_kth.MANIFEST))
    assert not set(manifest.split.train) & set(manifest.split.test)
    assert set(manifest.protocol.groups) == {"d1", "d3", "d4"}
    assert evidence_kth.FITTED.startswith("subject=01|")
    assert "d2" not in evidence_kth.FITTED


@pytest.mark.parametrize("data", evidence_tables.COLUMNS)
@pytest.mark.parametrize("form", evidence_runs.FORMS)
def test_every_form_is_a_setting(data, form):
    config = load_config(f"evidence_{data}", evidence_runs.FORMS[form])
    supervised = {name for name in evidence_runs.LABELS if getattr(config.loss, name)} if config.supervised else set()
    only = {"joints": {"joints"}, "markers": {"markers"}, "mesh": {"mesh"}}
    if form in ("no_labels", "without_3d"):
        assert not supervised
    elif form in only:
        assert supervised - {"confidence", "normals", "edges"} == only[form]
    else:
        assert supervised >= {"joints", "markers", "mesh"}
    assert config.network.branch_3d == (form != "without_3d")


def test_only_what_has_no_figures_of_its_setting_is_done(tmp_path):
    walkers = evidence_runs.Job("synth", "meshgait", 1, tmp_path)
    job = evidence_runs.Job("cmu", "meshgait", 1, tmp_path, walkers)
    record = {"data": "cmu", "form": "meshgait", "seed": 1, "setting": evidence_runs.digest(job)}
    assert evidence_runs.missing([job], [record | {"rank1": 0.5}], tmp_path) == []
    assert evidence_runs.missing([job], [record | {"error": ["it failed"]}], tmp_path) == [job]
    assert evidence_runs.missing([replace(job, seed=2)], [record | {"rank1": 0.5}], tmp_path)
    for changed in (
        replace(job, overrides=("run.steps=7",)),
        replace(job, start=replace(walkers, overrides=("run.steps=8",))),
    ):
        assert evidence_runs.missing([changed], [record | {"rank1": 0.5}], tmp_path)
    # Others begin with its weights, so a record is not enough.
    known = [{"data": "synth", "form": "meshgait", "seed": 1, "setting": evidence_runs.digest(walkers), "rank1": 0.5}]
    assert evidence_runs.missing([walkers], known, tmp_path) == [walkers]
    (tmp_path / walkers.name).mkdir()
    (tmp_path / walkers.name / "checkpoint.pt").touch()
    assert evidence_runs.missing([walkers], known, tmp_path) == []


def test_table_shows_mean_spread_seeds_and_failures():
    about = {"date": "2026-01-02", "machine": "a machine", "revision": "abc"}
    runs = [
        {"data": "cmu", "form": "meshgait", "seed": seed, "rank1": rank1, "joints_mm": 40.0, **about}
        for seed, rank1 in ((1, 0.5), (2, 0.7))
    ]
    failed = {"data": "cmu", "form": "no_labels", "seed": 1, "error": ["the loss is not finite"], **about}
    text = evidence_tables.table("cmu", [*runs, failed])
    assert "| Mesh-Gait | – | – | 60.0 ± 14.1 | – | 40.0 ± 0.0 | – | – | 1, 2 |" in text
    assert "1 failed: the loss is not finite" in text
    only = evidence_tables.table("cmu", [runs[0] | {"form": "markers", "markers_mm": 400.0}])
    assert "| – | 40.0 |" not in only
    assert "400" not in only
    assert "2026-01-02; a machine; revision abc" in text
