"""Where a walker is, from 2D keypoints of single views: how far apart people's joints are tells how far away they are.

Rays are turned so that the camera is level; a point at height h above the pelvis, seen at distance z along the level
axis, is then at ``(h + H) / z`` above it. Over all points of a frame that is a straight line in h, the height that the
point has on average over a gait cycle: its slope is ``1 / z``, whichever way the walker faces.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from meshgait_data.fit.batch import Layout, State, pose
from meshgait_data.fit.cameras import Views
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.gait_space import Path
from meshgait_data.fit.points import BodyPoints
from meshgait_data.fit.priors import GaitPrior

_PHASES = 16
_LEAST_POINTS = 4
"""Points that a frame needs to tell its distance."""
_LEAST_SPREAD_M = 0.1
"""Metres: spread (standard deviation) of the heights of the seen points that a frame needs."""
_FAR_M = 200.0
"""Metres: slopes of less than one over that are noise."""
STILL_M_S, _STILL_M = 0.3, 0.3
"""Who moves slower, or less far in all, may face anywhere: the path does not tell."""
_LEAST_SPEED = 1e-3
"""m/s: gait space takes its logarithm."""
_JUMP_M = 0.3
"""Metres beside the path at which a frame's weight has halved."""
_KNOTS_S = 1.0
"""Seconds between the knots of the path: slower changes of place are followed."""


@dataclass(frozen=True, slots=True)
class Track:
    """A walker as a post that moves."""

    path: Path
    floor: Tensor
    """(N,) world y of the floor, metres."""


def usual_heights(chain: Chain, points: BodyPoints, gait: GaitPrior) -> tuple[Tensor, Tensor]:
    """(P,) heights of body points above the pelvis, averaged over the mean gait cycle; and of the pelvis, metres."""
    phases = torch.arange(_PHASES, dtype=torch.float64, device=chain.template.device) * (2 * torch.pi / _PHASES)
    layout = Layout.of([_PHASES], chain.template.device)
    betas = chain.template.new_zeros(1, chain.shapedirs.shape[-1])
    posed = pose(chain, layout, State(gait.rotations(phases), chain.template.new_zeros(_PHASES, 3), betas))
    heights = points.place(posed).points[..., 1] - posed.joints[:, :1, 1]
    hip, knee, ankle = (chain.template[joint] for joint in (1, 4, 7))
    leg = (knee - hip).norm() + (ankle - knee).norm()
    return heights.mean(0), gait.root(phases)[:, 0].mean() * leg


def places(views: Views, pixels: Tensor, weights: Tensor, capture: Tensor, heights: Tensor) -> tuple[Tensor, Tensor]:
    """Where the pelvis is according to each view by itself.

    Parameters
    ----------
    views
        Cameras, known or nominal.
    pixels, weights
        (T, V, P, 2) and (T, V, P); weight 0 where unseen.
    capture
        (T,)
    heights
        (P,) of :func:`usual_heights`.

    Returns
    -------
    (T, V, 3) metres, world frame, and (T, V) whether the view tells it.
    """
    rays = views.rays(torch.nan_to_num(pixels), capture)
    weights = torch.where(rays.isfinite().all(-1), weights, 0.0)
    rays = torch.nan_to_num(rays)
    rotation, offset = views.rotation[capture], views.offset[capture]
    offset = offset - (rotation @ views.target[capture][..., None])[..., 0]
    centre = -(rotation.mT @ offset[..., None])[..., 0]
    ahead, right, up = _level_axes(rotation)
    directions = torch.cat([rays, torch.ones_like(rays[..., :1])], -1) @ rotation
    depth = (directions * ahead[:, :, None]).sum(-1)
    share = weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)

    def mean(values: Tensor) -> Tensor:
        return (share * values).sum(-1)

    across, above = ((directions * axis[:, :, None]).sum(-1) / depth for axis in (right, up))
    height = mean(heights.expand_as(above))
    off = heights - height[..., None]
    spread = mean(off.square())
    slope = mean(off * above) / spread.clamp(min=1e-12)
    good = ((weights > 0).sum(-1) >= _LEAST_POINTS) & (spread > _LEAST_SPREAD_M**2) & (slope > 1 / _FAR_M)
    distance = 1 / torch.where(good, slope, torch.ones_like(slope))
    # Without perspective the size of things tells nothing: they are where the camera's scale is that of the lens.
    affine = views.divisor[capture]
    distance = torch.where(affine > 0, affine, distance)
    found = centre + distance[..., None] * (ahead + mean(across)[..., None] * right + mean(above)[..., None] * up)
    return found - height[..., None] * up, good & views.present[capture]


