"""Noisy points made calm for the first guess; the fit itself sees them as they were observed."""

import math

import torch
from torch import Tensor

from meshgait_data.fit.batch import Layout

_ACCELERATION = 8.0
"""m/s^2 of the joints of walking people: an average over a time s is off by half of it times s^2."""
_REACH = 2.5
"""Standard deviations of the window after which it ends."""


def settle(layout: Layout, seconds: Tensor, targets: Tensor, weights: Tensor, noise: Tensor) -> Tensor:
    """Average points over as much time as their noise asks for: where it is as large as the error of averaging.

    Parameters
    ----------
    layout
        Captures.
    seconds
        (T,) time of each frame, increasing in a capture.
    targets
        (T, P, 3) metres; anything finite where unseen.
    weights
        (T, P) zero where unseen.
    noise
        (N,) metres: standard deviation of a coordinate.

    Returns
    -------
    (T, P, 3) means under a Gaussian window; as they were where nothing is seen in it.
    """
    width = (2 * noise / _ACCELERATION).sqrt()[layout.capture]
    total, mass = targets * weights[..., None], weights.clone()
    for gap in range(1, _most_frames(layout, seconds, width) + 1):
        span = layout.frames - gap
        apart = (seconds[gap:] - seconds[:span]) / width[gap:]
        share = torch.exp(-apart.square() / 2) * (layout.capture[gap:] == layout.capture[:span])
        for here, there in ((slice(gap, None), slice(0, span)), (slice(0, span), slice(gap, None))):
            weight = share[:, None] * weights[there]
            total[here] += weight[..., None] * targets[there]
            mass[here] += weight
    return torch.where(mass[..., None] > 0, total / mass.clamp(min=1e-12)[..., None], targets)


def _most_frames(layout: Layout, seconds: Tensor, width: Tensor) -> int:
    """Frames that the widest window reaches on each side."""
    if layout.frames < 2:
        return 0
    steps = seconds.diff()[layout.capture[1:] == layout.capture[:-1]]
    if not len(steps):
        return 0
    return min(math.ceil(_REACH * float(width.max() / steps.median())), max(layout.lengths) - 1)
