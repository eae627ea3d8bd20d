"""The free body's topology: the outer skin, decimated on one half and mirrored. Every vertex is one of the source's."""

from dataclasses import dataclass

import numpy as np

from meshgait_data.errors import InvalidData, MissingExtra
from meshgait_data.types import FloatArray, IntArray

_MIDLINE = 1e-6
"""Metres from x = 0 within which a source vertex counts as lying on the mid-line."""


@dataclass(frozen=True, slots=True, eq=False)
class Topology:
    """A mirror symmetric mesh over some of the source's vertices."""

    source: IntArray
    """(V,) vertex of the source that each vertex is."""
    faces: IntArray
    """(F, 3)."""
    mirror: IntArray
    """(V,) vertex on the other side of the body; itself on the mid-line."""


def symmetric_mesh(vertices: FloatArray, faces: IntArray, half_faces: int) -> Topology:
    """Decimate the largest component's left half, snap it to source vertices and mirror it.

    Vertices keep their identity in the source, so that skinning weights and every sampled shape can be indexed
    instead of interpolated. Decimation is quadric edge collapse (Garland and Heckbert, SIGGRAPH 1997) by
    ``fast-simplification``.

    Parameters
    ----------
    vertices
        (V, 3) mirror symmetric about x = 0, left side at x > 0.
    faces
        (F, 3) triangles.
    half_faces
        Number of triangles of one half.

    Raises
    ------
    InvalidData
        Where the result is not one closed surface.
    """
    skin = largest_component(faces)
    left = skin[(vertices[skin][:, :, 0] >= -_MIDLINE).all(axis=1)]
    used, local = np.unique(left, return_inverse=True)
    chosen, half = _decimate(vertices[used], local.reshape(-1, 3), half_faces)
    topology = _mirrored(vertices, used[chosen], half)
    if not is_closed(topology.faces):
        raise InvalidData(
            f"decimating to {half_faces} triangles a side tears the surface", hint="choose another number"
        )
    return topology


def largest_component(faces: IntArray) -> IntArray:
    """The triangles of the connected component that has most of them."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    size = int(faces.max()) + 1
    first, second = faces[:, [0, 1, 2]].ravel(), faces[:, [1, 2, 0]].ravel()
    graph = coo_matrix((np.ones(len(first), bool), (first, second)), shape=(size, size))
    label = connected_components(graph, directed=False)[1][faces[:, 0]]
    return faces[label == np.bincount(label).argmax()]


def is_closed(faces: IntArray) -> bool:
    """Whether every edge is used once in each direction: watertight, and consistently oriented."""
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    unique, counts = np.unique(directed, axis=0, return_counts=True)
    reversed_ = np.unique(directed[:, ::-1], axis=0)
    return bool((counts == 1).all() and np.array_equal(unique, reversed_))


def _decimate(vertices: FloatArray, faces: IntArray, target: int) -> tuple[IntArray, IntArray]:
    """Vertices kept (indices into ``vertices``) and triangles over them."""
    from scipy.spatial import cKDTree

    try:
        import fast_simplification
    except ImportError as error:
        raise MissingExtra(
            f"building the free body needs a decimator: {error}", hint="pip install 'meshgait[anny]'"
        ) from error
    points, triangles = fast_simplification.simplify(vertices, faces.astype(np.int32), target_count=target, agg=3)
    # The cut edge must land on the mid-line and nothing else may, or the halves would not meet.
    rim = np.zeros(len(points), bool)
    rim[_border(triangles)] = True
    on_line = np.abs(vertices[:, 0]) < _MIDLINE
    nearest = np.zeros(len(points), dtype=np.int64)
    for here, there in ((rim, on_line), (~rim, ~on_line)):
        candidates = np.flatnonzero(there)
        nearest[here] = candidates[cKDTree(vertices[candidates]).query(points[here])[1]]
    kept, index = np.unique(nearest, return_inverse=True)
    merged = index[triangles]
    proper = (np.diff(np.sort(merged, axis=1), axis=1) > 0).all(axis=1)
    merged = merged[proper]
    still_used, compact = np.unique(merged, return_inverse=True)
    return kept[still_used], compact.reshape(-1, 3)


def _border(faces: IntArray) -> IntArray:
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    return np.unique(unique[counts == 1])


def _mirrored(vertices: FloatArray, left: IntArray, half: IntArray) -> Topology:
    """Join the left half with its mirror image; right vertices follow the left and mid-line ones."""
    from scipy.spatial import cKDTree

    distance, opposite = cKDTree(vertices).query(vertices[left] * [-1.0, 1.0, 1.0])
    if distance.max() > 1e-4:
        raise InvalidData(f"the source is {1000 * distance.max():.2f} mm away from mirror symmetry")
    sided = opposite != left
    to_right = np.arange(len(left))
    to_right[sided] = len(left) + np.arange(sided.sum())
    mirror = np.zeros(len(left) + sided.sum(), dtype=np.int64)
    mirror[: len(left)] = to_right
    mirror[to_right] = np.arange(len(left))
    source = np.concatenate([left, opposite[sided]])
    return Topology(source, np.concatenate([half, to_right[half][:, ::-1]]), mirror)
