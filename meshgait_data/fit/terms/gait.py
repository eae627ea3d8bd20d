"""Gait-cycle prior as a term: all frames of a capture are one walk in one style, at one pace, along one path.

Each capture has an extra ``gait``: phase, pace, stride, heading, floor and style (see ``gait_unknowns.py``), which is
solved for together with the poses. Residuals, with the words of :mod:`meshgait_data.fit.priors.gait`:

- ``log(mean^T R) - channels(phase, style)`` of the free joints, the root's relative to the heading;
- height, sway and lead of the pelvis, see ``gait_path.py``;
- the prior of the extra itself: styles are standard normal, pace and stride are those of the style and of the legs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.fit.batch import Layout, Posed
from meshgait_data.fit.priors.gait import GRAVITY, GaitPrior
from meshgait_data.fit.system import System
from meshgait_data.fit.terms.gait_path import Path, PathRows, leg_lengths
from meshgait_data.fit.terms.gait_unknowns import EXTRA, FLOOR, HEADING, PACE, STRIDE, STYLE, Unknowns
from meshgait_data.fit.terms.tangent import columns_of, pulled, rows_of, turned

_WEAK = 1e-4
"""Precision of heading (1/rad^2) and floor (1/m^2) where nothing else is known of them."""


@dataclass(frozen=True, slots=True, eq=False)
class GaitTerm:
    """The gait-cycle prior of the free joints and of the pelvis' path."""

    prior: GaitPrior
    joints: tuple[int, ...]
    """L joints, the root among them if it is free."""
    precision: Tensor
    """(3 L, 3 L) 1/rad^2 of these joints around the cycle."""
    seconds: Tensor
    """(T,) since the middle of the capture."""
    weight: float
    """Times that each frame counts."""
    heading: Tensor
    """(T,) radians about the vertical that the path is thought to head: 0 is +z, a quarter turn +x."""
    path: Path
    floor: Tensor
    """(N, 2) metres and their precision: what is known of the floor's height."""
    name: str = field(default="gait", init=False)
    unit: str = field(default="sd", init=False)

    @classmethod
    def of(
        cls,
        prior: GaitPrior,
        layout: Layout,
        seconds: Tensor,
        free: Sequence[int],
        *,
        heading: Tensor | None = None,
        floor: Tensor | None = None,
        weight: float = 1.0,
        moves: bool = True,
    ) -> "GaitTerm":
        """Set up the term for captures.

        Parameters
        ----------
        prior
            Where the tensors of the fit are; ``with_styles`` chooses how many styles are unknown.
        layout
            Frames of each capture.
        seconds
            (T,) time of each frame, increasing in a capture.
        free
            Joints whose rotation is unknown.
        heading
            (T,) where the path heads, up to a constant that is solved for; by default straight on.
        floor
            (N, 2) metres, and 1/m^2: what is known of the floor's height; by default nothing.
        weight
            Times that each frame counts. Deviations from the cycle last ``memory_s``: frames are not independent. Yet
            where the noise of the data is new in each frame, 1 was best on people left out.
        moves
            Whether the world stands still: not so on a treadmill, or where a camera follows the walker.
        """
        frames, joints = layout.frames, tuple(free)
        middle = torch.stack([seconds[part][[0, -1]].mean() for part in layout.slices()])
        since = seconds - middle[layout.capture]
        rows = rows_of(joints)
        if floor is None:
            floor = seconds.new_tensor([[0.0, _WEAK]]).expand(len(layout), -1)
        return cls(
            prior=prior,
            joints=joints,
            precision=torch.linalg.inv(prior.covariance[rows][:, rows]),
            seconds=since,
            weight=weight,
            heading=seconds.new_zeros(frames) if heading is None else heading,
            path=Path.of(prior, layout, seconds, weight, moves=moves),
            floor=floor,
        )

    def phase(self, posed: Posed) -> Tensor:
        """(T,) radians at a state."""
        unknown = Unknowns.split(posed.state.extras[EXTRA])
        capture = posed.layout.capture
        return unknown.phase[capture] + 2 * math.pi * unknown.pace.exp()[capture] * self.seconds

    def walk(self, layout: Layout, values: Tensor, leg_m: Tensor) -> tuple[Tensor, Tensor]:
        """The walk that the prior expects for values of the extra: where to start from.

        Parameters
        ----------
        layout
            Frames of each capture.
        values
            (N, 5 + K) of the extra.
        leg_m
            (N,) thigh and shank, metres.

        Returns
        -------
        (T, 24, 3, 3) rotations, the root's against the world, and (T, 3) the pelvis, which is above the origin in the
        middle of the capture.
        """
        unknown, capture = Unknowns.split(values), layout.capture
        phase = unknown.phase[capture] + 2 * math.pi * unknown.pace.exp()[capture] * self.seconds
        style, heading = unknown.style[capture], self.heading + unknown.heading[capture]
        rotations = self.prior.rotations(phase, style)
        rotations[:, 0] = torch_rotations.exp(heading[:, None] * heading.new_tensor([0.0, 1.0, 0.0])) @ rotations[:, 0]
        pelvis = self.path.expected(self.prior.root(phase, style), unknown, heading, self.seconds, capture, leg_m)
        return rotations, pelvis

    def measure(self, posed: Posed) -> "GaitResidual":
        """Poses and path against the cycle."""
        values = posed.state.extras[EXTRA]
        unknown, capture = Unknowns.split(values), posed.layout.capture
        channels = self.prior.channels(self.phase(posed), unknown.style[capture])
        heading = self.heading + unknown.heading[capture]
        bend = torch_rotations.log(self._from_mean(posed, heading))
        off = bend.flatten(1) - channels[:, rows_of(self.joints)]
        path = self.path.measure(posed, channels[:, 72:], values, heading)
        return GaitResidual(self, posed, unknown, bend, off, off @ self.precision, path)

    def _from_mean(self, posed: Posed, heading: Tensor) -> Tensor:
        """(T, L, 3, 3) rotations from the mean pose, the root's from the mean pose in the heading."""
        joints = list(self.joints)
        mean = self.prior.mean[joints].expand(len(heading), -1, -1, -1)
        if 0 in joints:
            up = heading.new_tensor([0.0, 1.0, 0.0])
            ahead = (torch_rotations.exp(heading[:, None] * up) @ self.prior.mean[0])[:, None]
            at = joints.index(0)
            mean = torch.cat([mean[:, :at], ahead, mean[:, at + 1 :]], 1)
        return mean.mT @ posed.state.rotations[:, joints]


