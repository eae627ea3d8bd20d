"""How far two bodies are apart: vertices or surfaces, joints, shape components. Arrays in, numbers out.

Shape letters: F frames, V vertices, J joints (24), B shape components. Metres; each body in its own frame (y up).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from meshgait_data.body.compare_surface import surface_distances
from meshgait_data.body.free_walks import Walk, joint_rotations
from meshgait_data.body.model import Body, forward, rest_joints
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.rotations import log
from meshgait_data.types import BodyParams, FloatArray, IntArray

REGIONS: Mapping[str, tuple[str, ...]] = {
    "head": ("head",),
    "neck": ("neck",),
    "trunk": ("pelvis", "spine1", "spine2", "spine3", "collar"),
    "upper arms": ("shoulder",),
    "forearms": ("elbow",),
    "hands": ("wrist", "hand"),
    "thighs": ("hip",),
    "lower legs": ("knee",),
    "feet": ("ankle", "foot"),
}
"""Region of the body to the joints, without their sides, that its skin follows most."""

_ALIKE, _ALIKE_M = 0.25, 0.0005
"""A shape component is shared where the two bodies' differ by less than this part of its size, or this much."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Distances in metres."""

    mean: float
    p95: float
    max: float


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """Distances from every vertex of one body to the other body."""

    vertices: FloatArray
    """(V,) mean over shapes and poses."""
    regions: Mapping[str, Spread]
    """Over the vertices of each region, all shapes and poses; ``all`` is the whole body."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """How far body A and body B are apart."""

    same_mesh: bool
    """Whether their triangles are equal: then distances are between equal vertices, else to the nearest surface."""
    shared: int
    """Leading shape components that mean the same; the others stayed at zero."""
    components: Sequence[tuple[float, float]]
    """Root mean square move per standard deviation in A, and of the difference to B, metres: over vertices where the
    mesh is the same, else over joints."""
    aligned: bool
    """Whether pelvis was put on pelvis before distances were taken."""
    joints: FloatArray
    """(J, 3) rest joints of B minus those of A, mean shapes; aligned if ``aligned``."""
    rest: tuple[Distances, Distances]
    """Of the mean shapes in the rest pose: A to B, B to A."""
    walking: tuple[Distances, Distances] | None
    """Over sampled shapes in walking poses; None where no walk was given."""
    samples: tuple[int, int]
    """Number of shapes and of poses of each in ``walking``."""


def compare(
    a: Body, b: Body, walks: Sequence[Walk] = (), *, shapes: int = 8, seed: int = 0, align: bool = True
) -> Comparison:
    """Compare two bodies.

    Parameters
    ----------
    a, b
        Bodies in SMPL's schema.
    walks
        Poses that both take.
    shapes
        Sampled shapes, standard normal in the shared components, the mean shape first.
    seed
        Of the sample.
    align
        Put the pelvis of B on that of A, in every frame.

    Returns
    -------
    Distances are between equal vertices where both have the same triangles, and symmetric; else from the vertices
    of one to the nearest point on the other's surface, both ways.
    """
    same = a.faces.shape == b.faces.shape and bool((a.faces == b.faces).all()) and a.num_vertices == b.num_vertices
    components = shape_differences(a, b, same)
    shared = _shared(components)
    betas = np.random.default_rng(seed).standard_normal((shapes, shared))
    betas[:1] = 0.0
    still = np.broadcast_to(np.eye(3), (1, len(SMPL_JOINTS), 3, 3))
    rest = _pairs(a, b, np.zeros((1, 0)), (still, still), align=align)
    walking, poses = None, 0
    if walks:
        turned = tuple(np.concatenate([joint_rotations(w, rest_joints(body)[0]) for w in walks]) for body in (a, b))
        poses = len(turned[0])
        walking = _distances(a, b, _pairs(a, b, betas, (turned[0], turned[1]), align=align), same)
    joints = rest_joints(b)[0] - rest_joints(a)[0]
    return Comparison(
        same_mesh=same,
        shared=shared,
        components=components,
        aligned=align,
        joints=joints - joints[0] if align else joints,
        rest=_distances(a, b, rest, same),
        walking=walking,
        samples=(shapes, poses),
    )


def shape_differences(a: Body, b: Body, same_mesh: bool) -> list[tuple[float, float]]:
    """Root mean square size of each shape component of A, and of its difference to B's, metres per SD."""
    moves = [body.shapedirs if same_mesh else rest_joints(body)[1] for body in (a, b)]
    count = min(a.num_betas, b.num_betas)
    first, second = (move[..., :count] - move[:1, :, :count] * (not same_mesh) for move in moves)

    def size(move: FloatArray) -> FloatArray:
        return np.sqrt((move.astype(np.float64) ** 2).sum(axis=1).mean(axis=0))

    return list(zip(size(first).tolist(), size(second - first).tolist(), strict=True))


def region_ids(body: Body) -> IntArray:
    """(V,) index in :data:`REGIONS` of each vertex: where the joint that it follows most belongs."""
    region = {stem: index for index, stems in enumerate(REGIONS.values()) for stem in stems}
    of_joint = np.array([region[name.rpartition("_")[2]] for name in SMPL_JOINTS])
    return of_joint[body.weights.argmax(axis=1)]


def _shared(components: Sequence[tuple[float, float]]) -> int:
    alike = [apart <= max(_ALIKE * size, _ALIKE_M) for size, apart in components]
    return alike.index(False) if False in alike else len(alike)


_Pair = tuple[FloatArray, FloatArray]


def _pairs(a: Body, b: Body, betas: FloatArray, rotations: _Pair, *, align: bool) -> list[_Pair]:
    """Vertices (F, V, 3) of both for each shape of betas (N, B), under rotations (F, J, 3, 3) of each."""
    pairs = []
    for shape in betas:
        sides = []
        for body, turned in zip((a, b), rotations, strict=True):
            angles = log(np.asarray(turned)).reshape(len(turned), -1)
            params = BodyParams(shape, angles[:, :3], angles[:, 3:], np.zeros((len(turned), 3)))
            output = forward(body, params)
            sides.append(output.vertices - output.joints[:, :1] if align else output.vertices)
        pairs.append((sides[0], sides[1]))
    return pairs


def _distances(a: Body, b: Body, pairs: Sequence[_Pair], same: bool) -> tuple[Distances, Distances]:
    if same:
        apart = np.concatenate([np.linalg.norm(one - other, axis=-1) for one, other in pairs])
        return _summary(apart, region_ids(a)), _summary(apart, region_ids(b))
    there = [surface_distances(p, q, b.faces) for one, other in pairs for p, q in zip(one, other, strict=True)]
    back = [surface_distances(q, p, a.faces) for one, other in pairs for p, q in zip(one, other, strict=True)]
    return _summary(np.stack(there), region_ids(a)), _summary(np.stack(back), region_ids(b))


def _summary(apart: FloatArray, regions: IntArray) -> Distances:
    """Of distances (N, V)."""
    chosen = {name: apart[:, regions == index] for index, name in enumerate(REGIONS)} | {"all": apart}
    return Distances(
        apart.mean(axis=0),
        {
            name: Spread(float(part.mean()), float(np.percentile(part, 95)), float(part.max()))
            for name, part in chosen.items()
            if part.size
        },
    )
