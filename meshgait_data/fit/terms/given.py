"""Given SMPL parameters as a term: rotations of the joints, place of the pelvis and shape are known with an error.

For smoothing or refining what somebody else estimated: the others' parameters are observations like any other, robust
against frames in which their estimator failed.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.fit.batch import Posed
from meshgait_data.fit.points import BodyPoints, Placed
from meshgait_data.fit.system import System

_ROOT = 0


@dataclass(frozen=True, slots=True)
class Given:
    """``log(R_given^T R)`` of every joint, pelvis minus given pelvis, betas minus given betas, by their precisions.

    Rotations are Huber's beyond ``huber`` standard deviations, joint by joint; place and shape are not robust.
    """

    rotations: Tensor
    """(T, J, 3, 3) of the same body; anything where the precision is zero."""
    turn: Tensor
    """(T, J) precision of a rotation, 1/rad^2; zero where nothing is given."""
    pelvis: Tensor
    """(T, 3) metres, world frame."""
    place: Tensor
    """(T, 3, 3) precision of the pelvis, 1/m^2: a single camera knows depth much worse than the rest."""
    betas: Tensor
    """(N, B)"""
    shape: Tensor
    """(N,) precision of each of the betas."""
    huber: float = 3.0
    name: str = field(default="params", init=False)
    unit: str = field(default="m", init=False)

    def measure(self, posed: Posed) -> "GivenResidual":
        """Departure from what was given."""
        off = torch_rotations.log(self.rotations.mT @ posed.state.rotations)
        root = BodyPoints.at_joints(posed.chain, [_ROOT])
        placed = root.place(posed)
        return GivenResidual(self, posed, off, root, placed, placed.points[:, 0] - self.pelvis)


@dataclass(frozen=True, slots=True)
class GivenResidual:
    """Departures at a state."""

    term: Given
    posed: Posed
    off: Tensor
    """(T, J, 3) rad, in the joints' own axes."""
    root: BodyPoints
    placed: Placed
    shift: Tensor
    """(T, 3) metres."""

    @property
    def _beyond(self) -> tuple[Tensor, Tensor]:
        """(T, J) angle, and the angle where Huber's straight part begins."""
        limit = self.term.huber / self.term.turn.clamp(min=1e-12).sqrt()
        return self.off.norm(dim=-1), limit

    @property
    def cost(self) -> Tensor:
        """(N,) half the sum of squares, of rotations Huber's."""
        term, (angle, limit) = self.term, self._beyond
        turned = torch.where(angle <= limit, angle**2 / 2, limit * (angle - limit / 2))
        placed = torch.einsum("tx,txy,ty->t", self.shift, term.place, self.shift) / 2
        shaped = (self.posed.state.betas - term.betas).square().sum(1) * term.shape / 2
        return self.posed.layout.sums((term.turn * turned).sum(1) + placed) + shaped

    @property
    def error(self) -> Tensor:
        """(T,) mean distance of the joints to where the given rotations and pelvis put them, metres; NaN without."""
        chain, posed = self.posed.chain, self.posed
        world = chain.world(self.term.rotations)
        joints = chain.accumulate(world, posed.rest[posed.layout.capture][..., None])[..., 0]
        wanted = joints - joints[:, :1] + self.term.pelvis[:, None]
        distance = (posed.joints - wanted).norm(dim=-1).mean(1)
        return torch.where((self.term.turn > 0).any(1), distance, torch.nan)

    def add_to(self, system: System) -> None:
        """Diagonal blocks of rotations, the pelvis with the chain rule, and the corner of the shape."""
        term, dtype, free = self.term, system.dtype, list(system.free)
        angle, limit = self._beyond
        weights = (term.turn * (limit / angle.clamp(min=1e-12)).clamp(max=1.0))[:, free, None]
        off = self.off[:, free]
        slope = torch_rotations.log_jacobian(off)
        blocks = weights[..., None] * (slope.mT @ slope)
        system.rotation_blocks().add_(blocks.permute(0, 2, 3, 1).to(dtype))
        # The Jacobian of the logarithm leaves the logarithm as it is: slope^T off = off.
        system.gradient[:, :-3] -= (weights * off).flatten(1).to(dtype)
        force = -(term.place @ self.shift[..., None])[..., 0]
        system.add_points(self.root, self.posed, self.placed, information=term.place[:, None], force=force[:, None])
        betas = system.columns("betas")
        system.corner[:, betas, betas].diagonal(dim1=1, dim2=2).add_(term.shape[:, None].to(dtype))
        system.shared[:, betas] -= (term.shape[:, None] * (self.posed.state.betas - term.betas)).to(dtype)
