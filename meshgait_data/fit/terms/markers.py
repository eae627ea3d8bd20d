"""Surface markers whose place on the body is itself unknown, within what is known of it beforehand."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from meshgait_data.fit.batch import Posed
from meshgait_data.fit.points import BodyPoints
from meshgait_data.fit.system import System
from meshgait_data.fit.terms.points3d import Points3DResidual

OFFSETS = "marker_offsets"
"""Name of the extra unknowns: (N, P, 3) metres from the skin to the marker's centre, in the rest pose."""


def retract(offsets: Tensor, step: Tensor) -> Tensor:
    """New offsets (N, P, 3) after a step (N, 3 P)."""
    return offsets + step.reshape(offsets.shape)


def own_blocks(system: System, count: int) -> Tensor:
    """View (N, P, 3, P, 3) of what the offsets have in the corner."""
    columns = system.columns(OFFSETS)
    corner = system.corner[:, columns, columns]
    outer, row, column = corner.stride()
    shape, strides = (len(corner), count, 3, count, 3), (outer, 3 * row, row, 3 * column, column)
    return corner.as_strided(shape, strides, corner.storage_offset())


@dataclass(frozen=True, slots=True)
class Markers:
    """``sqrt(weight) / sigma * (observed - body)``, Huber beyond ``huber`` sigmas.

    Where ``State.extras`` has offsets they are unknowns; otherwise the ``offsets`` of the term hold.
    """

    points: BodyPoints
    """Of the skin."""
    offsets: Tensor
    """(N, P, 3) metres."""
    targets: Tensor
    """(T, P, 3) metres, world frame; anything finite where unseen."""
    weights: Tensor
    """(T, P) relative trust; zero where unseen."""
    sigma: Tensor
    """(N,) metres: standard deviation of one coordinate of a marker of weight one."""
    huber: float = 3.0
    """Standard deviations beyond which a marker pulls no harder."""
    name: str = field(default="markers", init=False)
    unit: str = field(default="m", init=False)

    def measure(self, posed: Posed) -> "MarkersResidual":
        """Distances at a state."""
        placed = self.points.place(posed, posed.state.extras.get(OFFSETS, self.offsets))
        misses = self.targets - placed.points
        return MarkersResidual(self, posed, placed, misses, misses.norm(dim=-1))


@dataclass(frozen=True, slots=True)
class MarkersResidual(Points3DResidual):
    """Misses of all markers."""

    def add_to(self, system: System) -> None:
        """As for any points; where offsets are unknown, they are tied to what moves the marker."""
        weight = self.weight
        force = weight[..., None] * self.misses
        if OFFSETS not in system.blocks:
            system.add_points(self.term.points, self.posed, self.placed, information=weight, force=force)
            return
        # Each marker feels its own offset only: blocks (T, P, 3, 3) on the diagonal of (T, P, 3, 3 P).
        turned = self.term.points.offset_jacobian(self.posed)
        count, layout = self.term.points.count, self.posed.layout
        own = weight[..., None, None] * turned
        cross = own.new_zeros(len(own), count, 3, count, 3)
        ids = torch.arange(count, device=own.device)
        cross[:, ids, :, ids] = own.transpose(0, 1)
        system.add_points(
            self.term.points,
            self.posed,
            self.placed,
            information=weight,
            force=force,
            cross={OFFSETS: cross.flatten(3)},
        )
        blocks = layout.sums(turned.mT @ own).to(system.dtype)
        own_blocks(system, count)[:, ids, :, ids] += blocks.transpose(0, 1)
        pull = layout.sums((turned.mT @ force[..., None])[..., 0]).flatten(1)
        system.shared[:, system.columns(OFFSETS)] += pull.to(system.dtype)


@dataclass(frozen=True, slots=True)
class PlacementPrior:
    """Offsets are normal about those of the layout: wide along the skin, narrow off it."""

    mean: Tensor
    """(N, P, 3) metres."""
    precision: Tensor
    """(N, P, 3, 3) 1/m^2."""
    name: str = field(default="placement", init=False)
    unit: str = field(default="m", init=False)

    def measure(self, posed: Posed) -> "PlacementResidual":
        """Departure from the layout."""
        return PlacementResidual(posed, posed.state.extras[OFFSETS] - self.mean, self.precision)


@dataclass(frozen=True, slots=True)
class PlacementResidual:
    """Departure of each marker from where the layout has it."""

    posed: Posed
    off: Tensor
    """(N, P, 3)"""
    precision: Tensor

    @property
    def cost(self) -> Tensor:
        """(N,) half the sum of squares."""
        return torch.einsum("npi,npij,npj->n", self.off, self.precision, self.off) / 2

    @property
    def error(self) -> Tensor:
        """(T,) largest departure, metres."""
        return self.off.norm(dim=-1).amax(1)[self.posed.layout.capture]

    def add_to(self, system: System) -> None:
        """Only the corner."""
        count = self.off.shape[1]
        ids = torch.arange(count, device=self.off.device)
        own_blocks(system, count)[:, ids, :, ids] += self.precision.transpose(0, 1).to(system.dtype)
        pull = -(self.precision @ self.off[..., None])[..., 0].flatten(1)
        system.shared[:, system.columns(OFFSETS)] += pull.to(system.dtype)
