"""Random draws of people and walks: pure functions of the seed and of which person and walk it is."""

import numpy as np

from meshgait_data.synth.gait import GaitSpace
from meshgait_data.synth.values import KINDS, Person, Population, Take
from meshgait_data.types import FloatArray

BETAS = 10
"""The body's components of adults."""
_PERSON, _TAKE, _WORN = range(3)
"""What a generator is for."""
_ARM_SWING = 0.2
"""Log of the factor of a person's arm swing beside their style's; a quarter of that between the sides."""
_LEAN_RAD = np.radians(2.0)
_PACE_WITHIN = 0.35
"""Spread of pace among the walks of a person, relative to that in the population."""
_RATES_HZ = (0.15, 1.1)
"""Of the slow turns: deviations from the cycle last half a second in the walks that it was learned from."""
_JOINT_WANDER = np.ones(24)
_JOINT_WANDER[[0, 1, 2, 4, 5, 7, 8, 10, 11]] = 0.4
"""Relative to ``wander_deg``: legs carry the body, and repeat themselves better than arms, trunk and head."""
_JOINT_WANDER[[20, 21, 22, 23]] = 0.0


def draw_person(space: GaitSpace, population: Population, number: int) -> Person:
    """Identity ``number``, from 0, of a population that walks in the styles of a gait space."""
    rng = _generator(population, _PERSON, number)
    betas = _bounded(rng, BETAS, population.shape_limit)
    style = population.style * rng.standard_normal(space.size)
    style *= min(1.0, population.style_limit / float(np.linalg.norm(style)))
    pace = np.linalg.cholesky(space.rhythm_covariance) @ _bounded(rng, 2, 2.0)
    swing, sides = _bounded(rng, 1, 2.0)[0], _bounded(rng, 1, 2.0)[0]
    arm_swing = np.exp(_ARM_SWING * (swing + np.array([0.25, -0.25]) * sides))
    return Person(betas, style, pace, arm_swing, float(_LEAN_RAD * _bounded(rng, 1, 2.0)[0]))


def draw_take(space: GaitSpace, population: Population, number: int, kind: str, take: int) -> Take:
    """One walk of an identity: its ``take``-th of a kind, from 0."""
    rng = take_generator(population, number, kind, take, worn=False)
    amplitude = np.radians(population.wander_deg) * _JOINT_WANDER[:, None, None]
    return Take(
        style=population.style_within * _bounded(rng, space.size, 2.5),
        pace=_PACE_WITHIN * np.linalg.cholesky(space.rhythm_covariance) @ _bounded(rng, 2, 2.0),
        phase=float(rng.uniform(0, 2 * np.pi)),
        heading=float(rng.uniform(-np.pi, np.pi)),
        # At any moment cosine and sine of a rate add up to a third of the variance.
        wander=amplitude * rng.standard_normal((3, 24, 3, 2)) / np.sqrt(3),
        rates=rng.uniform(*_RATES_HZ, 3),
    )


def take_generator(population: Population, number: int, kind: str, take: int, *, worn: bool) -> np.random.Generator:
    """Source of everything random about one walk, or about what is worn in it."""
    return _generator(population, _WORN if worn else _TAKE, number, KINDS.index(kind), take)


def _generator(population: Population, *words: int) -> np.random.Generator:
    return np.random.default_rng([population.seed, *words])


def _bounded(rng: np.random.Generator, count: int, limit: float) -> FloatArray:
    """Standard normal numbers, each drawn again until it is within the limit."""
    values = rng.standard_normal(count)
    while (far := np.abs(values) > limit).any():
        values[far] = rng.standard_normal(int(far.sum()))
    return values
