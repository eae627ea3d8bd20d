"""Refine a fit to masks: a far-reaching contour term first, then the exact gradient of the covered area.

What is minimised, by Adam (Kingma & Ba, ICLR 2015), with the values of :class:`MaskSettings`:

==============  =====================================================  =======================
term            residual                                               divided by
==============  =====================================================  =======================
contour, first  distances of :mod:`meshgait_data.render.contour`       ``contour_sd_px``
outline, last   coverage of each window pixel - that of the mask       ``coverage_sd``
pose prior      as in :func:`meshgait_data.fit.fit_joints`             ``sd_deg`` of each joint
start           rotations of joints, translation, against the start's  ``start_sd_*``
shape           betas, in every frame                                  1
smoothness      second differences of rotations and of translation     ``jerk_sd_*``
==============  =====================================================  =======================

Shape letters: C cameras, F frames, J joints, S side of the windows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.body.model import Body
from meshgait_data.body.torch_body import TorchBody
from meshgait_data.errors import FitError, InvalidData
from meshgait_data.fit.mask_views import MaskViews
from meshgait_data.fit.priors import make_prior
from meshgait_data.fit.terms.by_hand import Prior
from meshgait_data.fit.settings import FitSettings
from meshgait_data.render.contour import ContourTarget, contour_distance
from meshgait_data.render.soft import Topology, coverage
from meshgait_data.render.soft_torch import project
from meshgait_data.rotations import log
from meshgait_data.types import BodyParams, BoolArray, ByteArray, Camera, FloatArray


@dataclass(frozen=True, slots=True)
class MaskSettings:
    """Weights and steps of :func:`refine_masks`."""

    side: int = 96
    """Pixels: side of the window around the body that masks are compared in."""
    samples: int = 2
    """Samples of a window pixel along each axis."""
    place_iterations: int = 20
    """Of the contour term on place and shape alone, before a limb bends to reach what the whole body should."""
    contour_iterations: int = 30
    edge_iterations: int = 100
    num_betas: int = 10
    """Shape components to move, the first of the body's."""
    every: int = 8
    """The contour term looks at every n-th vertex."""
    contour_sd_px: float = 1.0
    coverage_sd: float = 0.5
    """Neighbouring pixels err together, so each tells little."""
    start_sd_deg: float = 15.0
    """Degrees: how far a joint's rotation may be from the start's. It decides what no mask shows, like twists."""
    start_sd_m: float = 0.05
    """Metres: the same for the translation. It decides the depth that a single camera does not show."""
    jerk_sd_deg: float = 1.2
    """Degrees: second difference of a joint's rotation at 30 frames a second; that of a thigh that swings by 30
    degrees once a second."""
    jerk_sd_m: float = 0.005
    """Metres: the same for the translation, that of a pelvis that bobs by 2.5 cm twice a second."""
    rotation_step: float = 0.01
    """Radians that Adam moves at most in one iteration, at the start."""
    transl_step_m: float = 0.01
    """In the first iterations, on place and shape alone, twice as far."""
    betas_step: float = 0.05
    fit: FitSettings = field(default_factory=FitSettings)
    """For the pose prior."""


@dataclass(frozen=True, slots=True, eq=False)
class MaskReport:
    """How well the body fills the masks: intersection over union in the windows; NaN where a camera saw nothing."""

    iou_before: FloatArray
    """(F, C)"""
    iou: FloatArray
    """(F, C)"""
    iterations: int


def refine_masks(
    body: Body,
    params: BodyParams,
    masks: Sequence[ByteArray | BoolArray],
    cameras: Sequence[Camera],
    settings: MaskSettings | None = None,
    *,
    fps: float = 30.0,
) -> tuple[BodyParams, MaskReport]:
    """Refine shape, pose and place of a fit so that the body fills masks of one or more cameras.

    Parameters
    ----------
    body
        Closed mesh. A smaller one of the same family does as well, in a fraction of the time.
    params
        The start, F frames.
    masks
        C times (F, H, W), not zero where the body is; an empty image says nothing.
    cameras
        C cameras that stand still.
    settings
        Weights and steps.
    fps
        Frames per second, for the smoothness.

    Returns
    -------
    Refined parameters, with as many betas as the start or ``num_betas``, and how well they fill the masks.

    Raises
    ------
    InvalidData
        Where masks, cameras, body and parameters do not fit.
    FitError
        Where no mask shows a body.

    Notes
    -----
    The same input gives the same bits on the same machine and number of threads.
    """
    settings = settings or MaskSettings()
    return refine_views(body, params, MaskViews.of_images(masks, cameras, settings.side), settings, fps=fps)