@dataclass(frozen=True, slots=True, eq=False)
class GaitResidual:
    """Poses and paths against the cycle."""

    term: GaitTerm
    posed: Posed
    unknown: Unknowns
    bend: Tensor
    """(T, L, 3) radians from the mean pose."""
    off: Tensor
    """(T, 3 L) radians from the cycle."""
    weighted: Tensor
    """(T, 3 L) the same times the precision."""
    path: PathRows

    @property
    def cost(self) -> Tensor:
        """(N,) half the sum of squares."""
        pose = self.posed.layout.sums(self.term.weight / 2 * (self.off * self.weighted).sum(1))
        return pose + self.path.cost() + self._own()[0]

    @property
    def error(self) -> Tensor:
        """(T,) root mean square over all directions, standard deviations: about 1 for a usual walker."""
        return ((self.off * self.weighted).sum(1) / self.off.shape[1]).sqrt()

    def add_to(self, system: System) -> None:
        """Dense blocks over the joints, ties to the extra, and what the extra costs by itself."""
        self._add_pose(system)
        self.path.add_to(system, self._phase_slopes())
        _, gradient, matrix = self._own()
        betas, own = system.columns("betas"), system.columns(EXTRA)
        count = gradient.shape[1] - own.stop + own.start
        order = [*range(betas.start, betas.start + count), *range(own.start, own.stop)]
        system.corner[:, torch.tensor(order)[:, None], order] += matrix.to(system.dtype)
        system.shared[:, order] -= gradient.to(system.dtype)

    def _phase_slopes(self) -> tuple[Tensor, Tensor, Tensor]:
        """Channels by phase (T, C) and by style (T, C, K), and the phase by phase and pace (T, 2)."""
        term, capture = self.term, self.posed.layout.capture
        point = term.prior.linearised(term.phase(self.posed), self.unknown.style[capture])
        by_pace = 2 * math.pi * self.unknown.pace.exp()[capture] * term.seconds
        return point.by_phase, point.by_style, torch.stack([torch.ones_like(by_pace), by_pace], 1)

    def _add_pose(self, system: System) -> None:
        term, dtype, layout = self.term, system.dtype, self.posed.layout
        rows, columns, own = rows_of(term.joints), columns_of(system, term.joints), system.columns(EXTRA)
        by_phase, by_style, phase = self._phase_slopes()
        slopes = self.off.new_zeros(*self.off.shape, own.stop - own.start)
        slopes[:, :, :STRIDE] = -by_phase[:, rows, None] * phase[:, None]
        slopes[:, :, STYLE:] = -by_style[:, rows]
        jacobian = torch_rotations.log_jacobian(self.bend)
        if 0 in term.joints:
            at = term.joints.index(0)
            # A turn of the heading turns the root the other way, from the left: the transpose is the left Jacobian.
            slopes[:, 3 * at : 3 * at + 3, HEADING] = -(jacobian[:, at].mT @ term.prior.mean[0, 1])
        jacobian, slopes = jacobian.to(dtype), slopes.to(dtype)
        precision = (term.weight * term.precision).to(dtype)
        pull = (term.weight * self.weighted).to(dtype)
        tied = precision @ slopes
        system.diagonal[:, columns, columns] += turned(precision, jacobian)
        system.gradient[:, columns] -= pulled(jacobian, pull)
        system.border[:, columns, own] += pulled(jacobian, tied)
        system.corner[:, own, own] += layout.sums(slopes.mT @ tied)
        system.shared[:, own] -= layout.sums((slopes.mT @ pull[..., None])[..., 0])

    def _own(self) -> tuple[Tensor, Tensor, Tensor]:
        """Prior of the extra: (N,) cost, (N, B + 5 + K) gradient and (N, B + 5 + K, B + 5 + K) matrix."""
        prior, unknown, posed = self.term.prior, self.unknown, self.posed
        leg, by_betas = leg_lengths(posed)
        shapes, styles = by_betas.shape[1], prior.size
        off = torch.stack([unknown.pace + 0.5 * (leg / GRAVITY).log(), unknown.stride], 1)
        off = off - prior.log_rhythm(unknown.style)
        floor, floor_precision = self.term.floor.unbind(1)
        off = torch.cat([off, unknown.heading[:, None], (unknown.floor - floor)[:, None], unknown.style], 1)
        slopes = off.new_zeros(len(off), 4 + styles, shapes + STYLE + styles)
        slopes[:, 0, :shapes] = 0.5 * by_betas / leg[:, None]
        for row, column in enumerate((PACE, STRIDE, HEADING, FLOOR)):
            slopes[:, row, shapes + column] = 1
        slopes[:, :2, shapes + STYLE :] = -prior.rhythm_styles.mT
        slopes[:, 4:, shapes + STYLE :] = torch.eye(styles, dtype=off.dtype, device=off.device)
        precision = off.new_zeros(len(off), 4 + styles, 4 + styles)
        precision.diagonal(dim1=1, dim2=2)[:, 4:] = 1
        precision[:, :2, :2] = torch.linalg.inv(prior.rhythm_covariance)
        precision[:, 2, 2], precision[:, 3, 3] = _WEAK, floor_precision
        weighted = (precision @ off[..., None])[..., 0]
        gradient = (slopes.mT @ weighted[..., None])[..., 0]
        return (off * weighted).sum(1) / 2, gradient, slopes.mT @ precision @ slopes