def _level_axes(rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ahead, right and up of level cameras that look the same way as cameras of rotations (T, V, 3, 3)."""
    up = torch.zeros_like(rotation[..., 2, :])
    up[..., 1] = 1
    ahead = rotation[..., 2, :] * torch.tensor([1.0, 0.0, 1.0], dtype=rotation.dtype, device=rotation.device)
    # A camera that looks straight down is level towards where the top of its image is.
    down = ahead.norm(dim=-1, keepdim=True) < 1e-3
    ahead = torch.where(down, -rotation[..., 1, :], ahead)
    ahead = ahead / ahead.norm(dim=-1, keepdim=True)
    return ahead, torch.linalg.cross(ahead, up), up


def track(found: Tensor, good: Tensor, layout: Layout, seconds: Tensor, standing: Tensor, *, even: bool) -> Track:
    """One path through the places that the views tell.

    Parameters
    ----------
    found, good
        Of :func:`places`.
    layout
        Captures.
    seconds
        (T,)
    standing
        Height of the pelvis above the floor, metres.
    even
        Whether the person moves through the world evenly; not so in crops, where each frame is placed by itself.
    """
    weights = good.to(found.dtype)
    total = weights.sum(1)
    place = (weights[..., None] * torch.nan_to_num(found)).sum(1) / total.clamp(min=1e-12)[:, None]
    middle, ground, heading = seconds.clone(), place[:, [0, 2]].clone(), torch.zeros_like(seconds)
    speed, floor = seconds.new_full((len(layout),), _LEAST_SPEED), seconds.new_zeros(len(layout))
    for index, part in enumerate(layout.slices()):
        middle[part] = seconds[part] - (seconds[part][0] + seconds[part][-1]) / 2
        seen = total[part] > 0
        if not bool(seen.any()):
            continue
        smooth, velocity = _even(middle[part], place[part], total[part])
        floor[index] = place[part][seen, 1].median() - standing
        if not even:
            ground[part][~seen] = ground[part][seen].median(0).values
            continue
        ground[part] = smooth[:, [0, 2]]
        way = float((ground[part][-1] - ground[part][0]).norm())
        span = max(float(seconds[part][-1] - seconds[part][0]), 1e-6)
        if way > _STILL_M and way / span > STILL_M_S:
            speed[index] = way / span
            heading[part] = torch.atan2(velocity[:, 0], velocity[:, 2])
    return Track(Path(middle, ground, heading, speed), floor)


def _even(seconds: Tensor, place: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """(F, 3) a path through places, straight between knots and bent little at them, and its velocity (F, 3), evened."""
    span = float(seconds[-1] - seconds[0])
    knots = max(2, round(span / _KNOTS_S) + 1)
    pace = max(span, 1e-6) / (knots - 1)
    position = (seconds - seconds[0]) / pace
    hats = (1 - (position[:, None] - torch.arange(knots, dtype=seconds.dtype, device=seconds.device)).abs()).clamp(
        min=0
    )
    bends = torch.diff(torch.eye(knots, dtype=seconds.dtype, device=seconds.device), n=2, dim=0)
    # One frame of (1 m)^2 is as sure as the knots' tie to each other; bending is dearer with many frames.
    tie = 1e-6 * torch.eye(knots, dtype=seconds.dtype, device=seconds.device) + 0.1 * weights.sum() * bends.mT @ bends
    path, steady = place.new_zeros(knots, 3), weights
    for _ in range(4):
        path = torch.linalg.solve((hats.mT * steady) @ hats + tie, (hats.mT * steady) @ place)
        miss = (place - hats @ path).norm(dim=1)
        steady = weights / (1 + (miss / _JUMP_M).square())
    slopes = torch.diff(path, dim=0) / pace if span else 0 * path[1:]
    # Velocity at the middles of the pieces, straight in between.
    at = (position - 0.5).clamp(0, knots - 2)
    first = at.floor().long().clamp(max=max(knots - 3, 0))
    share = (at - first)[:, None]
    second = (first + 1).clamp(max=knots - 2)
    return hats @ path, (1 - share) * slopes[first] + share * slopes[second]
