"""Pinhole cameras: a ring of virtual ones around a walk, and points through any of them."""

import numpy as np

from meshgait_data.conventions import WORLD_UP
from meshgait_data.errors import InvalidData
from meshgait_data.manifest import CameraRing
from meshgait_data.types import Camera, FloatArray

MIN_WALK_M = 0.3
"""Shortest way between first and last frame that still says where somebody walks to."""


def ring_cameras(ring: CameraRing, pelvis: FloatArray, ground: float) -> list[Camera]:
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
    target = middle + (ground + ring.target_m) * WORLD_UP
    width, height = ring.image_size
    intrinsics = np.array(
        [[ring.focal_px, 0.0, (width - 1) / 2], [0.0, ring.focal_px, (height - 1) / 2], [0.0, 0.0, 1.0]]
    )
    cameras = []
    for name, azimuth in ring.azimuths_deg.items():
        angle = np.deg2rad(azimuth)
        outward = np.cos(angle) * forward + np.sin(angle) * left
        position = middle + ring.distance_m * outward + (ground + ring.height_m) * WORLD_UP
        rotation = look_at(position, target)
        cameras.append(Camera(name, intrinsics, rotation, -rotation @ position, (width, height)))
    return cameras


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


def look_at(position: FloatArray, target: FloatArray) -> FloatArray:
    """Rotation (3, 3) from the world to an upright OpenCV camera at ``position`` that looks at ``target``."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, WORLD_UP)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


def to_camera(camera: Camera, points: FloatArray) -> FloatArray:
    """World points (..., 3) in the camera's frame, metres, float64."""
    return np.asarray(points, dtype=np.float64) @ camera.rotation.T + camera.translation


def project(camera: Camera, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Image positions and depths of world points.

    Parameters
    ----------
    camera
        Any pinhole camera without lens distortion.
    points
        (..., 3) metres, world frame.

    Returns
    -------
    pixels
        (..., 2) x and y in pixels, pixel centres at integers; NaN for points that are not in front of the camera.
    depth
        (...) metres along the optical axis.
    """
    in_camera = to_camera(camera, points)
    depth = in_camera[..., 2]
    homogeneous = in_camera @ camera.intrinsics.T
    safe = np.where(depth > 0, depth, np.nan)
    return homogeneous[..., :2] / safe[..., None], depth
