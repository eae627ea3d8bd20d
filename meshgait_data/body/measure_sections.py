"""What a measuring needs of a mesh: its parts, where a plane cuts a part, a tape around the cut, whether it is closed.

Shape letters: V vertices, T triangles, E edges, P points. Metres, the frame of the mesh.
"""

from dataclasses import dataclass

import numpy as np

from meshgait_data.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A tape around a part of the body."""

    girth: float
    """Metres."""
    points: FloatArray
    """(P, 3) where it touches the skin, in order; straight between them, and from the last to the first."""


def edges_of(faces: IntArray) -> IntArray:
    """(E, 2) edges of triangles (T, 3), each once, the smaller vertex number first."""
    return np.unique(np.sort(_directed(faces), axis=1), axis=0)


def edges_within(edges: IntArray, part: BoolArray) -> IntArray:
    """Edges (E, 2) both of whose ends belong to a part (V,)."""
    return edges[part[edges].all(axis=1)]


def crossing(
    vertices: FloatArray, edges: IntArray, origin: FloatArray, normal: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Edges that a plane cuts, and where.

    Parameters
    ----------
    vertices, edges
        (V, 3) and (E, 2).
    origin, normal
        (3,) a point of the plane and its normal.

    Returns
    -------
    (P,) rows of ``edges`` that are cut, and (P,) the share of the way from the first to the second end.
    """
    height = (vertices - origin) @ normal
    first, second = height[edges[:, 0]], height[edges[:, 1]]
    cut = np.flatnonzero((first < 0) != (second < 0))
    return cut, first[cut] / (first[cut] - second[cut])


def along(vertices: FloatArray, edges: IntArray, share: FloatArray) -> FloatArray:
    """(P, 3) points at a share (P,) of the way along edges (P, 2)."""
    return vertices[edges[:, 0]] * (1 - share)[:, None] + vertices[edges[:, 1]] * share[:, None]


def tape(vertices: FloatArray, edges: IntArray, origin: FloatArray, normal: FloatArray) -> Loop | None:
    """The tape around what a plane cuts: the convex hull of the cut, because a tape bridges hollows.

    Parameters
    ----------
    vertices, edges
        (V, 3) and (E, 2): the edges of the part that the tape goes around, so that others are left out.
    origin, normal
        (3,) a point of the plane and its unit normal.

    Returns
    -------
    None where the plane does not cut the part.
    """
    from scipy.spatial import ConvexHull, QhullError

    cut, share = crossing(vertices, edges, origin, normal)
    points = along(vertices, edges[cut], share)
    plane = np.linalg.svd(normal[None])[2][1:]
    try:
        hull = ConvexHull(points @ plane.T)
    except (QhullError, ValueError):  # fewer than three points, or all on one line
        return None
    return Loop(float(hull.area), points[hull.vertices])  # of a hull in the plane, "area" is its perimeter


def why_open(faces: IntArray) -> str:
    """Say why triangles (T, 3) enclose no volume; empty where they do.

    They do where every edge is run through once in each direction: closed and consistently oriented.
    """
    directed, counts = np.unique(_directed(faces), axis=0, return_counts=True)
    if (counts > 1).any():
        return f"{int((counts > 1).sum())} edges join triangles that are turned against each other, or too many of them"
    ends = {tuple(edge) for edge in directed.tolist()}
    alone = sum((b, a) not in ends for a, b in ends)
    return f"the surface is not closed: {alone} edges have a triangle on one side only" if alone else ""


def volume(vertices: FloatArray, faces: IntArray) -> FloatArray:
    """Volume inside closed surfaces, cubic metres; (..., V, 3) to (...), by the divergence theorem."""
    a, b, c = (vertices[..., faces[:, corner], :] for corner in range(3))
    return np.sum(a * np.cross(b, c), axis=(-2, -1)) / 6.0


def _directed(faces: IntArray) -> IntArray:
    """(3 T, 2) edges in the direction in which each triangle runs through them."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
