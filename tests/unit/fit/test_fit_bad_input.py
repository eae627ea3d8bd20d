"""Bad input through the public fit: an error that says the way out, or a fit that says what it left aside."""

from dataclasses import replace

import numpy as np
import pytest
from toy_walk import gait

from meshgait_data.body.files import load_body
from meshgait_data.body.model import forward
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import FitError
from meshgait_data.fit import Known, fit_captures
from meshgait_data.manifest import JointMap, MappedJoint
from meshgait_data.pipeline.prior_files import load_priors
from meshgait_data.types import CaptureKey, Fit, Observations

SHAPE = np.array([1.0, -0.8, 0.6, -0.5, 0.5, 0.4, -0.4, 0.3, -0.3, 0.2])
OWN = JointMap("smpl", "the body's own joints", tuple(MappedJoint(name, name) for name in SMPL_JOINTS))
SIDES = [SMPL_JOINTS.index(name) for name in SMPL_JOINTS if name.startswith("left_")]
OTHERS = [SMPL_JOINTS.index(name.replace("left_", "right_")) for name in SMPL_JOINTS if name.startswith("left_")]


@pytest.fixture(scope="module")
def lite():
    return load_body("free-lite")


@pytest.fixture(scope="module")
def walk(lite):
    joints = forward(lite, gait(20, SHAPE), np.array([0])).joints.astype(np.float64)
    return Observations(CaptureKey("set", "anna", "01"), joints, SMPL_JOINTS, "smpl", np.arange(20), 30.0)


def fitted(lite, seen, **known):
    return fit_captures(lite, [seen], Known(load_priors().pose, maps={"smpl": OWN}, **known))[0]


def exchanged(joints):
    result = joints.copy()
    result[:, SIDES], result[:, OTHERS] = joints[:, OTHERS], joints[:, SIDES]
    return result


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda joints: 1000 * joints, "in mm, not in metres"),
        (lambda joints: joints * (-1, -1, 1), "the head is below the feet"),
        (lambda joints: joints[..., [0, 2, 1]] * (1, -1, 1), r"stands along \+z"),
        (exchanged, "left and right are exchanged"),
        (lambda joints: joints[:, ::-1], "not the body that the names say"),
        (lambda joints: np.full_like(joints, np.nan), "only 0 of 20 frames"),
    ],
    ids=["millimetres", "upside-down", "z-up", "sides", "joint-set", "nothing"],
)
def test_an_error_that_says_what(lite, walk, change, says):
    result = fitted(lite, replace(walk, joints=change(walk.joints)))
    assert isinstance(result, FitError)
    with pytest.raises(FitError, match=says):
        raise result
    assert result.where == "set/anna/01"
    assert result.hint


def test_a_repair_that_is_asked_for_is_said(lite, walk):
    fit = fitted(lite, replace(walk, joints=1000 * walk.joints), repair=True)
    assert isinstance(fit, Fit)
    assert any("in mm, not in metres: put right" in reason for reason in fit.reasons)
    found = forward(lite, fit.params, np.array([0])).joints
    assert np.linalg.norm(found - walk.joints, axis=-1).mean() < 0.005


def test_missing_joints_and_a_still_person_and_one_frame_are_fits(lite, walk):
    gaps = walk.joints.copy()
    gaps[:, [20, 22]], gaps[4:6] = np.nan, np.nan
    for seen in (
        replace(walk, joints=gaps),
        replace(walk, joints=np.repeat(walk.joints[:1], 20, 0)),
        replace(walk, joints=walk.joints[:1], frame_ids=walk.frame_ids[:1]),
    ):
        fit = fitted(lite, seen)
        assert isinstance(fit, Fit)
        assert fit.residuals["joints"].mean() < 0.005


def test_a_still_person_stays_still(lite, walk):
    fit = fitted(lite, replace(walk, joints=np.repeat(walk.joints[:1], 20, 0)))
    assert isinstance(fit, Fit)
    assert np.ptp(fit.params.body_pose, axis=0).max() < 0.01
    assert np.ptp(fit.params.transl, axis=0).max() < 0.001


def test_sides_exchanged_in_one_frame_do_little_harm(lite, walk):
    wrong = walk.joints.copy()
    wrong[7:8] = exchanged(walk.joints[7:8])
    fit = fitted(lite, replace(walk, joints=wrong))
    assert isinstance(fit, Fit)
    assert any("are exchanged in 1 of 20 frames" in reason for reason in fit.reasons)
    found = forward(lite, fit.params, np.array([0])).joints
    others = np.delete(np.arange(20), 7)
    assert np.linalg.norm(found - walk.joints, axis=-1)[others].mean() < 0.01
