"""Feet that stand do not slide: resting points stay in one place each, all of them on one ground.

The place of a stance and the height of the ground are not unknowns of the solver: at each state they are where they
cost least (variable projection). Their derivative then drops out of the gradient, which is exact; the equations take
them as constant, which bounds the cost from above, so that steps still go down. Frames need no coupling that way.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from meshgait_data.fit.batch import Posed
from meshgait_data.fit.points import BodyPoints, Placed
from meshgait_data.fit.system import System

_ROUNDS = 30
"""Of reweighting for places and ground; they converge by a large factor each round."""
_UP = 1
"""Axis of the world that points up."""


@dataclass(frozen=True, slots=True)
class Contact:
    """Huber on the distance of resting points from the place of their stance, and on their height above the ground."""

    points: BodyPoints
    """P points of the soles."""
    stance: Tensor
    """(T, P) number of the stance, -1 for a point in the air."""
    capture: Tensor
    """(K,) capture of each stance."""
    sigma: float
    """Metres: how far a resting point strays."""
    ground_sigma: float
    """Metres: how far it is off the common ground."""
    huber: float = 3.0
    """Standard deviations beyond which there is no harder pull."""
    name: str = field(default="contact", init=False)
    unit: str = field(default="m", init=False)

    def measure(self, posed: Posed) -> "ContactResidual":
        """Places, ground, and how far points are from both."""
        placed = self.points.place(posed)
        frames, points = torch.nonzero(self.stance >= 0, as_tuple=True)
        stance = self.stance[frames, points]
        resting = placed.points[frames, points]
        places = _centres(resting, stance, len(self.capture), self.huber * self.sigma)
        height, owner = resting[:, _UP, None], self.capture[stance]
        ground = _centres(height, owner, len(posed.layout), self.huber * self.ground_sigma)
        lift = (height - ground[owner])[:, 0]
        return ContactResidual(self, posed, placed, frames, points, resting - places[stance], lift)


def _centres(values: Tensor, group: Tensor, count: int, limit: float) -> Tensor:
    """(count, D) Huber centre of (M, D) values of each group."""
    centre = values.new_zeros(count, values.shape[1])
    total = values.new_zeros(count).index_add_(0, group, values.new_ones(len(values))).clamp(min=1)
    centre = centre.index_add_(0, group, values) / total[:, None]
    for _ in range(_ROUNDS):
        weight = (limit / (values - centre[group]).norm(dim=1).clamp(min=1e-12)).clamp(max=1.0)
        if bool((weight == 1).all()):
            break
        total = values.new_zeros(count).index_add_(0, group, weight).clamp(min=1e-12)
        centre = values.new_zeros(centre.shape).index_add_(0, group, weight[:, None] * values) / total[:, None]
    return centre


@dataclass(frozen=True, slots=True)
class ContactResidual:
    """M observations: a point at rest in a frame each."""

    term: Contact
    posed: Posed
    placed: Placed
    frames: Tensor
    """(M,)"""
    points: Tensor
    """(M,)"""
    slide: Tensor
    """(M, 3) from the place of the stance, metres."""
    lift: Tensor
    """(M,) above the ground, metres."""

    def _huber(self, distance: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """Cost, and weight for reweighting."""
        limit = self.term.huber * sigma
        straight = limit * (distance - limit / 2)
        cost = torch.where(distance <= limit, distance**2 / 2, straight) / sigma**2
        return cost, (limit / distance.clamp(min=1e-12)).clamp(max=1.0) / sigma**2

    @property
    def cost(self) -> Tensor:
        """(N,) Huber's."""
        slide, _ = self._huber(self.slide.norm(dim=1), self.term.sigma)
        lift, _ = self._huber(self.lift.abs(), self.term.ground_sigma)
        layout = self.posed.layout
        return slide.new_zeros(len(layout)).index_add_(0, layout.capture[self.frames], slide + lift)

    @property
    def error(self) -> Tensor:
        """(T,) mean distance of resting points from their places, metres; NaN where none rests."""
        distance = self.slide.norm(dim=1)
        total = distance.new_zeros(self.posed.layout.frames).index_add_(0, self.frames, distance)
        count = torch.zeros_like(total).index_add_(0, self.frames, torch.ones_like(distance))
        return total / count

    def add_to(self, system: System) -> None:
        """Places and ground held where they are."""
        _, firm = self._huber(self.slide.norm(dim=1), self.term.sigma)
        _, level = self._huber(self.lift.abs(), self.term.ground_sigma)
        shape = self.placed.points.shape
        information, force = firm.new_zeros(*shape, 3), firm.new_zeros(shape)
        at = self.frames, self.points
        block = firm[:, None, None] * torch.eye(3, dtype=firm.dtype, device=firm.device)
        block[:, _UP, _UP] += level
        information[at] = block
        push = -firm[:, None] * self.slide
        push[:, _UP] -= level * self.lift
        force[at] = push
        system.add_points(self.term.points, self.posed, self.placed, information=information, force=force)
