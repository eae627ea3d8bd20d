"""Proportions and posture of observed points against the mean body: arrays in, numbers out.

Shape letters: F frames, P points, B bones (pairs of points whose distance hardly depends on the pose), M pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from meshgait_data.body.model import Body, rest_joints
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.types import FloatArray, IntArray

_LIMBS = ("hip", "knee", "ankle", "foot")
_ARMS = ("collar", "shoulder", "elbow", "wrist", "hand")
_SAME_M = 0.04
"""Points of the two sides are a pair where one is within this distance of the other's mirror image."""
_MIDDLE_M = 0.015
"""Points nearer to the plane of symmetry have no pair."""
_BONE_M = (0.12, 0.60)
"""Metres: shorter distances say more about where a point is in the joint than about the body."""
_TALL_M = 0.35
"""Metres between the means of upper and lower points, at least, for the posture to be told."""
_UPRIGHT = 0.8
"""Cosine to an axis from which on that axis is up."""


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """Where observed points are on the mean body in the T-pose (x to the left, y up, z forward)."""

    rest: FloatArray
    """(P, 3) metres."""
    joints: FloatArray
    """(24, 3) SMPL joints there."""
    bones: IntArray
    """(B, 2) points that one joint at most lies between."""
    pairs: Mapping[str, IntArray]
    """(M, 2) left and right points of ``legs``, ``arms`` and ``trunk`` (hips, shoulders, head)."""
    stature_m: float


def landmarks_of(body: Body, rest: FloatArray, joint: IntArray) -> Landmarks:
    """Bones and pairs of points on a body.

    Parameters
    ----------
    body
        The body.
    rest
        (P, 3) points in the rest pose.
    joint
        (P,) joint that each moves with.
    """
    parents = [int(parent) for parent in body.parents]
    joints = rest_joints(body)[0]
    near = [_between(parents, joints, rest[i], int(joint[i])) for i in range(len(rest))]
    bones = [
        (i, k)
        for i in range(len(rest))
        for k in range(i + 1, len(rest))
        if near[i] & near[k] and _BONE_M[0] < np.linalg.norm(rest[i] - rest[k]) < _BONE_M[1]
    ]
    stature = float(np.ptp(body.v_template[:, 1]))
    return Landmarks(rest, joints, np.array(bones, int).reshape(-1, 2), _pairs(rest, joint), stature)


def _between(parents: list[int], joints: FloatArray, point: FloatArray, joint: int) -> set[int]:
    """Rigid parts that a point belongs to: that of its joint; in a joint's centre also that above it."""
    own = {joint}
    if np.linalg.norm(point - joints[joint]) < _SAME_M and parents[joint] >= 0:
        own.add(parents[joint])
    for child, parent in enumerate(parents):
        if parent == joint and np.linalg.norm(point - joints[child]) < _SAME_M:
            own.add(child)
    return own


def _pairs(rest: FloatArray, joint: IntArray) -> dict[str, IntArray]:
    found: dict[str, list[tuple[int, int]]] = {"legs": [], "arms": [], "trunk": []}
    for left in np.flatnonzero(rest[:, 0] > _MIDDLE_M):
        distance = np.linalg.norm(rest - rest[left] * (-1, 1, 1), axis=1)
        right = int(np.argmin(distance))
        if distance[right] < _SAME_M and rest[right, 0] < -_MIDDLE_M:
            found[_part(SMPL_JOINTS[joint[left]], rest[left])].append((int(left), right))
    return {part: np.array(pairs, int).reshape(-1, 2) for part, pairs in found.items()}


def _part(name: str, rest: FloatArray) -> str:
    """The hips and what is above them tell the sides of the trunk; knees and below are legs, elbows and beyond arms."""
    stem = name.removeprefix("left_").removeprefix("right_")
    if stem in _LIMBS:
        return "trunk" if stem == "hip" and abs(rest[1] + 0.236) < 0.1 else "legs"
    if stem in _ARMS:
        return "trunk" if stem in ("collar", "shoulder") and rest[0] < 0.25 else "arms"
    return "trunk"


def bone_lengths(points: FloatArray, landmarks: Landmarks) -> FloatArray:
    """(B,) median lengths; NaN where a bone was never seen."""
    first, second = points[:, landmarks.bones[:, 0]], points[:, landmarks.bones[:, 1]]
    lengths = np.linalg.norm(first - second, axis=-1)
    result = np.full(lengths.shape[1], np.nan)
    there = np.isfinite(lengths).any(0)
    result[there] = np.nanmedian(lengths[:, there], axis=0)
    return result


def _ratios(points: FloatArray, landmarks: Landmarks) -> tuple[FloatArray, FloatArray]:
    expected = np.linalg.norm(landmarks.rest[landmarks.bones[:, 0]] - landmarks.rest[landmarks.bones[:, 1]], axis=1)
    lengths = bone_lengths(points, landmarks)
    return np.where(lengths > 0, lengths, np.nan) / expected, expected


def median_ratio(points: FloatArray, landmarks: Landmarks) -> float | None:
    """Size of the person by the mean body; None where no bone is seen."""
    ratios, _ = _ratios(points, landmarks)
    return float(np.nanmedian(ratios)) if np.isfinite(ratios).any() else None


def spread_of_ratios(points: FloatArray, landmarks: Landmarks) -> tuple[float, tuple[int, int, float, float]]:
    """How unlike the body's the bones are: mean absolute logarithm of their ratio to the median one.

    Returns
    -------
    The spread, and the strangest bone: its two points, its length, and the expected length at this size, metres.
    """
    ratios, expected = _ratios(points, landmarks)
    seen = np.isfinite(ratios)
    if seen.sum() < 4:
        return 0.0, (0, 0, 0.0, 0.0)
    size = float(np.nanmedian(ratios))
    off = np.where(seen, np.abs(np.log(np.where(seen, ratios, 1.0) / size)), 0.0)
    worst = int(np.argmax(off))
    first, second = landmarks.bones[worst]
    length = float(ratios[worst] * expected[worst])
    return float(off[seen].mean()), (int(first), int(second), length, float(size * expected[worst]))


def stand_axis(points: FloatArray, landmarks: Landmarks) -> str:
    """Signed axis, such as ``+y``, along which the person stands; empty where that is not clear."""
    order = np.argsort(landmarks.rest[:, 1])
    # Hands hang beside the hips: arms say nothing.
    order = order[np.abs(landmarks.rest[order, 0]) < 0.3]
    count = max(1, len(order) // 3)
    lower, upper = order[:count], order[-count:]
    if len(order) < 2 or np.ptp([landmarks.rest[ids, 1].mean() for ids in (lower, upper)]) < _TALL_M:
        return ""
    both = [_mean_place(points[:, ids]) for ids in (upper, lower)]
    line = both[0] - both[1]
    size = float(np.linalg.norm(line))
    if not np.isfinite(size) or size == 0:
        return ""
    axis = int(np.argmax(np.abs(line)))
    return ("+" if line[axis] > 0 else "-") + "xyz"[axis] if abs(line[axis]) > _UPRIGHT * size else ""


def _mean_place(points: FloatArray) -> FloatArray:
    """(3,) mean over the points of their medians over the frames."""
    seen = np.isfinite(points).all(-1).any(0)
    if not seen.any():
        return np.full(3, np.nan)
    result: FloatArray = np.nanmedian(points[:, seen], axis=0).mean(0)
    return result
