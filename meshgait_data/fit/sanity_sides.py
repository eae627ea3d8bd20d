"""Whether left and right are what the names say: in single frames, and all the time. Arrays in, answers out.

Shape letters: F frames, P points, M pairs.
"""

from collections.abc import Sequence

import numpy as np

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit.sanity_body import Landmarks
from meshgait_data.types import BoolArray, FloatArray, IntArray

_CLEARER = 0.6
"""Sides were exchanged where points then move less than this share of what they move as they are named."""
_ENOUGH = 0.5
"""Share of the pairs that a frame must show."""
_MOST = 0.45
"""Share of the frames that may be called exchanged: with half of them nobody knows which half is right."""
_AHEAD_M = 0.01
"""Metres by which toes or knees must be ahead to be counted."""
_VOTES = 0.75
"""Share of the votes, by frames and pairs, that must say backwards."""


def swapped_frames(points: FloatArray, pairs: IntArray) -> BoolArray:
    """Frames in which left and right points have changed places, by continuity.

    Wherever the points jump to each other's places, they change names; frames of the rarer kind are called exchanged.

    Parameters
    ----------
    points
        (F, P, D) in space or in an image; NaN where unseen.
    pairs
        (M, 2) left and right points.

    Returns
    -------
    (F,)
    """
    result = np.zeros(len(points), bool)
    if len(points) < 3 or not len(pairs):
        return result
    there = np.asarray(np.isfinite(points[:, pairs]).all((2, 3)))
    pairs, there = pairs[there.any(0)], there[:, there.any(0)]
    # Where most pairs are unseen, what is left of them changes from frame to frame and jumps by itself.
    seen = np.flatnonzero(there.mean(1) > _ENOUGH) if len(pairs) else np.zeros(0, int)
    if len(seen) < 3:
        return result
    left, right = points[seen][:, pairs[:, 0]], points[seen][:, pairs[:, 1]]
    # What the body does as a whole is no jump.
    middle = np.nanmean((left + right) / 2, axis=1, keepdims=True)
    left, right = left - middle, right - middle
    stay = _moved(left, left) + _moved(right, right)
    cross = _moved(left, right) + _moved(right, left)
    jumps = cross < _CLEARER * stay
    flipped = np.concatenate([[False], np.cumsum(jumps) % 2 == 1])
    if flipped.mean() > 0.5:
        flipped = ~flipped
    if flipped.mean() <= _MOST:
        result[seen] = flipped
    return result


def _moved(first: FloatArray, second: FloatArray) -> FloatArray:
    """(F - 1,) sum of the distances from a frame of the first to the next of the second."""
    total: FloatArray = np.nansum(np.linalg.norm(second[1:] - first[:-1], axis=-1), axis=1)
    return total


def legs_crossed(points: FloatArray, landmarks: Landmarks) -> bool:
    """Whether legs are on the other side of the pelvis than the hips, most of the time."""
    legs, trunk = landmarks.pairs["legs"], landmarks.pairs["trunk"]
    if not len(legs) or not len(trunk):
        return False
    across = _mean(points[:, trunk[:, 0]] - points[:, trunk[:, 1]])
    apart = points[:, legs[:, 0]] - points[:, legs[:, 1]]
    side = (apart * across[:, None]).sum(-1) / np.linalg.norm(across, axis=-1)[:, None]
    return _say(side < 0, np.isfinite(side) & (np.abs(side) > _AHEAD_M))


def faces_backwards(points: FloatArray, landmarks: Landmarks) -> bool:
    """Whether toes and bent knees are behind, where the named sides say that the front is."""
    trunk = landmarks.pairs["trunk"] if len(landmarks.pairs["trunk"]) else landmarks.pairs["legs"]
    if not len(trunk):
        return False
    across = _mean(points[:, trunk[:, 0]] - points[:, trunk[:, 1]])
    # y up: from the right to the left, then up, is x and y of a frame whose z is the front.
    front = np.cross(across, [0.0, 1.0, 0.0])
    front = front / np.maximum(np.linalg.norm(front, axis=-1, keepdims=True), 1e-9)
    votes, counted = [], []
    for behind, ahead, *line in (("ankle", "foot"), ("ankle", "knee", "hip")):
        for side in ("left_", "right_"):
            reach = _ahead(points, landmarks, [side + name for name in (behind, ahead, *line)])
            if reach is not None:
                amount = (reach * front).sum(-1)
                votes.append(amount < 0)
                counted.append(np.isfinite(amount) & (np.abs(amount) > _AHEAD_M))
    return bool(votes) and _say(np.concatenate(votes), np.concatenate(counted))


def _ahead(points: FloatArray, landmarks: Landmarks, names: Sequence[str]) -> FloatArray | None:
    """(F, 3) from the first joint to the second, or of the second from the line of the first to the third."""
    ids = [_nearest(landmarks, name) for name in names]
    if any(i is None for i in ids):
        return None
    first, second, *last = (points[:, i] for i in ids if i is not None)
    return second - first if not last else second - (first + last[0]) / 2


def _nearest(landmarks: Landmarks, name: str) -> int | None:
    """The point that is in a joint, or at least marks it."""
    reach = {"foot": 0.08}.get(name.partition("_")[2], 0.06)
    distance = np.linalg.norm(landmarks.rest - landmarks.joints[SMPL_JOINTS.index(name)], axis=1)
    best = int(np.argmin(distance))
    return best if distance[best] < reach else None


def _say(votes: BoolArray, counted: BoolArray) -> bool:
    return bool(counted.sum() > 0 and votes[counted].mean() > _VOTES)


def _mean(vectors: FloatArray) -> FloatArray:
    """(F, 3) mean of the seen vectors; NaN where there is none."""
    seen = np.isfinite(vectors).all(-1, keepdims=True)
    count = seen.sum(1)
    return np.where(count > 0, np.where(seen, vectors, 0.0).sum(1) / np.maximum(count, 1), np.nan)
