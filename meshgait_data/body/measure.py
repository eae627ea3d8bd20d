"""Measurements of a body in its rest pose: height, mass, lengths and girths. Arrays in, numbers out.

Shape letters: N shapes, B shape components, P points. Body frame (y up, facing +z), metres and kg.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from meshgait_data.body.measure_sections import Loop
from meshgait_data.body.measure_ways import QUANTITIES, WAYS, NoValueError, Shaped, Way
from meshgait_data.body.model import Body
from meshgait_data.errors import InvalidData
from meshgait_data.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """What was measured of one body shape, or of N."""

    values: Mapping[str, FloatArray]
    """Name in :data:`QUANTITIES` to () or (N,) float64 in its unit, in that order."""
    missing: Mapping[str, str]
    """Name of what could not be measured to the reason."""
    loops: Mapping[str, FloatArray] = field(default_factory=dict)
    """Name of a girth to the (P, 3) points of its tape; only of a single shape."""

    def __getitem__(self, name: str) -> FloatArray:
        return self.values[name]


def measure(body: Body, betas: FloatArray | None = None, names: Sequence[str] | None = None) -> Measurements:
    """Measure a body in its rest pose.

    Parameters
    ----------
    body
        Any body in SMPL's schema; its rest pose is a T-pose or near one.
    betas
        (B',) or (N, B') shape, standard deviations; fewer than the body has leave the others at zero. None: the mean.
    names
        What to measure; None: all of :data:`QUANTITIES`.

    Returns
    -------
    Values of one shape, or of N. What cannot be measured, such as the mass of a surface that is not closed, is in
    ``missing`` with its reason.

    Raises
    ------
    InvalidData
        Where ``betas`` are not finite, or more than the body has.
    KeyError
        Where a name is not one of :data:`QUANTITIES`.
    """
    shape = np.zeros(0) if betas is None else np.asarray(betas, np.float64)
    if shape.ndim not in (1, 2) or shape.shape[-1] > body.num_betas or not np.isfinite(shape).all():
        raise InvalidData(
            f"betas of shape {shape.shape} do not fit body {body.name!r}: "
            f"it takes at most {body.num_betas} finite numbers"
        )
    ways = {name: WAYS[name] for name in (QUANTITIES if names is None else names)}
    found = [_measure_one(Shaped(body, row), ways) for row in np.atleast_2d(shape)]
    missing = {name: reason for one in found for name, reason in one.missing.items()}
    stacked = {name: np.array([one[name] for one in found]) for name in ways if name not in missing}
    if shape.ndim == 2:
        return Measurements(stacked, missing)
    return Measurements({name: value[0] for name, value in stacked.items()}, missing, found[0].loops)


def _measure_one(shaped: Shaped, ways: Mapping[str, Way]) -> Measurements:
    values: dict[str, FloatArray] = {}
    missing: dict[str, str] = {}
    loops: dict[str, FloatArray] = {}
    for name, way in ways.items():
        try:
            found = way(shaped)
        except NoValueError as reason:
            missing[name] = str(reason)
            continue
        if isinstance(found, Loop):
            loops[name] = found.points
        values[name] = np.array(found.girth if isinstance(found, Loop) else found)
    return Measurements(values, missing, loops)
