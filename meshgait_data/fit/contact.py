"""Which part of which foot stands on the ground when: from height and speed of the soles, with hysteresis.

Shape letters: T frames, P points (heel and ball of both feet), K stances (a point that stays on the ground for some
frames of one capture).
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from meshgait_data.body.model import Body, rest_joints
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit.batch import Layout, Posed
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.points import BodyPoints
from meshgait_data.fit.terms.contact import Contact
from meshgait_data.types import BoolArray, FloatArray, IntArray

SOLES = ("left_heel", "left_ball", "right_heel", "right_ball")
"""The P points."""
_PATCH = 8
"""Vertices that a point is the mean of."""


@dataclass(frozen=True, slots=True)
class ContactSettings:
    """When a sole is on the ground, and how still it then is."""

    land_speed: float = 0.30
    """m/s below which a point that is low comes to rest."""
    leave_speed: float = 0.55
    """m/s above which it leaves; the hysteresis bridges jitter and the roll of the foot."""
    land_height_m: float = 0.035
    """Metres above the ground below which a point may come to rest."""
    leave_height_m: float = 0.055
    """Metres above the ground from which it has left."""
    least_seconds: float = 0.10
    """Shortest stance; a walker's heel rests for some 0.3 s."""
    smooth_seconds: float = 0.10
    """Window that speeds are measured over."""
    sigma_m: float = 0.006
    """Metres: how far a resting point strays from its place."""
    ground_sigma_m: float = 0.030
    """Metres: how far soles are off a common ground: shoes, and how well a body's sole is known."""
    huber: float = 3.0
    """Standard deviations beyond which the contact pulls no harder: data that disagree win."""


_DEFAULT = ContactSettings()


def sole_rows(body: Body) -> sp.csr_matrix:
    """(4, V + J) means of the lowest skin below the heel bone and below the ball, left then right."""
    joints = rest_joints(body)[0]
    skin = body.v_template.astype(np.float64)
    rows = np.zeros((len(SOLES), body.num_vertices + len(joints)))
    for index, sole in enumerate(SOLES):
        side, part = sole.split("_")
        ankle, toes = (SMPL_JOINTS.index(f"{side}_{name}") for name in ("ankle", "foot"))
        own = np.flatnonzero(body.weights[:, ankle] + body.weights[:, toes] > 0.5)
        length = joints[toes, 2] - joints[ankle, 2]
        # The middle of the heel's pad is below and behind the ankle, about a fifth of the way to the ball.
        centre = joints[toes].copy() if part == "ball" else joints[ankle] - np.array([0.0, 0.0, 0.15 * length])
        centre[1] = skin[own, 1].min()
        nearest = own[np.argsort(np.linalg.norm(skin[own] - centre, axis=1), kind="stable")[:_PATCH]]
        rows[index, nearest] = 1 / len(nearest)
    return sp.csr_matrix(rows)


def sole_points(body: Body, chain: Chain) -> BodyPoints:
    """The four soles as points that the fit can hold still."""
    return BodyPoints.regressed(body, chain, sole_rows(body), bends=False)


def stances(points: FloatArray, seconds: FloatArray, settings: ContactSettings = _DEFAULT) -> BoolArray:
    """Find when points rest on the ground.

    Parameters
    ----------
    points
        (F, P, 3) metres, world frame (y up), of one capture.
    seconds
        (F,) time of each frame.
    settings
        Thresholds.

    Returns
    -------
    (F, P). All false for a capture too short to measure a speed.
    """
    frames, count = points.shape[:2]
    result = np.zeros((frames, count), bool)
    if frames < 3:
        return result
    speed = _speeds(points, seconds, settings.smooth_seconds)
    height = points[..., 1] - ground_height(points, speed, settings)
    rests = (speed < settings.land_speed) & (height < settings.land_height_m)
    holds = (speed < settings.leave_speed) & (height < settings.leave_height_m)
    step = float(np.median(np.diff(seconds)))
    least = max(2, round(settings.least_seconds / step))
    for point in range(count):
        for start, end in _runs(holds[:, point]):
            inside = np.flatnonzero(rests[start:end, point])
            # From the first to the last frame at rest: what is merely slow at the ends is landing or leaving.
            if len(inside) and inside[-1] - inside[0] + 1 >= least:
                result[start + inside[0] : start + inside[-1] + 1, point] = True
    return result


def ground_height(points: FloatArray, speed: FloatArray, settings: ContactSettings = _DEFAULT) -> float:
    """Height of the ground: where points are when they are slow, the median of their medians.

    Feet at rest are on the ground, and each part of a walker's foot rests for a third of the time or more.
    """
    slow = speed < settings.land_speed
    heights = [np.median(points[slow[:, p], p, 1]) for p in range(points.shape[1]) if slow[:, p].any()]
    return float(np.median(heights)) if heights else float(points[..., 1].min())


def _speeds(points: FloatArray, seconds: FloatArray, window: float) -> FloatArray:
    """(F, P) m/s over a window about each frame, one-sided at the ends."""
    half = max(1, round(window / 2 / max(float(np.median(np.diff(seconds))), 1e-9)))
    frames = np.arange(len(points))
    before, after = np.maximum(frames - half, 0), np.minimum(frames + half, len(points) - 1)
    gap = np.linalg.norm(points[after] - points[before], axis=-1)
    result: FloatArray = gap / (seconds[after] - seconds[before])[:, None]
    return result


def _runs(flags: BoolArray) -> list[tuple[int, int]]:
    """First frame of each run of true, and the frame after its last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def contact_term(
    soles: BodyPoints, posed: Posed, seconds: Tensor, settings: ContactSettings = _DEFAULT
) -> Contact | None:
    """The contact term of a batch from a fit without it; None where nothing rests.

    Parameters
    ----------
    soles
        Of :func:`sole_points`.
    posed
        The fit so far.
    seconds
        (T,) time of each frame in its capture.
    settings
        Thresholds and spreads.
    """
    points = soles.place(posed).points.cpu().numpy()
    times = seconds.cpu().numpy()
    resting = np.concatenate([stances(points[s], times[s], settings) for s in posed.layout.slices()])
    if not resting.any():
        return None
    stance, captures = number_stances(resting, posed.layout)
    device = posed.joints.device
    return Contact(
        points=soles,
        stance=torch.as_tensor(stance, device=device),
        capture=torch.as_tensor(captures, device=device),
        sigma=settings.sigma_m,
        ground_sigma=settings.ground_sigma_m,
        huber=settings.huber,
    )


def number_stances(resting: BoolArray, layout: Layout) -> tuple[IntArray, IntArray]:
    """(T, P) number of the stance that each point is in, -1 where in none, and (K,) the capture of each stance."""
    stance = np.full(resting.shape, -1)
    captures: list[int] = []
    for capture, frames in enumerate(layout.slices()):
        for point in range(resting.shape[1]):
            for start, end in _runs(resting[frames, point]):
                stance[frames.start + start : frames.start + end, point] = len(captures)
                captures.append(capture)
    return stance, np.array(captures, int)


def skating(points: FloatArray, resting: BoolArray) -> float:
    """Mean distance that points slide along the ground from one frame of a stance to the next, metres.

    Parameters
    ----------
    points
        (F, P, 3) metres, y up.
    resting
        (F, P); the same for all fits that are compared.
    """
    both = resting[1:] & resting[:-1]
    slides = np.linalg.norm(np.diff(points[..., [0, 2]], axis=0), axis=-1)[both]
    return float(slides.mean()) if len(slides) else float("nan")