def refine_views(
    body: Body, params: BodyParams, views: MaskViews, settings: MaskSettings | None = None, *, fps: float = 30.0
) -> tuple[BodyParams, MaskReport]:
    """:func:`refine_masks` for masks that are windows already; parameters, results and errors as there."""
    settings = settings or MaskSettings()
    if views.targets.shape[1] != len(params):
        raise InvalidData(f"masks of {views.targets.shape[1]} frames for {len(params)} fitted ones")
    if not views.seen.any():
        raise FitError("no mask shows a body", hint="masks must not be zero where the body is")
    variables = _Variables.of(body, params, settings.num_betas)
    cost = _Costs(body, params, views, settings, fps)
    before = cost.iou(variables)

    def far(v: _Variables) -> Tensor:
        return cost.contour(v) + cost.priors(v)

    _descend(variables, far, settings.place_iterations, settings, placing=True)
    _descend(variables, far, settings.contour_iterations, settings)
    _descend(variables, lambda v: cost.outline(v) + cost.priors(v), settings.edge_iterations, settings)
    iterations = settings.place_iterations + settings.contour_iterations + settings.edge_iterations
    report = MaskReport(before, cost.iou(variables), iterations)
    return variables.params(), report


@dataclass(frozen=True, slots=True, eq=False)
class _Variables:
    """What is moved."""

    betas: Tensor
    """(B,)"""
    angles: Tensor
    """(F, J, 3) axis-angle, the root first."""
    transl: Tensor
    """(F, 3) metres."""

    @classmethod
    def of(cls, body: Body, params: BodyParams, num_betas: int) -> "_Variables":
        count = min(body.num_betas, max(len(params.betas), num_betas))
        betas = np.zeros(count, np.float32)
        betas[: len(params.betas)] = params.betas
        angles = np.concatenate([params.global_orient, params.body_pose], 1).reshape(len(params), -1, 3)
        arrays = betas, angles.astype(np.float32), params.transl.astype(np.float32)
        return cls(*(torch.tensor(array).requires_grad_() for array in arrays))

    def posed(self, model: TorchBody) -> Tensor:
        """(F, V, 3) vertices."""
        vertices, _ = model(self.betas[None], self.angles[:, 0], self.angles[:, 1:].flatten(1), self.transl)
        return cast(Tensor, vertices)

    def params(self) -> BodyParams:
        """As arrays, rotations no longer than half a turn."""
        turns = torch_rotations.exp(self.angles.detach().double()).numpy()
        angles = log(turns).astype(np.float32)
        betas, transl = (part.detach().numpy().copy() for part in (self.betas, self.transl))
        return BodyParams(betas, angles[:, 0].copy(), angles[:, 1:].reshape(len(transl), -1), transl)


