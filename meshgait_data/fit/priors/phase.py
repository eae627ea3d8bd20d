"""Where in the gait cycle each frame of a walk is, and the path that the walk follows. Arrays only.

Phase 0 is the left heel strike, pi the right one. Heel strikes are where an ankle is farthest ahead of the pelvis
(Zeni, Richards & Higginson, *Two simple methods for determining gait events during treadmill and overground walking
using kinematic data*, Gait & Posture 27, 2008).
"""

from dataclasses import dataclass

import numpy as np

from meshgait_data.errors import InvalidData
from meshgait_data.fit.priors.walks import LEFT_ANKLE, RIGHT_ANKLE, Walk
from meshgait_data.types import FloatArray

STRIDES_HZ = (0.4, 1.6)
"""Strides (two steps) a second that are looked for."""
_LEAST_FIT = 0.7
"""Share of the variance of the distance between the ankles that the best sine must explain in a walk."""
_LEAST_SPEED = 0.2
"""m/s: slower people stand, or walk on the spot, where the path tells no direction."""
_PATH_DEGREE = 2
"""The pelvis' mean path is a parabola in time: walks that start, stop or turn a little."""


@dataclass(frozen=True, slots=True, eq=False)
class Paced:
    """Phase and path of one walk."""

    phase: FloatArray
    """(F,) radians, not wrapped."""
    heading: FloatArray
    """(F,) radians about the vertical of the direction of the path, 0 is +z."""
    forward: FloatArray
    """(F,) metres that the pelvis is ahead of its even path."""
    lateral: FloatArray
    """(F,) metres that it is to the left of it."""
    speed: float
    """m/s along the path."""

    @property
    def left(self) -> FloatArray:
        """(F, 3) horizontal direction to the walker's left."""
        return np.stack([np.cos(self.heading), np.zeros_like(self.heading), -np.sin(self.heading)], -1)

    @property
    def ahead(self) -> FloatArray:
        """(F, 3) horizontal direction of the path."""
        return np.stack([np.sin(self.heading), np.zeros_like(self.heading), np.cos(self.heading)], -1)


def harmonics(phase: FloatArray, count: int) -> FloatArray:
    """(F, 1 + 2 H) columns 1, cos, sin, cos 2, sin 2, ... of phases (F,)."""
    angles = np.arange(1, count + 1) * phase[:, None]
    waves = np.stack([np.cos(angles), np.sin(angles)], -1).reshape(len(phase), -1)
    return np.concatenate([np.ones((len(phase), 1)), waves], axis=1)


def first_phase(walk: Walk) -> FloatArray:
    """(F,) phase from the sine that fits best to how far the left ankle is ahead of the right one.

    A fit over the whole walk needs no filter, and ends of the walk are no worse than its middle.

    Raises
    ------
    InvalidData
        Where nobody walks: the pelvis goes nowhere, no sine fits, or the walk is shorter than a stride (two steps).
    """
    time = walk.times - walk.times[0]
    path = np.polynomial.polynomial.polyfit(time, walk.joints[:, 0, [0, 2]], 1)[1]
    if not np.linalg.norm(path) > _LEAST_SPEED:
        raise InvalidData(
            f"the pelvis moves at {np.linalg.norm(path):.2f} m/s: it goes nowhere", where=walk.name,
            hint="leave this walk out: its direction cannot be told",
        )  # fmt: skip
    spread = (walk.joints[:, LEFT_ANKLE] - walk.joints[:, RIGHT_ANKLE])[:, [0, 2]] @ (path / np.linalg.norm(path))
    rates = 2 * np.pi * np.geomspace(*STRIDES_HZ, 200)
    columns = np.stack([np.cos(np.outer(rates, time)), np.sin(np.outer(rates, time)), np.ones((200, len(time)))], -1)
    waves = np.linalg.lstsq(columns[0], spread, rcond=None)[0][None].repeat(200, 0)
    for number, column in enumerate(columns):
        waves[number] = np.linalg.lstsq(column, spread, rcond=None)[0]
    misses = spread - (columns @ waves[..., None])[..., 0]
    explained = 1 - misses.var(axis=1) / spread.var()
    best = int(np.argmax(explained))
    if not explained[best] > _LEAST_FIT:
        raise InvalidData(
            f"the ankles do not swing like a walk's: the best sine explains {explained[best]:.0%}", where=walk.name,
            hint="leave this walk out: gait priors are learned from people who walk",
        )  # fmt: skip
    if rates[best] * time[-1] < 2 * np.pi:
        raise InvalidData(
            f"{rates[best] * time[-1] / (2 * np.pi):.1f} strides; one is the least to learn from", where=walk.name
        )
    cosine, sine, _ = waves[best]
    return rates[best] * time - np.arctan2(sine, cosine)


