"""Where a walker is, from the boxes of masks: from several views by triangulation, from one by how tall people are.

Letters: F frames of one capture, K views.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meshgait_data.errors import FitError
from meshgait_data.types import BoolArray, Camera, FloatArray

STATURE_M = 1.70
"""How tall people are taken to be where one camera does not tell size from distance."""
_LEAST_SPEED = 1e-3
"""m/s: strides need a logarithm."""
_OUTLIER_M = 0.1
"""Metres off the even path at which a place weighs a quarter."""
_LEAST_SINE = 0.2
"""Of the angle between rays that a place is found from: 12 degrees. Views that lie closer together tell no depth."""


@dataclass(frozen=True, slots=True, eq=False)
class Post:
    """A walker as a post that moves."""

    ground: FloatArray
    """(F, 2) x and z in metres, even over time."""
    heading: FloatArray
    """(F,) radians about y, 0 along +z: the direction of the path."""
    speed: float
    """m/s"""
    floor: float
    """World y of the soles, metres."""
    stature: float
    """Metres from soles to crown while walking."""


def track(boxes: FloatArray, cameras: Sequence[Camera], seconds: FloatArray) -> Post:
    """Follow the boxes of the masks.

    Parameters
    ----------
    boxes
        (F, K, 4) least and greatest x, least and greatest y in pixels; NaN where a view does not see the whole body.
    cameras
        K cameras without distortion.
    seconds
        (F,) time of each frame.

    Raises
    ------
    FitError
        Where no view ever sees the whole body.
    """
    if not np.isfinite(boxes).all(axis=2).any():
        raise FitError("no mask shows a whole body", hint="give masks that the image border does not cut")
    centres = np.array([-camera.rotation.T @ camera.translation for camera in cameras])
    directions = _rays(boxes, cameras)
    middle = _triangulated(centres, directions[:, :, 0])
    if middle is None:
        middle = _by_height(cameras, centres, directions, boxes)
    seen = np.asarray(np.isfinite(middle).all(axis=1))
    time = seconds - seconds.mean()
    ground, velocity = _even(time, middle[:, [0, 2]], seen)
    heading = np.unwrap(np.arctan2(velocity[:, 0], velocity[:, 1]))
    speed = float(np.linalg.norm(velocity.mean(axis=0)))
    soles, crowns = (float(np.nanmedian(_heights(centres, directions[:, :, side], ground))) for side in (2, 1))
    return Post(ground, heading, max(speed, _LEAST_SPEED), soles, crowns - soles)


def _rays(boxes: FloatArray, cameras: Sequence[Camera]) -> FloatArray:
    """(F, K, 3, 3) directions in the world to the middle, top and bottom of boxes; NaN where there is none."""
    left, right, top, bottom = np.moveaxis(boxes, -1, 0)
    x = (left + right) / 2
    pixels = np.stack([np.stack([x, y], -1) for y in ((top + bottom) / 2, top - 0.5, bottom + 0.5)], 2)
    rays = np.ones((*pixels.shape[:-1], 3))
    for k, camera in enumerate(cameras):
        inverse = np.linalg.inv(camera.intrinsics[:2, :2])
        rays[:, k, :, :2] = (pixels[:, k] - camera.intrinsics[:2, 2]) @ inverse.T
        rays[:, k] = rays[:, k] @ camera.rotation
    return rays


def _triangulated(centres: FloatArray, rays: FloatArray) -> FloatArray | None:
    """(F, 3) points nearest to the rays (F, K, 3); NaN where they tell no depth; None where they never do."""
    unit = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    seen = np.isfinite(unit).all(axis=-1)
    across = (np.eye(3) - unit[..., :, None] * unit[..., None, :]) * seen[..., None, None]
    across = np.where(seen[..., None, None], across, 0.0)
    matrix = across.sum(axis=1)
    # The least eigenvalue is the sum of squared sines between the rays and their common direction.
    sure = np.linalg.eigvalsh(matrix)[:, 0] > _LEAST_SINE**2
    if sure.mean() < 0.5:
        return None
    points = np.full((len(rays), 3), np.nan)
    target = np.einsum("fkij,kj->fi", across, centres)
    points[sure] = np.linalg.solve(matrix[sure], target[sure][..., None])[..., 0]
    return points


def _by_height(cameras: Sequence[Camera], centres: FloatArray, directions: FloatArray, boxes: FloatArray) -> FloatArray:
    """(F, 3) points on the middle rays of the view that sees most, where a body of mean height looks so tall."""
    best = int(np.isfinite(boxes[..., 0]).sum(axis=0).argmax())
    height = boxes[:, best, 3] - boxes[:, best, 2] + 1
    depth = cameras[best].intrinsics[1, 1] * STATURE_M / height
    if cameras[best].model != "perspective":
        depth = np.full_like(height, max(cameras[best].reference_m, 1.0))
    return np.asarray(centres[best] + depth[:, None] * directions[:, best, 0])


def _even(time: FloatArray, places: FloatArray, seen: BoolArray) -> tuple[FloatArray, FloatArray]:
    """(F, 2) an even path through the places, and its velocity: a parabola, no more bent than the data are sure of."""
    span = max(float(np.ptp(time)), 1e-6)
    powers = np.arange(3)
    columns = (time / span)[:, None] ** powers
    slopes = powers * (time / span)[:, None] ** np.maximum(powers - 1, 0) / span
    ridge = np.diag([0.0, 0.0, 0.02]) * seen.sum() + 1e-9 * np.eye(3)
    weights = seen.astype(float)
    target = np.where(seen[:, None], places, 0.0)
    path = np.zeros((3, 2))
    for _ in range(5):
        weighted = (columns * weights[:, None]).T
        path = np.linalg.solve(weighted @ columns + ridge, weighted @ target)
        miss = np.linalg.norm(target - seen[:, None] * (columns @ path), axis=1)
        weights = seen / (1 + (miss / _OUTLIER_M) ** 2)
    return np.asarray(columns @ path), np.asarray(slopes @ path)


def _heights(centres: FloatArray, rays: FloatArray, ground: FloatArray) -> FloatArray:
    """(F, K) world y at which rays (F, K, 3) pass the vertical lines over the ground points."""
    flat = rays[..., [0, 2]]
    away = ground[:, None] - centres[None, :, [0, 2]]
    reach = (flat * away).sum(-1) / (flat**2).sum(-1)
    return np.asarray(centres[None, :, 1] + reach * rays[..., 1])
