"""Joint limits: one-sided stops at the ends of each joint's range of motion."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.fit.batch import Posed
from meshgait_data.fit.system import System
from meshgait_data.fit.terms.tangent import columns_of


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """How far the rotation vector ``log(R)`` of each joint is outside its range, component by component."""

    joints: tuple[int, ...]
    """L joints, without the root."""
    low: Tensor
    """(L, 3) radians about the joint's x, y, z axis."""
    high: Tensor
    """(L, 3) radians."""
    precision: float
    """1/rad^2: how hard the stops are."""
    name: str = field(default="limits", init=False)
    unit: str = field(default="rad", init=False)

    @classmethod
    def of(cls, ranges: Tensor, free: Sequence[int], *, sd_deg: float = 3.0) -> "Limits":
        """Stops of those joints that are free.

        Parameters
        ----------
        ranges
            (2, 24, 3) least and greatest rotation vectors, radians, see ``priors.ranges.limits``.
        free
            Joints whose rotation is unknown; the root has no limits.
        sd_deg
            Degrees that a joint goes beyond its stop as easily as data go one standard deviation off.
        """
        joints = tuple(joint for joint in free if joint > 0)
        low, high = ranges[:, list(joints)]
        return cls(joints, low, high, 1 / math.radians(sd_deg) ** 2)

    def measure(self, posed: Posed) -> "LimitsResidual":
        """Excess over the stops."""
        bend = torch_rotations.log(posed.state.rotations[:, list(self.joints)])
        return LimitsResidual(self, posed, bend, torch.relu(bend - self.high) - torch.relu(self.low - bend))


@dataclass(frozen=True, slots=True, eq=False)
class LimitsResidual:
    """Excess of each frame."""

    term: Limits
    posed: Posed
    bend: Tensor
    """(T, L, 3) radians."""
    excess: Tensor
    """(T, L, 3) radians, negative below the lower stop."""

    @property
    def cost(self) -> Tensor:
        """(N,) half the sum of squares."""
        return self.posed.layout.sums(self.term.precision * self.excess.square().sum((1, 2)) / 2)

    @property
    def error(self) -> Tensor:
        """(T,) largest excess, radians."""
        return self.excess.abs().amax((1, 2))

    def add_to(self, system: System) -> None:
        """Blocks of the joints that are outside."""
        columns, dtype = columns_of(system, self.term.joints), system.dtype
        jacobian = torch_rotations.log_jacobian(self.bend)
        active = self.term.precision * (self.excess != 0)
        block = jacobian.mT @ (active[..., None] * jacobian)
        pull = self.term.precision * (jacobian.mT @ self.excess[..., None])[..., 0]
        first = columns.start // 3
        system.rotation_blocks()[..., first : first + len(self.term.joints)] += block.permute(0, 2, 3, 1).to(dtype)
        system.gradient[:, columns] -= pull.flatten(1).to(dtype)
