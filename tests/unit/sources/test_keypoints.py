import json
import pickle
import re

import numpy as np
import pytest
from keypoint_files import (
    FIRST,
    FRAMES,
    HEIGHT,
    SEVERAL,
    WIDTH,
    WRITERS,
    alphapose_tracked,
    bystander,
    coco_annotations,
    coco_results,
    gait3d,
    mediapipe,
    openpose,
    plain,
    walk,
)

from meshgait_data.body.joint_files import load_joint_set
from meshgait_data.errors import SourceError, UsageError
from meshgait_data.findings import Severity
from meshgait_data.sources.keypoints import KEYPOINT_FORMATS, KeypointOptions, read_keypoints
from meshgait_data.sources.keypoints.layouts import BY_COUNT, layout_names, layout_of
from meshgait_data.sources.track import Track, all_frames, keypoints_at, rescaled


def check_is(track, points, first=FIRST):
    """The track is this walk: unseen points are NaN, all others where and as sure as they were written."""
    seen = points[..., 2] > 0
    np.testing.assert_array_equal(track.frame_ids, np.arange(first, first + len(points)))
    np.testing.assert_allclose(track.data.points[seen], points[seen][:, :2], atol=1e-4)
    np.testing.assert_allclose(track.data.confidence, points[..., 2], atol=1e-6)
    assert np.isnan(track.data.points[~seen]).all()
    assert not track.data.confidence[~seen].any()


@pytest.mark.parametrize("write", WRITERS)
def test_every_layout_gives_the_same_walk(tmp_path, write):
    path = write(tmp_path, walk(18 if write is openpose else 17))
    track = read_keypoints(path, "090")
    check_is(track, walk(18 if write is openpose else 17))
    assert track.data.view == "090"
    expected = "openpose18" if write is openpose else "coco17"
    assert (track.data.joint_set, track.data.names) == (expected, load_joint_set(expected).names)
    assert not [finding for finding in track.findings if finding.severity > Severity.INFO]
    assert len(track.sha256) == 64


@pytest.mark.parametrize("write", SEVERAL)
def test_the_larger_person_is_followed_whatever_the_order(tmp_path, write):
    big, small = walk(25 if write is openpose else 17), bystander(25 if write is openpose else 17)
    for people in ((big, small), (small, big)):
        track = read_keypoints(write(tmp_path, *people), "090")
        check_is(track, big)
        (finding,) = [one for one in track.findings if one.id == "MG-KEYPOINTS-001"]
        assert f"{FRAMES} of {FRAMES} frames" in finding.message


def test_the_walker_is_followed_past_a_taller_one(tmp_path):
    # In the middle the bystander is the larger one: continuity, not size, says who is who in a frame.
    big, small = walk(), walk(seed=1, shift=(-190, 0))
    small[5:8, :, :2] = small[5, :, :2].mean(axis=0) + 1.3 * (walk()[5, :, :2] - walk()[5, :, :2].mean(axis=0))
    small[:5] = small[8:] = 0
    check_is(read_keypoints(coco_results(tmp_path, small, big), "v"), big)


def test_equals_are_a_warning(tmp_path):
    other = walk(seed=1, shift=(200, 0))
    track = read_keypoints(coco_results(tmp_path, walk(), other), "v")
    assert any(f.id == "MG-KEYPOINTS-001" and f.severity == Severity.WARNING for f in track.findings)


def test_numbers_of_a_tracker_say_who_is_who(tmp_path):
    path = alphapose_tracked(tmp_path, walk(), bystander())
    check_is(read_keypoints(path, "v", options=KeypointOptions(person=2)), bystander())
    with pytest.raises(SourceError, match="no person 7") as caught:
        read_keypoints(path, "v", options=KeypointOptions(person=7))
    assert "1, 2" in caught.value.hint


def test_a_single_person_who_jumps_is_said(tmp_path):
    points = walk()
    points[7:, :, 0] += 300
    track = read_keypoints(coco_results(tmp_path, points), "v")
    check_is(track, points)
    (finding,) = [one for one in track.findings if one.id == "MG-KEYPOINTS-002"]
    assert str(FIRST + 7) in finding.message


def test_frames_without_anybody_stay_frames(tmp_path):
    records = json.loads(coco_results(tmp_path, walk()).read_text())
    path = tmp_path / "holes.json"
    path.write_text(json.dumps([record for record in records if record["image_id"] not in (8, 9)]))
    expected = walk()
    expected[[3, 4]] = 0
    track = read_keypoints(path, "v")
    check_is(track, expected)
    assert any(finding.id == "MG-KEYPOINTS-005" and "2 of 12" in finding.message for finding in track.findings)


def test_numbers_that_are_no_frames_are_refused(tmp_path):
    records = json.loads(coco_results(tmp_path, walk()).read_text())
    for index, record in enumerate(records):
        record["image_id"] = 139 + 1777**2 * index + index**3
    path = tmp_path / "photographs.json"
    path.write_text(json.dumps(records))
    with pytest.raises(SourceError, match="no frames of one film"):
        read_keypoints(path, "v")


@pytest.mark.parametrize(
    ("count", "rows"),
    [
        (26, {"nose": 0, "left_ankle": 15, "neck": 18, "mid_hip": 19, "right_heel": 25}),
        (136, {"right_big_toe": 21, "left_heel": 24}),
        (133, {"left_small_toe": 18, "right_heel": 22}),
        (23, {"left_big_toe": 17}),
    ],
)
def test_wider_sets_become_openposes_25(tmp_path, count, rows):
    points = walk(count)
    points[2, 3] = points[3, 3]
    track = read_keypoints(coco_results(tmp_path, points), "v")
    assert track.data.joint_set == "openpose25"
    assert set(track.data.names) <= set(load_joint_set("openpose25").names)
    for name, row in rows.items():
        np.testing.assert_allclose(track.data.points[:, track.data.names.index(name)], points[:, row, :2], atol=1e-4)


def test_all_layouts_are_parts_of_their_joint_set():
    for name in {*layout_names(), *BY_COUNT.values()}:
        count = {"halpe26": 26, "halpe136": 136, "coco_feet23": 23, "coco_wholebody133": 133}.get(name)
        count = count or len(load_joint_set(name).names)
        layout = layout_of(name, count, "")
        assert set(layout.names) <= set(load_joint_set(layout.joint_set).names)
        assert len(layout.names) == len(layout.rows) == len(set(layout.rows))
        assert max(layout.rows) < count


def test_mediapipe_counts_from_the_border(tmp_path):
    points = walk(33)
    track = read_keypoints(mediapipe(tmp_path, points), "v")
    assert (track.data.joint_set, len(track.data.names)) == ("blazepose33", 33)
    check_is(track, points)


def test_one_of_several_walks_of_a_file_must_be_named(tmp_path):
    path = tmp_path / "clip.npz"
    first, second = walk(33), walk(33, seed=3)
    np.savez(path, kp0=first, frame0=np.arange(FRAMES), kp1=second, frame1=np.arange(100, 100 + FRAMES))
    with pytest.raises(SourceError, match="2 walks") as caught:
        read_keypoints(path, "v")
    assert "0, 1" in caught.value.hint
    track = read_keypoints(path, "v", options=KeypointOptions(take="1"))
    check_is(track, second - np.array([0.5, 0.5, 0]) * (second[..., 2:] > 0), first=100)


@pytest.mark.parametrize("shape", [(FRAMES, 17, 3), (FRAMES, 51), (FRAMES, 53)])
def test_opengaits_pickles_are_read_without_running_them(tmp_path, shape):
    array = walk() if len(shape) == 3 else walk().reshape(FRAMES, -1)
    if shape[-1] == 53:
        array = np.concatenate([np.full((FRAMES, 2), 311.0), array], axis=1)
    path = tmp_path / "090.pkl"
    path.write_bytes(pickle.dumps(array.astype(np.float32)))
    check_is(read_keypoints(path, "v"), walk(), first=0)


def test_a_hostile_pickle_runs_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    path = tmp_path / "090.pkl"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(SourceError, match="asks for"):
        read_keypoints(path, "v")
    assert not (tmp_path / "ran").exists()


