"""The rasterisers' projection in plain numpy: the arithmetic of the compiled one, operation by operation.

Python's floats and numpy's are IEEE doubles and nothing here is fused or reordered, so results agree to the last bit.
"""

from dataclasses import replace

import numpy as np

from meshgait_data.render.raster_numba import GRID, NEAR_M, pixel_matrix
from meshgait_data.types import Camera, FloatArray


def enlarged(camera: Camera, samples: int) -> Camera:
    """The same view with ``samples`` pixels in place of each, along both axes."""
    # Pixel centres are integers: centre c of a pixel becomes the middle of its samples, samples (c + 1/2) - 1/2.
    scale = np.array([[samples, 0, (samples - 1) / 2], [0, samples, (samples - 1) / 2], [0, 0, 1]])
    width, height = camera.size
    return replace(camera, intrinsics=scale @ camera.intrinsics, size=(width * samples, height * samples))


def image_points(vertices: FloatArray, camera: Camera) -> FloatArray:
    """What ``raster.image_points`` gives, without numba."""
    rows = homogeneous(vertices, pixel_matrix(camera))
    near = rows[..., 2] >= NEAR_M
    steps = np.divide(GRID, rows[..., 2], out=np.full(near.shape, np.nan), where=near)
    with np.errstate(invalid="ignore"):  # a vertex that is not finite becomes NaN, as one that is too near
        rows[..., :2] = np.floor(rows[..., :2] * steps[..., None] + 0.5) / GRID
    return rows


def homogeneous(vertices: FloatArray, matrix: FloatArray) -> FloatArray:
    """(F, V, 3) homogeneous pixels of float32 vertices: ``matrix @ (x, y, z, 1)``, added up from the left."""
    x, y, z = np.moveaxis(np.asarray(vertices, dtype=np.float64), -1, 0)
    with np.errstate(invalid="ignore"):
        return np.stack([m[0] * x + m[1] * y + m[2] * z + m[3] for m in matrix], axis=-1)


def extents(vertices: FloatArray, camera: Camera) -> FloatArray:
    """What ``raster.extents`` gives, without numba."""
    rows = homogeneous(vertices, pixel_matrix(camera))
    ahead = rows[..., 2] > 0.0
    pixels = np.divide(rows[..., :2], rows[..., 2:], out=np.zeros(rows[..., :2].shape), where=ahead[..., None])
    low = np.where(ahead[..., None], pixels, np.inf).min(axis=1, initial=np.inf)
    high = np.where(ahead[..., None], pixels, -np.inf).max(axis=1, initial=-np.inf)
    nearest = rows[..., 2].min(axis=1, initial=np.inf)
    return np.column_stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1], nearest])
