"""How hard people who walk accelerate: what smoothness is weighed with. Arrays only."""

from collections.abc import Sequence

import numpy as np

from meshgait_data.conventions import SMPL_MIRROR
from meshgait_data.fit.priors.walks import Walk, shares
from meshgait_data.rotations import log
from meshgait_data.types import FloatArray

_BAND_HZ = 12.0
"""Accelerations of walking have about the power of white noise up to 6 Hz, in both directions of frequency: marker
paths have 99.7 % of theirs below that (Winter, Sidwall & Hobson, J. Biomechanics 7, 1974)."""
_LEAST = 3.0
"""rad/s^2: joints that the fits hardly see turn (spine3, hands) are not stiffer than that."""


def accelerations(walks: Sequence[Walk]) -> tuple[FloatArray, float]:
    """Spectral density of accelerations about or along one axis; everybody counts once, and their mirror image.

    Returns
    -------
    (24,) of the angular acceleration of each joint against its parent, rad^2/s^3, and that of the pelvis, m^2/s^3.
    """
    turns, moves = np.zeros(24), 0.0
    for share, walk in zip(shares([walk.person for walk in walks]), walks, strict=True):
        step = np.diff(walk.times)
        even = np.isclose(step[1:], step[:-1], rtol=0.01)[:, None]
        rate = log(walk.rotations[:-1].swapaxes(-1, -2) @ walk.rotations[1:]) / step[:, None, None]
        turn = np.square(np.diff(rate, axis=0) / step[1:, None, None]).mean(axis=-1)
        move = np.diff(np.diff(walk.joints[:, 0], axis=0) / step[:, None], axis=0) / step[1:, None]
        turns += share * (turn * even).sum(axis=0) / even.sum()
        moves += share * float((np.square(move) * even).mean(axis=1).sum() / even.sum())
    return np.maximum(0.5 * (turns + turns[SMPL_MIRROR]), _LEAST**2) / _BAND_HZ, moves / _BAND_HZ
