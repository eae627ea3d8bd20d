"""Virtual markers: learn them from posed meshes, place them on a mesh, give the mesh back from them.

Ma et al., *3D Human Mesh Estimation from Virtual Markers*, CVPR 2023, describe a body by K points that lie on it
and from which all vertices follow linearly. Here X (all coordinates of all training meshes by vertices) is
approximated by X B A with one-hot B (every marker is a vertex, so it can never float beside the body) and A in two
versions: convex, as published, and affine with signs, which explains more.

Shape letters: N meshes, F frames, V vertices, K markers.
"""

from dataclasses import asdict, dataclass

import numpy as np

from meshgait_data.body.marker_names import marker_names
from meshgait_data.body.marker_search import Problem, Progress, SwapSearch, greedy_hull, marker_mirror
from meshgait_data.body.marker_solvers import affine_coefficients, convex_coefficients, sparsest
from meshgait_data.body.model import Body
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.types import FloatArray, IntArray, MarkerSet

FLIP = np.array([-1.0, 1.0, 1.0], np.float32)
"""Mirror image of a point: the body is symmetric about x = 0."""

_LOST_M = 5e-4
"""Root mean square distance in metres that reducing trajectory space may cost."""


@dataclass(frozen=True, slots=True)
class MarkerSettings:
    """How markers are learned."""

    count: int = 64
    """K; 64 is the published number."""
    midline: int = 4
    """Most markers on the mid-line of the body."""
    spacing_mm: float = 60.0
    """Least distance of two markers: crowds would explain wrinkles, not the body."""
    rounds: int = 12
    """Rounds of swaps with neighbouring vertices after the greedy choice."""
    area: float = 0.9
    """Share of the area in what a vertex counts. 0: all vertices count the same, so that the dense meshes of face and
    fingers draw markers; 1: every piece of skin counts by its area."""
    nonzeros: int = 12
    """Most convex coefficients of a vertex."""
    noise_mm: float = 6.0
    """Marker noise that the signed coefficients are made for, millimetres in each coordinate."""
    seed: int = 0
    """Order in which swaps are tried."""

    def __post_init__(self) -> None:
        if self.count < 4 or self.nonzeros < 4 or self.rounds < 0 or self.midline < 0 or self.noise_mm < 0:
            raise UsageError(
                f"cannot learn markers with {asdict(self)}",
                hint="count and nonzeros are at least 4, nothing is negative",
            )


def place(markers: MarkerSet, vertices: FloatArray) -> FloatArray:
    """Positions of the markers on posed meshes; (F, V, 3) to (F, K, 3), any frame of reference."""
    return vertices[..., markers.vertex_ids, :]


def reconstruct(markers: MarkerSet, points: FloatArray, signed: bool = True) -> FloatArray:
    """Meshes from markers.

    Parameters
    ----------
    markers
        A set of K markers.
    points
        (F, K, 3) where they are, in any frame of reference: both coefficient matrices commute with rigid motion.
    signed
        Use the affine coefficients, else the convex ones.

    Returns
    -------
    (F, V, 3) vertices in the unit and frame of ``points``.
    """
    return (markers.signed if signed else markers.convex) @ points


def learn_markers(
    body: Body,
    meshes: FloatArray,
    settings: MarkerSettings | None = None,
    *,
    name: str = "custom",
    progress: Progress | None = None,
) -> MarkerSet:
    """Learn virtual markers from posed meshes of a body.

    Parameters
    ----------
    body
        The body that the meshes are of; its ``mirror`` makes left/right pairs.
    meshes
        (N, V, 3) posed bodies of many shapes with their root rotation removed, metres; some hundred are enough.
    settings
        Number of markers and how they are chosen.
    name
        Name of the set.
    progress
        Told about each step; None: silence.

    Returns
    -------
    The markers, left and right next to each other from head to toe, those on the mid-line last; without errors in
    its provenance, as these belong on meshes that it has not seen (``marker_report``).

    Raises
    ------
    InvalidData
        Where the meshes are not of this body.
    """
    chosen = settings or MarkerSettings()
    report = progress or (lambda _step, _share: None)
    if meshes.ndim != 3 or meshes.shape[1:] != (body.num_vertices, 3) or len(meshes) == 0:
        raise InvalidData(
            f"meshes have shape {meshes.shape}, but body {body.name!r} has {body.num_vertices} vertices",
            hint="pose the same body that the markers are for",
        )
    problem = _problem(body, meshes, chosen)
    ids = greedy_hull(problem, chosen.count, report)
    ids = SwapSearch(problem, ids, body.faces).run(chosen.rounds, np.random.default_rng(chosen.seed), report)
    ids = _ordered(body, problem, ids)
    convex, signed = _coefficients(problem, ids, chosen)
    report("solving for coefficients", 1.0)
    return MarkerSet(
        name=name,
        body_sha256=body.sha256,
        vertex_ids=np.array(ids),
        mirror=marker_mirror(ids, problem.mirror),
        convex=convex,
        signed=signed,
        names=marker_names(body, np.array(ids)),
        provenance={"body": body.name, "settings": asdict(chosen), "train_meshes": len(meshes)},
    )


