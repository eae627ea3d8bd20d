"""Distance from points to a triangle mesh: the nearest point on its surface, exactly.

Shape letters: P points, V vertices, T triangles, K candidates.
"""

import numpy as np

from meshgait_data.types import FloatArray, IntArray

_CANDIDATES = 8
"""Triangles that are tried first; four times as many for points whose answer is not certain yet."""
_LARGE = 1.2
"""Triangles that reach further than this many times the root of the mean area are halved: a few large or long ones
would make all answers uncertain."""


def surface_distances(points: FloatArray, vertices: FloatArray, faces: IntArray) -> FloatArray:
    """Distance of points to the nearest point on a surface.

    Triangles are tried in the order of the distance to their centres, until none that is left can be nearer.

    Parameters
    ----------
    points
        (P, 3) metres.
    vertices, faces
        (V, 3) and (T, 3) of the surface, in the same frame.

    Returns
    -------
    (P,) metres.
    """
    from scipy.spatial import cKDTree

    corners = _halved(np.asarray(vertices, np.float64)[faces])
    centres = corners.mean(axis=1)
    reach = float(_radii(corners).max())
    tree = cKDTree(centres)
    distances = np.full(len(points), np.inf)
    left, count = np.arange(len(points)), min(_CANDIDATES, len(corners))
    while len(left):
        to_centre, candidates = tree.query(points[left], k=count)
        to_centre, candidates = to_centre.reshape(len(left), count), candidates.reshape(len(left), count)
        distances[left] = triangle_distances(points[left][:, None], corners[candidates]).min(axis=1)
        if count == len(corners):
            break
        left = left[distances[left] > to_centre[:, -1] - reach]
        count = min(4 * count, len(corners))
    return distances


def _halved(corners: FloatArray) -> FloatArray:
    """The same surface (T, 3, 3) in triangles of similar size: large ones are halved at their longest side."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    limit = _LARGE * float(np.sqrt(0.5 * np.linalg.norm(normals, axis=1).mean()))
    for _ in range(12):
        large = _radii(corners) > limit
        if not large.any():
            break
        split = corners[large]
        sides = np.linalg.norm(np.roll(split, -1, axis=1) - split, axis=-1)
        # Turn each so that its longest side is the first, then halve that.
        turned = np.take_along_axis(split, ((sides.argmax(axis=1)[:, None] + np.arange(3)) % 3)[..., None], axis=1)
        a, b, c = turned[:, 0], turned[:, 1], turned[:, 2]
        middle = 0.5 * (a + b)
        corners = np.concatenate([corners[~large], np.stack([a, middle, c], 1), np.stack([middle, b, c], 1)])
    return corners


def _radii(corners: FloatArray) -> FloatArray:
    """(T,) distance from the centre of each triangle to its furthest corner."""
    return np.linalg.norm(corners - corners.mean(axis=1, keepdims=True), axis=-1).max(axis=1)


def triangle_distances(points: FloatArray, corners: FloatArray) -> FloatArray:
    """Distance of points to triangles.

    Where the foot of the perpendicular lies inside the triangle it is the height above it, else the distance to the
    nearest of its three sides.

    Parameters
    ----------
    points
        (..., 3), that broadcast against
    corners
        (..., 3, 3): corner, coordinate.

    Returns
    -------
    (...) in the unit of the points.
    """
    to_sides = []
    inside = np.ones((), bool)
    normal = np.cross(corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :])
    size = np.maximum(np.linalg.norm(normal, axis=-1), 1e-300)
    for corner in range(3):
        start = corners[..., corner, :]
        side, offset = corners[..., (corner + 1) % 3, :] - start, points - start
        share = np.sum(offset * side, axis=-1) / np.maximum(np.sum(side * side, axis=-1), 1e-300)
        to_sides.append(np.linalg.norm(offset - np.clip(share, 0, 1)[..., None] * side, axis=-1))
        inside = inside & (np.sum(np.cross(side, offset) * normal, axis=-1) >= 0)
    height = np.abs(np.sum((points - corners[..., 0, :]) * normal, axis=-1)) / size
    return np.where(inside & (size > 1e-300), height, np.min(to_sides, axis=0))
