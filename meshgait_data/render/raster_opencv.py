"""The rasteriser with OpenCV 5: it draws the inside of triangles, numpy decides the pixels that are left.

OpenCV's ``triangleRasterizeDepth`` (5.0 and later) computes in single precision, which cannot decide every pixel
centre near an edge. So it gets triangles that are a little smaller, by more than its error: what it fills is certain.
What stays black (outlines, and gaps between the smaller triangles) is decided in double precision by the rule of
:mod:`meshgait_data.render.raster`. Pixels are therefore those of the other backends, always.

Shape letters: K triangles that can show, H and W of the image.
"""

import cv2
import numpy as np

from meshgait_data.render.raster_numpy import areas, decide, visible
from meshgait_data.types import ByteArray, Camera, FloatArray, IntArray

SHRINK = 1 / 64
"""Triangles for OpenCV are smaller by this share of the way to their centroid, so each edge moves by a 192nd part of
the height above it."""

ERROR = 2.0**-18
"""Bound of OpenCV's error at an edge in pixels, per pixel of image side and of triangle size: 64 units of single
precision's rounding, where about 24 operations' roundings add up."""


def draw(
    points: FloatArray, triangles: IntArray, camera: Camera, masks: ByteArray, *, closed: bool, device: str
) -> None:
    """Fill black masks (F, H, W), see ``backends.Draw``."""
    corners_3T = np.ascontiguousarray(triangles.T)
    for vertices, mask in zip(points, masks, strict=True):
        corners, box = visible(vertices, corners_3T, camera, closed)
        _fill_insides(corners, mask)
        _fill_rest(corners, box, mask)


def _fill_insides(corners: FloatArray, mask: ByteArray) -> None:
    """White where OpenCV is certain; triangles that it could be wrong about stay out."""
    height, width = mask.shape
    # A power of two and square, so that its view transform adds little rounding.
    side = 1 << (max(width, height, 2) - 1).bit_length()
    low, high = corners.min(axis=1), corners.max(axis=1)
    longest = (high - low).sum(axis=0)  # no edge is longer than width and height of the box together
    sure = areas(corners) * (SHRINK / 3) > ERROR * (side + longest) * longest
    sure &= (low.min(axis=0) > -2 * side) & (high.max(axis=0) < 2 * side)
    x, y = corners.take(np.flatnonzero(sure), axis=2)
    x, y = (axis + (axis.sum(axis=0) / 3 - axis) * SHRINK for axis in (x, y))
    # A camera of 90 degrees whose image plane carries the pixels; its pixel centres are at halves.
    flat = np.full((1, x.size, 3), -side / 2, np.float32)
    flat[..., 0] = x.ravel() + (0.5 - side / 2)
    flat[..., 1] = (side / 2 - 0.5) - y.ravel()
    faces = np.ascontiguousarray(np.arange(x.size, dtype=np.int32).reshape(3, -1).T)[None]
    far = 4.0 * side
    depth = np.full((side, side), far, np.float32)
    settings = cv2.TriangleRasterizeSettings()
    settings.setCullingMode(cv2.RASTERIZE_CULLING_NONE)
    if faces.size:
        cv2.triangleRasterizeDepth(flat, faces, depth, np.eye(4, dtype=np.float32), np.pi / 2, 0.5, far, settings)
    mask[depth[:height, :width] < 0.75 * far] = 255


def _fill_rest(corners: FloatArray, box: IntArray, mask: ByteArray) -> None:
    """Decide, for every triangle whose box still holds a black pixel, all pixels of the box."""
    black = cv2.integral((mask == 0).view(np.uint8))
    x0, y0, x1, y1 = box
    open_ = np.flatnonzero(black[y1 + 1, x1 + 1] - black[y0, x1 + 1] - black[y1 + 1, x0] + black[y0, x0])
    decide(corners.take(open_, axis=2), box.take(open_, axis=1), mask)
