"""The most probable body that has given measurements: smallest betas, by Gauss-Newton. Arrays in, arrays out.

Shape letters: B shape components, M measurements.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from meshgait_data.body.measure import measure
from meshgait_data.body.measure_ways import QUANTITIES
from meshgait_data.body.model import Body
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.types import FloatArray

MOST_SD = 5.0
"""Length of the betas beyond which a body is called out of reach: the shape space was learned from nothing like it."""

TOLERANCE: Mapping[str, float] = {"m": 1e-4, "kg": 1e-2, "kg/m²": 3e-3}
"""Largest error of a measurement of the found body: 0.1 mm, 10 g, and what they do to the body mass index."""

_STEP = 0.05
"""Standard deviations by which betas are moved to take a derivative: wider than the kinks of a girth, where the tape
loses touch with a vertex."""
_LONGEST_STEP = 2.0
_MOST_STEPS = 40
_ENOUGH = 1e-3
"""Standard deviations; a smaller step changes nothing."""
_FIXED = 1e-3
"""Part of a derivative below which what is left after holding other measurements is rounding."""


def shape_of(
    body: Body, wanted: Mapping[str, float], *, num_betas: int | None = 10, most_sd: float = MOST_SD
) -> FloatArray:
    """Betas of the most probable body that has the given measurements.

    Shape components are independent and normal, so the most probable of all betas is the shortest. Each step
    linearises the measurements and takes the shortest betas that satisfy them; it ends where
    the measurements are met (:data:`TOLERANCE`) and the betas are shortest.

    Parameters
    ----------
    body
        Any body in SMPL's schema.
    wanted
        Name in :data:`~meshgait_data.body.measure_ways.QUANTITIES` to its value in metres, kg or kg/m².
    num_betas
        How many shape components may be used, at most the body's; None: all.
    most_sd
        Longest betas to accept, standard deviations.

    Returns
    -------
    (min(num_betas, B),) float64, standard deviations.

    Raises
    ------
    UsageError
        Where a name is unknown or a value is not a positive number.
    InvalidData
        Where no body within ``most_sd`` has these measurements, saying what it can have; or where one of them
        cannot be taken on this body.
    """
    _check(wanted)
    count = body.num_betas if num_betas is None else min(num_betas, body.num_betas)
    search = _Search(body, count)
    betas = search.solve(wanted)
    if betas is None or np.linalg.norm(betas) > most_sd:
        raise _out_of_reach(search, wanted, betas, most_sd)
    return betas


def reachable(
    body: Body, name: str, *, given: Mapping[str, float] | None = None, num_betas: int | None = 10, sd: float = MOST_SD
) -> tuple[float, float] | None:
    """Smallest and largest value of a measurement over bodies whose betas are at most ``sd`` long.

    Parameters
    ----------
    body, name, num_betas
        As for :func:`shape_of`.
    given
        Measurements that these bodies have.
    sd
        Length of betas.

    Returns
    -------
    The two values in the unit of the measurement, or None where no such body has what is given.
    """
    count = body.num_betas if num_betas is None else min(num_betas, body.num_betas)
    search = _Search(body, count)
    ends = [search.extreme(name, given or {}, sign, sd) for sign in (-1.0, 1.0)]
    return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])


def _check(wanted: Mapping[str, float]) -> None:
    unknown = [name for name in wanted if name not in QUANTITIES]
    if unknown or not wanted:
        raise UsageError(
            f"no measurement {', '.join(unknown)!r}" if unknown else "no measurement is asked for",
            hint=f"there are {', '.join(QUANTITIES)}",
        )
    for name, value in wanted.items():
        if not (np.isfinite(value) and value > 0):
            raise UsageError(f"{name} cannot be {value:g} {QUANTITIES[name].unit}", hint="give a positive number")


@dataclass(frozen=True, slots=True)
class _Search:
    """Walks over the shapes of one body, with as many components as it is given."""

    body: Body
    count: int

    def values(self, betas: FloatArray, names: list[str]) -> FloatArray:
        """(M,) of betas (B,), or (M, N) of (N, B)."""
        found = measure(self.body, betas, names)
        for name, reason in found.missing.items():
            raise InvalidData(f"{name} of body {self.body.name!r} cannot be measured: {reason}")
        return np.array([found[name] for name in names]).reshape(len(names), *betas.shape[:-1])

    def derivative(self, betas: FloatArray, names: list[str]) -> FloatArray:
        """(M, B) by central differences: most measurements are nearly linear in the betas."""
        steps = _STEP * np.eye(self.count)
        return (self.values(betas + steps, names) - self.values(betas - steps, names)) / (2 * _STEP)

    def solve(self, wanted: Mapping[str, float]) -> FloatArray | None:
        """Shortest betas with these measurements; None where none are found."""
        names, target = list(wanted), np.array(list(wanted.values()))
        betas: FloatArray = np.zeros(self.count)
        if not names:
            return betas
        size = np.array([TOLERANCE[QUANTITIES[name].unit] for name in names])
        share, last = 1.0, np.inf
        for _ in range(_MOST_STEPS):
            slope = self.derivative(betas, names)
            apart = target - self.values(betas, names)
            step = _shortest(slope / size[:, None], (apart + slope @ betas) / size) - betas
            length = float(np.linalg.norm(step))
            # Full steps go back and forth where measurements bend against each other, e.g. a girth against the mass.
            share = 0.5 if length > 0.5 * last else share
            betas, last = betas + step * min(share, _LONGEST_STEP / max(length, 1e-12)), length
            if length < _ENOUGH:
                break
        return betas if (np.abs(target - self.values(betas, names)) < size).all() else None

    def extreme(self, name: str, given: Mapping[str, float], sign: float, sd: float) -> float | None:
        """Largest (sign 1) or smallest (-1) value among betas of length ``sd`` that have what is given.

        Each step goes to the end of the ball along the derivative, after removing what would change the given.
        """
        betas = self.solve(given)
        if betas is None or np.linalg.norm(betas) > sd:
            return None
        names, target = list(given), np.array(list(given.values()))
        for _ in range(8):
            way = sign * self.derivative(betas, [name])[0]
            start: FloatArray = np.zeros(self.count)
            free = way
            if names:
                slope = self.derivative(betas, names)
                start = _shortest(slope, target - self.values(betas, names) + slope @ betas)
                free = way - _shortest(slope, slope @ way)
            if np.linalg.norm(free) <= _FIXED * np.linalg.norm(way):
                break  # what is given leaves it no freedom
            betas = start + np.sqrt(max(sd**2 - float(start @ start), 0.0)) * free / np.linalg.norm(free)
        return float(self.values(betas, [name])[0])


def _shortest(slope: FloatArray, value: FloatArray) -> FloatArray:
    """Shortest b with ``slope @ b = value``."""
    return np.linalg.lstsq(slope, value, rcond=1e-9)[0]


def _out_of_reach(
    search: _Search, wanted: Mapping[str, float], betas: FloatArray | None, most_sd: float
) -> InvalidData:
    """Say what cannot be had, and what can: each measurement alone, then the last one given the others."""

    def described(name: str, given: Mapping[str, float]) -> tuple[bool, str]:
        ends = [search.extreme(name, given, sign, most_sd) for sign in (-1.0, 1.0)]
        if ends[0] is None or ends[1] is None:
            return True, ""
        with_these = " and ".join(_said(other, value) for other, value in given.items())
        text = f"{name} {f'at {with_these} ' if given else ''}can be {ends[0]:.4g} to {_said('', ends[1], name)}"
        return ends[0] <= wanted[name] <= ends[1], text

    asked = ", ".join(_said(name, value) for name, value in wanted.items())
    far = f"takes betas {np.linalg.norm(betas):.1f} SD long" if betas is not None else "is not among its shapes"
    alone = [described(name, {}) for name in wanted]
    texts = [text for inside, text in alone if not inside]
    if not texts and len(wanted) > 1:
        last = list(wanted)[-1]
        texts = [described(last, {name: value for name, value in wanted.items() if name != last})[1]]
    limits = "; ".join(text for text in texts if text) or "the measurements contradict each other"
    return InvalidData(
        f"body {search.body.name!r} with {asked} {far}; at most {most_sd:g} SD are accepted: {limits}",
        hint="ask for less, allow more SD, or use more shape components",
    )


def _said(name: str, value: float, unit_of: str = "") -> str:
    return f"{name} {value:.4g} {QUANTITIES[unit_of or name].unit}".strip()
