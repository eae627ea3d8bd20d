"""The rule of the rasteriser once more, as plainly as possible and in whole numbers: what the fast ones are tested by.

A pixel takes milliseconds. Nothing here is shared with the backends, not even the projection.
"""

import numpy as np

from meshgait_data.render.cameras import project
from meshgait_data.types import ByteArray, Camera, FloatArray, IntArray

GRID = 4096
NEAR_M = 0.05


def reference_mask(vertices: FloatArray, faces: IntArray, camera: Camera, *, closed: bool = False) -> ByteArray:
    """One frame: for every triangle and pixel the signs of three cross products, in grid steps.

    Parameters
    ----------
    vertices
        (V, 3) metres, world frame.
    faces
        (T, 3) vertex indices.
    camera
        Gives position, lens and image size.
    closed
        Draw only triangles whose corners run counter-clockwise in the upright image.

    Returns
    -------
    (H, W) 0 or 255: what ``raster.silhouettes`` must give, pixel by pixel.
    """
    width, height = camera.size
    pixels, depth = project(camera, vertices.astype(np.float32))
    mask = np.zeros((height, width), np.uint8)
    for face in faces:
        if not (np.all(depth[face] >= NEAR_M) and np.all(np.isfinite(pixels[face]))):
            continue
        a, b, c = ([int(v) for v in np.floor(pixels[i] * GRID + 0.5)] for i in face)
        area = _side(a, b, c)
        if area == 0 or (closed and area > 0):
            continue
        for y in range(height):
            for x in range(width):
                p = [x * GRID, y * GRID]
                if all(_side(s, e, p) * area >= 0 for s, e in ((a, b), (b, c), (c, a))):
                    mask[y, x] = 255
    return mask


def reference_coverage(
    vertices: FloatArray, faces: IntArray, camera: Camera, samples: int, *, closed: bool = False
) -> ByteArray:
    """One frame with grey edges: the mask of an image ``samples`` times as large, averaged; see ``silhouettes``."""
    width, height = camera.size
    lens = camera.intrinsics.copy()
    lens[:2] *= samples
    lens[:2, 2] += (samples - 1) / 2
    large = Camera(camera.name, lens, camera.rotation, camera.translation, (width * samples, height * samples))
    fine = reference_mask(vertices, faces, large, closed=closed) > 0
    grey = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            covered = np.count_nonzero(fine[y * samples : (y + 1) * samples, x * samples : (x + 1) * samples])
            grey[y, x] = int(255 * covered / samples**2 + 0.5)
    return grey


def _side(start: list[int], end: list[int], point: list[int]) -> int:
    """Twice the signed area of a triangle."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])
