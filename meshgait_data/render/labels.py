"""THE definition of label coordinates and of heatmaps over them, for numpy arrays and torch tensors alike.

A label is (u, v, d): u and v in pixels of the aligned silhouette (centres at integers); d is the depth behind the
pelvis, (z - z_pelvis) in metres times the window's scale at the pelvis, so that the three axes have nearly one unit.
A heatmap says the same as probabilities of voxels; its mean position is the label.

Every function takes arrays of one kind with any leading axes, written ``...``, and gives the same kind. With tensors
all of them are differentiable. They use no matrix product, which mixed precision would round to three digits.
Shape letters: P points; D, H, W voxels in depth, rows and columns.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from meshgait_data.render.cameras import to_camera
from meshgait_data.types import Camera, FloatArray

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", FloatArray, "Tensor")


def window_scale(pelvis_z: Array, intrinsics: Array, windows: Array) -> Array:
    """Window pixels of one metre at the depth of the pelvis (...), metres, for windows (..., 2, 3)."""
    return windows[..., 1, 1] * intrinsics[..., 1, 1] / pelvis_z


def pelvis_depth(scale: Array, intrinsics: Array, windows: Array) -> Array:
    """Depth of the pelvis (...) in metres: the inverse of :func:`window_scale`."""
    return windows[..., 1, 1] * intrinsics[..., 1, 1] / scale


def to_window(points: Array, pelvis_z: Array, intrinsics: Array, windows: Array) -> Array:
    """Take points in front of the camera to where the aligned silhouettes show them.

    Parameters
    ----------
    points
        (..., P, 3) metres, camera frame (x right, y down, z forward).
    pelvis_z
        (...) depth of the pelvis in metres: the origin of d.
    intrinsics
        (..., 3, 3) or (3, 3), upper triangular with 1 in the corner: focal lengths, skew and principal point in pixels.
    windows
        (..., 2, 3) affine that takes image pixels to pixels of the silhouette.

    Returns
    -------
    (..., P, 3) labels (u, v, d). u and v are NaN for points that are not in front of the camera.
    """
    xp = _namespace(points)
    z = points[..., 2]
    seen = xp.where(z > 0, z, np.nan)
    (ux, uy, vx, vy), (x0, y0) = _window_of_rays(intrinsics, windows)
    x, y = points[..., 0] / seen - x0, points[..., 1] / seen - y0
    behind = (z - pelvis_z[..., None]) * window_scale(pelvis_z, intrinsics, windows)[..., None]
    return xp.stack([ux * x + uy * y, vx * x + vy * y, behind], -1)


def from_window(uvd: Array, scale: Array, intrinsics: Array, windows: Array) -> Array:
    """Exact inverse of :func:`to_window`: labels back to metres.

    Parameters
    ----------
    uvd
        (..., P, 3) labels in window pixels.
    scale
        (...) window pixels of one metre at the pelvis; :func:`window_scale` gives it from a depth of the pelvis.
    intrinsics, windows
        As for :func:`to_window`.

    Returns
    -------
    (..., P, 3) metres, camera frame.
    """
    xp = _namespace(uvd)
    (ux, uy, vx, vy), (x0, y0) = _window_of_rays(intrinsics, windows)
    u, v, area = uvd[..., 0], uvd[..., 1], ux * vy - uy * vx
    z = pelvis_depth(scale, intrinsics, windows)[..., None] + uvd[..., 2] / scale[..., None]
    return xp.stack([((vy * u - uy * v) / area + x0) * z, ((ux * v - vx * u) / area + y0) * z, z], -1)


def _window_of_rays(intrinsics: Array, windows: Array) -> tuple[tuple[Array, ...], tuple[Array, Array]]:
    """Intrinsics and window in one affine map of rays (x / z, y / z): du/dx, du/dy, dv/dx, dv/dy; the ray of (0, 0).

    All are (..., 1). Window pixels are differences of a ray from that of pixel (0, 0), so that float32 does not lose
    digits to the large offsets of a body far from the middle of the image.
    """
    k, w = intrinsics, windows
    ux, vx = (w[..., i, 0] * k[..., 0, 0] for i in (0, 1))
    uy, vy = (w[..., i, 0] * k[..., 0, 1] + w[..., i, 1] * k[..., 1, 1] for i in (0, 1))
    u0, v0 = (w[..., i, 0] * k[..., 0, 2] + w[..., i, 1] * k[..., 1, 2] + w[..., i, 2] for i in (0, 1))
    area = ux * vy - uy * vx
    x0, y0 = (uy * v0 - vy * u0) / area, (vx * u0 - ux * v0) / area
    return tuple(part[..., None] for part in (ux, uy, vx, vy)), (x0[..., None], y0[..., None])


def world_to_window(points: FloatArray, pelvis: FloatArray, camera: Camera, windows: FloatArray) -> FloatArray:
    """Labels (F, P, 3) float32 of world points (F, P, 3), for pelvises (F, 3) and windows (F, 2, 3); metres."""
    pelvis_z = to_camera(camera, pelvis)[..., 2]
    return to_window(to_camera(camera, points), pelvis_z, camera.intrinsics, windows).astype(np.float32)


def window_to_world(uvd: FloatArray, scale: FloatArray, camera: Camera, windows: FloatArray) -> FloatArray:
    """Inverse of :func:`world_to_window`: labels (F, P, 3) and scales (F,) to metres in the world frame, float64."""
    points = from_window(uvd.astype(np.float64), scale, camera.intrinsics, windows)
    return (points - camera.translation) @ camera.rotation


@dataclass(frozen=True, slots=True)
class HeatmapGrid:
    """Where the voxels of heatmaps lie."""

    sizes: tuple[int, int, int]
    """D, H, W; each at least 2."""
    low: tuple[float, float, float]
    """(u, v, d) of the centre of the first voxel, window pixels."""
    high: tuple[float, float, float]
    """(u, v, d) of the centre of the last voxel."""

    def __post_init__(self) -> None:
        if min(self.sizes) < 2 or not all(a < b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError(f"a grid of {self.sizes} voxels from {self.low} to {self.high} has no volume")

    @property
    def steps(self) -> tuple[float, float, float]:
        """Distance of neighbouring centres along u, v and d in window pixels."""
        u, v, d = (
            (high - low) / (size - 1) for low, high, size in zip(self.low, self.high, self.sizes[::-1], strict=True)
        )
        return u, v, d


def heatmap_grid(
    sizes: tuple[int, int, int], window: tuple[int, int], depth_px: float, margin_px: float
) -> HeatmapGrid:
    """Grid over a window.

    Parameters
    ----------
    sizes
        D, H, W.
    window
        Rows and columns of the window in pixels.
    depth_px
        Span of the depth axis, centred on the pelvis.
    margin_px
        How far outside the window the outermost centres lie.
    """
    rows, columns = window
    high = columns - 1 + margin_px, rows - 1 + margin_px, depth_px / 2
    return HeatmapGrid(sizes, (-margin_px, -margin_px, -depth_px / 2), high)


@dataclass(frozen=True, slots=True, eq=False)
class Heatmaps(Generic[Array]):
    """Targets for heatmaps."""

    heatmaps: Array
    """(..., P, D, H, W) probabilities that sum to one; all zero for points that the grid cannot say."""
    inside: Array
    """(..., P) True for points between the outermost centres; the others must be left out of a loss."""


def heatmap_targets(uvd: Array, grid: HeatmapGrid, sigma: float | None = None) -> Heatmaps[Array]:
    """Labels as heatmaps.

    Parameters
    ----------
    uvd
        (..., P, 3) labels in the window that the grid lies over.
    grid
        Its geometry.
    sigma
        None shares a point among the eight voxels around it, linearly: :func:`soft_argmax` gives it back exactly.
        Otherwise the standard deviation of a Gaussian in window pixels, whose mean moves towards the middle where the
        grid cuts it, by up to 0.8 sigma for a point on the border.

    Returns
    -------
    Heatmaps and which points they can say: nothing is clamped or wrapped.
    """
    xp = _namespace(uvd)
    inside = xp.ones_like(uvd[..., 0]) > 0
    shares = []
    for axis, (centres, step) in enumerate(zip(grid_axes(grid, uvd), grid.steps, strict=True)):
        x = uvd[..., axis]
        inside = inside & (x >= centres[0]) & (x <= centres[-1])
        away = abs(x[..., None] - centres) / (sigma or step)
        shares.append(_linear(away) if sigma is None else _gaussian(away))
    u, v, d = shares
    volume = d[..., :, None, None] * v[..., None, :, None] * u[..., None, None, :]
    return Heatmaps(xp.where(inside[..., None, None, None], volume, xp.zeros_like(volume)), inside)


def _linear(away: Array) -> Array:
    """Weights (..., N) of distances in steps that sum to one in spite of rounding; all zero where all are far."""
    share = (1 - away) * (away < 1)
    total = share.sum(-1)[..., None]
    return share / (total + (total == 0))


def _gaussian(away: Array) -> Array:
    """Weights (..., N) of distances in standard deviations; they sum to one, however small sigma is."""
    xp = _namespace(away)
    nearest = xp.amin(away, -1)[..., None]
    share = xp.exp(0.5 * (nearest - away) * (nearest + away))
    return share / share.sum(-1)[..., None]


def soft_argmax(heatmaps: Array, grid: HeatmapGrid) -> Array:
    """Mean position under each heatmap (Sun et al., *Integral Human Pose Regression*, ECCV 2018).

    Parameters
    ----------
    heatmaps
        (..., D, H, W) probabilities that sum to one for each point.
    grid
        Where the voxels lie.

    Returns
    -------
    (..., 3) labels (u, v, d) in window pixels.
    """
    xp = _namespace(heatmaps)
    u, v, d = grid_axes(grid, heatmaps)
    image = heatmaps.sum(-3)
    depth = heatmaps.sum(-1).sum(-1)
    return xp.stack([(image.sum(-2) * u).sum(-1), (image.sum(-1) * v).sum(-1), (depth * d).sum(-1)], -1)


def grid_axes(grid: HeatmapGrid, like: Array) -> tuple[Array, Array, Array]:
    """Positions of voxel centres along u (W,), v (H,) and d (D,): the kind, type and device of ``like``."""
    options: dict[str, Any] = {"dtype": like.dtype}
    if not isinstance(like, np.ndarray):
        options["device"] = like.device
    xp = _namespace(like)
    u, v, d = (
        xp.linspace(low, high, size, **options)
        for low, high, size in zip(grid.low, grid.high, grid.sizes[::-1], strict=True)
    )
    return u, v, d


def _namespace(array: Any) -> Any:
    """The module of functions for an array: numpy, or torch for tensors."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch
