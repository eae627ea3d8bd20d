"""Bad input: each kind has one clear outcome, an error that says the way out, or a repair that is said."""

from dataclasses import replace

import numpy as np
import pytest
from toy_walk import gait

from meshgait_data.body.files import load_body
from meshgait_data.body.model import forward
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import FitError
from meshgait_data.fit.sanity import Cloud, check, exchanged, ranges
from meshgait_data.fit.sanity_body import landmarks_of
from meshgait_data.fit.sanity_views import check_view
from meshgait_data.types import Keypoints

SHAPE = np.array([1.0, -0.8, 0.6, -0.5, 0.5, 0.4, -0.4, 0.3, -0.3, 0.2])
TURN = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""y up to z up."""


@pytest.fixture(scope="module")
def landmarks():
    body = load_body("free-lite")
    from meshgait_data.body.model import rest_joints

    return landmarks_of(body, rest_joints(body)[0], np.arange(24))


@pytest.fixture(scope="module")
def walk():
    joints = forward(load_body("free-lite"), gait(40, SHAPE), np.array([0])).joints.astype(np.float64)
    return Cloud(joints, SMPL_JOINTS, np.arange(100, 140), "set/anna/01")


def ids(checked):
    return [finding.id for finding in checked.findings]


def test_a_clean_walk_has_no_findings(walk, landmarks):
    checked = check(walk, landmarks)
    assert checked.findings == ()
    assert not checked.still
    np.testing.assert_array_equal(checked.cloud.points, walk.points)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1000.0), ("cm", 100.0), ("inches", 1 / 0.0254)])
def test_wrong_unit(walk, landmarks, unit, factor):
    wrong = replace(walk, points=walk.points * factor)
    with pytest.raises(FitError, match=f"m tall: the numbers are in {unit}, not in metres") as caught:
        check(wrong, landmarks)
    assert "multiply by" in caught.value.hint
    assert caught.value.where == "set/anna/01"
    repaired = check(wrong, landmarks, repair=True)
    np.testing.assert_allclose(repaired.cloud.points, walk.points, atol=1e-9)
    assert ids(repaired) == ["MG-FIT-005"]


def test_no_unit_explains_a_person_of_a_millimetre(walk, landmarks):
    with pytest.raises(FitError, match="no unit of length explains"):
        check(replace(walk, points=walk.points * 1e-3), landmarks, repair=True)


def test_upside_down(walk, landmarks):
    wrong = replace(walk, points=walk.points * (-1, -1, 1))
    with pytest.raises(FitError, match="the head is below the feet"):
        check(wrong, landmarks)
    repaired = check(wrong, landmarks, repair=True)
    assert ids(repaired) == ["MG-FIT-006"]
    height = repaired.cloud.points[..., 1]
    assert np.all(height[:, SMPL_JOINTS.index("head")] > height[:, SMPL_JOINTS.index("left_foot")])


def test_z_up(walk, landmarks):
    wrong = replace(walk, points=walk.points @ TURN.T)
    with pytest.raises(FitError, match=r"stands along \+z"):
        check(wrong, landmarks)
    np.testing.assert_allclose(check(wrong, landmarks, repair=True).cloud.points, walk.points, atol=1e-9)


def test_left_and_right_exchanged_all_the_time(walk, landmarks):
    every = np.ones(40, bool)
    wrong = walk
    for pairs in landmarks.pairs.values():
        wrong = replace(wrong, points=exchanged(wrong.points, pairs, every))
    with pytest.raises(FitError, match="left and right are exchanged"):
        check(wrong, landmarks)
    repaired = check(wrong, landmarks, repair=True)
    assert ids(repaired) == ["MG-FIT-009"]
    np.testing.assert_allclose(repaired.cloud.points, walk.points)


def test_a_mirrored_world(walk, landmarks):
    with pytest.raises(FitError, match="the world is mirrored"):
        check(replace(walk, points=walk.points * (-1, 1, 1)), landmarks)


def test_legs_exchanged_all_the_time(walk, landmarks):
    wrong = replace(walk, points=exchanged(walk.points, landmarks.pairs["legs"], np.ones(40, bool)))
    with pytest.raises(FitError, match="legs are exchanged"):
        check(wrong, landmarks)
    np.testing.assert_allclose(check(wrong, landmarks, repair=True).cloud.points, walk.points)


@pytest.mark.parametrize("part", ["legs", "arms"])
def test_sides_exchanged_in_some_frames(walk, landmarks, part):
    frames = np.zeros(40, bool)
    frames[[7, 20, 21, 22]] = True
    wrong = replace(walk, points=exchanged(walk.points, landmarks.pairs[part], frames))
    checked = check(wrong, landmarks)
    assert ids(checked) == ["MG-FIT-007"]
    assert f"{part} are exchanged in 4 of 40 frames: 107, 120-122" in checked.findings[0].message
    np.testing.assert_allclose(check(wrong, landmarks, repair=True).cloud.points, walk.points)


def test_a_still_person(walk, landmarks):
    rng = np.random.default_rng(0)
    still = walk.points[:1] + 0.003 * rng.standard_normal((40, 24, 3))
    checked = check(replace(walk, points=still), landmarks)
    assert checked.still
    assert ids(checked) == ["MG-FIT-010"]


def test_one_frame(walk, landmarks):
    checked = check(replace(walk, points=walk.points[:1], frame_ids=walk.frame_ids[:1]), landmarks)
    assert checked.still
    assert ids(checked) == ["MG-FIT-004"]


def test_missing_joints_and_frames_are_named(walk, landmarks):
    points = walk.points.copy()
    points[:, [22, 23]] = np.nan
    points[5:8] = np.nan
    checked = check(replace(walk, points=points), landmarks)
    messages = [finding.message for finding in checked.findings]
    assert "left_hand, right_hand" in messages[0]
    assert messages[1] == "3 of 40 frames show nothing: 105-107"


def test_zeros_and_infinities_are_no_places(walk, landmarks):
    points = walk.points.copy()
    points[3, 4], points[9, 7] = 0.0, np.inf
    checked = check(replace(walk, points=points), landmarks)
    assert ids(checked) == ["MG-FIT-001"]
    assert np.isnan(checked.cloud.points[3, 4]).all()
    assert np.isnan(checked.cloud.points[9, 7]).all()


def test_nothing_seen(walk, landmarks):
    with pytest.raises(FitError, match="not one point"):
        check(replace(walk, points=np.full_like(walk.points, np.nan)), landmarks)


@pytest.mark.parametrize("seed", range(5))
def test_another_joint_set(walk, landmarks, seed):
    order = np.random.default_rng(seed).permutation(24)
    with pytest.raises(FitError, match="not the body that the names say"):
        check(replace(walk, points=walk.points[:, order]), landmarks)


def keypoints(points, confidence=None, size=(640, 480)):
    seen = np.ones(points.shape[:2]) if confidence is None else confidence
    return Keypoints("090", points, seen, tuple(map(str, range(points.shape[1]))), "coco17", size)


def test_leaving_the_view():
    points = np.random.default_rng(0).uniform(100, 300, (20, 17, 2))
    confidence = np.ones((20, 17))
    confidence[12:] = 0
    _, findings = check_view(keypoints(points, confidence), "set/anna/01", np.arange(20))
    assert [finding.id for finding in findings] == ["MG-FIT-022"]
    assert "8 of 20 frames: 12-19" in findings[0].message


def test_keypoints_outside_the_image_are_unseen():
    points = np.random.default_rng(0).uniform(100, 300, (20, 17, 2))
    points[4, 3] = 5000
    checked, findings = check_view(keypoints(points), "set/anna/01", np.arange(20))
    assert [finding.id for finding in findings] == ["MG-FIT-021"]
    assert checked.confidence[4, 3] == 0
    assert checked.confidence.sum() == 20 * 17 - 1


def test_shares_of_the_image_are_no_pixels():
    with pytest.raises(FitError, match="between 0 and 1"):
        check_view(keypoints(np.random.default_rng(0).uniform(size=(5, 17, 2))), "set/anna/01", np.arange(5))


def test_never_in_the_image():
    with pytest.raises(FitError, match="out of the picture in all frames"):
        check_view(keypoints(np.full((5, 17, 2), 5000.0)), "set/anna/01", np.arange(5))


def test_ranges():
    assert ranges(np.array([3, 4, 5, 9])) == "3-5, 9"
