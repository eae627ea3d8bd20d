"""Virtual cameras around a walk: rings as data, at any angles, heights and distances, fixed or drawn at random."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from meshgait_data import rotations
from meshgait_data.conventions import WORLD_UP
from meshgait_data.errors import InvalidData
from meshgait_data.manifest import CameraRing, RandomViews, ViewChange
from meshgait_data.render.cameras import look_at
from meshgait_data.types import Camera, FloatArray

MIN_WALK_M = 0.3
"""Shortest way between first and last frame that still says where somebody walks to."""


def ring_cameras(ring: CameraRing, pelvis: FloatArray, ground: float, *, capture: str = "") -> list[Camera]:
    """Cameras that stand still on a circle around the middle of a walk's path and look at that middle.

    The azimuth is measured from the direction in which the walk leads on the whole (first to last frame), seen from
    the middle: 0 stands in front of the walker, 90 at the walker's left, 180 behind.

    Parameters
    ----------
    ring
        Azimuths, distances and the lens.
    pelvis
        (F, 3) path of the pelvis in the world frame (y up), metres.
    ground
        Height of the lowest point of the walk in the world frame, metres.
    capture
        Key of the walk, which random rings draw by.

    Returns
    -------
    One camera for each azimuth, in the order of the ring, named after the view.

    Raises
    ------
    InvalidData
        Where the path has no direction: fewer than two frames, not finite, or less than 0.3 m from end to end.
    """
    forward = walking_direction(pelvis)
    left = np.cross(WORLD_UP, forward)
    # Middle of the extent and not the mean of the frames, so that a slow start does not pull the cameras along.
    middle = sum(0.5 * (np.min(pelvis @ axis) + np.max(pelvis @ axis)) * axis for axis in (forward, left))
    cameras = []
    for name, azimuth in ring.azimuths_deg.items():
        view, turn = _view(ring, name, capture)
        angle = np.deg2rad(azimuth + turn)
        outward = np.cos(angle) * forward + np.sin(angle) * left
        position = middle + _given(view.distance_m, ring.distance_m) * outward
        position = position + (ground + _given(view.height_m, ring.height_m)) * WORLD_UP
        target = middle + (ground + _given(view.target_m, ring.target_m)) * WORLD_UP
        rotation = rotations.exp(np.array([0.0, 0.0, -np.deg2rad(view.roll_deg)])) @ look_at(position, target)
        reach = float(np.linalg.norm(target - position))
        cameras.append(_camera(ring, name, _given(view.focal_px, ring.focal_px), rotation, position, reach))
    return cameras


def _camera(
    ring: CameraRing, name: str, focal: float, rotation: FloatArray, position: FloatArray, reach: float
) -> Camera:
    width, height = ring.image_size
    scale = focal / reach if ring.model == "orthographic" else focal
    intrinsics = np.array([[scale, 0.0, (width - 1) / 2], [0.0, scale, (height - 1) / 2], [0.0, 0.0, 1.0]])
    return Camera(
        name,
        intrinsics,
        rotation,
        -rotation @ position,
        (width, height),
        model=ring.model,
        distortion=ring.distortion,
        reference_m=reach if ring.model == "weak_perspective" else 0.0,
    )


def _view(ring: CameraRing, name: str, capture: str) -> tuple[ViewChange, float]:
    """What a view has otherwise than the ring, and degrees added to its azimuth."""
    view = ring.views.get(name, ViewChange())
    if ring.random is None:
        return view, 0.0
    draw = _drawer(ring.random, f"{capture}/{name}")
    turn, roll = draw(ring.random.azimuth_deg), draw(ring.random.roll_deg)
    drawn = {
        field: draw(limits)
        for field in ("distance_m", "height_m", "focal_px")
        if (limits := getattr(ring.random, field)) is not None
    }
    return replace(view, roll_deg=view.roll_deg + roll, **drawn), turn


def _drawer(random: RandomViews, words: str) -> Callable[[tuple[float, float]], float]:
    # A hash and not Python's own, which differs from process to process.
    digest = hashlib.sha256(f"{random.seed}/{words}".encode()).digest()
    rng = np.random.default_rng(np.frombuffer(digest, np.uint32))
    return lambda limits: float(rng.uniform(*limits))


def _given(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def resized(ring: CameraRing, factor: float) -> CameraRing:
    """The same cameras at another resolution: ``factor`` times as many pixels along each axis."""
    width, height = (max(1, round(factor * side)) for side in ring.image_size)
    scaled = {name: replace(view, focal_px=_times(view.focal_px, factor)) for name, view in ring.views.items()}
    random = ring.random
    if random is not None and random.focal_px is not None:
        low, high = random.focal_px
        random = replace(random, focal_px=(factor * low, factor * high))
    return replace(ring, image_size=(width, height), focal_px=factor * ring.focal_px, views=scaled, random=random)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


def view_angles(camera: Camera, pelvis: FloatArray) -> FloatArray:
    """Azimuth (F,) in degrees, -180 to 180, from which a camera sees the walker at each frame of a path (F, 3).

    It drifts while the walker passes: a camera at the side of a walk of length L, D away, sees the walker from
    ``90 - atan(L / 2D)`` first and from ``90 + atan(L / 2D)`` last.
    """
    forward = walking_direction(pelvis)
    left = np.cross(WORLD_UP, forward)
    away = -camera.rotation.T @ camera.translation - np.asarray(pelvis, dtype=np.float64)
    return np.rad2deg(np.arctan2(away @ left, away @ forward))


def walking_direction(pelvis: FloatArray) -> FloatArray:
    """Horizontal unit vector from the first to the last position of a path (F, 3); raises InvalidData without one."""
    way = np.zeros(3)
    if len(pelvis) >= 2:
        way = np.asarray(pelvis[-1], dtype=np.float64) - pelvis[0]
        way -= (way @ WORLD_UP) * WORLD_UP
    length = float(np.linalg.norm(way))
    if not np.all(np.isfinite(pelvis)) or length < MIN_WALK_M:
        raise InvalidData(
            f"no walking direction: {len(pelvis)} frames lead {length:.2f} m from start to end",
            hint=f"cameras are placed relative to a walk of at least {MIN_WALK_M} m; leave this capture out",
        )
    return way / length
