"""How noisy observations are, from the observations alone: what no body does between frames is noise."""

import torch
from torch import Tensor

from meshgait_data.fit.batch import Layout

_WEIGHTS = (-1.0, 3.0, -3.0, 1.0)
"""Third difference: what is left of smooth motion is small, of white noise its variance times twenty."""
_MEDIAN_OF_SQUARE = 0.4549
"""Median of the square of a standard normal (chi-squared of one degree of freedom)."""


def white_noise(values: Tensor, seen: Tensor, layout: Layout, floor: float, unknown: float) -> Tensor:
    """Standard deviation of the noise that differs from frame to frame.

    The median over frames, points and coordinates of squared third differences: outliers and a few fast movements do
    not count. Motion of 5 Hz and 5 mm at 30 frames a second is taken for noise of 1 mm; slower motion for less.

    Parameters
    ----------
    values
        (T, P, D) at an even pace: metres, pixels.
    seen
        (T, P) bool.
    layout
        Captures.
    floor
        The least that is returned: observations are never better than that.
    unknown
        Returned for captures without four frames in a row.

    Returns
    -------
    (N,) in the unit of the values.
    """
    sigma = values.new_full((len(layout),), unknown)
    for index, frames in enumerate(layout.slices()):
        part, there = values[frames], seen[frames]
        count = len(part) - 3
        if count < 1:
            continue
        change = torch.stack([weight * part[i : i + count] for i, weight in enumerate(_WEIGHTS)]).sum(0)
        together = there[:count] & there[1 : count + 1] & there[2 : count + 2] & there[3:]
        found = change[together].square().flatten()
        if len(found):
            variance = found.median() / _MEDIAN_OF_SQUARE / sum(weight**2 for weight in _WEIGHTS)
            sigma[index] = variance.sqrt().clamp(min=floor)
    return sigma


def with_bias(sigma: Tensor, bias: float) -> tuple[Tensor, Tensor]:
    """Spread of one observation where each also carries an error that is the same in all frames.

    Such an error is no noise: more frames are not more evidence. The first value weighs the observations; the second
    is the precision of the shape prior that a frame must add, so that shapes do not follow the error of the map
    however many frames repeat it.

    Parameters
    ----------
    sigma
        (N,) noise that differs between frames.
    bias
        Error that does not, in the same unit.

    Returns
    -------
    (N,) combined standard deviation, and (N,) precision of the standard-normal betas a frame.
    """
    both = torch.hypot(sigma, sigma.new_tensor(bias))
    return both, (bias / both) ** 2
