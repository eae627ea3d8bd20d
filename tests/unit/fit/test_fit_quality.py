"""Verdicts: fixed limits, frames that stand out of their walk, what holds for all frames; and what is measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data.conventions import ACCEPTED, FLAGGED, REJECTED, SMPL_JOINTS
from meshgait_data.errors import ManifestError
from meshgait_data.fit.measures import bone_asymmetry, depth_observed, jumps, skating_speed, slipped_way, unseen_share
from meshgait_data.fit.quality import FrameErrors, WalkFacts, judge, stand_out_limit
from meshgait_data.manifest_fit import MEASURES, FitSection, Thresholds
from meshgait_data.strict import build
from meshgait_data.types import CaptureKey, Keypoints, Masks, Observations

T = 60
FACTS = WalkFacts(np.arange(T) * 4, converged=True, betas=np.zeros(10))


def quiet(rng, level=0.006, points=24):
    return np.abs(rng.normal(level, 0.1 * level, (T, points)))


def test_a_quiet_walk_is_accepted_without_a_word(rng):
    found = judge({"joints": FrameErrors(quiet(rng), SMPL_JOINTS)}, FACTS, Thresholds())
    assert found.verdict.tolist() == [ACCEPTED] * T
    assert found.reasons == ()
    assert set(found.residuals) == {"joints", "worst_joint"}
    assert (found.residuals["worst_joint"] >= found.residuals["joints"]).all()


def test_what_stands_out_is_flagged_and_named(rng):
    misses = quiet(rng)
    misses[20:30, SMPL_JOINTS.index("left_wrist")] = 0.05
    found = judge({"joints": FrameErrors(misses, SMPL_JOINTS)}, FACTS, Thresholds())
    assert np.flatnonzero(found.verdict).tolist() == list(range(20, 30))
    reason = found.reasons[-1]
    assert reason.startswith("flagged: stands out of this walk: worst_joint (left_wrist) up to 50 mm")
    assert reason.endswith("in 10 of 60 frames (80, 84, 88, 92, 96, ...)")


def test_half_of_a_walk_may_be_wrong(rng):
    misses = quiet(rng)
    misses[: T // 2] *= 3
    found = judge({"joints": FrameErrors(misses, SMPL_JOINTS)}, FACTS, Thresholds())
    assert found.verdict.tolist() == [FLAGGED] * (T // 2) + [ACCEPTED] * (T // 2)


@pytest.mark.parametrize(("miss", "verdict"), [(0.049, ACCEPTED), (0.051, FLAGGED), (0.101, REJECTED)])
def test_fixed_limits_hold_for_whole_walks(miss, verdict):
    found = judge({"joints": FrameErrors(np.full(T, miss))}, FACTS, Thresholds())
    assert (found.verdict == verdict).all()
    assert all(reason.endswith("in all frames") for reason in found.reasons)


def test_a_manifest_may_want_it_otherwise():
    mine = build(FitSection, {"thresholds": {"flag": {"joints": 0.02}, "reject": {"keypoints": 30}}}, "f").thresholds
    errors = {"joints": FrameErrors(np.full(T, 0.03)), "keypoints:090": FrameErrors(np.full(T, 31.0))}
    assert (judge(errors, FACTS, mine).verdict == REJECTED).all()
    assert (judge({"joints": errors["joints"]}, FACTS, mine).verdict == FLAGGED).all()
    assert not judge(errors, FACTS, Thresholds(ignore=("joints", "keypoints"))).verdict.any()
    for wrong, said in (({"flag": {"joint": 1}}, "did you mean 'joints'"), ({"stand_out_sd": 0}, "must be positive")):
        with pytest.raises(ManifestError, match=said):
            build(FitSection, {"thresholds": wrong}, "f")


def test_low_overlap_is_bad_and_high_is_never():
    iou = np.full(T, 0.95)
    iou[3], iou[4], iou[5] = 0.79, 0.5, 0.85
    found = judge({"mask_iou:090": FrameErrors(iou)}, FACTS, Thresholds())
    assert found.verdict[:7].tolist() == [0, 0, 0, FLAGGED, REJECTED, FLAGGED, 0]
    iou[:] = 0.95
    iou[7] = 1.0
    assert not judge({"mask_iou:090": FrameErrors(iou)}, FACTS, Thresholds()).verdict.any()


def test_frames_with_nothing_to_compare_are_left_to_other_measures():
    values = np.full(T, 0.01)
    values[:10] = np.nan
    assert not judge({"joints": FrameErrors(values)}, FACTS, Thresholds()).verdict.any()
    unseen = {"unseen": FrameErrors(np.where(np.arange(T) < 10, 1.0, 0.0))}
    assert judge(unseen, FACTS, Thresholds()).verdict[:11].tolist() == [REJECTED] * 10 + [ACCEPTED]


def test_what_holds_for_all_frames():
    strange = WalkFacts(FACTS.frame_ids, converged=False, betas=np.array([0, -7.0]), notes=("dropped: 1 frame",))
    found = judge({}, strange, Thresholds())
    assert (found.verdict == REJECTED).all()
    assert found.reasons[0] == "dropped: 1 frame"
    assert "did not converge" in found.reasons[1]
    assert "betas[1] is 7.0 standard deviations" in found.reasons[2]


def test_one_view_is_always_told():
    one = WalkFacts(FACTS.frame_ids, converged=True, betas=np.zeros(10), depth_observed=False)
    iou = {"mask_iou:090": FrameErrors(np.full(T, 0.97))}
    noted = judge(iou, one, Thresholds())
    assert not noted.verdict.any()
    assert noted.reasons[0].startswith("note: one view only")
    assert (judge(iou, one, Thresholds(one_view="flag")).verdict == FLAGGED).all()


@given(st.lists(st.floats(0, 1e3), min_size=8, max_size=40), st.floats(0.5, 20))
def test_standing_out_does_not_depend_on_the_order_and_never_hits_the_quiet_half(values, sd):
    array = np.array(values)
    limit = stand_out_limit("jump", array, Thresholds(stand_out_sd=sd))
    assert limit == stand_out_limit("jump", array[::-1], Thresholds(stand_out_sd=sd))
    assert limit is not None
    assert limit > np.quantile(array, 0.25)


def test_every_measure_says_what_it_is():
    assert all(measure.meaning for measure in MEASURES.values())
    assert stand_out_limit("nobody knows", np.arange(30.0), Thresholds()) is None


def walk(frames=90, fps=30, speed=1.2):
    """Joints of somebody whose feet take turns to stand; everything else floats along."""
    times = np.arange(frames) / fps
    joints = np.zeros((frames, 24, 3))
    joints[:, :, 2] = speed * times[:, None]
    step, duty = 1.2, 0.6
    for side, shift in (("left", 0.0), ("right", 0.5)):
        phase = (times / step + shift) % 1.0
        swing = np.clip((phase - duty) / (1 - duty), 0, 1)
        place = speed * step * (np.floor(times / step + shift) + swing)
        for part in ("ankle", "foot"):
            joints[:, SMPL_JOINTS.index(f"{side}_{part}"), 2] = place
    return joints, times


def test_standing_feet_do_not_skate_and_sliding_ones_do():
    joints, times = walk()
    assert skating_speed(joints, times).max() < 0.02
    sliding = joints + np.outer(0.4 * times, [1.0, 0, 0])[:, None]
    np.testing.assert_allclose(skating_speed(sliding, times), 0.4, atol=0.02)
    part = joints.copy()
    part[45:, :, 0] += 0.5 * (times[45:, None] - times[45])
    found = skating_speed(part, times)
    assert (found[60:] > 0.45).all()
    assert (found[:25] < 0.05).all()
    for few in (1, 2, 5):
        assert skating_speed(joints[:few], times[:few]).tolist() == [0.0] * few


def test_what_slides_away_and_back_is_away_in_between():
    joints, times = walk(frames=120)
    assert slipped_way(joints, times).max() < 0.03
    even = joints + np.outer(0.1 * times, [1.0, 0, 0])[:, None]
    assert slipped_way(even, times).max() < 0.03, "an even slide comes from legs of another length"
    away = joints.copy()
    away[50:80, :, 0] += 0.2 * np.sin(np.pi * np.arange(30) / 30)[:, None] ** 2
    found = slipped_way(away, times)
    assert found[65] == pytest.approx(0.2, abs=0.05)
    assert max(found[:45].max(), found[85:].max()) < 0.04
    for few in (1, 2, 7):
        assert slipped_way(joints[:few], times[:few]).tolist() == [0.0] * few


def test_jumps_are_accelerations():
    times = np.arange(20) / 30
    joints = np.zeros((20, 24, 3))
    joints[:, 3, 1] = 0.5 * 9.81 * times**2
    np.testing.assert_allclose(jumps(joints, times), 9.81)
    assert jumps(joints[:2], times[:2]).tolist() == [0, 0]


def test_a_bone_of_one_side_that_is_too_long():
    names = ("left_knee", "left_ankle", "right_knee", "right_ankle")
    points = np.zeros((5, 4, 3))
    points[:, 1, 1] = points[:, 3, 1] = -0.4
    assert bone_asymmetry(points, names) == 0
    points[:, 1, 1] = -0.5
    assert bone_asymmetry(points, names) == pytest.approx(0.1 / 0.45)
    points[:, 0] = np.nan
    assert bone_asymmetry(points, names) == 0
    assert bone_asymmetry(points[:, :2], names[:2]) == 0


def observations(**more):
    return Observations(CaptureKey("a", "b", "c"), np.zeros((4, 0, 3)), (), "", np.arange(4), 30.0, **more)


def test_unseen_and_depth():
    assert unseen_share(observations()).tolist() == [1] * 4
    points = np.zeros((4, 2, 2))
    confidence = np.array([[1, 1], [1, 0], [0, 0], [1, 1]])
    one = Keypoints("a", points, confidence, ("x", "y"), "s")
    other = Keypoints("b", points, confidence[::-1], ("x", "y"), "s")
    assert unseen_share(observations(keypoints=(one,))).tolist() == [0, 0.5, 1, 0]
    assert unseen_share(observations(keypoints=(one, other))).tolist() == [0, 0.5, 0.5, 0]
    assert not depth_observed(observations(keypoints=(one,)))
    assert depth_observed(observations(keypoints=(one, other)))
    masks = Masks("a", np.zeros((4, 2, 2), np.uint8), np.array([True, False, True, True]))
    assert unseen_share(observations(keypoints=(one,), masks=(masks,))).tolist() == [0, 0.5, 0, 0]
    assert not depth_observed(observations(keypoints=(one,), masks=(masks,)))
