"""What published datasets put into their folders and pickles: frames by their names, modalities by theirs."""

import json
import pickle

import cv2
import numpy as np
import pytest

from meshgait_data.errors import SourceError
from meshgait_data.manifest import JointMap, MappedJoint, load_joint_map
from meshgait_data.sources.bvh import read_bvh
from meshgait_data.sources.frame_ids import read_ids, with_ids
from meshgait_data.sources.frames import FileNames, frame_files
from meshgait_data.sources.joints3d import read_joints3d
from meshgait_data.sources.keypoints import read_keypoints
from meshgait_data.sources.masks import read_masks
from meshgait_data.sources.riding import read_frames_of
from meshgait_data.sources.smpl_params import read_params


def mask(column=20):
    image = np.zeros((64, 64), np.uint8)
    cv2.ellipse(image, (column, 32), (8, 24), 0, 0, 360, 255, -1)
    return image


def pictures(folder, names):
    folder.mkdir(exist_ok=True)
    for place, name in enumerate(names):
        cv2.imwrite(str(folder / name), mask(20 + place))
    return folder


def ids(findings):
    return [finding.id for finding in findings]


@pytest.mark.parametrize(
    ("names", "frames", "found"),
    [
        (["001-bg-01-000-001.png", "001-bg-01-000-002.png", "001-bg-01-000-010.png"], [1, 2, 10], []),
        (["0001.png", "0002.png"], [1, 2], []),
        (
            ["human_crop_f9998.png", "human_crop_f9999.png", "human_crop_f10000.png"],
            [9998, 9999, 10000],
            ["MG-SOURCE-032"],
        ),
        (["00001.png", "00002.png", "79XJefi8_gei.png", "00001_00002_flow.png"], [1, 2], []),
        (["f1.png", "f2.png", "f3.png", "075-nm-01-090-002.png"], [1, 2, 3], ["MG-SOURCE-031"]),
        (["1.png", "2.png", "1.jpg", "2.jpg"], [1, 2], ["MG-SOURCE-031"]),
    ],
)
def test_names_of_frames(tmp_path, names, frames, found):
    track = read_masks(pictures(tmp_path / "seq", names), "v")
    assert track.frame_ids.tolist() == frames
    assert track.counted
    assert ids(track.findings) == found
    # The content goes with its name, whatever the order on disk.
    for frame, image in zip(frames, track.data.images, strict=True):
        place = next(p for p, name in enumerate(names) if str(frame) in name)
        assert np.argmax(image.any(0)) == np.argmax(mask(20 + place).any(0))


def test_names_that_the_manifest_tells(tmp_path):
    import re

    folder = pictures(tmp_path / "seq", ["001-nm-01-090-003.png", "075-nm-01-090-004.png", "video_1.png"])
    names = FileNames(re.compile(r"001\-nm\-01\-090\-(?P<frame>\d+)\.png"), ("video_*",))
    found = frame_files(folder, [".png"], names=names)
    assert [number for number, _ in found.files] == [3]
    assert ids(found.findings) == ["MG-SOURCE-031"]
    assert "075-nm-01-090-004.png" in found.findings[0].message


def test_merged_modalities_are_told_apart_by_name(tmp_path):
    rows = np.zeros((3, 85), np.float32)
    rows[:, 0] = 0.8
    rows[:, 3] = np.pi
    values = {"pars": np.zeros((3, 64, 64), np.uint8), "sils": np.stack([mask()] * 3), "smpls": rows}
    for name, value in values.items():
        (tmp_path / f"{name}-seq0.pkl").write_bytes(pickle.dumps(value))
    for gone in ("", "pars"):
        if gone:
            (tmp_path / f"{gone}-seq0.pkl").unlink()
        track = read_masks(tmp_path, "v", format="opengait")
        np.testing.assert_array_equal(track.data.images, values["sils"])
        assert not track.counted
        assert read_params(tmp_path, "vector85").given.layout == "vector85"
    (tmp_path / "sils-seq0.pkl").rename(tmp_path / "x-seq0.pkl")
    with pytest.raises(SourceError, match="bears the name"):
        read_masks(tmp_path, "v", format="opengait")


