"""Cameras that are known about, brought to where the boxes of the masks want them: a start for the fit.

The body is a post of mean stature that moves evenly along +z through the origin. Its crown, middle and sole in each
view are the top, middle column and bottom of the box of the mask. Cameras and speed are found by damped Gauss-Newton
under the Gaussians of :class:`meshgait_data.fit.cameras.CameraPrior`.
"""

import numpy as np
import torch
from torch import Tensor

from meshgait_data.fit.cameras import UNKNOWNS, CameraPrior, Views
from meshgait_data.fit.mask_start import STATURE_M, Post
from meshgait_data.types import FloatArray

SPEED = 1.25, 0.35
"""m/s: mean and spread of how fast people walk."""
_SIGMA = 0.02
"""Of a box' side, as a share of the body's height: the pelvis is not in its middle, the foot not below."""
_ITERATIONS = 12


def place_cameras(boxes: FloatArray, views: Views, prior: CameraPrior, seconds: FloatArray) -> tuple[Tensor, Post]:
    """Unknowns (1, V * 7) of the views of one capture, and the walk that goes with them.

    Parameters
    ----------
    boxes
        (F, V, 4) least and greatest x, least and greatest y in pixels; NaN where a view does not see the whole body.
    views, prior
        The nominal cameras of one capture and how far they may be off; their targets lie on the walk.
    seconds
        (F,) time of each frame.
    """
    seen = torch.as_tensor(np.isfinite(boxes).all(-1)) & views.present.cpu()
    tall = np.nanmedian(boxes[..., 3] - boxes[..., 2] + 1, axis=0)
    left, right, top, bottom = torch.as_tensor(np.nan_to_num(boxes)).unbind(-1)
    observed = torch.stack([(left + right) / 2, top - 0.5, bottom + 0.5], -1)
    weights = seen[..., None] / torch.as_tensor(_SIGMA * np.nan_to_num(tall, nan=1.0))[:, None] ** 2
    # Neighbouring frames err together; a second of walk is worth some ten frames.
    time = torch.as_tensor(seconds - np.mean(seconds))
    span = max(float(time[-1] - time[0]), 0.1)
    weights = (weights * min(1.0, 10 * span / len(time))).expand_as(observed)
    target = views.target[0, 0].cpu()
    size = UNKNOWNS * len(views)
    unknowns, speed = torch.zeros(1, size, dtype=torch.float64), torch.tensor(SPEED[0], dtype=torch.float64)
    damping, best = 1e-3, None
    for _ in range(_ITERATIONS):
        miss, slope = _misses(views, unknowns, speed, time, target, observed)
        flat, weight = slope.flatten(0, 2), weights.flatten()
        matrix = flat.mT @ (weight[:, None] * flat)
        force = flat.mT @ (weight * miss.flatten())
        matrix.diagonal().add_(torch.cat([prior.precision[0].cpu(), torch.tensor([SPEED[1] ** -2])]))
        force[:size] -= prior.precision[0].cpu() * unknowns[0]
        force[size] -= (speed - SPEED[0]) / SPEED[1] ** 2
        cost = _cost(miss, weights, prior, unknowns, speed)
        if best is not None and cost > best[0]:
            (_, unknowns, speed, matrix, force), damping = best, damping * 10
        else:
            best, damping = (cost, unknowns, speed, matrix, force), damping / 10
        step = torch.linalg.solve(matrix + damping * torch.diag(matrix.diagonal()), force)
        unknowns, speed = unknowns + step[None, :size], speed + step[size]
    assert best is not None
    _, unknowns, speed = best[:3]
    ground = torch.stack([target[0].expand_as(time), target[2] + speed * time], 1).numpy()
    return unknowns, Post(ground, np.zeros(len(time)), float(speed), float(target[1]), STATURE_M)


def _cost(miss: Tensor, weights: Tensor, prior: CameraPrior, unknowns: Tensor, speed: Tensor) -> float:
    known = (prior.precision.cpu() * unknowns.square()).sum() + ((speed - SPEED[0]) / SPEED[1]) ** 2
    return float((weights * miss.square()).sum() + known) / 2


def _misses(
    views: Views, unknowns: Tensor, speed: Tensor, time: Tensor, target: Tensor, observed: Tensor
) -> tuple[Tensor, Tensor]:
    """Observed minus predicted (F, V, 3) pixels and the slopes of what is predicted (F, V, 3, 7 V + 1)."""
    heights = torch.tensor([STATURE_M / 2, STATURE_M, 0.0], dtype=torch.float64)
    posts = target + torch.zeros(len(time), 3, 3, dtype=torch.float64)
    posts[..., 1] += heights
    posts[..., 2] += (speed * time)[:, None]
    capture = torch.zeros(len(time), dtype=torch.long)
    seen = views.project(posts, capture, unknowns)
    assert seen.by_camera is not None
    side = torch.tensor([0, 1, 1])
    rows = torch.arange(3)
    predicted = seen.pixels[..., rows, side]
    slope = torch.zeros(*predicted.shape, unknowns.shape[1] + 1, dtype=torch.float64)
    own = seen.by_camera[..., rows, side, :]
    for view in range(len(views)):
        slope[:, view, :, UNKNOWNS * view : UNKNOWNS * (view + 1)] = own[:, view]
    slope[..., -1] = seen.slope[..., rows, side, 2] * time[:, None, None]
    return observed - predicted, slope
