"""Where a walker must be so that the feet that stand do not slide: the root's path from the soles."""

from functools import lru_cache

import numpy as np

from meshgait_data.body.model import Body
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.types import FloatArray, IntArray

_ALONG = (0.0, 0.15, 0.35, 0.55, 0.72, 0.86, 0.97)
"""Places along the sole from heel to toes, as shares of its length."""
_ACROSS = (0.25, 0.75)
_SOLE_M = 0.015
"""Skin that is no higher than this above the lowest point of the rest pose is sole."""
_NEAR_M = 0.004
"""Height above the lowest point over which a point of the sole carries less and less."""
_TOUCH_M = 0.001
"""The same where the height of the ground is concerned: the lowest points touch it."""
_STANCE = 0.61
"""Share of the cycle that a foot is on the ground (Perry, Gait Analysis, 1992: about 60 %)."""
_EDGE = 0.03
"""Share of the cycle over which a foot takes over the weight."""


@lru_cache(maxsize=2)
def sole_vertices(body: Body) -> IntArray:
    """(2 P,) vertices on the sole of the left, then of the right foot."""
    chosen = []
    for side in ("left", "right"):
        foot = [SMPL_JOINTS.index(f"{side}_{name}") for name in ("ankle", "foot")]
        own = np.flatnonzero(body.weights[:, foot].sum(axis=1) > 0.5)
        skin = body.v_template[own]
        low = own[skin[:, 1] < skin[:, 1].min() + _SOLE_M]
        places = body.v_template[low][:, [0, 2]]
        start, extent = places.min(0), np.ptp(places, axis=0)
        wanted = [start + extent * (x, z) for z in _ALONG for x in _ACROSS]
        chosen += [low[np.linalg.norm(places - place, axis=1).argmin()] for place in wanted]
    return np.array(chosen)


def rooted(points: FloatArray, phase: FloatArray, seconds: FloatArray) -> FloatArray:
    """Translations that put the soles on the ground and keep them where they stand.

    A point carries the more the nearer it is to the lowest one of its foot, while its foot has its part of the cycle.
    The body moves against the mean velocity of the points, weighted by what they carry.

    Parameters
    ----------
    points
        (F, 2 P, 3) metres, soles of a body whose root stays in place, the left foot's first.
    phase
        (F,) radians, 0 at the left heel strike, not wrapped.
    seconds
        (F,) increasing, close enough together for differences.

    Returns
    -------
    (F, 3) metres; the ground is at height 0, the first frame above the origin.
    """
    heights, standing = points[..., 1], _standing(phase, points.shape[1])
    weights = _carrying(heights, standing, _NEAR_M)
    velocity = np.gradient(points[..., [0, 2]], seconds, axis=0)
    against = -np.einsum("fp,fpc->fc", weights, velocity)
    steps = 0.5 * (against[1:] + against[:-1]) * np.diff(seconds)[:, None]
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    lowest = (_carrying(heights, standing, _TOUCH_M) * heights).sum(axis=1)
    return np.stack([path[:, 0], -lowest, path[:, 1]], axis=1)


def _carrying(heights: FloatArray, standing: FloatArray, near: float) -> FloatArray:
    """(F, 2 P) shares of the weight; rows sum to one."""
    weights = standing * np.exp(-(heights - heights.min(axis=1, keepdims=True)) / near)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _standing(phase: FloatArray, count: int) -> FloatArray:
    """(F, 2 P) how much of its weight a foot bears at phases (F,): 1 in mid-stance, next to nothing in the swing."""
    share = np.stack([phase / (2 * np.pi), phase / (2 * np.pi) + 0.5], -1) % 1.0
    # Signed share of the cycle inside the stance.
    inside = np.minimum(np.where(share > 0.5 + _STANCE / 2, share - 1, share), _STANCE - share)
    bears = 1 / (1 + np.exp(-4 * inside / _EDGE))
    return np.repeat(bears + 1e-6, count // 2, axis=1)