def test_none_among_silhouettes_is_a_frame_that_is_missing(tmp_path):
    frames = np.array([mask(), None, mask(), mask()], dtype=object)
    (tmp_path / "01_0-aligned-sils.pkl").write_bytes(pickle.dumps(frames))
    track = read_masks(tmp_path / "01_0-aligned-sils.pkl", "v")
    assert track.frame_ids.tolist() == [0, 2, 3]
    assert "MG-MASKS-003" in ids(track.findings)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(np.stack([mask()[:, 10:54]] * 3)))
    assert "MG-MASKS-004" in ids(read_masks(tmp_path / "a.pkl", "v").findings)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (np.zeros((3, 85)), "under smpl"),
        (np.zeros((3, 17, 3)), "under keypoints2d"),
        (np.zeros((3, 3, 8, 8), np.uint8), "ride along"),
        (np.zeros((0, 64, 64), np.uint8), "frames"),
        (np.full((3, 64, 64), 5, np.uint8), "labels of parts"),
    ],
)
def test_another_modality_under_the_name_of_silhouettes(tmp_path, value, match):
    (tmp_path / "sils.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(SourceError) as caught:
        read_masks(tmp_path / "sils.pkl", "v")
    assert match in f"{caught.value.what} {caught.value.hint}"


def test_pose_pickles_with_and_without_the_header(tmp_path):
    points = np.random.default_rng(0).uniform(10, 300, (17, 17, 3))
    points[..., 2] = 0.9
    wide = np.concatenate([np.full((17, 2), 400.0), points.reshape(17, 51)], 1)
    for value in (points, wide, [*wide[:3], None, *wide[4:]]):
        (tmp_path / "seq.pkl").write_bytes(pickle.dumps(value))
        track = read_keypoints(tmp_path / "seq.pkl", "v")
        assert not track.counted
        np.testing.assert_allclose(track.data.points[0], points[0, :, :2], rtol=1e-6)
        lost = isinstance(value, list)
        assert ("MG-KEYPOINTS-008" in ids(track.findings)) == lost
    (tmp_path / "seq.pkl").write_bytes(pickle.dumps(np.zeros((3, 85))))
    with pytest.raises(SourceError) as caught:
        read_keypoints(tmp_path / "seq.pkl", "v")
    assert "under smpl" in caught.value.hint


def test_joints_of_oumvlp_mesh(tmp_path):
    rows = 0.2 * np.random.default_rng(3).normal(size=(24, 3))
    contents = {
        "0001": {"hc3d": rows.tolist()},
        "0002": {"hc3d": np.concatenate([rows, np.ones((24, 1))], 1).tolist()},
        "0003": {"hc3d": rows[:23].tolist()},
        "0004": {"hc3d": str(rows.tolist())},
        "0005": {"hc3d": np.where(np.arange(24)[:, None] == 7, np.nan, rows).tolist()},
        "0006": {"theta": []},
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    track = read_joints3d(tmp_path)
    assert track.frame_ids.tolist() == [1, 2, 5]
    np.testing.assert_array_equal(track.data.points[0], track.data.points[1])
    assert np.isnan(track.data.points[2, 7]).all()
    assert ids(track.findings)[:4] == ["MG-SOURCE-030", "MG-JOINTS-004", "MG-JOINTS-001", "MG-JOINTS-003"]


def test_what_rides_along(tmp_path):
    colours = np.random.default_rng(0).integers(0, 9, (4, 3, 8, 8)).astype(np.uint8)
    cases = [
        (colours, []),
        ([*colours[:2], None, colours[3]], ["MG-RIDING-001"]),
        (np.repeat(colours[:, :1], 3, 1), ["MG-RIDING-002"]),
    ]
    for value, expected in cases:
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
        track = read_frames_of(tmp_path / "a.pkl")
        assert ids(track.findings) == expected
        assert track.data.shape[1:] == (3, 8, 8)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([np.zeros((5, 3)), np.zeros((7, 3))]))
    with pytest.raises(SourceError, match="point clouds"):
        read_frames_of(tmp_path / "a.pkl")


def test_ids_from_a_file_of_their_own(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(np.stack([mask(20 + n) for n in range(3)])))
    track = read_masks(tmp_path / "a.pkl", "v")
    (tmp_path / "mapping.txt").write_text("# pose frame\n0 001-nm-01-090-010.png\n1 001-nm-01-090-009.png\n2 12\n")
    assert read_ids(tmp_path / "mapping.txt").tolist() == [10, 9, 12]
    found = with_ids(track, tmp_path / "mapping.txt")
    assert found.counted
    assert found.frame_ids.tolist() == [9, 10, 12]
    np.testing.assert_array_equal(found.data.images, track.data.images[[1, 0, 2]])
    (tmp_path / "short.txt").write_text("10\n11\n")
    with pytest.raises(SourceError, match="2 ids for 3 frames"):
        with_ids(track, tmp_path / "short.txt")


_BVH = """HIERARCHY
ROOT p:Hips
{
  OFFSET 0 7 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT p:Leg
  {
    OFFSET 0 -90 0
    CHANNELS 3 Xrotation Yrotation Zrotation
    End Site
    {
      OFFSET 0 0 10
    }
  }
  JOINT p:Head
  {
    OFFSET 0 80 0
    CHANNELS 0
  }
}
MOTION
Frames: 3
Frame Time: 0.04
0 100 0 0 0 0 0 0 0
5 100 0 90 0 0 0 0 0
0 100 0 0 0 90 0 90 0
"""
_MAP = JointMap("t", "", (MappedJoint("Hips", "pelvis"), MappedJoint("Leg", "left_ankle"), MappedJoint("Head", "head")))


def test_bvh_poses_offsets_channels_and_units(tmp_path):
    path = tmp_path / "a.bvh"
    path.write_text(_BVH)
    take = read_bvh(path, _MAP)
    assert take.names == ("Hips", "Leg", "Leg_end", "Head")
    assert (take.fps, take.metres) == (25.0, 0.01)
    assert ids(take.findings) == ["MG-SOURCE-014"]
    still = [[0, 100, 0], [0, 10, 0], [0, 10, 10], [0, 180, 0]]
    np.testing.assert_allclose(100 * take.joints[0], still, atol=1e-9)
    # Zrotation turns y to -x: the leg, which hangs down, points to +x.
    np.testing.assert_allclose(
        100 * take.joints[1], [[5, 100, 0], [95, 100, 0], [95, 100, 10], [-75, 100, 0]], atol=1e-9
    )
    # Root and leg turn by 90 degrees about y each: the foot points back.
    np.testing.assert_allclose(100 * take.joints[2, 2], [0, 10, -10], atol=1e-9)
    path.write_text(_BVH.replace("0 100 0 0 0 90 0 90 0", "0 100 0"))
    assert "MG-SOURCE-001" in ids(read_bvh(path, _MAP, up="y", metres=0.01).findings)
    with pytest.raises(SourceError, match="lacks: LeftUpLeg"):
        read_bvh(path, load_joint_map("bvh").__class__("m", "", (MappedJoint("LeftUpLeg", "left_hip"),)))


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("MOTION", "", "no line MOTION|no place"),
        ("OFFSET 0 -90 0", "OFFSET 0 x 0", "are not 3 numbers"),
        ("CHANNELS 3 X", "CHANNELS 4 X", "CHANNELS"),
        ("Frame Time: 0.04", "Frame Time: 0", "announces"),
        ("Frames: 3", "Frames: x", "no number"),
        ("  }\n}\nMOTION", "  }\nMOTION", "braces"),
        ("5 100 0 90", "5 100 0", "has not 9 values"),
        ("OFFSET 0 -90 0", "OFFSET 0 -9000 0", "no size of a person"),
    ],
)
def test_damaged_bvh(tmp_path, old, new, match):
    path = tmp_path / "a.bvh"
    path.write_text(_BVH.replace(old, new, 1))
    with pytest.raises(SourceError, match=match) as caught:
        read_bvh(path, _MAP)
    assert str(path) in caught.value.where
    assert caught.value.hint
