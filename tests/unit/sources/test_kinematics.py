"""Forward kinematics against a scalar transcription of the format's definition, and under moves of the world."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from meshgait_data.sources.kinematics import pose
from meshgait_data.sources.mocap import Bone, Motion, Skeleton


def _scalar_pose(skeleton, motion, frame):
    """One frame, by the book, with scipy's Euler angles (lower case: fixed axes)."""

    def turn(angles, order):
        return Rotation.from_euler(order, [angles["xyz".index(axis)] for axis in order]).as_matrix()

    R = {"root": turn(motion.root_angles[frame], skeleton.root_order)}
    p = {"root": motion.transl[frame]}
    for bone in skeleton.bones:
        angles = np.zeros(3)
        for axis, value in zip(bone.dof, motion.angles[bone.name][frame] if bone.dof else (), strict=True):
            angles["xyz".index(axis)] = value
        R[bone.name] = R[bone.parent] @ bone.axis @ turn(angles, bone.order) @ bone.axis.T
        p[bone.name] = p[bone.parent] + bone.length * R[bone.name] @ bone.direction
    return np.stack([p[n] for n in skeleton.joint_names]), np.stack([R[n] for n in skeleton.joint_names])


@pytest.mark.parametrize("name", ["02_01", "16_31", "35_28", "49_01"])
def test_equals_the_definition(shipped, name):
    take = shipped[name]
    for frame in (0, 57, len(take.motion) - 1):
        joints, rotations = _scalar_pose(take.skeleton, take.motion, frame)
        np.testing.assert_allclose(take.posed.joints[frame], joints, atol=1e-12)
        np.testing.assert_allclose(take.posed.rotations[frame], rotations, atol=1e-12)


@pytest.mark.parametrize("order", ["xyz", "zyx", "yxz", "zxy"])
def test_any_order_of_rotations_and_channels(rng, order):
    axis = Rotation.from_rotvec(rng.normal(size=3)).as_matrix()
    bone = Bone("shin", "root", np.array([0.0, -1, 0]), 0.4, axis, order, ("z", "x"))
    skeleton = Skeleton((bone,), ("tx", "ty", "tz", "rx", "ry", "rz"), order, 1.0, True)
    motion = Motion(np.arange(4), rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), {"shin": rng.normal(size=(4, 2))})
    posed = pose(skeleton, motion)
    for frame in range(4):
        joints, rotations = _scalar_pose(skeleton, motion, frame)
        np.testing.assert_allclose(posed.joints[frame], joints, atol=1e-12)
        np.testing.assert_allclose(posed.rotations[frame], rotations, atol=1e-12)


def test_rest_pose_stands_as_the_skeleton_says(shipped):
    take = shipped["07_01"]
    angles = {name: np.zeros_like(values[:1]) for name, values in take.motion.angles.items()}
    posed = pose(take.skeleton, Motion(np.array([1]), np.zeros((1, 3)), np.zeros((1, 3)), angles))
    np.testing.assert_allclose(posed.rotations, np.broadcast_to(np.eye(3), posed.rotations.shape), atol=1e-12)
    at = dict(zip(posed.names, posed.joints[0], strict=True))
    assert at["lfoot"][0] > 0 > at["rfoot"][0], "the left side is at +x"
    assert at["ltoes"][2] > at["ltibia"][2], "toes point to +z"
    assert at["head"][1] > 0.5 > -0.7 > at["ltibia"][1], "y is up"


def test_a_frame_that_is_not_finite_stays_alone(shipped):
    take = shipped["07_01"]
    transl = take.motion.transl.copy()
    root_angles = take.motion.root_angles.copy()
    transl[3] = root_angles[3] = np.nan
    posed = pose(take.skeleton, Motion(take.motion.frame_ids, transl, root_angles, take.motion.angles))
    assert np.isnan(posed.joints[3]).all()
    np.testing.assert_array_equal(np.delete(posed.joints, 3, 0), np.delete(take.posed.joints, 3, 0))
