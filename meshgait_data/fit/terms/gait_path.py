"""The part of the gait-cycle prior that is about the pelvis' way through the world: height, sway and lead.

Rows of a frame: height of the pelvis above the floor; and, against the next frame, how far it moves ahead and to the
left. All in metres, with the leg lengths of the capture's shape.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit.batch import Layout, Posed
from meshgait_data.fit.priors.gait import ROOT, GaitPrior
from meshgait_data.fit.system import System
from meshgait_data.fit.terms.gait_unknowns import EXTRA, FLOOR, HEADING, PACE, STRIDE, STYLE, Unknowns

_LEG = tuple(SMPL_JOINTS.index(f"left_{name}") for name in ("hip", "knee", "ankle"))
_LEG_M = 0.83
"""Metres: what the prior's spread of heights, in leg lengths, is multiplied by."""
_SPEED_SD = 0.1
"""m/s: how far the pelvis' speed at a moment is from what phase, pace and stride say. Measured on people left out: 0.05
to the side, 0.12 ahead."""


def leg_lengths(posed: Posed) -> tuple[Tensor, Tensor]:
    """(N,) length of thigh and shank of each capture's shape, and its (N, B) derivative by the betas; metres."""
    total, slope = torch.zeros_like(posed.rest[:, 0, 0]), torch.zeros_like(posed.state.betas)
    for start, end in pairwise(_LEG):
        bone = posed.rest[:, end] - posed.rest[:, start]
        length = bone.norm(dim=1)
        total = total + length
        slope = slope + (bone / length[:, None]) @ (posed.chain.shapedirs[end] - posed.chain.shapedirs[start])
    return total, slope


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Weights and times of the rows."""

    weights: Tensor
    """(T, 3) 1/m^2 of height, lead and sway; zero where there is no next frame in the capture."""
    steps: Tensor
    """(T,) seconds to the next frame; zero at the end of a capture."""

    @classmethod
    def of(cls, prior: GaitPrior, layout: Layout, seconds: Tensor, weight: float, *, moves: bool) -> "Path":
        """Weights; ``weight`` is how much each frame counts, ``moves`` whether lead and sway do."""
        steps = torch.zeros_like(seconds)
        same = layout.capture[1:] == layout.capture[:-1]
        steps[:-1] = torch.where(same, seconds[1:] - seconds[:-1], 0.0)
        height = torch.full_like(steps, weight / (float(prior.covariance[72, 72]) * _LEG_M**2))
        there = (steps > 0) & moves
        speed = torch.where(there, weight / (_SPEED_SD * steps.clamp(min=1e-9)) ** 2, 0.0)
        return cls(torch.stack([height, speed, speed], 1), steps)

    def expected(
        self, root: Tensor, unknown: Unknowns, heading: Tensor, seconds: Tensor, capture: Tensor, leg_m: Tensor
    ) -> Tensor:
        """(T, 3) pelvis along a path of even pace, see ``GaitTerm.walk``; where the heading turns, so does the path."""
        ahead, left = directions(heading)
        leg = leg_m[capture]
        step = ((unknown.pace + unknown.stride).exp()[capture] * leg * self.steps)[:, None] * ahead
        way = torch.cumsum(step, 0) - step
        middle = torch.stack(
            [way[capture == index][seconds[capture == index].abs().argmin()] for index in range(len(leg_m))]
        )
        way = way - middle[capture] + leg[:, None] * (root[:, 2:] * ahead + root[:, 1:2] * left)
        height = unknown.floor[capture] + leg * root[:, 0]
        return torch.stack([way[:, 0], height, way[:, 2]], 1)

    def measure(self, posed: Posed, root: Tensor, values: Tensor, heading: Tensor) -> "PathRows":
        """Rows at a state.

        Parameters
        ----------
        posed
            The joints.
        root
            (T, 3) height, sway and lead of the cycle, leg lengths.
        values
            (N, 5 + K) of the extra.
        heading
            (T,) radians.
        """
        capture = posed.layout.capture
        leg, leg_by_betas = leg_lengths(posed)
        ahead, left = directions(heading)
        pelvis = posed.joints[:, 0]
        moved = torch.roll(pelvis, -1, 0) - pelvis
        gain = torch.roll(root, -1, 0) - root
        pace = (values[:, 1] + values[:, 2]).exp()[capture] * self.steps
        wanted = torch.stack([root[:, 0], pace + gain[:, 2], gain[:, 1]], 1)
        seen = torch.stack([pelvis[:, 1] - values[capture, 4], (moved * ahead).sum(1), (moved * left).sum(1)], 1)
        off = (seen - leg[capture, None] * wanted) * (self.weights > 0)
        return PathRows(self, posed, off, wanted, moved, ahead, left, pace, leg, leg_by_betas)


def directions(heading: Tensor) -> tuple[Tensor, Tensor]:
    """(T, 3) horizontal directions ahead and to the left of headings (T,)."""
    sine, cosine, zero = heading.sin(), heading.cos(), torch.zeros_like(heading)
    return torch.stack([sine, zero, cosine], 1), torch.stack([cosine, zero, -sine], 1)


@dataclass(frozen=True, slots=True, eq=False)
class PathRows:
    """Rows of all frames with what their derivatives need."""

    path: Path
    posed: Posed
    off: Tensor
    """(T, 3) metres."""
    wanted: Tensor
    """(T, 3) leg lengths."""
    moved: Tensor
    """(T, 3) metres to the next frame."""
    ahead: Tensor
    left: Tensor
    pace: Tensor
    """(T,) leg lengths to the next frame at an even pace."""
    leg: Tensor
    leg_by_betas: Tensor

    def cost(self) -> Tensor:
        """(N,) half the sum of squares."""
        return self.posed.layout.sums((self.path.weights * self.off.square()).sum(1) / 2)

    def add_to(self, system: System, slopes: tuple[Tensor, Tensor, Tensor]) -> None:
        """Blocks of the translation with itself and the next frame's, and ties to the shape and the extra."""
        dtype, layout = system.dtype, self.posed.layout
        here, following = self._by_place()
        shared = self._by_shared(system, slopes).to(dtype)
        here, following = here.to(dtype), following.to(dtype)
        weights, off = self.path.weights.to(dtype), self.off.to(dtype)
        pull, tied = (weights * off)[..., None], weights[..., None] * shared
        for rows, frames in ((here, slice(None)), (following[:-1], slice(1, None))):
            count = len(rows)
            system.diagonal[frames, -3:, -3:] += rows.mT @ (weights[:count, :, None] * rows)
            system.gradient[frames, -3:] -= (rows.mT @ pull[:count])[..., 0]
            system.border[frames, -3:] += rows.mT @ tied[:count]
        system.corner += layout.sums(shared.mT @ tied)
        system.shared -= layout.sums((shared.mT @ pull)[..., 0])
        if bool((weights[:, 1:] > 0).any()):
            near, _ = system.couplings()
            near[:, -1] += here.mT @ (weights[..., None] * following)

    def _by_place(self) -> tuple[Tensor, Tensor]:
        """(T, 3, 3) derivative of the rows by this frame's translation, and by the next one's."""
        up = torch.zeros_like(self.ahead)
        up[:, 1] = 1
        there = (self.path.weights[:, 1] > 0)[:, None]
        ahead, left = self.ahead * there, self.left * there
        return torch.stack([up, -ahead, -left], 1), torch.stack([torch.zeros_like(up), ahead, left], 1)

    def _by_shared(self, system: System, slopes: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """(T, 3, S) derivative of the rows by betas and extra."""
        by_phase, by_style, phase = slopes
        capture, leg = self.posed.layout.capture, self.leg[self.posed.layout.capture, None]
        result = self.off.new_zeros(len(self.off), 3, system.border.shape[2])
        betas, own = result[..., system.columns("betas")], result[..., system.columns(EXTRA)]
        betas -= self.wanted[..., None] * self.leg_by_betas[capture, None]
        betas[:, 0] += self.posed.chain.shapedirs[0, 1]
        own[:, 0, FLOOR] = -1
        own[:, 1, HEADING] = (self.moved * self.left).sum(1)
        own[:, 2, HEADING] = -(self.moved * self.ahead).sum(1)
        own[:, 1, PACE : STRIDE + 1] = -leg * self.pace[:, None]
        # Height, lead and sway by phase and pace, and by style: the latter two as what they gain to the next frame.
        root = by_phase[:, ROOT, None] * phase[:, None]
        own[..., :STRIDE] -= leg[..., None] * _gains(root)
        own[..., STYLE:] -= leg[..., None] * _gains(by_style[:, ROOT])
        return result * (self.path.weights > 0)[..., None]


def _gains(root: Tensor) -> Tensor:
    """Rows height, lead, sway from channels height, sway, lead; (T, 3, E) to the same."""
    gain = torch.roll(root, -1, 0) - root
    return torch.stack([root[:, 0], gain[:, 2], gain[:, 1]], 1)
