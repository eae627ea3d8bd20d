"""Poses about a known walk: the pose prior about the gait cycle at each frame's phase, in the person's style."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.fit.batch import Posed
from meshgait_data.fit.priors import GaitPrior
from meshgait_data.fit.system import System
from meshgait_data.fit.terms.tangent import columns_of, pulled, rows_of, turned


@dataclass(frozen=True, slots=True, eq=False)
class GaitDeviation:
    """``log(mean^T R)`` of the free joints minus that of the walk, against the covariance that people have about it.

    It takes the place of the pose prior where a gait start found phase and style (``gait_start.py``).
    """

    joints: tuple[int, ...]
    """L joints, without the root."""
    mean: Tensor
    """(L, 3, 3)"""
    walk: Tensor
    """(T, 3 L) rotation vectors of the walk in each frame, radians."""
    precision: Tensor
    """(3 L, 3 L) 1/rad^2."""
    weight: float = 1.0
    """Times that the prior counts in each frame."""
    name: str = field(default="pose", init=False)
    unit: str = field(default="sd", init=False)

    @classmethod
    def of(
        cls, gait: GaitPrior, phase: Tensor, style: Tensor, free: Sequence[int], *, weight: float = 1.0
    ) -> "GaitDeviation":
        """About the walk at phases (T,) in styles (T, K)."""
        joints = tuple(joint for joint in free if joint > 0)
        rows = rows_of(joints)
        precision = torch.linalg.inv(gait.covariance[rows][:, rows])
        return cls(joints, gait.mean[list(joints)], gait.channels(phase, style)[:, rows], precision, weight)

    def measure(self, posed: Posed) -> "GaitDeviationResidual":
        """Departure from the walk."""
        bend = torch_rotations.log(self.mean.mT @ posed.state.rotations[:, list(self.joints)])
        off = bend.flatten(1) - self.walk
        return GaitDeviationResidual(self, posed, bend, off, self.weight * (off @ self.precision))


@dataclass(frozen=True, slots=True, eq=False)
class GaitDeviationResidual:
    """How far poses are from the walk."""

    term: GaitDeviation
    posed: Posed
    bend: Tensor
    """(T, L, 3) radians from the mean pose."""
    off: Tensor
    """(T, 3 L) radians."""
    weighted: Tensor
    """(T, 3 L) times the precision and the weight."""

    @property
    def cost(self) -> Tensor:
        """(N,) half the sum of squares."""
        return self.posed.layout.sums((self.off * self.weighted).sum(1) / 2)

    @property
    def error(self) -> Tensor:
        """(T,) root mean square over all directions, standard deviations: about 1 for a usual walk."""
        return ((self.off * self.weighted).sum(1) / self.term.weight / self.off.shape[1]).sqrt()

    def add_to(self, system: System) -> None:
        """One dense block over the joints in each frame."""
        columns, dtype = columns_of(system, self.term.joints), system.dtype
        jacobian = torch_rotations.log_jacobian(self.bend).to(dtype)
        system.diagonal[:, columns, columns] += turned((self.term.weight * self.term.precision).to(dtype), jacobian)
        system.gradient[:, columns] -= pulled(jacobian, self.weighted.to(dtype))
