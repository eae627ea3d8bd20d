"""Fitted walks as the priors learn from them, their path over the ground, and their mirror images. Arrays only."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from meshgait_data.conventions import SMPL_JOINTS, SMPL_MIRROR
from meshgait_data.rotations import log
from meshgait_data.types import FloatArray

LEFT_ANKLE, RIGHT_ANKLE = SMPL_JOINTS.index("left_ankle"), SMPL_JOINTS.index("right_ankle")
_LEG = tuple(SMPL_JOINTS.index(f"left_{name}") for name in ("hip", "knee", "ankle"))

_SIGNS = np.array([-1.0, 1.0, 1.0])
"""Mirroring at x = 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """One fitted walk of one person, straight on and at a steady pace."""

    name: str
    person: str
    """Identity: subjects that may be one person share it."""
    times: FloatArray
    """(F,) seconds."""
    rotations: FloatArray
    """(F, 24, 3, 3) relative to the parent; the root's against the world (y up)."""
    joints: FloatArray
    """(F, 24, 3) metres, world frame."""
    rest: FloatArray
    """(24, 3) rest joints of the person's shape, metres."""
    ground_m: float
    """Height of the floor in the world frame."""

    @property
    def leg_m(self) -> float:
        """Thigh and shank, metres."""
        return leg_length(self.rest)


def leg_length(rest: FloatArray) -> float:
    """Length of thigh and shank of rest joints (24, 3), metres: the unit of all lengths of a gait cycle."""
    hip, knee, ankle = (rest[joint] for joint in _LEG)
    return float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))


def mirrored(walk: Walk) -> Walk:
    """The same walk in a mirror that stands at x = 0: left steps are right steps."""
    flip = _SIGNS[:, None] * _SIGNS
    return replace(
        walk,
        name=f"{walk.name} mirrored",
        rotations=walk.rotations[:, SMPL_MIRROR] * flip,
        joints=walk.joints[:, SMPL_MIRROR] * _SIGNS,
        rest=walk.rest[SMPL_MIRROR] * _SIGNS,
    )


def mirror_tangents(tangents: FloatArray) -> FloatArray:
    """Rotation vectors (..., 24, 3) of the mirror image: x components stay, y and z change sign."""
    return tangents[..., SMPL_MIRROR, :] * -_SIGNS


def turn_about_y(angles: FloatArray) -> FloatArray:
    """Rotations (..., 3, 3) about the vertical; a heading of 0 is +z, a quarter turn is +x."""
    cosine, sine = np.cos(angles), np.sin(angles)
    zero, one = np.zeros_like(cosine), np.ones_like(cosine)
    rows = [cosine, zero, sine, zero, one, zero, -sine, zero, cosine]
    return np.stack(rows, -1).reshape(*np.shape(angles), 3, 3)


def symmetric_mean(rotations: FloatArray, weights: FloatArray) -> FloatArray:
    """Rotations (24, 3, 3) that are the weighted mean of (F, 24, 3, 3) and of their mirror images (chordal mean)."""
    flip = _SIGNS[:, None] * _SIGNS
    total = np.einsum("f,fjab->jab", weights, rotations)
    total = total + total[SMPL_MIRROR] * flip
    left, _, right = np.linalg.svd(total)
    left[..., 2] *= np.linalg.det(left @ right)[..., None]
    return left @ right


def tangents(rotations: FloatArray, mean: FloatArray) -> FloatArray:
    """(F, 24, 3) rotation vectors from the mean (24, 3, 3): ``log(mean^T R)``."""
    return log(mean.swapaxes(-1, -2) @ rotations)


def shares(people: Sequence[str]) -> FloatArray:
    """(N,) weight of each walk, so that all people weigh the same; they sum to one."""
    names, which, counts = np.unique(people, return_inverse=True, return_counts=True)
    return 1.0 / (len(names) * counts[which])
