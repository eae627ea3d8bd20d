"""The free body's coarse level: some of its own vertices, chosen by edge collapse on one half and mirrored.

Every vertex keeps its place, weights and shape directions, so the coarse body is the fine one with fewer points.
"""

import heapq
from collections.abc import Collection

import numpy as np

from meshgait_data.body.free_mesh import Topology, is_closed
from meshgait_data.errors import InvalidData
from meshgait_data.types import FloatArray, IntArray

_OUTSIDE = -1
"""Stands for everything beyond the half's rim, so that the rim needs no rules of its own."""
_LEAST_COSINE = 0.2
"""Of the angle that one collapse may turn a triangle by: 78 degrees."""
_LEAST_QUALITY = 0.15
"""Of a triangle, 1 for an equilateral one: 4 sqrt(3) area / sum of squared sides."""
_LENGTH_PENALTY = 2e-3
"""Part of the squared length, times area, that is added to a collapse's cost: it keeps triangles of like size."""


def coarse_mesh(mesh: Topology, points: FloatArray, most: int, keep: Collection[int]) -> tuple[Topology, IntArray]:
    """Thin a symmetric mesh out.

    Quadric edge collapse (Garland and Heckbert, SIGGRAPH 1997) of a vertex into one of its neighbours, over one half
    of the mesh; the mid-line collapses along itself only. Collapses that would not leave a closed surface (link
    condition; Dey et al. 1999), fold it or make slivers are not done.

    Parameters
    ----------
    mesh
        The left half's triangles first, then their mirror images.
    points
        (V, 3) metres.
    most
        Vertices that the result may have.
    keep
        Vertices that must stay, with those opposite to them.

    Returns
    -------
    The coarse mesh, and the (V',) vertices of the fine one that it has.

    Raises
    ------
    InvalidData
        Where no collapse is left before the mesh is small enough.
    """
    half = _Half(mesh, points, keep)
    count = len(points)
    while count > most:
        vertex = half.collapse()
        if vertex is None:
            raise InvalidData(f"the mesh cannot be thinned out below {count} vertices")
        count -= 1 if mesh.mirror[vertex] == vertex else 2
    left = np.array(sorted(half.faces.values()))
    faces = np.concatenate([left, mesh.mirror[left][:, ::-1]])
    kept, compact = np.unique(faces, return_inverse=True)
    number = np.full(len(points), -1)
    number[kept] = np.arange(len(kept))
    result = Topology(mesh.source[kept], compact.reshape(-1, 3), number[mesh.mirror[kept]])
    if not is_closed(result.faces):
        raise InvalidData("thinning the mesh out tore its surface")
    return result, kept


class _Half:
    """The left half while it is thinned out: triangles, what is around each vertex, and a queue of collapses."""

    def __init__(self, mesh: Topology, points: FloatArray, keep: Collection[int]) -> None:
        left = mesh.faces[: len(mesh.faces) // 2]
        self.points = points
        self.on_line = mesh.mirror == np.arange(len(points))
        self.fixed = set(keep) | {int(mesh.mirror[vertex]) for vertex in keep}
        self.quadrics = _quadrics(points, mesh.faces)
        self.faces: dict[int, tuple[int, int, int]] = {i: (a, b, c) for i, (a, b, c) in enumerate(left.tolist())}
        self.around: dict[int, set[int]] = {}
        for number, face in self.faces.items():
            for vertex in face:
                self.around.setdefault(vertex, set()).add(number)
        self.queue: list[tuple[float, int, int, int]] = []
        self.age = dict.fromkeys(self.around, 0)
        for vertex in sorted(self.around):
            self._push(vertex)

    def collapse(self) -> int | None:
        """Do the cheapest allowed collapse; gives the vertex that is gone, or None where there is none left."""
        while self.queue:
            _, age, gone, into = heapq.heappop(self.queue)
            if self.age.get(gone) != age or not self._allowed(gone, into):
                continue
            near = self._neighbours(gone) - {_OUTSIDE}
            for number in sorted(self.around.pop(gone)):
                old = self.faces.pop(number)
                for vertex in old:
                    if vertex != gone:
                        self.around[vertex].discard(number)
                if into not in old:
                    a, b, c = (into if vertex == gone else vertex for vertex in old)
                    self.faces[number] = (a, b, c)
                    for vertex in (a, b, c):
                        self.around[vertex].add(number)
            self.quadrics[into] += self.quadrics[gone]
            del self.age[gone]
            # What was not allowed beside the collapse may be so now.
            for vertex in sorted(near):
                self._push(vertex)
            return gone
        return None

    def _push(self, vertex: int) -> None:
        """Queue all collapses of a vertex; what was queued before grows stale."""
        self.age[vertex] += 1
        if vertex in self.fixed:
            return
        for into in sorted(self._neighbours(vertex) - {_OUTSIDE}):
            heapq.heappush(self.queue, (self._cost(vertex, into), self.age[vertex], vertex, into))

    def _neighbours(self, vertex: int) -> set[int]:
        near = {other for number in self.around[vertex] for other in self.faces[number]} - {vertex}
        return near | {_OUTSIDE} if self.on_line[vertex] else near

    def _cost(self, gone: int, into: int) -> float:
        place = np.append(self.points[into], 1.0)
        quadric = self.quadrics[gone] + self.quadrics[into]
        step = self.points[into] - self.points[gone]
        return float(place @ quadric @ place + _LENGTH_PENALTY * (step @ step) * self.quadrics[gone][:3, :3].trace())

    def _allowed(self, gone: int, into: int) -> bool:
        if self.on_line[gone] and not self.on_line[into]:
            return False
        shared = self._neighbours(gone) & self._neighbours(into)
        if len(shared) != 2:
            return False
        others = [number for number in self.around[gone] if into not in self.faces[number]]
        if not self.on_line[gone] and self.on_line[into]:
            # An edge inside the half whose ends both lie on the mid-line would be there twice after mirroring.
            beyond = {vertex for number in others for vertex in self.faces[number]} - shared - {gone}
            if any(self.on_line[vertex] for vertex in beyond):
                return False
        return all(self._stays_fair(self.faces[number], gone, into) for number in others)

    def _stays_fair(self, face: tuple[int, int, int], gone: int, into: int) -> bool:
        before = self.points[list(face)]
        after = self.points[[into if vertex == gone else vertex for vertex in face]]
        old, new = (np.cross(p[1] - p[0], p[2] - p[0]) for p in (before, after))
        area = np.linalg.norm(new)
        sides = ((after - np.roll(after, 1, axis=0)) ** 2).sum()
        return bool(
            2 * np.sqrt(3) * area > _LEAST_QUALITY * sides and old @ new > _LEAST_COSINE * np.linalg.norm(old) * area
        )


def _quadrics(points: FloatArray, faces: IntArray) -> FloatArray:
    """(V, 4, 4) sums of squared distances to the planes around each vertex, weighted by area."""
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    areas = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / np.maximum(areas, 1e-12)
    planes = np.concatenate([normals, -np.einsum("fa,fa->f", normals, a)[:, None]], axis=1)
    products = 0.5 * areas[..., None] * planes[:, :, None] * planes[:, None, :]
    quadrics = np.zeros((len(points), 4, 4))
    for corner in range(3):
        np.add.at(quadrics, faces[:, corner], products)
    return quadrics
