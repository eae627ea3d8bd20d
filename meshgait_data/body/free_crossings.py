"""Triangles of one mesh that cut through each other, as skin does where a limb is bent into the body. Arrays only."""

import numpy as np

from meshgait_data.types import BoolArray, FloatArray, IntArray

_PAIRS = 2_000_000
"""Pairs whose boxes are compared at once."""


def crossing_triangles(vertices: FloatArray, faces: IntArray) -> BoolArray:
    """Which triangles cut through another one that shares no vertex with them.

    Candidates are pairs whose axis-aligned boxes overlap; of those, the six edges are tested against the other
    triangle (Möller and Trumbore 1997). Coplanar pairs do not count.

    Parameters
    ----------
    vertices, faces
        (V, 3) and (T, 3) of the mesh.

    Returns
    -------
    (T,).
    """
    corners = np.asarray(vertices, np.float64)[faces]
    low, high = corners.min(axis=1), corners.max(axis=1)
    found = np.zeros(len(faces), bool)
    order = np.argsort(low[:, 1], kind="stable")
    # In the order of their lower ends, a triangle can only touch those that start before it ends.
    after = np.searchsorted(low[order, 1], high[order, 1], side="right") - np.arange(len(faces)) - 1
    for part in _chunks(after):
        first, second = _expand(part, after[part])
        first, second = order[first], order[second]
        for axis in (0, 2):
            near = (low[first, axis] <= high[second, axis]) & (low[second, axis] <= high[first, axis])
            first, second = first[near], second[near]
        apart = (faces[first][:, :, None] != faces[second][:, None, :]).all(axis=(1, 2))
        first, second = first[apart], second[apart]
        cut = _cross(corners[first], corners[second]) | _cross(corners[second], corners[first])
        found[first[cut]] = True
        found[second[cut]] = True
    return found


def _chunks(counts: IntArray) -> list[IntArray]:
    """Numbers of the triangles, in runs with a bounded sum of counts."""
    ends = np.cumsum(counts)
    runs = np.split(np.arange(len(counts)), np.flatnonzero(np.diff(ends // _PAIRS)) + 1)
    return [run for run in runs if len(run)]


def _expand(rows: IntArray, counts: IntArray) -> tuple[IntArray, IntArray]:
    """Each row with each of the ``counts`` places after it."""
    first = np.repeat(rows, counts)
    step = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    return first, first + 1 + step


def _cross(edges_of: FloatArray, others: FloatArray) -> BoolArray:
    """Whether any edge of the triangles (P, 3, 3) goes through the triangles ``others`` (P, 3, 3)."""
    start, end = edges_of, edges_of[:, [1, 2, 0]]
    base = others[:, None, 0]
    one, two = others[:, None, 1] - base, others[:, None, 2] - base
    along, offset = end - start, start - base
    across = np.cross(along, two)
    determinant = np.einsum("pek,pek->pe", across, np.broadcast_to(one, across.shape))
    safe = np.where(determinant == 0, 1.0, determinant)
    u = np.einsum("pek,pek->pe", offset, across) / safe
    turned = np.cross(offset, one)
    v = np.einsum("pek,pek->pe", along, turned) / safe
    t = np.einsum("pek,pek->pe", np.broadcast_to(two, turned.shape), turned) / safe
    inside = (u >= 0) & (v >= 0) & (u + v <= 1) & (t >= 0) & (t <= 1) & (determinant != 0)
    return inside.any(axis=1)
