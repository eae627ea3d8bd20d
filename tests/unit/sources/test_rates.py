"""Frame rates that files say: one manifest for all of them, frames left out by whole numbers, nothing interpolated."""

import dataclasses

import numpy as np
import pytest

from meshgait_data.errors import ManifestError, SourceError
from meshgait_data.index import scan
from meshgait_data.index.tables import figures
from meshgait_data.manifest import Layout, load_manifest
from meshgait_data.manifest_source import Source
from meshgait_data.sources import observe
from meshgait_data.strict import build
from meshgait_data.types import CaptureKey

FRAMES = 480
SMPL = {"path": "{folder}", "format": "amass"}
FROM_FILES = {"fps": "file", "target_fps": 30, "smpl": SMPL}


def manifest(source):
    layout = Layout("{subject}/{condition}.npz")
    return dataclasses.replace(load_manifest("cmu_walk"), layout=layout, source=build(Source, source, "f: source"))


def take(root, name, rate):
    """A walk whose x goes by one each frame, so that one sees which frames were used."""
    (root / "a").mkdir(exist_ok=True)
    trans = np.stack([np.arange(FRAMES), np.zeros(FRAMES), np.ones(FRAMES)], axis=1) / 100
    more = {} if rate is None else {"mocap_framerate": np.array(rate)}
    poses = np.zeros((FRAMES, 156))
    # Upright in a world whose z points up.
    poses[:, 0] = np.pi / 2
    np.savez(root / "a" / f"{name}.npz", poses=poses, trans=trans, betas=np.zeros(16), **more)
    return CaptureKey("cmu_walk", "a", name)


@pytest.mark.parametrize(("rate", "every"), [(120, 4), (100, 3), (60, 2), (59.94, 2), (30, 1), (25, 1), (250, 8)])
def test_frames_are_left_out_by_a_whole_number_and_the_rate_is_true(tmp_path, rate, every):
    seen = observe(manifest(FROM_FILES), tmp_path, take(tmp_path, "t", rate))
    assert seen.frame_ids.tolist() == list(range(0, FRAMES, every))
    assert seen.fps == pytest.approx(rate / every)
    steps = np.diff(seen.given.params.transl[:, 0])
    np.testing.assert_allclose(steps, every / 100, atol=1e-5)


def test_without_a_target_every_frame_or_every_nth_is_used(tmp_path):
    key = take(tmp_path, "t", 100)
    assert observe(manifest({"fps": "file", "smpl": SMPL}), tmp_path, key).fps == 100
    assert observe(manifest({"fps": "file", "keep_every": 4, "smpl": SMPL}), tmp_path, key).fps == 25


def test_a_target_thins_a_known_rate_too(tmp_path):
    key = take(tmp_path, "t", 120)
    seen = observe(manifest({"fps": 120, "target_fps": 30, "smpl": SMPL}), tmp_path, key)
    assert (seen.fps, len(seen.frame_ids)) == (30, FRAMES // 4)


@pytest.mark.parametrize(
    ("rate", "match"),
    [(None, "says its frame rate"), (0.0, "says its frame rate"), (np.nan, "."), (1e9, "m/s"), (0.5, "no frame rate")],
)
def test_files_without_a_rate_that_can_be_are_errors(tmp_path, rate, match):
    with pytest.raises(SourceError, match=match):
        observe(manifest(FROM_FILES), tmp_path, take(tmp_path, "t", rate))


def test_the_index_tells_rates_by_sequence(tmp_path):
    for name, rate in (("t1", 120), ("t2", 100), ("t3", 120), ("t4", None)):
        take(tmp_path, name, rate)
    index, findings = scan(manifest(FROM_FILES), tmp_path)
    assert {row.condition: round(row.fps, 2) for row in index.rows} == {"t1": 30, "t2": 33.33, "t3": 30}
    told = figures(index, findings)
    assert (told["fps"], told["fps_least"], round(told["fps_most"], 2)) == (30, 30, 33.33)
    assert [finding.id for finding in findings if "t4" in finding.message] == ["MG-INDEX-001"]


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ({"fps": "file", "silhouettes": {"path": "x"}}, "needs files that say their rate"),
        ({"fps": "files", "smpl": SMPL}, "fps"),
        ({"fps": 0, "smpl": SMPL}, "must be positive"),
        ({"fps": 120, "keep_every": 4, "target_fps": 30, "smpl": SMPL}, "in place of keep_every"),
        ({"fps": 120, "target_fps": -1, "smpl": SMPL}, "must be positive"),
    ],
)
def test_contradictions(source, match):
    with pytest.raises(ManifestError, match=match):
        build(Source, source, "f: source")