def follow_path(walk: Walk, phase: FloatArray, count: int = 3) -> Paced:
    """Split the pelvis' way over the ground into an even path and a part that repeats each cycle.

    Parameters
    ----------
    walk
        A walk.
    phase
        (F,) radians.
    count
        Harmonics of the part that repeats.
    """
    time = walk.times - walk.times.mean()
    powers = time[:, None] ** np.arange(_PATH_DEGREE + 1)
    columns = np.concatenate([powers, harmonics(phase, count)[:, 1:]], axis=1)
    place = walk.joints[:, 0][:, [0, 2]]
    # A little ridge on the cycle: in a walk of a single cycle it can look like a parabola.
    ridge = np.diag([0.0] * powers.shape[1] + [1e-2] * (2 * count))
    solution = np.linalg.solve(columns.T @ columns + ridge, columns.T @ place)
    path = solution[: powers.shape[1]]
    velocity = path[1] + 2 * time[:, None] * path[2]
    speed = np.linalg.norm(velocity, axis=1)
    heading = np.arctan2(velocity[:, 0], velocity[:, 1])
    off = place - powers @ path
    ahead, left = velocity / speed[:, None], np.stack([velocity[:, 1], -velocity[:, 0]], 1) / speed[:, None]
    return Paced(phase, heading, (off * ahead).sum(1), (off * left).sum(1), float(speed.mean()))


def refine_phase(
    phase: FloatArray, observed: FloatArray, cycle: FloatArray, weights: FloatArray, *, cutoff: float
) -> FloatArray:
    """Move each frame's phase to where it fits a known cycle best, smoothly in time.

    Parameters
    ----------
    phase
        (F,) radians to start from.
    observed
        (F, C) channels.
    cycle
        (1 + 2 H, C) Fourier coefficients of the cycle.
    weights
        (C,) of the squared differences.
    cutoff
        Cycles per frame: deviations from an even pace that swing faster than this are taken for noise.

    Returns
    -------
    (F,) radians.
    """
    count = (len(cycle) - 1) // 2
    order = np.repeat(np.arange(1, count + 1), 2)
    second = np.diff(np.eye(len(phase)), 2, axis=0)
    # Whittaker's smoother halves the amplitude where the weight of second differences times this is one.
    rough = second.T @ second / (2 - 2 * np.cos(2 * np.pi * cutoff)) ** 2
    for _ in range(3):
        waves = harmonics(phase, count)
        # d/dphase of (cos n, sin n) is n (-sin n, cos n).
        turned = waves[:, 1:].reshape(len(phase), count, 2)[..., ::-1] * [-1, 1]
        slope = (turned.reshape(len(phase), -1) * order) @ cycle[1:]
        miss = observed - waves @ cycle
        known = (weights * slope**2).sum(1)
        stiff = known.mean() * rough
        pull = (weights * slope * miss).sum(1) - stiff @ phase
        phase = phase + np.linalg.solve(np.diag(known) + stiff, pull)
    return phase


def heel_strikes(walk: Walk, paced: Paced) -> FloatArray:
    """Phases of the heel strikes of a walk, right ones moved by half a cycle: all near 0 if the phase is right."""
    found = []
    for ankle, shift in ((LEFT_ANKLE, 0.0), (RIGHT_ANKLE, np.pi)):
        reach = ((walk.joints[:, ankle] - walk.joints[:, 0]) * paced.ahead).sum(1)
        peaks = np.flatnonzero((reach[1:-1] > reach[:-2]) & (reach[1:-1] >= reach[2:])) + 1
        # The foot is ahead only around its strike; small bumps elsewhere do not count.
        peaks = peaks[reach[peaks] > 0.5 * reach.max()]
        before, here, after = reach[peaks - 1], reach[peaks], reach[peaks + 1]
        offset = 0.5 * (before - after) / np.minimum(before - 2 * here + after, -1e-9)
        found.append(np.interp(peaks + offset, np.arange(len(reach)), paced.phase) - shift)
    wrapped = np.concatenate(found)
    return (wrapped + np.pi) % (2 * np.pi) - np.pi
