"""Which vertices become markers: greedy convex hull, then swaps with neighbours, in left/right pairs.

Points are mesh vertices in *trajectory space*: all coordinates of a vertex over all training meshes, reduced to r.
Shape letters: V vertices, H representatives (one of each left/right pair, and the mid-line), K markers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from meshgait_data.body.marker_solvers import convex_coefficients
from meshgait_data.errors import UsageError
from meshgait_data.types import BoolArray, FloatArray, IntArray

Progress = Callable[[str, float], None]
"""Told what is being done and the share of it that is done, 0 to 1."""

_GREEDY_STEPS = 40
_SWAP_STEPS = 30
_CANDIDATES = 6
_FIRST_ROUNDS = 5
"""Rounds that look two rings of neighbours away; later ones look one ring away."""
_BLOCK = 512
"""Candidates that are judged at a time, for memory."""
_LEAST_GAIN = 2e-4
"""Share of the cost that a swap must win, so that rounding errors never do."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What is to be reconstructed, and how much each part of it counts."""

    points: FloatArray
    """(V, r) float32 vertices in trajectory space."""
    importance: FloatArray
    """(V,) float32 weights of the errors; they sum to one and are symmetric."""
    mirror: IntArray
    """(V,) vertex on the other side."""
    midline: int
    """Most markers on the mid-line; even where the number of markers is even."""
    spacing: float
    """Least distance of two markers in metres, root mean square over meshes."""

    @property
    def half(self) -> IntArray:
        """(H,) representatives: errors of the other half are the same by symmetry."""
        ids = np.arange(len(self.mirror))
        return ids[ids <= self.mirror]

    @property
    def weights(self) -> FloatArray:
        """(H,) importance of representatives, those of pairs for both."""
        half = self.half
        return self.importance[half] * np.where(self.mirror[half] == half, np.float32(1), np.float32(2))

    def orbit(self, vertex: int) -> list[int]:
        """The vertex and its mirror image, or the vertex alone on the mid-line."""
        other = int(self.mirror[vertex])
        return [vertex] if other == vertex else [vertex, other]

    def crowded(self, candidates: IntArray, ids: list[int]) -> BoolArray:
        """Which candidates lie too close to a marker or to their own mirror image."""
        points, images = self.points[candidates], self.mirror[candidates]
        close = (images != candidates) & (_squared(points, self.points[images]) < self.spacing**2)
        for marker in self.points[ids]:
            close |= _squared(points, marker) < self.spacing**2
        return close


def _squared(points: FloatArray, others: FloatArray) -> FloatArray:
    return np.sum((points - others) ** 2, axis=-1)


def marker_mirror(ids: list[int], mirror: IntArray) -> IntArray:
    """(K,) position in ``ids`` of each marker's mirror image."""
    place = {vertex: index for index, vertex in enumerate(ids)}
    return np.array([place[int(mirror[vertex])] for vertex in ids])


def greedy_hull(problem: Problem, count: int, progress: Progress) -> list[int]:
    """Choose ``count`` vertices, each time the pair that brings the hull of those before nearest to all vertices.

    Raises
    ------
    UsageError
        Where spacing and mid-line leave no vertex to choose.
    """
    points = problem.points[problem.half]
    chosen = _most(problem, _squared(points, points.mean(axis=0)), [], count)
    coefficients = None
    while len(chosen) < count:
        markers = problem.points[chosen]
        if coefficients is not None:
            coefficients = np.pad(coefficients, ((0, 0), (0, len(chosen) - coefficients.shape[1])))
        coefficients = convex_coefficients(points, markers, iterations=_GREEDY_STEPS, start=coefficients)
        chosen += _most(problem, gains(problem, coefficients @ markers), chosen, count)
        progress("choosing markers", len(chosen) / count)
    return chosen


def gains(problem: Problem, rebuilt: FloatArray) -> FloatArray:
    """(H,) by how much the weighted error falls at least if a representative and its mirror image become markers.

    Each vertex may move from where it is rebuilt along the line to the new marker.
    """
    half, points = problem.half, problem.points[problem.half]
    rest = points - rebuilt
    loss = np.sum(rest**2, axis=1)[:, None]
    gain = np.zeros(len(half))
    for start in range(0, len(half), _BLOCK):
        block = half[start : start + _BLOCK]
        best = np.zeros((len(half), len(block)), points.dtype)
        for candidates in (problem.points[block], problem.points[problem.mirror[block]]):
            best = np.maximum(best, _line_gains(rest, rebuilt, candidates))
        gain[start : start + _BLOCK] = problem.weights @ (np.sqrt(loss) - np.sqrt(np.maximum(loss - best, 0.0)))
    return gain


def _line_gains(rest: FloatArray, rebuilt: FloatArray, candidates: FloatArray) -> FloatArray:
    """(H, C) by how much the squared distance of each of H points falls on the way to each of C candidates."""
    along = np.maximum(rest @ candidates.T - np.sum(rest * rebuilt, axis=1)[:, None], 0.0)
    squared = np.sum(rebuilt**2, axis=1)[:, None] + np.sum(candidates**2, axis=1) - 2.0 * rebuilt @ candidates.T
    share = np.minimum(along / np.maximum(squared, 1e-12), 1.0)
    return share * (2.0 * along - share * squared)