class _Costs:
    """The terms, with everything that stays the same while descending."""

    def __init__(self, body: Body, start: BodyParams, views: MaskViews, settings: MaskSettings, fps: float) -> None:
        self.settings, self.views = settings, views
        self.topology = Topology.of(body.faces)
        self.whole = TorchBody(body)
        self.sparse = TorchBody(body, np.arange(0, body.num_vertices, settings.every))
        masks, known = views.targets.numpy() >= 0.5, views.weights.numpy() > 0
        self.contours = [ContourTarget.of(mask, known=sure) for mask, sure in zip(masks & known, known, strict=True)]
        self.prior: Prior = make_prior(settings.fit, dtype=torch.float32)
        variables = _Variables.of(body, start, settings.num_betas)
        self.start, self.place = torch_rotations.exp(variables.angles.detach()), variables.transl.detach()
        self.pace = (30.0 / fps) ** 2

    def contour(self, variables: _Variables) -> Tensor:
        """The far-reaching term: square pixels, times as many as a contour has points."""
        vertices = variables.posed(self.sparse)
        parts = [
            contour_distance(project(vertices, matrices)[0], target).sum() * target.contour.shape[1]
            for matrices, target in zip(self.views.matrices, self.contours, strict=True)
        ]
        return torch.stack(parts).sum() / (2 * self.settings.contour_sd_px**2)

    def outline(self, variables: _Variables) -> Tensor:
        """Squared differences of coverage."""
        parts = [
            (weights * (drawn - targets).square()).sum()
            for drawn, targets, weights in zip(
                self._drawn(variables), self.views.targets, self.views.weights, strict=True
            )
        ]
        return torch.stack(parts).sum() / (2 * self.settings.coverage_sd**2)

    def _drawn(self, variables: _Variables) -> list[Tensor]:
        vertices = variables.posed(self.whole)
        size = (self.views.targets.shape[3], self.views.targets.shape[2])
        samples = self.settings.samples
        return [coverage(vertices, self.topology, matrices, size, samples=samples) for matrices in self.views.matrices]

    def priors(self, variables: _Variables) -> Tensor:
        """What masks cannot say: natural poses, mean shapes, steady motion."""
        settings, prior = self.settings, self.prior
        rotations = torch_rotations.exp(variables.angles)
        bend = torch_rotations.log(prior.mean.mT @ rotations)
        cost = (prior.precision[1:] * bend[:, 1:].square()).sum()
        hinges = list(prior.hinges)
        excess = torch.relu(-((bend[:, hinges] * prior.axes).sum(-1) + prior.mean_angle))
        cost = cost + prior.stop_precision * excess.square().sum()
        moved = torch_rotations.log(self.start.mT @ rotations)
        cost = cost + moved[:, 1:].square().sum() / np.deg2rad(settings.start_sd_deg) ** 2
        cost = cost + (variables.transl - self.place).square().sum() / settings.start_sd_m**2
        cost = cost + len(rotations) * variables.betas.square().sum()
        if len(rotations) > 2:
            # A rotation by a small angle changes the matrix by sqrt(2) times that angle, hence the half.
            turn = torch.diff(rotations, n=2, dim=0).square().sum() / 2
            cost = cost + turn / (self.pace * np.deg2rad(settings.jerk_sd_deg)) ** 2
            drift = torch.diff(variables.transl, n=2, dim=0).square().sum()
            cost = cost + drift / (self.pace * settings.jerk_sd_m) ** 2
        return cost / 2

    def iou(self, variables: _Variables) -> FloatArray:
        """(F, C) overlap of pixels that are at least half covered; NaN where a camera saw nothing."""
        with torch.no_grad():
            drawn = torch.stack(self._drawn(variables)) >= 0.5
        known, wanted = self.views.weights > 0, self.views.targets >= 0.5
        both, either = (x.flatten(2).sum(2).T.numpy() for x in (known & drawn & wanted, known & (drawn | wanted)))
        return np.where(self.views.seen, both / np.maximum(either, 1), np.nan)


def _descend(
    variables: _Variables,
    cost: Callable[[_Variables], Tensor],
    iterations: int,
    settings: MaskSettings,
    *,
    placing: bool = False,
) -> None:
    """Adam with steps that shrink to a tenth; ``placing`` moves place and shape alone, twice as far."""
    if iterations == 0:
        return
    faster = 2.0 if placing else 1.0
    optimiser = torch.optim.Adam(
        [
            {"params": [variables.angles], "lr": 0.0 if placing else settings.rotation_step},
            {"params": [variables.transl], "lr": faster * settings.transl_step_m},
            {"params": [variables.betas], "lr": faster * settings.betas_step},
        ]
    )
    shrink = torch.optim.lr_scheduler.ExponentialLR(optimiser, 1.0 if placing else 0.1 ** (1 / iterations))
    for _ in range(iterations):
        optimiser.zero_grad()
        cost(variables).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        shrink.step()
