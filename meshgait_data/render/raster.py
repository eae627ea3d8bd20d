"""Mesh and camera to masks: the union of the projected triangles, sampled at pixel centres, exactly.

A pixel is white if its centre (an integer coordinate) lies inside or on the edge of a projected triangle. Projected
vertices are first rounded to 1/4096 pixel, as graphics hardware does with its coarser grid: within 8192 pixels of the
origin every edge function is then an exact float64, neighbours that share an edge leave no pinhole between them, and
the result depends neither on the order of faces or of arithmetic nor on the backend.

========= =================================== =============================================================
backend   needs                               pixels
========= =================================== =============================================================
numba     numba                               the rule above
numpy     nothing else                        the same
opencv    OpenCV 5, `triangleRasterizeDepth`  the same
torch     torch; draws on its devices too     the same
pytorch3d an environment of its own           about the same: single precision, and another rule for edges
========= =================================== =============================================================
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from meshgait_data.errors import InvalidData
from meshgait_data.render import backends, projection, raster_numba
from meshgait_data.render.cameras import plain_scene
from meshgait_data.render.raster_numba import GRID as GRID
from meshgait_data.render.raster_numba import NEAR_M as NEAR_M
from meshgait_data.types import ByteArray, Camera, FloatArray, IntArray

MAX_SAMPLES = 16
"""Most samples of a pixel along each axis: more would not show in 8 bits of grey."""

_CHUNK_SAMPLES = 1 << 22
"""Samples that are held at a time, per thread: about a processor's cache."""


def silhouettes(
    vertices: FloatArray,
    faces: IntArray,
    camera: Camera,
    *,
    closed: bool = True,
    threads: int = 1,
    backend: str = "auto",
    samples: int = 1,
    device: str = "cpu",
) -> ByteArray:
    """Masks of a moving mesh.

    Parameters
    ----------
    vertices
        (F, V, 3) metres, world frame.
    faces
        (T, 3) vertex indices, counter-clockwise seen from outside.
    camera
        Gives position, lens and image size; any model, see ``cameras.plain_scene``.
    closed
        The mesh has no border: what faces away is hidden by what faces the camera, and need not be drawn. The result
        is the same in half the time. False draws both sides, for any soup of triangles.
    threads
        Threads over frames, in this process; 1 where processes share the cores already. torch has threads of its own
        inside each.
    backend
        Who draws: ``numba``, ``numpy``, ``opencv``, ``torch``, ``pytorch3d``, or ``auto``, see ``backends.choose``.
    samples
        1 looks at the centre of each pixel: 0 or 255. S > 1 gives grey edges: pixel (x, y) is looked at in S x S
        places, ``x - 1/2 + (i + 1/2)/S`` and ``y - 1/2 + (j + 1/2)/S`` for i, j = 0..S-1, each by the same rule (as
        if the image were S times larger, so vertices are rounded to 1/(4096 S) pixel). Where n of them are covered
        the pixel is ``255 n / S**2``, rounded, halves up.
    device
        Where torch or pytorch3d draws, as torch names it. The result is always a numpy array.

    Returns
    -------
    (F, H, W) 0 or 255, or with ``samples`` grey from 0 to 255.

    Raises
    ------
    InvalidData
        Where shapes do not fit, a face names a vertex that does not exist, or ``samples`` is not in 1..16.
    UsageError
        On an unknown backend, or a device that it cannot use.
    MissingExtra
        Where the backend is not installed.

    Notes
    -----
    There is no clipping: a triangle with a vertex nearer than 5 cm, behind the camera or not finite is left out
    whole. Callers who care check :func:`extents` first.
    """
    points, triangles = checked_mesh(vertices, faces)
    points, camera = plain_scene(points, camera)
    if not 1 <= samples <= MAX_SAMPLES:
        raise InvalidData(f"{samples} samples along each axis of a pixel: expected 1 to {MAX_SAMPLES}")
    draw = backends.drawer(backends.choose(backend, device))
    width, height = camera.size
    masks = np.zeros((len(points), height, width), dtype=np.uint8)
    view = projection.enlarged(camera, samples) if samples > 1 else camera
    step = max(1, _CHUNK_SAMPLES // max(1, samples**2 * width * height))

    def work(first: int, end: int) -> None:
        if samples == 1:
            draw(points[first:end], triangles, view, masks[first:end], closed=closed, device=device)
            return
        for start in range(first, end, step):
            part = slice(start, min(start + step, end))
            fine = np.zeros((part.stop - start, height * samples, width * samples), dtype=np.uint8)
            draw(points[part], triangles, view, fine, closed=closed, device=device)
            masks[part] = _coverage(fine, samples)

    borders = np.linspace(0, len(points), max(1, min(threads, len(points))) + 1).astype(int).tolist()
    if len(borders) == 2:
        work(*borders)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, borders[:-1], borders[1:]))
    return masks


def extents(vertices: FloatArray, camera: Camera) -> FloatArray:
    """Where a moving mesh lies in the image: (F, 5) least and greatest x, least and greatest y (px), least depth (m).

    Pixels are those of vertices in front of the camera; a frame without any gives infinities.
    """
    points, camera = plain_scene(np.ascontiguousarray(vertices, dtype=np.float32), camera)
    if backends.lacks("numba"):
        return projection.extents(points, camera)
    return raster_numba.extents(points, raster_numba.pixel_matrix(camera))


def image_points(vertices: FloatArray, camera: Camera) -> FloatArray:
    """Vertices (F, V, 3) as they are drawn: x and y in pixels, rounded to the grid, and depth in metres, float64.

    x and y are NaN where a vertex is nearer than 5 cm or behind the camera.
    """
    points, camera = plain_scene(np.ascontiguousarray(vertices, dtype=np.float32), camera)
    if backends.lacks("numba"):
        return projection.image_points(points, camera)
    drawn = np.zeros(points.shape, np.float64)
    raster_numba.image_points(points, raster_numba.pixel_matrix(camera), drawn)
    return drawn


def checked_mesh(vertices: FloatArray, faces: IntArray) -> tuple[FloatArray, IntArray]:
    """Contiguous float32 vertices (F, V, 3) and int32 faces (T, 3); raises InvalidData where they do not fit."""
    points = np.ascontiguousarray(vertices, dtype=np.float32)
    triangles = np.ascontiguousarray(faces, dtype=np.int32)
    if points.ndim != 3 or points.shape[-1] != 3 or triangles.ndim != 2 or triangles.shape[-1] != 3:
        raise InvalidData(f"expected vertices (F, V, 3) and faces (T, 3), found {points.shape} and {triangles.shape}")
    if triangles.size and not 0 <= triangles.min() <= triangles.max() < points.shape[1]:
        raise InvalidData(f"faces name vertices {triangles.min()}..{triangles.max()} of {points.shape[1]}")
    return points, triangles


def _coverage(fine: ByteArray, samples: int) -> ByteArray:
    """Grey (F, H, W) from masks (F, S H, S W) of 0 and 255."""
    frames, height, width = fine.shape
    rows = (fine & 1).reshape(frames, height // samples, samples, width).sum(axis=2, dtype=np.uint8)
    counts = sum(rows[:, :, i::samples].astype(np.uint32) for i in range(samples))
    total = samples**2
    return ((510 * np.asarray(counts) + total) // (2 * total)).astype(np.uint8)