def _most(problem: Problem, gain: FloatArray, chosen: list[int], count: int) -> list[int]:
    """The pair with the largest gain (H,) among those that may be chosen."""
    half = problem.half
    middle = problem.mirror[half] == half
    mids = sum(len(problem.orbit(vertex)) == 1 for vertex in chosen)
    barred = problem.crowded(half, chosen) | (middle & (mids >= problem.midline))
    if count - len(chosen) == 1:
        barred |= ~middle
    if barred.all():
        raise UsageError(
            f"no vertex is left for marker {len(chosen) + 1} of {count}",
            hint="choose fewer markers, a smaller spacing, or more on the mid-line",
        )
    # A pair takes the places of two markers.
    return problem.orbit(int(half[np.argmax(np.where(barred, -1.0, gain * np.where(middle, 2.0, 1.0)))]))


class SwapSearch:
    """Local search: a marker (and its mirror image) moves to a neighbouring vertex where that lowers the error.

    A swap touches only the vertices that lean on the moved markers or would like to lean on the new ones, so only
    their coefficients are solved again.

    Parameters
    ----------
    problem
        What is to be reconstructed.
    ids
        (K,) the markers to start from.
    faces
        (F, 3) triangles, for neighbours.
    """

    def __init__(self, problem: Problem, ids: list[int], faces: IntArray) -> None:
        self.problem, self.ids = problem, list(ids)
        self._points, self._weights = problem.points[problem.half], problem.weights
        self._neighbours = neighbours(faces, len(problem.points))
        self._refresh(None)

    @property
    def cost(self) -> float:
        """Weighted mean over vertices of the root mean square distance over meshes, metres."""
        return float(self._weights @ np.sqrt(self._loss))

    def run(self, rounds: int, rng: np.random.Generator, progress: Progress) -> list[int]:
        """Go over all markers ``rounds`` times, or until none moves; give the improved ids."""
        for done in range(rounds):
            rings = 2 if done < _FIRST_ROUNDS else 1
            moved = sum(self._improve(int(slot), rings, rng) for slot in rng.permutation(len(self.ids)))
            self._refresh(self._coefficients)
            settled = not moved and rings == 1
            progress("moving markers", 1.0 if settled else (done + 1) / rounds)
            if settled:
                break
        return self.ids

    def _refresh(self, start: FloatArray | None) -> None:
        markers = self.problem.points[self.ids]
        steps = 3 * _GREEDY_STEPS
        self._coefficients = convex_coefficients(self._points, markers, iterations=steps, start=start)
        self._loss = _squared(self._points, self._coefficients @ markers)

    def _improve(self, slot: int, rings: int, rng: np.random.Generator) -> bool:
        """Try some neighbours of one marker; keep the first that pays."""
        mirror, vertex = self.problem.mirror, self.ids[slot]
        ring = {vertex}
        for _ in range(rings):
            ring |= {int(near) for known in ring for near in self._neighbours[known]}
        rest = [v for v in self.ids if v not in (vertex, mirror[vertex])]
        near = np.array(sorted(ring - set(self.ids)), dtype=int)
        alike = near[((mirror[near] == near) == (mirror[vertex] == vertex)) & ~self.problem.crowded(near, rest)]
        return any(self._try(slot, int(q)) for q in rng.permutation(alike)[:_CANDIDATES])

    def _try(self, slot: int, vertex: int) -> bool:
        mirror, ids = self.problem.mirror, list(self.ids)
        slots = {slot, ids.index(int(mirror[ids[slot]]))}
        for other in slots:
            ids[other] = vertex if other == slot else int(mirror[vertex])
        markers = self.problem.points[ids]
        rows = np.flatnonzero(self._concerned(list(slots), markers))
        coefficients = convex_coefficients(
            self._points[rows], markers, iterations=_SWAP_STEPS, start=self._coefficients[rows]
        )
        loss = _squared(self._points[rows], coefficients @ markers)
        if self._weights[rows] @ (np.sqrt(self._loss[rows]) - np.sqrt(loss)) < _LEAST_GAIN * self.cost:
            return False
        self.ids, self._coefficients[rows], self._loss[rows] = ids, coefficients, loss
        return True

    def _concerned(self, slots: list[int], markers: FloatArray) -> BoolArray:
        """(H,) representatives whose coefficients a swap may change."""
        leaning = self._coefficients[:, slots].sum(axis=1) > 1e-3
        for slot in slots:
            # Best decrease of the loss along the line from the present reconstruction to the new marker.
            away = markers[slot] - self._coefficients @ self.problem.points[self.ids]
            along = np.sum(away * (self._points - markers[slot] + away), axis=1)
            gain = np.maximum(along, 0.0) ** 2 / np.maximum(np.sum(away**2, axis=1), 1e-12)
            leaning |= gain > 0.02 * self._loss
        return leaning


def neighbours(faces: IntArray, count: int) -> list[IntArray]:
    """Vertices that share an edge with each of ``count`` vertices."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    return np.split(edges[:, 1], np.searchsorted(edges[:, 0], np.arange(1, count)))
