"""Observed points in space: joints of any set, surface markers."""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from meshgait_data.fit.batch import Posed
from meshgait_data.fit.points import BodyPoints, Placed
from meshgait_data.fit.system import System


@dataclass(frozen=True, slots=True)
class Points3D:
    """``sqrt(weight) / sigma * (observed - body)``, Huber beyond ``huber`` sigmas."""

    points: BodyPoints
    targets: Tensor
    """(T, P, 3) metres, world frame; anything finite where unseen."""
    weights: Tensor
    """(T, P) relative trust; zero where unseen."""
    sigma: Tensor
    """(N,) metres: standard deviation of one coordinate of a point of weight one."""
    huber: float = 3.0
    """Standard deviations beyond which a point pulls no harder."""
    name: str = "joints"
    unit: str = field(default="m", init=False)

    def measure(self, posed: Posed) -> "Points3DResidual":
        """Distances at a state."""
        placed = self.points.place(posed)
        misses = self.targets - placed.points
        return Points3DResidual(self, posed, placed, misses, misses.norm(dim=-1))


class Observed(Protocol):
    """What the residual needs of its term."""

    @property
    def points(self) -> BodyPoints:
        """Of the body."""

    @property
    def weights(self) -> Tensor:
        """(T, P) relative trust; zero where unseen."""

    @property
    def sigma(self) -> Tensor:
        """(N,) metres."""

    @property
    def huber(self) -> float:
        """Standard deviations."""


@dataclass(frozen=True, slots=True)
class Points3DResidual:
    """Misses of all points."""

    term: Observed
    posed: Posed
    placed: Placed
    misses: Tensor
    """(T, P, 3) observed minus body, metres."""
    distance: Tensor
    """(T, P) metres."""

    @property
    def _limit(self) -> Tensor:
        """(T, 1) metres where Huber's straight part begins."""
        return (self.term.huber * self.term.sigma)[self.posed.layout.capture, None]

    @property
    def _precision(self) -> Tensor:
        """(T, P) 1/m^2."""
        return self.term.weights / self.term.sigma[self.posed.layout.capture, None] ** 2

    @property
    def cost(self) -> Tensor:
        """(N,) Huber's."""
        straight = self._limit * (self.distance - self._limit / 2)
        huber = torch.where(self.distance <= self._limit, self.distance**2 / 2, straight)
        return self.posed.layout.sums((self._precision * huber).sum(1))

    @property
    def error(self) -> Tensor:
        """(T,) mean distance of the seen points, metres."""
        seen = self.term.weights > 0
        return torch.where(seen, self.distance, 0.0).sum(1) / seen.sum(1)

    @property
    def weight(self) -> Tensor:
        """(T, P) 1/m^2: beyond the limit a point weighs less, so that its pull stays constant."""
        return self._precision * (self._limit / self.distance.clamp(min=1e-12)).clamp(max=1.0)

    def add_to(self, system: System) -> None:
        """One assembly of all points."""
        weight = self.weight
        system.add_points(
            self.term.points,
            self.posed,
            self.placed,
            information=weight,
            force=weight[..., None] * self.misses,
        )
