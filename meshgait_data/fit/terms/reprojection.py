"""Observed 2D keypoints in any number of views: all views of a point are added up before the body is asked about it."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from meshgait_data.fit.batch import Posed
from meshgait_data.fit.cameras import EXTRA, UNKNOWNS, Projected, Views
from meshgait_data.fit.points import BodyPoints, Placed
from meshgait_data.fit.system import System
from meshgait_data.fit.terms.kernels import Kernel, geman_mcclure

BIAS = "keypoint_offsets"
"""Name of the extra unknowns (N, P * 3): how far a person's keypoints lie from where the body has them, metres in rest
axes. A detector's idea of a hip differs from the body's, by the same amount in all frames of a person."""


@dataclass(frozen=True, slots=True)
class Reprojection:
    """``sqrt(weight) / sigma * (observed - image of the body's point)`` in pixels, with a robust kernel.

    The unknowns of the cameras are ``State.extras[cameras.EXTRA]`` and the constant offsets of the points are
    ``State.extras[BIAS]``, where the state has them.
    """

    points: BodyPoints
    views: Views
    pixels: Tensor
    """(T, V, P, 2) as the cameras took them; anything finite where unseen."""
    weights: Tensor
    """(T, V, P) relative trust: the detector's confidence; 0 where unseen."""
    sigma: Tensor
    """(N, V) pixels: standard deviation of one coordinate of a point of weight one."""
    scale: float = 4.0
    """Standard deviations at which the kernel bends. With Geman-McClure a point that far off still pulls with a quarter
    of its weight, and one twice as far with a twenty-fifth."""
    kernel: Kernel = geman_mcclure
    bias_m: float = 0.0
    """Metres: spread of the constant offsets of the points; 0 where there are none."""
    name: str = "keypoints"
    unit: str = field(default="px", init=False)

    def measure(self, posed: Posed) -> "ReprojectionResidual":
        """Project the body's points at a state."""
        extras = posed.state.extras
        offsets = extras[BIAS].reshape(len(posed.layout), -1, 3) if self.bias_m else None
        placed = self.points.place(posed, offsets)
        seen = self.views.project(placed.points, posed.layout.capture, extras.get(EXTRA), slopes=False)
        miss = self.pixels - seen.pixels
        unit = (self.scale * self.sigma)[posed.layout.capture, :, None]
        cost, inlying = self.kernel(miss.square().sum(-1) / unit**2)
        return ReprojectionResidual(self, posed, placed, miss, self.weights * cost * self.scale**2, inlying)


@dataclass(frozen=True, slots=True)
class ReprojectionResidual:
    """Misses of all points in all views."""

    term: Reprojection
    posed: Posed
    placed: Placed
    miss: Tensor
    """(T, V, P, 2) observed minus body, pixels."""
    costs: Tensor
    """(T, V, P)"""
    inlying: Tensor
    """(T, V, P) weight that the kernel leaves, 0..1."""

    @property
    def cost(self) -> Tensor:
        """(N,) of the robust kernel, and of the constant offsets."""
        cost = self.posed.layout.sums(self.costs.sum((1, 2)))
        return cost + (self._bias / self.term.bias_m).square().sum(1) / 2 if self.term.bias_m else cost

    @property
    def error(self) -> Tensor:
        """(T,) mean distance in all views, by weight, pixels; NaN where nothing was seen."""
        weights = self.term.weights
        return (weights * self.miss.norm(dim=-1)).sum((1, 2)) / weights.sum((1, 2))

    @property
    def by_view(self) -> Tensor:
        """(T, V) the same in each view."""
        weights = self.term.weights
        return (weights * self.miss.norm(dim=-1)).sum(2) / weights.sum(2)

    @property
    def _bias(self) -> Tensor:
        return self.posed.state.extras[BIAS]

    def add_to(self, system: System) -> None:
        """One assembly for all views; cameras and offsets share the border with the shape."""
        term, capture = self.term, self.posed.layout.capture
        seen = term.views.project(self.placed.points, capture, self.posed.state.extras.get(EXTRA))
        weight = (term.weights * self.inlying / term.sigma[capture, :, None] ** 2)[..., None, None]
        weighted = (weight * seen.slope).mT
        information = (weighted @ seen.slope).sum(1)
        force = (weighted @ self.miss[..., None])[..., 0].sum(1)
        cross = {}
        if seen.by_camera is not None:
            cross[EXTRA] = self._add_cameras(system, seen, weight, weighted)
        if term.bias_m:
            cross[BIAS] = self._add_offsets(system, information, force, cross.get(EXTRA))
        system.add_points(term.points, self.posed, self.placed, information=information, force=force, cross=cross)

    def _add_cameras(self, system: System, seen: Projected, weight: Tensor, weighted: Tensor) -> Tensor:
        """What belongs to the cameras alone; gives (T, P, 3, V * C) what ties them to the points."""
        assert seen.by_camera is not None
        layout, dtype = self.posed.layout, system.dtype
        pull = (weight * seen.by_camera).mT
        own = layout.sums((pull @ seen.by_camera).sum(2))
        push = layout.sums((pull @ self.miss[..., None])[..., 0].sum(2))
        columns = system.columns(EXTRA)
        for view in range(len(self.term.views)):
            at = slice(columns.start + view * UNKNOWNS, columns.start + (view + 1) * UNKNOWNS)
            system.corner[:, at, at] += own[:, view].to(dtype)
            system.shared[:, at] += push[:, view].to(dtype)
        # (T, V, P, 3, C) to (T, P, 3, V C).
        return (weighted @ seen.by_camera).permute(0, 2, 3, 1, 4).flatten(3)

    def _add_offsets(self, system: System, information: Tensor, force: Tensor, cameras: Tensor | None) -> Tensor:
        """What belongs to the offsets alone and to them and the cameras; gives (T, P, 3, P * 3)."""
        layout, dtype, count = self.posed.layout, system.dtype, self.term.points.count
        turned = self.term.points.offset_jacobian(self.posed)
        columns = system.columns(BIAS)
        own = layout.sums(turned.mT @ information @ turned)
        corner = torch.diag_embed(own.permute(0, 2, 3, 1)).permute(0, 3, 1, 4, 2).flatten(3).flatten(1, 2)
        system.corner[:, columns, columns] += corner.to(dtype)
        system.corner[:, columns, columns].diagonal(dim1=1, dim2=2).add_(self.term.bias_m**-2)
        push = layout.sums((turned.mT @ force[..., None])[..., 0].flatten(1))
        system.shared[:, columns] += (push - self._bias / self.term.bias_m**2).to(dtype)
        if cameras is not None:
            both = layout.sums((turned.mT @ cameras).flatten(1, 2)).to(dtype)
            system.corner[:, columns, system.columns(EXTRA)] += both
            system.corner[:, system.columns(EXTRA), columns] += both.mT
        tied = information @ turned
        return torch.diag_embed(tied.permute(0, 2, 3, 1)).permute(0, 3, 1, 4, 2).reshape(*tied.shape[:3], 3 * count)