def test_shares_of_the_picture_need_its_size(tmp_path):
    points = walk()
    points[..., :2] = (points[..., :2] + 0.5) / (WIDTH, HEIGHT) * (points[..., 2:] > 0)
    path = coco_results(tmp_path, points)
    with pytest.raises(SourceError, match="shares of a picture") as caught:
        read_keypoints(path, "v")
    assert "size" in caught.value.hint
    track = read_keypoints(path, "v", options=KeypointOptions(size=(WIDTH, HEIGHT)))
    check_is(track, walk())
    points[..., :2] = 2 * points[..., :2] - 1
    with pytest.raises(SourceError, match="no pixels"):
        read_keypoints(coco_results(tmp_path, points), "v")


def test_flags_of_annotators_are_confidences(tmp_path):
    points = walk()
    points[..., 2] = 2 * (points[..., 2] > 0)
    points[4, 4, 2] = 1
    expected = points.copy()
    expected[..., 2] /= 2
    check_is(read_keypoints(coco_annotations(tmp_path, points), "v"), expected)


def test_confidences_above_one_are_one_and_negative_ones_an_error(tmp_path):
    points = walk()
    points[1, 1, 2] = 1.07
    track = read_keypoints(coco_results(tmp_path, points), "v")
    assert track.data.confidence[1, 1] == 1
    assert "1.07" in next(f.message for f in track.findings if f.id == "MG-KEYPOINTS-004")
    points[1, 1, 2] = -0.3
    with pytest.raises(SourceError, match=re.escape("-0.3")):
        read_keypoints(coco_results(tmp_path, points), "v")


def test_points_of_a_picture_of_another_size_are_refused(tmp_path):
    points = walk()
    points[..., :2] *= 3
    with pytest.raises(SourceError, match="outside a picture of 640 x 480"):
        read_keypoints(coco_annotations(tmp_path, points), "v")


def test_points_tell_which_of_gait3ds_two_numbers_is_the_width(tmp_path):
    """Nobody has documented them: where both ways fit, nothing is known."""
    folder = gait3d(tmp_path, walk())
    assert read_keypoints(folder, "v").data.size == (311, 438)
    for numbers, size in (("438,311", (311, 438)), ("700,800", (0, 0)), ("0,-3", (0, 0)), ("nan,inf", (0, 0))):
        for file in folder.iterdir():
            file.write_text(",".join([numbers, file.read_text().split(",", 2)[2]]))
        assert read_keypoints(folder, "v").data.size == size, numbers


def test_names_may_be_part_of_a_set_in_any_order(tmp_path):
    path = tmp_path / "some.npz"
    points, names = walk()[..., :3, :2], ["left_knee", "nose", "right_hip"]
    np.savez(path, points=points, names=names, joint_set="coco17")
    data = read_keypoints(path, "v").data
    assert data.names == tuple(names)
    assert (data.confidence == 1).all()
    np.savez(path, points=points, names=["left_knee", "tail", "nose"], joint_set="coco17")
    with pytest.raises(SourceError, match="tail"):
        read_keypoints(path, "v")


