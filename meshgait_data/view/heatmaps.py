"""Pictures of heatmap targets: the voxels that a network is asked for, from the front and from the side."""

import numpy as np

from meshgait_data.render.labels import heatmap_grid, heatmap_targets
from meshgait_data.types import ByteArray, FloatArray

VOXELS = (16, 16, 11)
"""D, H, W of the pictured grid: that of the shipped demo network."""

DEPTH_PX, MARGIN_PX = 64.0, 2.0
"""Span of its depth and how far it reaches outside the window; the defaults of the network's settings."""

SIGMA_PX = 3.0
"""Of the pictured Gaussians."""

_INK = 0.85
"""How much a voxel of probability one covers."""


def heatmap_pictures(
    uvd: FloatArray, colours: FloatArray, silhouette: ByteArray, zoom: int
) -> tuple[ByteArray, ByteArray]:
    """Draw the targets of one frame.

    Parameters
    ----------
    uvd, colours
        (P, 3) labels in a window of 44 columns, and their colours, RGB.
    silhouette
        (S, 44) shown behind the view from the front.
    zoom
        Picture pixels per window pixel.

    Returns
    -------
    (zoom S, zoom 44, 3) from the front, u to the right, and from the side, depth to the right: what is nearer to the
    camera than the pelvis lies left of the middle. Of the voxels behind each other, the strongest is shown.
    """
    rows, columns = silhouette.shape
    grid = heatmap_grid(VOXELS, (rows, columns), DEPTH_PX, MARGIN_PX)
    heat = heatmap_targets(uvd, grid, SIGMA_PX).heatmaps
    heat = heat / np.maximum(heat.max(axis=(1, 2, 3), keepdims=True), 1e-12)
    # Window pixels of the picture's columns and rows; the side view is centred on the pelvis.
    across, down = (np.arange(count * zoom) / zoom + 0.5 / zoom - 0.5 for count in (columns, rows))
    low, step = np.array(grid.low), np.array(grid.steps)
    v = np.rint((down - low[1]) / step[1]).astype(int)
    u = np.rint((across - low[0]) / step[0]).astype(int)
    d = np.rint((across - (columns - 1) / 2 - low[2]) / step[2]).astype(int)
    front = heat.max(axis=1)[:, v[:, None], u]
    side = heat.max(axis=3).swapaxes(1, 2)[:, v[:, None], d]
    grey = 255 - np.repeat(np.repeat(silhouette, zoom, axis=0), zoom, axis=1)[..., None] * np.array([0.16, 0.15, 0.13])
    return _blend(grey, front, colours), _blend(np.full_like(grey, 255.0), side, colours)


def _blend(picture: FloatArray, heat: FloatArray, colours: FloatArray) -> ByteArray:
    for one, colour in zip(heat, colours, strict=True):
        share = _INK * one[..., None]
        picture = picture * (1 - share) + colour * share
    return np.round(picture).astype(np.uint8)
