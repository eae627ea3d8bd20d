"""The rasteriser's fast path: projection and edge functions of a whole batch in one compiled call.

Shape letters: F frames, V vertices, T triangles, H and W of the image. The rule is that of
:mod:`meshgait_data.render.raster`. Edge functions: Pineda, *A Parallel Algorithm for Polygon Rasterization*,
SIGGRAPH 1988.
"""

import numpy as np

from meshgait_data.compiled import compiled
from meshgait_data.types import ByteArray, Camera, FloatArray, IntArray

# Here and not beside the other backends: numba notices a change of a constant only in the kernel's own file.
GRID = 4096.0
"""Steps per pixel that projected vertices are rounded to."""

NEAR_M = 0.05
"""Triangles with a vertex nearer to the camera's plane than this, or behind it, are not drawn."""


def draw(
    points: FloatArray, triangles: IntArray, camera: Camera, masks: ByteArray, *, closed: bool, device: str
) -> None:
    """Fill black masks (F, H, W), see ``backends.Draw``."""
    fill_frames(points, triangles, pixel_matrix(camera), closed, masks)


def pixel_matrix(camera: Camera) -> FloatArray:
    """World to homogeneous pixels, (3, 4) float64."""
    return np.asarray(camera.intrinsics @ np.column_stack([camera.rotation, camera.translation]), dtype=np.float64)


@compiled
def _project(vertices_V3: FloatArray, matrix_34: FloatArray, xs_V: FloatArray, ys_V: FloatArray) -> None:
    # Every backend repeats this arithmetic operation by operation, so that all draw the same rounded vertices.
    m = matrix_34
    for i in range(vertices_V3.shape[0]):
        x = np.float64(vertices_V3[i, 0])
        y = np.float64(vertices_V3[i, 1])
        z = np.float64(vertices_V3[i, 2])
        depth = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
        steps = GRID / depth if depth >= NEAR_M else np.nan
        xs_V[i] = np.floor((m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) * steps + 0.5) / GRID
        ys_V[i] = np.floor((m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) * steps + 0.5) / GRID


@compiled
def fill_frames(
    vertices_FV3: FloatArray, faces_T3: IntArray, matrix_34: FloatArray, one_side: bool, masks_FHW: ByteArray
) -> None:
    """Set the pixels of black masks that triangles cover to 255; ``one_side`` leaves out what faces away."""
    xs = np.zeros(vertices_FV3.shape[1], np.float64)
    ys = np.zeros(vertices_FV3.shape[1], np.float64)
    for f in range(vertices_FV3.shape[0]):
        _project(vertices_FV3[f], matrix_34, xs, ys)
        for t in range(faces_T3.shape[0]):
            # Unsigned indices spare numba the test for counting from the end.
            a, b, c = np.uint64(faces_T3[t, 0]), np.uint64(faces_T3[t, 1]), np.uint64(faces_T3[t, 2])
            _fill(xs[a], ys[a], xs[b], ys[b], xs[c], ys[c], one_side, masks_FHW[f])


@compiled
def _fill(ax: float, ay: float, bx: float, by: float, cx: float, cy: float, one_side: bool, mask_HW: ByteArray) -> None:
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    # Clamped on both sides before the conversion, which a corner far outside would overflow.
    x0 = np.int32(np.ceil(min(mask_HW.shape[1] * 1.0, max(0.0, min(ax, bx, cx)))))
    x1 = np.int32(np.floor(max(-1.0, min(mask_HW.shape[1] - 1.0, max(ax, bx, cx)))))
    y0 = np.int32(np.ceil(min(mask_HW.shape[0] * 1.0, max(0.0, min(ay, by, cy)))))
    y1 = np.int32(np.floor(max(-1.0, min(mask_HW.shape[0] - 1.0, max(ay, by, cy)))))
    # Seen from outside, corners run against the clock, which is a negative area where y points down. One branch for
    # all reasons to leave: most triangles hold no pixel centre, and a wrong guess costs more than the arithmetic.
    # A corner that is too near is NaN and so is the area: both comparisons are false.
    drawn = (area < 0.0) | ((area > 0.0) & (not one_side))
    if not (drawn & (x0 <= x1) & (y0 <= y1)):
        return
    if area < 0.0:
        bx, by, cx, cy = cx, cy, bx, by
    for y in range(y0, y1 + 1):
        for x in range(x0, x1 + 1):
            if (
                ((bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0.0)
                & ((cx - bx) * (y - by) - (cy - by) * (x - bx) >= 0.0)
                & ((ax - cx) * (y - cy) - (ay - cy) * (x - cx) >= 0.0)
            ):
                mask_HW[np.uint64(y), np.uint64(x)] = 255


@compiled
def image_points(vertices_FV3: FloatArray, matrix_34: FloatArray, drawn_FV3: FloatArray) -> None:
    """Fill in x and y in pixels, rounded to the grid (NaN where too near), and depth in metres."""
    m = matrix_34
    for f in range(vertices_FV3.shape[0]):
        _project(vertices_FV3[f], matrix_34, drawn_FV3[f, :, 0], drawn_FV3[f, :, 1])
        for i in range(vertices_FV3.shape[1]):
            x = np.float64(vertices_FV3[f, i, 0])
            y = np.float64(vertices_FV3[f, i, 1])
            z = np.float64(vertices_FV3[f, i, 2])
            drawn_FV3[f, i, 2] = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]


@compiled
def extents(vertices_FV3: FloatArray, matrix_34: FloatArray) -> FloatArray:
    """(F, 5) least and greatest x, least and greatest y of what is in front of the camera, least depth."""
    m = matrix_34
    result = np.zeros((vertices_FV3.shape[0], 5), np.float64)
    for f in range(vertices_FV3.shape[0]):
        left = top = nearest = np.inf
        right = bottom = -np.inf
        for i in range(vertices_FV3.shape[1]):
            x = np.float64(vertices_FV3[f, i, 0])
            y = np.float64(vertices_FV3[f, i, 1])
            z = np.float64(vertices_FV3[f, i, 2])
            depth = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
            nearest = min(nearest, depth)
            if depth > 0.0:
                u = (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) / depth
                v = (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) / depth
                left, right = min(left, u), max(right, u)
                top, bottom = min(top, v), max(bottom, v)
        result[f] = (left, right, top, bottom, nearest)
    return result