def vertex_areas(vertices: FloatArray, faces: IntArray) -> FloatArray:
    """(V,) area of the skin that belongs to each vertex: a third of its triangles, square metres."""
    corners = vertices[faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    thirds = np.repeat(np.linalg.norm(normals, axis=1) / 6.0, 3)
    return np.bincount(faces.ravel(), thirds, minlength=len(vertices)).astype(np.float64)


def _problem(body: Body, meshes: FloatArray, settings: MarkerSettings) -> Problem:
    mirror = np.arange(body.num_vertices) if body.mirror is None else body.mirror
    areas = vertex_areas(body.v_template, body.faces)
    areas = 0.5 * (areas + areas[mirror])
    importance = 1.0 - settings.area + settings.area * areas / areas.mean()
    # Mid-line markers come one at a time, the others in pairs, so the parities of their numbers agree.
    midline = max(settings.midline - (settings.count - settings.midline) % 2, settings.count % 2)
    return Problem(
        points=trajectories(meshes, body.mirror),
        importance=(importance / importance.sum()).astype(np.float32),
        mirror=mirror,
        midline=midline if body.mirror is not None else settings.count,
        spacing=settings.spacing_mm / 1e3,
    )


def trajectories(meshes: FloatArray, mirror: IntArray | None) -> FloatArray:
    """Vertices in trajectory space, reduced to its main axes.

    Parameters
    ----------
    meshes
        (N, V, 3) metres.
    mirror
        (V,) vertex on the other side: mirrored copies of all meshes are added, so that the space is symmetric.

    Returns
    -------
    (V, r) float32 metres, such that the squared distance of two vertices is its mean over meshes.
    """
    if mirror is not None:
        meshes = np.concatenate([meshes, meshes[:, mirror] * FLIP])
    columns = meshes.transpose(1, 0, 2).reshape(meshes.shape[1], -1).astype(np.float64)
    # Coefficients sum to one, so a shift of all vertices changes nothing; without it the problem is better scaled.
    columns -= columns.mean(axis=0)
    columns /= np.sqrt(len(meshes))
    energy, axes = np.linalg.eigh(columns.T @ columns)
    lost = np.cumsum(np.maximum(energy, 0.0)) / len(columns)
    return (columns @ axes[:, lost > _LOST_M**2]).astype(np.float32)


def _ordered(body: Body, problem: Problem, ids: list[int]) -> list[int]:
    """Pairs (left, right) from head to toe, then the mid-line."""
    height = body.v_template[:, 1]
    left = [v for v in ids if problem.mirror[v] != v and body.v_template[v, 0] > body.v_template[problem.mirror[v], 0]]
    middle = [v for v in ids if problem.mirror[v] == v]
    pairs = [side for v in sorted(left, key=lambda v: -height[v]) for side in (v, int(problem.mirror[v]))]
    return pairs + sorted(middle, key=lambda v: -height[v])


def _coefficients(problem: Problem, ids: list[int], settings: MarkerSettings) -> tuple[FloatArray, FloatArray]:
    """Convex and signed coefficients (V, K) float32, exactly symmetric."""
    points, markers = problem.points.astype(np.float64), problem.points[ids].astype(np.float64)
    half = problem.half
    free = _both_sides(problem, ids, convex_coefficients(points[half], markers, iterations=600))[half]
    allowed = sparsest(free, settings.nonzeros)
    start = np.where(allowed, free, 0.0)
    start /= start.sum(axis=1, keepdims=True)
    convex = convex_coefficients(points[half], markers, iterations=300, start=start, allowed=allowed)
    signed = affine_coefficients(points[half], markers, settings.noise_mm / 1e3)
    convex, signed = (_both_sides(problem, ids, rows).astype(np.float32) for rows in (convex, signed))
    return convex, signed


def _both_sides(problem: Problem, ids: list[int], rows: FloatArray) -> FloatArray:
    """(V, K) coefficients of all vertices from those of the representatives (H, K)."""
    half, swap = problem.half, marker_mirror(ids, problem.mirror)
    middle = problem.mirror[half] == half
    rows = np.where(middle[:, None], 0.5 * (rows + rows[:, swap]), rows)
    full = np.zeros((len(problem.mirror), rows.shape[1]), rows.dtype)
    full[half], full[problem.mirror[half]] = rows, rows[:, swap]
    return full
