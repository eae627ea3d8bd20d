"""The extra of the gait-cycle term: what the frames of one walk share."""

from dataclasses import dataclass

import torch
from torch import Tensor

from meshgait_data.fit.minimise import Extra
from meshgait_data.fit.priors.gait import GaitPrior

EXTRA = "gait"
"""Name of the extra."""
PHASE, PACE, STRIDE, HEADING, FLOOR, STYLE = range(6)
"""Columns of the extra; the styles start at ``STYLE``."""


@dataclass(frozen=True, slots=True)
class Unknowns:
    """The extra of N captures by name."""

    phase: Tensor
    """(N,) radians in the middle of the capture."""
    pace: Tensor
    """(N,) log of strides per second."""
    stride: Tensor
    """(N,) log of stride length over leg length."""
    heading: Tensor
    """(N,) radians about the vertical beyond the term's ``heading``."""
    floor: Tensor
    """(N,) metres, height of the floor in the world."""
    style: Tensor
    """(N, K) standard deviations."""

    @classmethod
    def split(cls, values: Tensor) -> "Unknowns":
        """From (N, 5 + K)."""
        phase, pace, stride, heading, floor = values[:, :STYLE].unbind(1)
        return cls(phase, pace, stride, heading, floor, values[:, STYLE:])

    def joined(self) -> Tensor:
        """(N, 5 + K) of all."""
        single = torch.stack([self.phase, self.pace, self.stride, self.heading, self.floor], 1)
        return torch.cat([single, self.style], 1)


def gait_extra(prior: GaitPrior) -> Extra:
    """The extra that a problem with this term needs; a step of 0.01 radians or standard deviations is small."""
    return Extra(EXTRA, STYLE + prior.size, scale=0.1)


def gait_start(
    prior: GaitPrior,
    leg_m: Tensor,
    *,
    phase: Tensor,
    heading: Tensor | None = None,
    floor: Tensor | None = None,
    cadence: Tensor | None = None,
) -> Tensor:
    """(N, 5 + K) values to start from: the mean style, and what is known.

    Parameters
    ----------
    prior
        The prior of the term.
    leg_m
        (N,) thigh and shank, metres.
    phase
        (N,) radians in the middle of each capture.
    heading
        (N,) radians beyond the term's heading; 0 by default.
    floor
        (N,) metres; 0 by default.
    cadence
        (N,) strides per second; that of the mean style by default.
    """
    zero = torch.zeros_like(phase)
    cadence = prior.cadence(leg_m=leg_m) if cadence is None else cadence
    stride = (prior.speed(cadence=cadence, leg_m=leg_m) / cadence / leg_m).log()
    style = zero[:, None].expand(-1, prior.size)
    heading, floor = zero if heading is None else heading, zero if floor is None else floor
    return Unknowns(phase, cadence.log(), stride, heading, floor, style).joined()
