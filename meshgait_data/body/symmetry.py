"""Find which vertex of a mesh is on the other side of the body, from the triangles and not from exact positions."""

from collections import deque
from typing import cast

import numpy as np

from meshgait_data.types import FloatArray, IntArray

_SEEDS = 40
"""Triangles that are tried as the start of the walk over the mesh."""

Corners = tuple[int, int, int]


def find_mirror(vertices: FloatArray, faces: IntArray) -> IntArray | None:
    """Left/right exchange of the vertices of a mesh whose triangles are mirror symmetric.

    Model files such as SMPL's do not store it, and their templates are symmetric only to some millimetres, so nearest
    neighbours do not give it. The triangles do: once one triangle is known to be the mirror image of another, their
    neighbours across each edge are mirror images too, and so on over the whole mesh.

    Parameters
    ----------
    vertices
        (V, 3) rest pose, x from right to left of the body.
    faces
        (F, 3) triangles of a consistently oriented mesh, in one or several parts.

    Returns
    -------
    (V,) permutation that is its own inverse, or None where the mesh has no such symmetry.
    """
    from scipy.spatial import cKDTree

    nearest = cKDTree(vertices).query(vertices * np.array([-1.0, 1.0, 1.0]))[1]
    across = _across_edges(faces)
    corners = {frozenset(face) for face in faces.tolist()}
    mirror = np.full(len(vertices), -1)
    # One walk for each connected part: SMPL-X's eyes, for instance, do not hang together with the skin.
    while (left := faces[(mirror[faces] < 0).any(axis=1)]).size:
        walked = _first_walk(across, left, nearest[left], corners, mirror)
        if walked is None:
            return None
        mirror = walked
    return None if (mirror < 0).any() else mirror


def _first_walk(
    across: dict[tuple[int, int], int],
    faces: IntArray,
    images: IntArray,
    corners: set[frozenset[int]],
    mirror: IntArray,
) -> IntArray | None:
    """Carry on from the first of some triangles whose image is a triangle too, and whose walk does not fail."""
    for row in np.unique(np.linspace(0, len(faces) - 1, min(_SEEDS, len(faces))).astype(int)):
        face, image = faces[row].tolist(), images[row].tolist()
        if frozenset(image) in corners:
            walked = _walk(across, cast(Corners, tuple(face)), cast(Corners, tuple(image)), mirror.copy())
            if walked is not None:
                return walked
    return None


def _across_edges(faces: IntArray) -> dict[tuple[int, int], int]:
    """Directed edge (a, b) of a triangle to its third corner."""
    return {(face[i], face[i - 2]): face[i - 1] for face in faces.tolist() for i in range(3)}


def _walk(across: dict[tuple[int, int], int], seed: Corners, image: Corners, mirror: IntArray) -> IntArray | None:
    """Carry the correspondence of one triangle over its part of the mesh; None where it contradicts itself."""
    queue = deque([(seed, image)])
    seen = set()
    while queue:
        face, other = queue.popleft()
        for vertex, partner in zip(face, other, strict=True):
            if mirror[vertex] not in (-1, partner) or mirror[partner] not in (-1, vertex):
                return None
            mirror[vertex], mirror[partner] = partner, vertex
        for i in range(3):
            a, b = face[i], face[i - 2]
            # The neighbour runs along the edge the other way; a mirror image has the opposite orientation.
            third, opposite = across.get((b, a)), across.get((other[i], other[i - 2]))
            if (third is None) != (opposite is None):
                return None
            if third is not None and opposite is not None and (a, b) not in seen:
                seen.add((a, b))
                queue.append(((b, a, third), (other[i - 2], other[i], opposite)))
    return mirror
