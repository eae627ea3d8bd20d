"""The fit returns what it was given: shape, pose and place of a body from its joints."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from toy_walk import gait

from meshgait_data import rotations
from meshgait_data.body.model import Body, forward
from meshgait_data.errors import FitError
from meshgait_data.fit import FitSettings, Known, fit_captures, fit_joints
from meshgait_data.fit.priors import PosePrior
from meshgait_data.manifest import JointMap, MappedJoint
from meshgait_data.types import BodyParams, Fit, Observations

Observe = Callable[..., Observations]
SHAPE = np.array([1.0, -0.8, 0.6, -0.5, 0.5, 0.4, -0.4, 0.3, -0.3, 0.2])


def joint_errors(body: Body, fit: Fit, truth: BodyParams) -> np.ndarray:
    """(F, 24) millimetres."""
    pair = (forward(body, params, np.array([0])).joints for params in (fit.params, truth))
    return 1e3 * np.linalg.norm(next(pair) - next(pair), axis=-1)


def test_clean_joints_give_the_body_back(body: Body, own_map: JointMap, observed: Observe, prior: PosePrior) -> None:
    truth = gait(40, SHAPE)
    fit = fit_joints(body, observed(truth), own_map, prior)
    assert fit.converged
    # The feet of this walk are not those of a real one: they slip.
    assert all("slip" in reason for reason in fit.reasons)
    assert (fit.verdict == 0).mean() > 0.9
    assert joint_errors(body, fit, truth).mean() < 0.3
    vertices = (forward(body, params).vertices for params in (fit.params, truth))
    assert 1e3 * np.linalg.norm(next(vertices) - next(vertices), axis=-1).mean() < 8
    # The first component is stature, which joints show; the later ones are mostly girth, which they do not.
    assert fit.params.betas[0] == pytest.approx(SHAPE[0], abs=0.1)
    assert np.abs(fit.params.betas - SHAPE).mean() < 0.25


def test_residual_is_the_distance_to_the_observed_joints(
    body: Body, own_map: JointMap, observed: Observe, prior: PosePrior
) -> None:
    truth = gait(10, SHAPE)
    fit = fit_joints(body, observed(truth), own_map, prior)
    np.testing.assert_allclose(1e3 * fit.residuals["joints"], joint_errors(body, fit, truth).mean(1), atol=2e-3)


def test_noise_degrades_gracefully(body: Body, own_map: JointMap, observed: Observe, prior: PosePrior) -> None:
    truth = gait(40, SHAPE)
    fits = [fit_joints(body, observed(truth, noise), own_map, prior) for noise in (0, 0.005, 0.01, 0.02)]
    errors = [joint_errors(body, fit, truth).mean() for fit in fits]
    assert errors == sorted(errors)
    # 10 mm per coordinate is 16 mm per joint: the fit is nearer to the truth than what it was given.
    assert errors[2] < 10
    assert errors[3] < 20


def test_one_joint_far_off_does_little_harm(body: Body, own_map: JointMap, observed: Observe, prior: PosePrior) -> None:
    truth = gait(30, SHAPE)
    seen = observed(truth)
    seen.joints[10:15, 20] += (0.3, 0.2, 0.0)
    errors = joint_errors(body, fit_joints(body, seen, own_map, prior), truth)
    assert errors[10:15, 20].mean() < 60
    assert np.delete(errors, 20, 1).mean() < 4


def test_moving_the_world_moves_the_fit(body: Body, own_map: JointMap, observed: Observe, prior: PosePrior) -> None:
    seen = observed(gait(20, SHAPE), 0.005)
    turn, shift = rotations.exp(np.array([0.4, 2.5, -0.7])), np.array([3.0, -1.0, 5.0])
    moved = dataclasses.replace(seen, joints=seen.joints @ turn.T + shift)
    first, second = fit_joints(body, seen, own_map, prior), fit_joints(body, moved, own_map, prior)
    np.testing.assert_allclose(second.params.betas, first.params.betas, atol=2e-2)
    joints = forward(body, first.params, np.array([0])).joints @ turn.T + shift
    np.testing.assert_allclose(forward(body, second.params, np.array([0])).joints, joints, atol=1e-3)


def test_mirrored_world_mirrors_the_fit(body: Body, own_map: JointMap, observed: Observe, prior: PosePrior) -> None:
    from meshgait_data.conventions import SMPL_MIRROR

    seen = observed(gait(12, SHAPE), 0.005)
    mirrored = dataclasses.replace(seen, joints=(seen.joints * (-1, 1, 1))[:, SMPL_MIRROR])
    first, second = (fit_joints(body, x, own_map, prior).params.body_pose.reshape(-1, 23, 3) for x in (seen, mirrored))
    expected = (first * (1, -1, -1))[:, SMPL_MIRROR[1:] - 1]
    np.testing.assert_allclose(second, expected, atol=0.02)


def test_same_input_same_bytes(body: Body, own_map: JointMap, observed: Observe, prior: PosePrior) -> None:
    seen = observed(gait(15, SHAPE), 0.01)
    first, second = (fit_joints(body, seen, own_map, prior) for _ in range(2))
    for name in ("betas", "global_orient", "body_pose", "transl"):
        assert getattr(first.params, name).tobytes() == getattr(second.params, name).tobytes()


def test_unseen_joints_are_filled_in(body: Body, own_map: JointMap, observed: Observe, prior: PosePrior) -> None:
    truth = gait(30, SHAPE)
    seen = observed(truth)
    gone = np.random.default_rng(1).random(seen.joints.shape[:2]) < 0.1
    seen.joints[gone] = np.nan
    errors = joint_errors(body, fit_joints(body, seen, own_map, prior), truth)
    assert errors[~gone].mean() < 2
    assert errors[gone].mean() < 20


def test_a_joint_that_is_never_seen(body: Body, own_map: JointMap, observed: Observe, prior: PosePrior) -> None:
    truth = gait(20, SHAPE)
    seen = observed(truth)
    seen.joints[:, 10] = np.nan
    fit = fit_joints(body, seen, own_map, prior)
    assert joint_errors(body, fit, truth)[:, :10].mean() < 2
    assert np.isfinite(fit.params.body_pose).all()


def test_frames_without_joints_are_dropped_and_named(
    body: Body, own_map: JointMap, observed: Observe, prior: PosePrior
) -> None:
    truth = gait(30, SHAPE)
    seen = observed(truth, frame_ids=100 + 4 * np.arange(30))
    seen.joints[10:16] = np.nan
    fit = fit_joints(body, seen, own_map, prior)
    kept = np.r_[0:10, 16:30]
    assert fit.frame_ids.tolist() == (100 + 4 * kept).tolist()
    assert len(fit.params) == len(fit.verdict) == len(fit.residuals["joints"]) == 24
    assert fit.reasons[0] == "dropped: 6 frames with too few observations (140, 144, 148, 152, 156, ...)"
    # The body walks on during the gap: smoothness that took the frames for neighbours would pull it back.
    assert joint_errors(body, fit, truth.take(kept)).max() < 8


def test_observed_twice_as_often_is_the_same_walk(
    body: Body, own_map: JointMap, observed: Observe, prior: PosePrior
) -> None:
    """Ids count source frames: every fourth or every eighth, the pace is that of the ids."""
    truth = gait(30, SHAPE)
    fit = fit_joints(body, observed(truth, frame_ids=8 * np.arange(30)), own_map, prior)
    assert joint_errors(body, fit, truth).mean() < 1.5


@pytest.mark.parametrize(("hz", "kept"), [(1.0, 0.98), (3.0, 0.9)])
def test_gait_is_not_flattened(
    body: Body, own_map: JointMap, observed: Observe, hz: float, kept: float, prior: PosePrior
) -> None:
    truth = gait(60)
    shake = 0.2 * np.sin(2 * np.pi * hz * np.arange(60) / 30).astype(np.float32)
    truth.body_pose.reshape(60, 23, 3)[:, 4 - 1, 0] = 0.8 + shake
    fit = fit_joints(body, observed(truth), own_map, prior)
    angle = fit.params.body_pose.reshape(60, 23, 3)[10:50, 4 - 1, 0]
    assert kept < np.std(angle) / np.std(shake[10:50]) < 1.02


def test_smoothing_removes_noise(body: Body, own_map: JointMap, observed: Observe, prior: PosePrior) -> None:
    """The same frames, each a walk of its own, cannot help each other."""
    truth = gait(60)
    seen = observed(truth, 0.01)
    joints = forward(body, truth, np.array([0])).joints
    alone = [dataclasses.replace(seen, joints=seen.joints[i : i + 1], frame_ids=np.array([i])) for i in range(60)]
    fits = fit_captures(body, alone, Known(prior, maps={"smpl": own_map}))
    found = np.concatenate([forward(body, fit.params, np.array([0])).joints for fit in fits if isinstance(fit, Fit)])
    together = joint_errors(body, fit_joints(body, seen, own_map, prior), truth).mean()
    assert together < 0.6 * 1e3 * np.linalg.norm(found - joints, axis=-1).mean()


def test_captures_do_not_depend_on_their_neighbours(
    body: Body, own_map: JointMap, observed: Observe, prior: PosePrior
) -> None:
    """Walks of different lengths side by side are fitted as each is alone."""
    seen = [observed(gait(frames, SHAPE * sign), 0.004) for frames, sign in ((30, 1), (7, -1), (1, 1), (18, 0.5))]
    together = fit_captures(body, seen, Known(prior, maps={"smpl": own_map}))
    for one, fit in zip(seen, together, strict=True):
        assert isinstance(fit, Fit)
        alone = fit_joints(body, one, own_map, prior).params
        pair = [forward(body, params, np.array([0])).joints for params in (alone, fit.params)]
        np.testing.assert_allclose(pair[0], pair[1], atol=1e-4)
        np.testing.assert_allclose(fit.params.betas, alone.betas, atol=5e-3)


def test_one_bad_capture_does_not_stop_the_others(
    body: Body, own_map: JointMap, observed: Observe, prior: PosePrior
) -> None:
    good, bad = observed(gait(5)), observed(gait(5))
    bad.joints[...] = np.nan
    fits = fit_captures(body, [good, bad, good], Known(prior, maps={"smpl": own_map}))
    assert isinstance(fits[0], Fit)
    assert isinstance(fits[1], FitError)
    assert isinstance(fits[2], Fit)


def test_knees_that_bend_forwards_are_flagged(
    body: Body, own_map: JointMap, observed: Observe, prior: PosePrior
) -> None:
    """Clean joints are followed wherever they lead; the limits say that it is no human knee."""
    truth = gait(20)
    truth.body_pose.reshape(20, 23, 3)[:, 4 - 1, 0] = -0.6
    fit = fit_joints(body, observed(truth), own_map, prior)
    assert joint_errors(body, fit, truth).mean() < 1
    assert fit.verdict.all()
    assert any("limits" in reason for reason in fit.reasons)


def test_noisy_knees_do_not_bend_forwards(body: Body, own_map: JointMap, observed: Observe, prior: PosePrior) -> None:
    truth = gait(20)
    truth.body_pose.reshape(20, 23, 3)[:, 4 - 1, 0] = 0.02
    fit = fit_joints(body, observed(truth, 0.02), own_map, prior)
    assert np.degrees(fit.params.body_pose.reshape(20, 23, 3)[:, 4 - 1, 0]).min() > -6


def test_frames_that_cannot_fit_are_rejected(
    body: Body, own_map: JointMap, observed: Observe, prior: PosePrior
) -> None:
    seen = observed(gait(20))
    seen.joints[14:] += np.random.default_rng(0).normal(0, 0.3, seen.joints[14:].shape)
    fit = fit_joints(body, seen, own_map, prior)
    assert (fit.verdict[14:] == 2).all()
    assert (fit.verdict[:12] < 2).all()
    assert any(reason.startswith("rejected: joints") for reason in fit.reasons)


def test_a_solver_that_was_stopped_says_so(body: Body, own_map: JointMap, observed: Observe, prior: PosePrior) -> None:
    fit = fit_joints(body, observed(gait(10, SHAPE), 0.02), own_map, prior, FitSettings(max_iterations=1))
    assert not fit.converged
    assert (fit.verdict >= 1).all()
    assert any("did not converge" in reason for reason in fit.reasons)


def test_a_strange_shape_is_flagged(body: Body, own_map: JointMap, observed: Observe, prior: PosePrior) -> None:
    fit = fit_joints(body, observed(gait(10, np.array([4.5] + [0.0] * 9))), own_map, prior)
    assert (fit.verdict == 1).all()
    assert any("betas[0] is" in reason for reason in fit.reasons)


def test_too_few_frames(body: Body, own_map: JointMap, observed: Observe, prior: PosePrior) -> None:
    seen = observed(gait(10))
    seen.joints[2:] = np.nan
    with pytest.raises(FitError, match="only 2 of 10 frames") as caught:
        fit_joints(body, seen, own_map, prior, FitSettings(min_frames=3))
    assert caught.value.where == "toy/01/01"
    assert caught.value.hint


def test_map_of_another_skeleton(body: Body, observed: Observe, prior: PosePrior) -> None:
    seen = observed(gait(5))
    with pytest.raises(FitError, match="map is for 'cmu'"):
        fit_joints(body, seen, JointMap("cmu", "x", (MappedJoint("root", "pelvis"),)), prior)
    with pytest.raises(FitError, match="not observed: femur"):
        fit_joints(body, seen, JointMap("smpl", "x", (MappedJoint("femur", "left_knee"),)), prior)


def test_frame_ids_out_of_order(body: Body, own_map: JointMap, observed: Observe, prior: PosePrior) -> None:
    with pytest.raises(FitError, match="do not increase"):
        fit_joints(body, observed(gait(4), frame_ids=np.array([0, 1, 1, 2])), own_map, prior)


def test_settings_refuse_nonsense() -> None:
    with pytest.raises(ValueError, match="noise_m"):
        FitSettings(noise_m=0.0)
