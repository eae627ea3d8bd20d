"""Several kinds of observations of one walk: found by the manifest's paths, put on common frames, thinned together."""

import dataclasses

import cv2
import numpy as np
import pytest

from meshgait_data.errors import ManifestError, SourceError
from meshgait_data.index import scan
from meshgait_data.manifest import Layout, dump_yaml, load_manifest, load_rig
from meshgait_data.manifest_source import Source
from meshgait_data.sources import observe
from meshgait_data.sources.cameras import write_cameras
from meshgait_data.strict import build
from meshgait_data.types import Camera, CaptureKey

CMU = load_manifest("cmu_walk")
KEY = CaptureKey("cmu_walk", "anna", "nm-01")
NAMES = ("left_hip", "right_hip", "left_knee")


def manifest(source, pattern="{subject}/{condition}"):
    return dataclasses.replace(CMU, layout=Layout(pattern), source=build(Source, {"fps": 30, **source}, "f: source"))


@pytest.fixture
def root(tmp_path):
    """60 frames of 3D joints, 2D keypoints of two views from frame 10 on, masks of one view in every other frame."""
    folder = tmp_path / "anna" / "nm-01"
    (folder / "masks" / "090").mkdir(parents=True)
    joints = np.arange(60 * 3 * 3, dtype=float).reshape(60, 3, 3)
    np.savez(folder / "joints.npz", joints=joints, names=NAMES, joint_set="smpl24", frame_ids=np.arange(60))
    for view in ("000", "090"):
        points = np.random.default_rng(0).uniform(100, 200, (50, 17, 3))
        points[..., 2] = np.linspace(0.05, 1, 17)
        np.savez(folder / f"{view}.kp.npz", points=points, frame_ids=np.arange(10, 60), size=(320, 240))
    for frame in range(0, 60, 2):
        image = np.zeros((240, 320), np.uint8)
        image[100 : 150 + frame, 150:180] = 255
        cv2.imwrite(str(folder / "masks" / "090" / f"{frame:03d}.png"), image)
    return tmp_path


SOURCE = {
    "joints3d": {"path": "{subject}/{condition}/joints.npz", "joint_set": "smpl24"},
    "keypoints2d": {"path": "{subject}/{condition}/{view}.kp.npz", "min_confidence": 0.1},
    "silhouettes": {"path": "{subject}/{condition}/masks/{view}"},
}


def test_every_kind_is_there_on_common_frames(root):
    seen = observe(manifest(SOURCE), root, KEY)
    assert seen.frame_ids.tolist() == list(range(60))
    assert (seen.joint_set, seen.joint_names, seen.joints.shape) == ("smpl24", NAMES, (60, 3, 3))
    assert [view.view for view in seen.keypoints] == ["000", "090"]
    assert not seen.keypoints[0].confidence[:10].any()
    assert np.isnan(seen.keypoints[0].points[:10]).all()
    assert (seen.keypoints[0].confidence[10:, 0] == 0).all(), "what the detector trusts less is not used"
    assert np.isnan(seen.keypoints[0].points[10:, 0]).all()
    (masks,) = seen.masks
    assert masks.seen.tolist() == [True, False] * 30
    assert masks.images[58].sum() == 255 * 30 * 108


def test_thinning_keeps_frames_that_the_sparsest_kind_has(root):
    seen = observe(manifest({**SOURCE, "keep_every": 2}), root, KEY)
    assert seen.fps == 15
    assert seen.frame_ids.tolist() == list(range(0, 60, 2))
    assert seen.masks[0].seen.all()


def test_kinds_may_count_their_frames_otherwise(root):
    source = {"joints3d": SOURCE["joints3d"], "silhouettes": {**SOURCE["silhouettes"], "every": 2, "first_frame": 1}}
    seen = observe(manifest({**source, "fps": 60, "min_seconds": 0.5}), root, KEY)
    assert np.flatnonzero(seen.masks[0].seen)[:2].tolist() == [1, 5]


