"""Mesh and camera to binary mask: the union of the projected triangles, sampled at pixel centres, exactly.

Shape letters: F frames, V vertices, T triangles, H and W of the image.

A pixel is white if its centre (an integer coordinate) lies inside or on the edge of a projected triangle. Projected
vertices are first rounded to 1/4096 pixel, as graphics hardware does with its coarser grid: within 8192 pixels of the
origin every edge function is then an exact float64, neighbours that share an edge leave no pinhole between them, and
the result does not depend on the order of faces or of arithmetic.
Edge functions: Pineda, *A Parallel Algorithm for Polygon Rasterization*, SIGGRAPH 1988.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from meshgait_data.errors import InvalidData
from meshgait_data.render.compiled import compiled
from meshgait_data.types import ByteArray, Camera, FloatArray, IntArray

GRID = 4096.0
"""Steps per pixel that projected vertices are rounded to."""

NEAR_M = 0.05
"""Triangles with a vertex nearer to the camera's plane than this, or behind it, are not drawn."""


def silhouettes(
    vertices: FloatArray, faces: IntArray, camera: Camera, *, closed: bool = True, threads: int = 1
) -> ByteArray:
    """Masks of a moving mesh.

    Parameters
    ----------
    vertices
        (F, V, 3) metres, world frame.
    faces
        (T, 3) vertex indices, counter-clockwise seen from outside.
    camera
        Gives position, lens and image size.
    closed
        The mesh has no border: what faces away is hidden by what faces the camera, and need not be drawn. The result
        is the same in half the time. False draws both sides, for any soup of triangles.
    threads
        Threads over frames, in this process; 1 where processes share the cores already.

    Returns
    -------
    (F, H, W) 0 or 255.

    Raises
    ------
    InvalidData
        Where shapes do not fit or a face names a vertex that does not exist.

    Notes
    -----
    There is no clipping: a triangle with a vertex nearer than 5 cm, behind the camera or not finite is left out
    whole. Callers who care check :func:`extents` first.
    """
    points, triangles = _checked(vertices, faces)
    width, height = camera.size
    masks = np.zeros((len(points), height, width), dtype=np.uint8)
    matrix = _matrix(camera)

    def work(part: slice) -> None:
        _fill_frames(points[part], triangles, matrix, closed, masks[part])

    if threads <= 1 or len(points) <= 1:
        work(slice(None))
    else:
        borders = np.linspace(0, len(points), min(threads, len(points)) + 1).astype(int)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, (slice(a, b) for a, b in pairwise(borders))))
    return masks


def extents(vertices: FloatArray, camera: Camera) -> FloatArray:
    """Where a moving mesh lies in the image: (F, 5) least and greatest x, least and greatest y (px), least depth (m).

    Pixels are those of vertices in front of the camera; a frame without any gives infinities.
    """
    return _extents(np.ascontiguousarray(vertices, dtype=np.float32), _matrix(camera))


def _checked(vertices: FloatArray, faces: IntArray) -> tuple[FloatArray, IntArray]:
    points = np.ascontiguousarray(vertices, dtype=np.float32)
    triangles = np.ascontiguousarray(faces, dtype=np.int32)
    if points.ndim != 3 or points.shape[-1] != 3 or triangles.ndim != 2 or triangles.shape[-1] != 3:
        raise InvalidData(f"expected vertices (F, V, 3) and faces (T, 3), found {points.shape} and {triangles.shape}")
    if triangles.size and not 0 <= triangles.min() <= triangles.max() < points.shape[1]:
        raise InvalidData(f"faces name vertices {triangles.min()}..{triangles.max()} of {points.shape[1]}")
    return points, triangles


def _matrix(camera: Camera) -> FloatArray:
    """World to homogeneous pixels, (3, 4)."""
    return np.asarray(camera.intrinsics @ np.column_stack([camera.rotation, camera.translation]), dtype=np.float64)


@compiled
def _project(vertices_V3: FloatArray, matrix_34: FloatArray, xs_V: FloatArray, ys_V: FloatArray) -> None:
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
def _fill_frames(
    vertices_FV3: FloatArray, faces_T3: IntArray, matrix_34: FloatArray, one_side: bool, masks_FHW: ByteArray
) -> None:
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
    x0 = np.int32(np.ceil(max(0.0, min(ax, bx, cx))))
    x1 = np.int32(np.floor(min(mask_HW.shape[1] - 1.0, max(ax, bx, cx))))
    y0 = np.int32(np.ceil(max(0.0, min(ay, by, cy))))
    y1 = np.int32(np.floor(min(mask_HW.shape[0] - 1.0, max(ay, by, cy))))
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
def _extents(vertices_FV3: FloatArray, matrix_34: FloatArray) -> FloatArray:
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
