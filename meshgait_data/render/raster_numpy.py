"""The rasteriser in plain numpy: all pairs of a triangle and a pixel of its box, decided at once.

The arithmetic is that of :mod:`meshgait_data.render.raster_numba`, one rounded double operation at a time, so pixels
are the same. Shape letters: T triangles, K those that can show, H and W of the image.
"""

from collections.abc import Iterator

import numpy as np

from meshgait_data.render.projection import image_points
from meshgait_data.types import ByteArray, Camera, FloatArray, IntArray

PAIRS = 1 << 16
"""Pairs of triangle and pixel that are decided at a time: what fits a processor's cache."""


def draw(
    points: FloatArray, triangles: IntArray, camera: Camera, masks: ByteArray, *, closed: bool, device: str
) -> None:
    """Fill black masks (F, H, W), see ``backends.Draw``."""
    corners_3T = np.ascontiguousarray(triangles.T)
    for vertices, mask in zip(points, masks, strict=True):
        decide(*visible(vertices, corners_3T, camera, closed), mask)


def visible(vertices: FloatArray, corners_3T: IntArray, camera: Camera, closed: bool) -> tuple[FloatArray, IntArray]:
    """Project a mesh (V, 3) and keep the triangles that face the camera and have pixel centres in their box.

    Returns
    -------
    corners
        (2, 3, K) in an order that makes areas positive.
    box
        (4, K) first column, first row, last column, last row.
    """
    pixels = np.ascontiguousarray(image_points(vertices, camera).T[:2])
    corners = pixels.take(corners_3T, axis=1)
    with np.errstate(invalid="ignore"):
        area = areas(corners)
        # Comparisons with the area of a triangle that has a corner too near, NaN, are false.
        shown = np.flatnonzero(area < 0 if closed else np.abs(area) > 0)
    corners, turned = corners.take(shown, axis=2), area[shown] < 0
    limit = np.array(camera.size)[:, None]
    low = np.ceil(corners.min(axis=1).clip(0, limit)).astype(np.int64)
    high = np.floor(corners.max(axis=1).clip(-1, limit - 1)).astype(np.int64)
    held = np.flatnonzero((low[0] <= high[0]) & (low[1] <= high[1]))
    corners = corners.take(held, axis=2)
    a, b, c = corners.transpose(1, 0, 2)
    ordered = np.stack([a, np.where(turned[held], c, b), np.where(turned[held], b, c)], axis=1)
    return ordered, np.concatenate([low[:, held], high[:, held]])


def areas(corners: FloatArray) -> FloatArray:
    """Twice the signed areas of triangles (2, 3, T)."""
    (ax, bx, cx), (ay, by, cy) = corners
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


def decide(corners: FloatArray, box: IntArray, mask: ByteArray) -> None:
    """White where a pixel centre lies inside or on the edge of a triangle with positive area."""
    for part in _portions(box):
        _decide_portion(corners[:, :, part], box[:, part], mask)


def _portions(box: IntArray) -> Iterator[slice]:
    """Slices of triangles that have about ``PAIRS`` pixels in their boxes together, or one triangle alone."""
    ends = np.cumsum((box[2] - box[0] + 1) * (box[3] - box[1] + 1))
    first = 0
    while first < len(ends):
        before = ends[first - 1] if first else 0
        end = max(first + 1, int(np.searchsorted(ends, before + PAIRS, side="right")))
        yield slice(first, end)
        first = end


def _decide_portion(corners: FloatArray, box: IntArray, mask: ByteArray) -> None:
    left, top, right, bottom = box
    columns = right - left + 1
    counts = columns * (bottom - top + 1)
    triangle = np.repeat(np.arange(len(counts)), counts)
    nth = np.arange(len(triangle)) - (np.cumsum(counts) - counts)[triangle]
    row = nth // columns[triangle]
    x, y = left[triangle] + nth - row * columns[triangle], top[triangle] + row
    inside = np.ones(len(triangle), np.bool_)
    for start, end in ((0, 1), (1, 2), (2, 0)):
        ax, ay = corners[:, start]
        way_x, way_y = corners[:, end] - corners[:, start]
        inside &= way_x[triangle] * (y - ay[triangle]) - way_y[triangle] * (x - ax[triangle]) >= 0.0
    mask[y[inside], x[inside]] = 255
