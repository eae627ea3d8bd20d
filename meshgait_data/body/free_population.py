"""Who the free body's people are: published figures of stature and body mass, and the source's numbers that meet them.

Arrays only. Anny's own numbers (``height``, ``weight``, ``muscle``, each 0 to 1) have no units, and its default range
gives adults of 1.8 m who all weigh about the same. Here every person first gets a stature and a body mass index from
the published spread; then the numbers that give them are searched for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from meshgait_data.body.measure_ways import DENSITY
from meshgait_data.types import FloatArray

Kind = Literal["plain", "varied", "children", "heavy", "elderly"]
Traits = dict[str, FloatArray]
"""The source's numbers, each (N,): phenotypes, and local changes of limbs and girths."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Normal stature and log-normal body mass index of one sex."""

    height_m: float
    height_sd: float
    bmi: float
    bmi_sd: float


MEN = Figures(1.71, 0.08, 24.2, 4.4)
WOMEN = Figures(1.59, 0.075, 24.4, 5.0)
"""Means of the world's adults. Stature: people born in 1996 (NCD-RisC, eLife 2016, doi 10.7554/eLife.13410), with 7 cm
within a country and 4 cm between countries' means. Body mass index: 2014 (NCD-RisC, Lancet 2016, doi
10.1016/S0140-6736(16)30054-X); the spreads are those that give its shares of obesity (10.8 and 14.9 %) and
underweight (8.8 and 9.7 %) within 2 points."""

_CHILD_YEARS = (4.0, 7.0, 11.0, 16.0)
_CHILD_HEIGHT = {"boys": (1.03, 1.22, 1.43, 1.73), "girls": (1.03, 1.21, 1.45, 1.62)}
_CHILD_BMI = (15.3, 15.5, 17.0, 20.6)
_CHILD_SD = (0.05, 0.12)
"""Round medians of WHO's growth references of 2006 and 2007, and relative spreads of stature and body mass index."""
_YEARS = ((0.0, 1.0, 4.0, 11.0, 16.0, 18.0, 64.0, 110.0), (0.0, 0.05, 0.215, 0.415, 0.67, 0.77, 0.83, 1.0))
"""Years and what they are on Anny's scale of age, by its authors' calibration."""

_ADULT, _OLD = (0.67, 1.0), (0.86, 1.0)
"""Anny's ages: its young adult to its old one; and from 70 years."""
_HEAVY = (30.0, 38.0)
"""Range of the body mass index of ``heavy`` people."""
_STEPS = 9
_STATURE_PER_HEIGHT = 1.09
"""Metres that Anny's ``height`` from 0 to 1 makes an adult taller."""


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """What drawn people shall measure."""

    height_m: FloatArray
    """(N,)."""
    bmi: FloatArray
    """(N,) kg per square metre."""


def draw(rng: np.random.Generator, count: int, kind: Kind) -> tuple[Traits, Wanted]:
    """Draw people: all that is left to chance, and the stature and mass that ``height`` and ``weight`` shall give.

    ``plain`` and ``varied`` are adults of all ages, ``elderly`` those over about 70, ``heavy`` those with a body mass
    index over 30, ``children`` are 4 to 16 years old.
    """
    male = rng.random(count) < 0.5
    traits: Traits = {"gender": np.clip(rng.normal(np.where(male, 0.08, 0.92), 0.12), 0, 1)}
    if kind == "children":
        years = rng.uniform(_CHILD_YEARS[0], _CHILD_YEARS[-1], count)
        traits["age"] = np.interp(years, *_YEARS)
        medians = [np.interp(years, _CHILD_YEARS, _CHILD_HEIGHT[sex]) for sex in ("boys", "girls")]
        height = np.where(male, *medians) * (1 + rng.normal(0, _CHILD_SD[0], count))
        bmi = np.interp(years, _CHILD_YEARS, _CHILD_BMI) * np.exp(rng.normal(0, _CHILD_SD[1], count))
    else:
        traits["age"] = rng.uniform(*(_OLD if kind == "elderly" else _ADULT), count)
        height = np.where(male, _normal(rng, count, MEN), _normal(rng, count, WOMEN))
        drawn = [_log_normal(rng, count, figures) for figures in (MEN, WOMEN)]
        bmi = rng.uniform(*_HEAVY, count) if kind == "heavy" else np.where(male, *drawn)
    traits["muscle"] = np.clip(rng.normal(0.4, 0.2, count), 0, 1)
    traits["proportions"] = np.clip(rng.normal(0.5, 0.2, count), 0, 1)
    for name in ("cupsize", "firmness"):
        traits[name] = np.clip(rng.normal(0.5, 0.15, count), 0, 1)
    traits["african"], traits["asian"], traits["caucasian"] = rng.dirichlet([1, 1, 1], count).T
    return traits, Wanted(height, bmi)


def solve(
    traits: Traits, wanted: Wanted, measure: Callable[[Mapping[str, FloatArray]], tuple[FloatArray, FloatArray]]
) -> Traits:
    """Find ``height``, ``weight`` and ``muscle`` that give people their stature and body mass.

    Mass is searched by halving along a path on which it only grows: less muscle at no fat, more fat at the person's
    own muscle, then less muscle at most fat. Who cannot be reached stays at the path's end.

    Parameters
    ----------
    traits
        All other numbers, and the person's own ``muscle``.
    wanted
        What is searched for.
    measure
        Gives (N,) statures in metres and (N,) volumes in cubic metres of people with such numbers.
    """
    count = len(wanted.bmi)
    low, high = np.full(count, -1.0), np.full(count, 2.0)
    height = np.full(count, 0.4)
    found = traits
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        found = {**traits, "height": height, **_on_path(middle, traits["muscle"])}
        stature, volume = measure(found)
        too_light = DENSITY * volume / stature**2 < wanted.bmi
        low, high = np.where(too_light, middle, low), np.where(too_light, high, middle)
        height = np.clip(height + (wanted.height_m - stature) / _STATURE_PER_HEIGHT, 0, 1)
    return {**found, "height": height}


def _on_path(place: FloatArray, muscle: FloatArray) -> Traits:
    """Weight and muscle at places -1 (thinnest) to 2 (heaviest)."""
    less = np.clip(np.maximum(-place, place - 1), 0, 1)
    return {"weight": np.clip(place, 0, 1), "muscle": muscle * (1 - less)}


def _normal(rng: np.random.Generator, count: int, figures: Figures) -> FloatArray:
    return rng.normal(figures.height_m, figures.height_sd, count)


def _log_normal(rng: np.random.Generator, count: int, figures: Figures) -> FloatArray:
    spread = np.sqrt(np.log1p((figures.bmi_sd / figures.bmi) ** 2))
    return rng.lognormal(np.log(figures.bmi) - 0.5 * spread**2, spread, count)