def damaged(tmp_path):
    good = coco_results(tmp_path, walk()).read_text()
    yield "breaks_off.json", good[: len(good) // 2], "not valid JSON"
    yield "empty.json", "", "empty"
    yield "nobody.json", '{"instance_info": [{"frame_id": 1, "instances": []}]}', "nobody"
    yield "strange.json", '{"a": 1}', "not keypoints of a known format"
    yield "pairs.json", '[{"image_id": 1, "keypoints": [1, 2, 3, 4]}]', "triplets"
    yield "words.json", '[{"image_id": 1, "keypoints": [1, 2, "x"]}]', "no numbers"
    yield "count.json", json.dumps([{"image_id": 1, "keypoints": [1.0] * 57}]), "19 keypoints"
    yield "mixed.json", json.dumps([{"image_id": 1, "keypoints": [9.0] * n} for n in (51, 54)]), "17 and 18"
    yield "where.json", json.dumps([{"keypoints": [9.0] * 51}]), "no id of a picture"
    yield (
        "orphan.json",
        json.dumps({"images": [{"id": 1}], "annotations": [{"image_id": 2, "keypoints": [9.0] * 51}]}),
        ("not in images"),
    )
    yield "unseen.json", json.dumps([{"image_id": 1, "keypoints": [0.0] * 51}]), "no point was seen"


def test_damaged_files_say_what_and_where(tmp_path):
    for name, text, message in damaged(tmp_path):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(SourceError, match=message) as caught:
            read_keypoints(path, "v")
        assert str(path) in caught.value.where, name
        assert caught.value.hint, name


def test_files_with_another_name_than_the_rest_are_not_used_and_said(tmp_path):
    folder = openpose(tmp_path, walk(25))
    good = read_keypoints(folder, "v")
    for name in ("other_000000000005_keypoints.json", "x_keypoints.json"):
        (folder / name).write_text('{"people": []}')
        track = read_keypoints(folder, "v")
        np.testing.assert_array_equal(track.data.points, good.data.points)
        (finding,) = track.findings
        assert finding.id == "MG-SOURCE-031"
        assert name in finding.message
        (folder / name).unlink()


def test_a_folder_with_a_frame_twice_or_no_number_is_refused(tmp_path):
    for name in ("clip_0005_keypoints.json", "clip_05_keypoints.json"):
        (tmp_path / name).write_text('{"people": []}')
    with pytest.raises(SourceError, match="two files are frame 5"):
        read_keypoints(tmp_path, "v")
    for name in ("clip_0005_keypoints.json", "clip_05_keypoints.json"):
        (tmp_path / name).rename(tmp_path / name.replace("0", "o").replace("5", "s"))
    with pytest.raises(SourceError, match="no number"):
        read_keypoints(tmp_path, "v")


def test_a_text_that_breaks_off_is_a_frame_that_is_missing(tmp_path):
    folder = gait3d(tmp_path, walk())
    for file, cut in ((f"human_crop_f{FIRST}.txt", -20), (f"human_crop_f{FIRST + 3}.txt", 40)):
        text = (folder / file).read_text()
        (folder / file).write_text(text[: cut if cut < 0 else text.index(",", cut)])
    track = read_keypoints(folder, "v")
    assert "MG-SOURCE-030" in {finding.id for finding in track.findings}
    seen = ~np.isnan(track.data.points).all(axis=(1, 2))
    assert track.frame_ids[0] == FIRST + 1
    assert track.frame_ids[~seen].tolist() == [FIRST + 3]


def test_unknown_formats_and_missing_files(tmp_path):
    with pytest.raises(UsageError, match="no format"):
        read_keypoints(tmp_path, "v", format="opnpose")
    with pytest.raises(SourceError, match="no such file"):
        read_keypoints(tmp_path / "gone", "v")
    path = plain(tmp_path, walk())
    with pytest.raises(SourceError, match="not keypoints in format coco"):
        read_keypoints(path, "v", format="coco")
    assert set(KEYPOINT_FORMATS) >= {"coco", "openpose", "alphapose", "mmpose", "npz", "mediapipe", "opengait"}


def test_tracks_meet_on_common_frames(tmp_path):
    data = read_keypoints(plain(tmp_path, walk()), "a").data
    first = Track(data, np.arange(0, FRAMES))
    second = Track(data, np.arange(2, 2 + FRAMES))
    ids = all_frames([first, second])
    np.testing.assert_array_equal(ids, np.arange(2 + FRAMES))
    there = keypoints_at(second, ids)
    assert np.isnan(there.points[:2]).all()
    assert not there.confidence[:2].any()
    np.testing.assert_array_equal(there.points[2:], data.points)
    with pytest.raises(SourceError, match="none in common"):
        all_frames([first, Track(data, np.arange(100, 100 + FRAMES))])


def test_rescaling_keeps_the_borders_of_the_picture(tmp_path):
    data = read_keypoints(plain(tmp_path, walk()), "a").data
    double = rescaled(data, (2 * WIDTH, 2 * HEIGHT))
    np.testing.assert_allclose(double.points, 2 * data.points + 0.5, atol=1e-4)
    np.testing.assert_allclose(rescaled(double, (WIDTH, HEIGHT)).points, data.points, atol=1e-4)
