"""Offsets are found again where a skeleton was made with known ones."""

from collections.abc import Callable

import numpy as np
from toy_walk import gait

from meshgait_data.body.model import Body, forward, local_rotations, rest_joints
from meshgait_data.body.model import chain as kinematics
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit.offsets import learn_offsets
from meshgait_data.fit.priors import PosePrior
from meshgait_data.manifest import JointMap, MappedJoint
from meshgait_data.types import CaptureKey, Observations


def test_known_offsets_come_back(body: Body, observed: Callable[..., Observations], prior: PosePrior) -> None:
    """The tips of the feet and the top of the head are added; all other joints coincide."""
    truth = {"head": (0.0, 0.15, 0.02), "left_foot": (0.01, 0.0, 0.06), "right_foot": (-0.01, 0.0, 0.06)}
    names = [*SMPL_JOINTS, *(f"{name}_tip" for name in truth)]
    walks = []
    for subject, betas in (("01", np.zeros(10)), ("02", np.eye(10)[0])):
        params = gait(20, betas)
        template, shapedirs = rest_joints(body)
        world, _ = kinematics(body.parents, local_rotations(params), template + shapedirs[..., :10] @ betas)
        joints = forward(body, params, np.array([0])).joints
        tips = [
            joints[:, SMPL_JOINTS.index(name)] + world[:, SMPL_JOINTS.index(name), :, :3] @ np.array(offset)
            for name, offset in truth.items()
        ]
        seen = np.concatenate([joints, np.stack(tips, 1)], 1)
        walks.append(Observations(CaptureKey("toy", subject, "01"), seen, tuple(names), "own", np.arange(20), 30.0))
    rows = [MappedJoint(name, name.removesuffix("_tip")) for name in names]
    learned = learn_offsets(body, walks, JointMap("own", "x", tuple(rows)), prior, anchors=SMPL_JOINTS)
    for row in learned.joints:
        expected = truth[row.body] if row.observed.endswith("_tip") else (0, 0, 0)
        np.testing.assert_allclose(row.offset, expected, atol=0.006, err_msg=row.observed)
    by_name = {row.observed: np.array(row.offset) for row in learned.joints}
    np.testing.assert_array_equal(by_name["left_foot_tip"] * (-1, 1, 1), by_name["right_foot_tip"])
