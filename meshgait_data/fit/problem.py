"""Put together what the solver needs: body, observed points, priors and smoothness, as tensors on one device."""

import math

import torch
from torch import Tensor

from meshgait_data.body.model import Body
from meshgait_data.fit.chain import Chain, Points
from meshgait_data.fit.observed import Mapped
from meshgait_data.fit.priors import make_prior
from meshgait_data.fit.residuals import Problem, Smoothness
from meshgait_data.fit.settings import FitSettings
from meshgait_data.fit.start import nearest_points


def make_problem(
    body: Body, mapped: Mapped, settings: FitSettings, *, fps: float, device: torch.device | str = "cpu"
) -> Problem:
    """Everything that stays the same while solving, in double precision.

    Parameters
    ----------
    body
        Body to fit.
    mapped
        Frames and points that take part.
    settings
        Weights.
    fps
        Frames per second at an even pace, which turns ``cutoff_hz`` into a weight.
    device
        Where the tensors live.
    """
    chain = Chain.of(body, num_betas=settings.num_betas, device=device)
    offsets = torch.as_tensor(mapped.offsets, device=device)
    points = Points.of(chain, list(mapped.joints), offsets)
    targets = torch.as_tensor(mapped.targets, device=device)
    seen = torch.isfinite(targets[..., 0])
    bias = settings.own_error_m if mapped.own else settings.map_error_m
    weights = seen * torch.as_tensor(mapped.weights / settings.sigma_m**2, device=device)
    return Problem(
        chain=chain,
        points=points,
        targets=torch.where(seen[..., None], targets, torch.zeros_like(targets)),
        weights=weights,
        huber_m=settings.huber_m,
        prior=make_prior(settings, device=device),
        smoothness=_smoothness(chain, points, weights, torch.as_tensor(mapped.times, device=device), settings, fps),
        shape_precision=(bias / settings.sigma_m) ** 2 * len(targets),
    )


def _smoothness(
    chain: Chain, points: Points, weights: Tensor, times: Tensor, settings: FitSettings, fps: float
) -> Smoothness | None:
    """Weights of second differences, such that the amplitude at ``cutoff_hz`` is about halved.

    A point observed with precision w and a second difference with precision s make a low-pass filter of gain
    ``1 / (1 + s/w (2 - 2 cos(2 pi f / fps))^2)``: Whittaker's smoother. For a rotation, w is the precision that the
    points on its own bone give; descendants add to it, which moves the true cut-off up.
    """
    if not 0 < settings.cutoff_hz < fps / 2 or len(times) < 3:
        return None
    response = (2 - 2 * math.cos(2 * math.pi * settings.cutoff_hz / fps)) ** 2
    trust = weights.mean(0)
    marks = chain.template[points.joints] + points.offsets
    own = nearest_points(chain, points)
    known = [
        # Two of the three axes turn a lever, hence two thirds on average.
        2 / 3 * float((trust[own[joint]] * (marks[own[joint]] - chain.template[joint]).square().sum(-1)).sum())
        for joint in points.free
    ]
    before, after = times[1:-1] - times[:-2], times[2:] - times[1:-1]
    stencil = torch.stack([1 / before, -1 / before - 1 / after, 1 / after], 1) * (2 / (before + after))[:, None]
    return Smoothness(
        stencil=stencil,
        rotations=weights.new_tensor(known) / response,
        transl=float(trust[own[0]].sum()) / response,
    )