def test_files_that_do_not_belong_to_any_frame_of_the_others(root):
    source = {**SOURCE, "silhouettes": {**SOURCE["silhouettes"], "first_frame": 1000}}
    with pytest.raises(SourceError, match="have none in common"):
        observe(manifest(source), root, KEY)


def test_the_index_finds_folders_and_leaves_nothing_out(root):
    (root / "anna" / "nm-01" / "notes.txt").write_text("walked fast")
    (root / "bert" / "nm-01").mkdir(parents=True)
    (root / "bert" / "nm-01" / "empty.txt").write_text("")
    index, findings = scan(manifest(SOURCE), root)
    assert index.captures() == [KEY]
    row = index.row(KEY)
    assert (row.frames, row.path, row.skeleton_path) == (60, "anna/nm-01", "")
    told = {finding.id: finding for finding in findings}
    assert "no observations of cmu_walk/bert/nm-01" in told["MG-INDEX-001"].message
    before = row.sha256
    (root / "anna" / "nm-01" / "masks" / "090" / "058.png").unlink()
    assert scan(manifest(SOURCE), root)[0].row(KEY).sha256 != before


def test_a_calibration_names_the_views(root):
    camera = Camera("090", np.diag([500.0, 500, 1]), np.eye(3), np.array([0, 0, 4.0]), (320, 240))
    write_cameras(root / "cameras.yaml", {"090": camera})
    found = manifest({**SOURCE, "cameras": {"path": "cameras.yaml"}})
    seen = observe(found, root, KEY)
    assert set(seen.cameras) == {"090"}
    findings = scan(found, root)[1]
    told = {finding.id: finding.message for finding in findings}
    assert "views without calibration: 000" in told["MG-SOURCE-022"]
    assert "MG-INDEX-004" not in told, "the calibration is in use"


WRONG = [
    ({}, "names no files"),
    ({"format": "asf_amc", "skeleton": "a", "joint_map": "cmu", **SOURCE}, "give one or the other"),
    ({"format": "asf_amc"}, "needs skeleton and joint_map"),
    ({"joints3d": {"path": "../{subject}"}}, "below the root"),
    ({"joints3d": {"path": "{subject}/{veiw}"}}, "nothing else, in braces"),
    ({"joints3d": {"path": "a", "every": 0}}, "at least 1"),
    ({"keypoints2d": {"path": "a", "min_confidence": 1}}, "from 0 to below 1"),
    ({"mocap": {"format": "c3d", "path": "a", "skeleton": "b"}}, "belong to format asf_amc"),
    ({"mocap": {"format": "c3d", "path": "a"}, "cameras": {"path": "b"}}, "nothing was seen by them"),
    ({**SOURCE, "cameras": {"format": "rig"}}, "belong together"),
    ({**SOURCE, "cameras": {"format": "crops", "path": "x"}}, "has no file"),
    ({**SOURCE, "cameras": {}}, "needs a path"),
]


@pytest.mark.parametrize(("source", "message"), WRONG)
def test_contradictions(source, message):
    with pytest.raises(ManifestError, match=message):
        manifest(source)
    with pytest.raises(ManifestError, match="unknown key 'silhouette'"):
        manifest({**SOURCE, "silhouette": {}})


def test_a_rig_by_name(tmp_path):
    plain = dump_yaml(manifest({**SOURCE, "cameras": {"format": "crops"}}))
    path = tmp_path / "m.yaml"
    path.write_text(plain.replace("    format: crops", "    format: rig\n    spread: {azimuth_deg: 2}"))
    text = path.read_text().replace("    rig: null", "    rig: casia_b").replace("    spread: {}\n", "")
    path.write_text(text)
    found = load_manifest(str(path)).source.cameras
    assert found.rig == load_rig("casia_b").cameras
    assert found.spread == {"azimuth_deg": 2}
