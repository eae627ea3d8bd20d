"""Forward kinematics of a mocap skeleton: angles in, joint positions and bone rotations out, all frames at once."""

from dataclasses import dataclass

import numpy as np

from meshgait_data import rotations
from meshgait_data.sources.mocap import ROOT, Bone, Motion, Skeleton
from meshgait_data.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """A skeleton in F poses; J is one more than the number of bones."""

    names: tuple[str, ...]
    """J names: ``root``, then the bones depth first."""
    joints: FloatArray
    """(F, J, 3) metres, world frame: the root, and the END of each bone; NaN in frames that are not finite."""
    rotations: FloatArray
    """(F, J, 3, 3) of each bone from the rest pose to the world: the identity in the rest pose."""


def pose(skeleton: Skeleton, motion: Motion) -> Posed:
    """Place all joints.

    A bone turns by ``C M C^T`` relative to its parent, where C is its axis frame and M the product of its
    Euler rotations, as the Acclaim format defines it.

    Parameters
    ----------
    skeleton
        Bones, every one after its parent.
    motion
        F frames of angles in radians and root positions in metres.

    Returns
    -------
    Joints (F, J, 3) in metres and rotations (F, J, 3, 3), world frame.
    """
    turned = {ROOT: rotations.euler(_reordered(motion.root_angles, skeleton.root_order), skeleton.root_order)}
    ends = {ROOT: motion.transl}
    for bone in skeleton.bones:
        turned[bone.name] = turned[bone.parent] @ _local(bone, motion)
        ends[bone.name] = ends[bone.parent] + turned[bone.name] @ (bone.direction * bone.length)
    names = skeleton.joint_names
    return Posed(names, np.stack([ends[n] for n in names], axis=1), np.stack([turned[n] for n in names], axis=1))


def _local(bone: Bone, motion: Motion) -> FloatArray:
    """Rotations relative to the parent, (F, 3, 3), or (3, 3) for a bone that never moves."""
    if not bone.dof:
        return np.eye(3)
    values = dict(zip(bone.dof, motion.angles[bone.name].T, strict=True))
    # Axes that a bone lacks do not turn, so leaving them out of the order changes nothing and saves the products.
    order = "".join(axis for axis in bone.order if axis in values)
    turns = rotations.euler(np.stack([values[axis] for axis in order], axis=-1), order)
    return bone.axis @ turns @ bone.axis.T


def _reordered(angles: FloatArray, order: str) -> FloatArray:
    return angles[:, ["xyz".index(axis) for axis in order]]
