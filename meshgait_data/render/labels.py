"""Labels through the window: world points to the pixels of the aligned silhouette and a depth in the same unit.

A label is (u, v, d): u and v in pixels of the aligned silhouette (centres at integers); d is the depth behind the
pelvis, (z - z_pelvis) in metres times the window's scale at the pelvis, so that the three axes have nearly one unit.
Shape letters: F frames, P points.
"""

import numpy as np

from meshgait_data.render.cameras import project, to_camera
from meshgait_data.types import Camera, FloatArray


def window_scale(pelvis_world: FloatArray, camera: Camera, windows: FloatArray) -> FloatArray:
    """Window pixels of one metre at the depth of the pelvis: pelvis (F, 3) and windows (F, 2, 3) to (F,) float32."""
    return _scale(pelvis_world, camera, windows).astype(np.float32)


def _scale(pelvis_world: FloatArray, camera: Camera, windows: FloatArray) -> FloatArray:
    depth = to_camera(camera, pelvis_world)[:, 2]
    return windows[:, 1, 1].astype(np.float64) * camera.intrinsics[1, 1] / depth


def to_window(points_world: FloatArray, pelvis_world: FloatArray, camera: Camera, windows: FloatArray) -> FloatArray:
    """Take world points to where the aligned silhouettes show them.

    Parameters
    ----------
    points_world
        (F, P, 3) metres.
    pelvis_world
        (F, 3) metres: origin of depth.
    camera
        That saw the silhouettes.
    windows
        (F, 2, 3) image pixels to aligned pixels.

    Returns
    -------
    (F, P, 3) float32 (u, v, d) in aligned pixels.
    """
    pixels, depth = project(camera, points_world)
    scale = _scale(pelvis_world, camera, windows)[:, None]
    uv = apply_windows(windows, pixels)
    behind = (depth - to_camera(camera, pelvis_world)[:, None, 2]) * scale
    return np.concatenate([uv, behind[..., None]], axis=-1).astype(np.float32)


def apply_windows(windows: FloatArray, pixels: FloatArray) -> FloatArray:
    """Image pixels (F, P, 2) through windows (F, 2, 3): aligned pixels (F, P, 2), float64."""
    affine = windows.astype(np.float64)
    return pixels @ affine[:, :, :2].swapaxes(1, 2) + affine[:, None, :, 2]


def from_window(labels: FloatArray, scale: FloatArray, camera: Camera, windows: FloatArray) -> FloatArray:
    """Inverse of :func:`to_window`: labels (F, P, 3) and scales (F,) to metres in the camera's frame (F, P, 3)."""
    affine = windows.astype(np.float64)
    wide = scale.astype(np.float64)[:, None]
    depth = affine[:, None, 1, 1] * camera.intrinsics[1, 1] / wide + labels[..., 2] / wide
    pixels = (labels[..., :2] - affine[:, None, :, 2]) @ np.linalg.inv(affine[:, :, :2]).swapaxes(1, 2)
    rays = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1) @ np.linalg.inv(camera.intrinsics).T
    return rays * depth[..., None]
