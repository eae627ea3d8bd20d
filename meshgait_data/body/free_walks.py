"""Walks for the free body's correctives: rotations of a mocap skeleton's bones as rotations of SMPL's joints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from meshgait_data.conventions import SMPL_JOINTS, SMPL_PARENTS
from meshgait_data.rotations import between
from meshgait_data.types import FloatArray

_BONES = {
    "pelvis": "root", "spine1": "lowerback", "spine2": "upperback", "spine3": "thorax", "neck": "lowerneck",
    "head": "head", "hip": "femur", "knee": "tibia", "ankle": "foot", "foot": "toes", "collar": "clavicle",
    "shoulder": "humerus", "elbow": "radius", "wrist": "hand", "hand": "hand",
}  # fmt: skip
"""SMPL joint, without its side, to the bone (l..., r...) of CMU's skeleton that turns with it."""

_LIMBS = (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
"""Joints whose bone rests in another direction in CMU's skeletons: their legs stand 20 degrees apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """A captured walk, as CMU's skeleton describes it."""

    name: str
    bones: Sequence[str]
    """Names of the skeleton's bones."""
    rotations: FloatArray
    """(F, number of bones, 3, 3) of each bone from the skeleton's rest pose to the world."""
    directions: Mapping[str, FloatArray]
    """(3,) rest direction of each bone."""


def joint_rotations(walk: Walk, rest: FloatArray) -> FloatArray:
    """Rotations of SMPL's joints relative to their parents.

    Parameters
    ----------
    walk
        Of CMU's skeleton.
    rest
        (24, 3) rest joints of the body, metres: its limbs need not rest in the skeleton's directions.

    Returns
    -------
    (F, 24, 3, 3).
    """
    index = SMPL_JOINTS.index
    world = np.stack([walk.rotations[:, walk.bones.index(_bone(joint))] for joint in SMPL_JOINTS], axis=1)
    for side in ("left", "right"):
        for start, end in _LIMBS:
            joint = index(f"{side}_{start}")
            ours = rest[index(f"{side}_{end}")] - rest[joint]
            world[:, joint] = world[:, joint] @ between(ours, walk.directions[_bone(f"{side}_{start}")])
    local = world.copy()
    local[:, 1:] = world[:, list(SMPL_PARENTS[1:])].swapaxes(-1, -2) @ world[:, 1:]
    return local


def _bone(joint: str) -> str:
    side, _, stem = joint.rpartition("_")
    return f"{side[:1]}{_BONES[stem]}"
