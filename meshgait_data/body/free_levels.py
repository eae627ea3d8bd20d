"""The free body's levels of detail: one shape space, one skeleton, three meshes. Arrays only.

The coarse mesh's vertices are some of the standard one's, and the standard one's are some of the source's. The joint
regressor uses only vertices that all three have, so betas give the same joints in each.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from meshgait_data.body.free_mesh import Topology, largest_component
from meshgait_data.body.free_pose import correctives, pose_features, pose_source, unposed
from meshgait_data.body.free_shape import Sample, ShapeSpace, regressed
from meshgait_data.types import FloatArray, IntArray

Level = Literal["standard", "lite", "full"]
NAMES: dict[Level, str] = {"standard": "free", "lite": "free-lite", "full": "free-full"}
"""Level to the name of its body."""


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """All that depends on the vertices of one level."""

    topology: Topology
    mean: FloatArray
    """(V, 3)."""
    directions: FloatArray
    """(V, 3, B)."""
    weights: FloatArray
    """(V, 24)."""
    posedirs: FloatArray
    """(V, 3, 207)."""
    regressor: FloatArray
    """(24, V)."""


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Poses that one sampled body takes."""

    kind: str
    """Of the sample."""
    who: int
    """Body of that sample."""
    rotations: FloatArray
    """(F, 24, 3, 3)."""


def learned_correctives(
    lessons: Sequence[Lesson],
    samples: Mapping[str, Sample],
    source_weights: FloatArray,
    weights: FloatArray,
    mirror: IntArray,
    ridge: float,
) -> FloatArray:
    """(V, 3, 207) correctives that make skinning give what the source gives; ``ridge`` is per pose."""
    features = [pose_features(lesson.rotations) for lesson in lessons]
    columns = features[0].shape[1]
    normal, moment = np.zeros((columns, columns)), np.zeros((columns, 3 * len(weights)))
    for lesson, feature in zip(lessons, features, strict=True):
        body = samples[lesson.kind].one(lesson.who)
        wanted = pose_source(lesson.rotations, body, source_weights)
        offsets = unposed(lesson.rotations, body.joints, weights, wanted) - body.vertices
        normal += feature.T @ feature
        moment += feature.T @ offsets.reshape(len(feature), -1)
    count = sum(len(feature) for feature in features)
    return correctives(normal, moment.reshape(columns, -1, 3), weights, mirror, ridge * count)


def coarse(fine: Mesh, topology: Topology, kept: IntArray) -> Mesh:
    """The level whose vertices are some of ``fine``'s."""
    return Mesh(
        topology,
        fine.mean[kept],
        fine.directions[kept],
        fine.weights[kept],
        fine.posedirs[kept],
        fine.regressor[:, kept],
    )


def whole_skin(vertices: FloatArray, faces: IntArray) -> Topology:
    """The source's outer skin with all its vertices."""
    from scipy.spatial import cKDTree

    used, compact = np.unique(largest_component(faces), return_inverse=True)
    mirror = cKDTree(vertices[used]).query(vertices[used] * [-1.0, 1.0, 1.0])[1]
    return Topology(used, compact.reshape(-1, 3), mirror)


def regressed_shapes(
    space: ShapeSpace,
    first: int,
    adults: Iterable[tuple[FloatArray, FloatArray]],
    everyone: Iterable[tuple[FloatArray, FloatArray]],
    mirror: IntArray,
) -> tuple[FloatArray, FloatArray]:
    """Mean and directions on another mesh, from the same people: the regression of their shapes on their betas.

    Parameters
    ----------
    space
        Learned on one mesh.
    first
        Components that were learned on adults; the others are of everyone, after the first.
    adults, everyone
        Pairs of the same bodies (N, V, 3), on the space's mesh and on the other one.
    mirror
        Of the other mesh.
    """
    pairs = [(space.betas(here), there) for here, there in adults]
    count = sum(len(betas) for betas, _ in pairs)
    mean = sum(there.sum(axis=0, dtype=np.float64) for _, there in pairs) / count
    named = np.zeros((*mean.shape, first))
    for betas, there in pairs:
        named += len(betas) / count * regressed((there - mean).reshape(len(there), -1), betas[:, :first], mirror)
    rest, count = np.zeros((*mean.shape, space.directions.shape[2] - first)), 0
    for here, other in everyone:
        betas = space.betas(here)
        left = other - mean - np.tensordot(betas[:, :first], named, axes=(1, 2))
        rest += len(betas) * regressed(left.reshape(len(left), -1), betas[:, first:], mirror)
        count += len(betas)
    return mean, np.concatenate([named, rest / count], axis=2)


def with_fine(whole: Mesh, fine: Mesh) -> Mesh:
    """The whole skin, with exactly the standard level's numbers where it has the same vertices."""
    place = np.searchsorted(whole.topology.source, fine.topology.source)
    mean, directions = whole.mean.copy(), whole.directions.copy()
    weights, posedirs = whole.weights.copy(), whole.posedirs.copy()
    mean[place], directions[place] = fine.mean, fine.directions
    weights[place], posedirs[place] = fine.weights, fine.posedirs
    regressor = np.zeros((len(fine.regressor), len(mean)))
    regressor[:, place] = fine.regressor
    return Mesh(whole.topology, mean, directions, weights, posedirs, regressor)
