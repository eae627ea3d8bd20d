"""Interim: diagonal pose prior and hinge stops from the table in settings.py."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.fit.batch import Posed
from meshgait_data.fit.system import System


@dataclass(frozen=True, slots=True)
class Prior:
    """Gaussian on rotations, and one-sided stops of hinges."""

    mean: Tensor
    """(J, 3, 3) rotations of the mean pose."""
    precision: Tensor
    """(J, 3) one over variance, 1/rad^2."""
    hinges: tuple[int, ...]
    """H joints that have a stop."""
    axes: Tensor
    """(H, 3) axis that the angle is about, signed so that allowed angles are positive."""
    mean_angle: Tensor
    """(H,) angle of the mean pose about it, radians."""
    stop_precision: float
    """1/rad^2."""


@dataclass(frozen=True)
class HandPrior:
    prior: object
    free: tuple[int, ...]
    name: str = field(default="pose", init=False)
    unit: str = field(default="rad", init=False)

    def measure(self, posed: Posed) -> "HandResidual":
        p = self.prior
        free = list(self.free)
        bend = torch_rotations.log(p.mean[free].mT @ posed.state.rotations[:, free])
        rows = [r for r, j in enumerate(p.hinges) if j in self.free]
        columns = [free.index(p.hinges[r]) for r in rows]
        angle = (bend[:, columns] * p.axes[rows]).sum(-1) + p.mean_angle[rows]
        return HandResidual(self, posed, bend, torch.relu(-angle), rows, columns)


@dataclass(frozen=True)
class HandResidual:
    term: HandPrior
    posed: Posed
    bend: Tensor
    excess: Tensor
    rows: list
    columns: list

    @property
    def cost(self) -> Tensor:
        p = self.term.prior
        cost = (p.precision[list(self.term.free)] * self.bend**2).sum((1, 2)) / 2
        return self.posed.layout.sums(cost + p.stop_precision * self.excess.square().sum(1) / 2)

    @property
    def error(self) -> Tensor:
        return self.excess.amax(1)

    def add_to(self, system: System) -> None:
        free, prior = list(self.term.free), self.term.prior
        jacobian = torch_rotations.log_jacobian(self.bend)
        weighted = prior.precision[free][..., None] * jacobian
        block = jacobian.mT @ weighted
        pull = -(weighted * self.bend[..., None]).sum(-2)
        slope = (prior.axes[self.rows][..., None] * jacobian[:, self.columns]).sum(-2)
        active = prior.stop_precision * (self.excess > 0)
        block[:, self.columns] += active[..., None, None] * slope[..., :, None] * slope[..., None, :]
        pull[:, self.columns] += prior.stop_precision * self.excess[..., None] * slope
        system.rotation_blocks().add_(block.permute(0, 2, 3, 1).to(system.dtype))
        system.gradient[:, :-3] += pull.flatten(1).to(system.dtype)
