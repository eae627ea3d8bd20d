import json

import numpy as np
import pytest

from meshgait_data.body.joint_files import load_joint_set
from meshgait_data.errors import SourceError, UsageError
from meshgait_data.sources.joints3d import JointOptions, read_joints3d

FRAMES = 5
UPSIDE = np.array([1.0, -1.0, -1.0])
"""From a camera's frame (y down) to y up."""


def joints(count):
    """A cloud in which thighs are about as long as thighs are."""
    return np.round(0.2 * np.random.default_rng(3).normal(size=(FRAMES, count, 3)), 3)


def plain(folder):
    names = np.array(load_joint_set("smpl24").names)
    values = joints(24)
    np.savez(folder / "j.npz", joints=values, joint_set="smpl24", names=names, frame_ids=np.arange(FRAMES), up="y")
    return folder / "j.npz", "smpl24", values


def mediapipe(folder):
    np.savez(folder / "clip.npz", world0=joints(33), frame0=np.arange(FRAMES), kp0=joints(33))
    return folder / "clip.npz", "blazepose33", joints(33) * UPSIDE


def lifter(folder):
    np.save(folder / "X3D.npy", joints(17))
    return folder / "X3D.npy", "h36m17", joints(17) * UPSIDE


def grew(folder):
    for frame, rows in enumerate(joints(14)):
        text = ",".join(map(str, [438, 311, *rows.ravel()]))
        (folder / f"{frame:05d}_3d_pose.txt").write_text(text)
        (folder / f"{frame:05d}_2d_pose.txt").write_text("1,2,3")
    return folder, "grew14", joints(14) * UPSIDE


def oumvlp_mesh(folder):
    for frame, rows in enumerate(joints(24)):
        (folder / f"{frame:04d}.json").write_text(json.dumps({"hc3d": rows.tolist()}))
    return folder, "smpl24", joints(24) * UPSIDE


def gait3d(folder):
    for frame, rows in enumerate(joints(24)):
        np.savez(folder / f"human_crop_f{frame}.npz", j3d_smpl24=rows)
    return folder, "smpl24", joints(24) * UPSIDE


@pytest.mark.parametrize("write", [plain, mediapipe, lifter, grew, oumvlp_mesh, gait3d])
def test_every_layout_gives_joints_with_y_up(tmp_path, write):
    path, joint_set, expected = write(tmp_path)
    track = read_joints3d(path)
    np.testing.assert_allclose(track.data.points, expected, atol=1e-6)
    np.testing.assert_array_equal(track.frame_ids, np.arange(FRAMES))
    assert track.data.point_set == joint_set
    assert track.data.names == load_joint_set(joint_set).names
    assert [finding.id for finding in track.findings] == ([] if write is plain else ["MG-JOINTS-001"])


def test_unit_and_up_may_be_said(tmp_path):
    np.savez(tmp_path / "j.npz", joints=1000 * joints(17))
    track = read_joints3d(tmp_path / "j.npz", options=JointOptions(joint_set="h36m17", up="z", metres=0.001))
    np.testing.assert_allclose(track.data.points, joints(17)[..., [0, 2, 1]] * [1, 1, -1], atol=1e-6)


def test_what_is_wrong_is_said(tmp_path):
    np.savez(tmp_path / "set.npz", joints=joints(17))
    np.savez(tmp_path / "count.npz", joints=joints(16), joint_set="coco17")
    np.savez(tmp_path / "flat.npz", joints=joints(17)[0], joint_set="coco17")
    np.savez(tmp_path / "nan.npz", joints=joints(17) * np.nan, joint_set="coco17")
    np.savez(tmp_path / "names.npz", joints=joints(2), joint_set="coco17", names=["nose", "tail"])
    np.savez(tmp_path / "what.npz", a=np.zeros(3))
    messages = {
        "set": "does not say which joints",
        "count": "17 joints, the file has 16",
        "flat": "shape",
        "nan": "no joint was seen",
        "names": "tail",
        "what": "not 3D joints of a known format",
    }
    for name, message in messages.items():
        with pytest.raises(SourceError, match=message) as caught:
            read_joints3d(tmp_path / f"{name}.npz")
        assert name in caught.value.where
        assert caught.value.hint
    with pytest.raises(UsageError, match="no format"):
        read_joints3d(tmp_path / "set.npz", format="npx")
