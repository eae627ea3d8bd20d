"""Pose prior: rotations are those of the people that the prior was learned from, with all their correlations."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.fit.batch import Posed
from meshgait_data.fit.priors.pose import PosePrior
from meshgait_data.fit.system import System
from meshgait_data.fit.terms.tangent import columns_of, pulled, turned


@dataclass(frozen=True, slots=True, eq=False)
class PoseTerm:
    """``log(mean^T R)`` of the free joints, all together, against their covariance."""

    joints: tuple[int, ...]
    """L joints, without the root."""
    mean: Tensor
    """(L, 3, 3)"""
    precision: Tensor
    """(3 L, 3 L) 1/rad^2."""
    weight: Tensor | float = 1.0
    """Times that the prior counts in each frame: one number, or (N,) one for each capture."""
    name: str = field(default="pose", init=False)
    unit: str = field(default="sd", init=False)

    @classmethod
    def of(cls, prior: PosePrior, free: Sequence[int], *, weight: Tensor | float = 1.0) -> "PoseTerm":
        """The prior of those joints that are free, whatever the others do; the root has none."""
        joints = tuple(joint for joint in free if joint > 0)
        return cls(joints, prior.mean[list(joints)], prior.precision(joints), weight)

    def measure(self, posed: Posed) -> "PoseResidual":
        """Rotation vectors from the mean pose."""
        bend = torch_rotations.log(self.mean.mT @ posed.state.rotations[:, list(self.joints)])
        weight = self.weight[posed.layout.capture] if isinstance(self.weight, Tensor) else bend.new_tensor(self.weight)
        weight = weight.expand(len(bend))
        return PoseResidual(self, posed, bend, weight, (bend.flatten(1) @ self.precision) * weight[:, None])


@dataclass(frozen=True, slots=True, eq=False)
class PoseResidual:
    """How far poses are from the mean."""

    term: PoseTerm
    posed: Posed
    bend: Tensor
    """(T, L, 3) radians."""
    weight: Tensor
    """(T,)"""
    weighted: Tensor
    """(T, 3 L) times the precision and the weight."""

    @property
    def cost(self) -> Tensor:
        """(N,) half the sum of squares."""
        return self.posed.layout.sums((self.bend.flatten(1) * self.weighted).sum(1) / 2)

    @property
    def error(self) -> Tensor:
        """(T,) root mean square over all directions, standard deviations: about 1 for a usual pose."""
        squared = (self.bend.flatten(1) * self.weighted).sum(1) / self.weight
        return (squared / self.weighted.shape[1]).sqrt()

    def add_to(self, system: System) -> None:
        """One dense block over the joints in each frame."""
        columns, dtype = columns_of(system, self.term.joints), system.dtype
        jacobian = torch_rotations.log_jacobian(self.bend).to(dtype)
        system.diagonal[:, columns, columns] += self.weight.to(dtype)[:, None, None] * turned(
            self.term.precision.to(dtype), jacobian
        )
        system.gradient[:, columns] -= pulled(jacobian, self.weighted.to(dtype))
