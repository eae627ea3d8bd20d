"""The free body's rest: sampled bodies into the T-pose, ten shape components, the joint regressor. Arrays only.

Shape letters: N bodies, V vertices, J joints (24), B shape components. World frame (y up, facing +z), metres.
"""

from dataclasses import dataclass

import numpy as np

from meshgait_data.conventions import SMPL_JOINTS, SMPL_MIRROR, SMPL_PARENTS
from meshgait_data.rotations import between
from meshgait_data.types import FloatArray, IntArray

PELVIS = np.array([0.0, -0.22, 0.03])
"""Where the pelvis of every T-posed body lies; like SMPL's not the origin, so that code which forgets it fails."""

_FLIP = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True, eq=False)
class TPosed:
    """Bodies in the T-pose: arms along x, palms down, legs down."""

    vertices: FloatArray
    """(N, V, 3)."""
    joints: FloatArray
    """(N, J, 3)."""
    transforms: FloatArray
    """(N, J, 3, 4) what took each joint's part from the source's rest pose to the T-pose."""


def t_pose(vertices: FloatArray, joints: FloatArray, weights: FloatArray) -> TPosed:
    """Turn sampled bodies from the source's rest pose (arms half down, elbows bent) into the T-pose.

    Parameters
    ----------
    vertices, joints
        (N, V, 3) and (N, J, 3) in the source's rest pose.
    weights
        (V, J) skinning weights.
    """
    rotations = _t_rotations(joints)
    placed = np.zeros(joints.shape)
    placed[:, 0] = PELVIS
    for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
        bone = joints[:, joint] - joints[:, parent]
        placed[:, joint] = placed[:, parent] + np.einsum("nab,nb->na", rotations[:, parent], bone)
    offset = placed - np.einsum("njab,njb->nja", rotations, joints)
    transforms = np.concatenate([rotations, offset[..., None]], axis=-1)
    posed = np.stack([skin(transform, weights, points) for transform, points in zip(transforms, vertices, strict=True)])
    return TPosed(posed, placed, transforms)


def skin(transforms: FloatArray, weights: FloatArray, points: FloatArray) -> FloatArray:
    """Linear blend skinning: (J, 3, 4) transforms, (V, J) weights, (V, 3) points to (V, 3)."""
    blended = (weights @ transforms.reshape(-1, 12)).reshape(-1, 3, 4)
    return np.einsum("vab,vb->va", blended[..., :3], points) + blended[..., 3]


def mirrored(points: FloatArray, mirror: IntArray) -> FloatArray:
    """Points of the mirror image, in the same order; (..., P, 3) and the (P,) permutation of left and right."""
    return points[..., mirror, :] * _FLIP


def symmetric(points: FloatArray, mirror: IntArray) -> FloatArray:
    """Mean of the points and their mirror image: exactly symmetric."""
    return 0.5 * (points + mirrored(points, mirror))


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Sampled bodies in both poses; in the T-pose made exactly symmetric."""

    source: FloatArray
    """(N, V, 3) in the source's rest pose."""
    vertices: FloatArray
    """(N, V, 3) T-posed."""
    joints: FloatArray
    """(N, J, 3) T-posed."""
    transforms: FloatArray
    """(N, J, 3, 4) from the source's rest pose to the T-pose."""

    def one(self, index: int) -> "Sample":
        """The single body at ``index``; the same arrays without their first axis."""
        return Sample(self.source[index], self.vertices[index], self.joints[index], self.transforms[index])


def symmetric_sample(source: FloatArray, posed: TPosed, mirror: IntArray) -> Sample:
    """Make T-posed bodies symmetric; the source's lateral changes are below a millimetre after sampling."""
    vertices, joints = symmetric(posed.vertices, mirror), symmetric(posed.joints, SMPL_MIRROR)
    return Sample(source, vertices, joints, posed.transforms)


def _t_rotations(joints: FloatArray) -> FloatArray:
    """(N, J, 3, 3) world rotations that straighten arms and legs; small rotations of their bones, no twist."""
    rotations = np.broadcast_to(np.eye(3), (*joints.shape[:2], 3, 3)).copy()
    index = SMPL_JOINTS.index
    for side, x in (("left", 1.0), ("right", -1.0)):
        # A little of SMPL's own T-pose: arms slightly back and down, legs slightly apart.
        for start, end, direction in (
            ("shoulder", "elbow", (x, -0.02, -0.02)),
            ("elbow", "wrist", (x, 0.0, 0.02)),
            ("wrist", "hand", (x, 0.0, 0.0)),
            ("hip", "knee", (0.035 * x, -1.0, 0.0)),
            ("knee", "ankle", (0.035 * x, -1.0, -0.03)),
        ):
            bone = joints[:, index(f"{side}_{end}")] - joints[:, index(f"{side}_{start}")]
            rotations[:, index(f"{side}_{start}")] = between(bone, np.array(direction))
        rotations[:, index(f"{side}_hand")] = rotations[:, index(f"{side}_wrist")]
    return rotations


@dataclass(frozen=True, slots=True, eq=False)
class ShapeSpace:
    """A linear space of shapes whose coordinates are uncorrelated and have unit variance over the sample."""

    mean: FloatArray
    """(V, 3)."""
    directions: FloatArray
    """(V, 3, B) metres per standard deviation."""
    kept: float
    """Part of the sample's variance that the B components hold."""

    def betas(self, vertices: FloatArray) -> FloatArray:
        """Coordinates of the nearest bodies in the space; (N, V, 3) to (N, B)."""
        flat = self.directions.reshape(-1, self.directions.shape[2])
        wanted = (vertices - self.mean).reshape(len(vertices), -1)
        return np.linalg.solve(flat.T @ flat, flat.T @ wanted.T).T

    def shapes(self, betas: FloatArray) -> FloatArray:
        """Bodies of coordinates; (N, B) to (N, V, 3)."""
        return self.mean + np.tensordot(betas, self.directions, axes=(1, 2))


def shape_space(vertices: FloatArray, faces: IntArray, mirror: IntArray, components: int) -> ShapeSpace:
    """Principal components of symmetric bodies, turned so that the first is height and the second girth.

    The coordinates of a principal component analysis are whitened, so any rotation of them leaves the space and
    the unit normal prior as they are. The first axis points along the regression of stature: ``beta0`` is the mean
    body of each height. The second does so for volume among what is left: heavier or lighter at equal height.
    The others are ordered by variance.

    Parameters
    ----------
    vertices
        (N, V, 3) T-posed, mirror symmetric.
    faces, mirror
        Of the mesh.
    components
        Number B.
    """
    mean = vertices.mean(axis=0)
    flat = (vertices - mean).reshape(len(vertices), -1)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    order = np.argsort(-values)[:components]
    scores = vectors[:, order] * np.sqrt(len(flat))
    directions = flat.T @ scores / len(flat)
    turn = _named_axes(scores, values[order], stature(vertices), volume(vertices, faces))
    directions = (directions @ turn).reshape(*mean.shape, components)
    left = vertices.mean(axis=0)[:, 0] > 0
    for axis in range(2, components):
        part = directions[left, :, axis].ravel()
        directions[..., axis] *= np.sign(part[np.argmax(np.abs(part))])
    directions = np.moveaxis(symmetric(np.moveaxis(directions, -1, 0), mirror), 0, -1)
    return ShapeSpace(mean, directions, float(values[order].sum() / values.sum()))


def _named_axes(scores: FloatArray, variances: FloatArray, heights: FloatArray, volumes: FloatArray) -> FloatArray:
    """(B, B) rotation of whitened scores (N, B): height, volume at equal height, then the rest by variance."""
    first = scores.T @ (heights - heights.mean())
    first /= np.linalg.norm(first)
    second = scores.T @ (volumes - volumes.mean())
    second -= (second @ first) * first
    second /= np.linalg.norm(second)
    named = np.stack([first, second], axis=1)
    rest = np.linalg.svd(named)[0][:, 2:]
    spread, inner = np.linalg.eigh(rest.T @ (variances[:, None] * rest))
    return np.concatenate([named, rest @ inner[:, np.argsort(-spread)]], axis=1)


def stature(vertices: FloatArray) -> FloatArray:
    """Height in the T-pose, metres; (..., V, 3) to (...)."""
    return np.ptp(vertices[..., 1], axis=-1)


def volume(vertices: FloatArray, faces: IntArray) -> FloatArray:
    """Volume inside closed surfaces, cubic metres; (..., V, 3) to (...), by the divergence theorem."""
    a, b, c = (vertices[..., faces[:, corner], :] for corner in range(3))
    return np.sum(a * np.cross(b, c), axis=(-2, -1)) / 6.0


def joint_regressor(vertices: FloatArray, joints: FloatArray, mirror: IntArray, candidates: int = 700) -> FloatArray:
    """Rows that give the joints as convex combinations of vertices near them, mirror symmetric.

    Non-negative least squares (Lawson and Hanson 1974) per joint, over every second of the nearest vertices; that
    the weights sum to one is a heavily weighted equation.

    Parameters
    ----------
    vertices, joints
        (N, V, 3) and (N, J, 3) T-posed.
    mirror
        (V,) of the mesh.
    candidates
        Number of vertices that may take part in one joint.

    Returns
    -------
    (J, V) non-negative, rows sum to one.
    """
    from scipy.optimize import nnls

    mean = vertices.mean(axis=0)
    regressor = np.zeros((len(SMPL_JOINTS), len(mean)))
    for joint, other in enumerate(SMPL_MIRROR):
        if other < joint:
            continue
        distance = np.linalg.norm(mean - joints[:, joint].mean(axis=0), axis=1)
        near = np.argsort(distance, kind="stable")[: 2 * candidates : 2]
        equations = vertices[:, near].transpose(0, 2, 1).reshape(-1, len(near))
        heavy = 0.5 * np.sqrt(len(equations))
        weights, _ = nnls(
            np.vstack([equations, np.full(len(near), heavy)]),
            np.append(joints[:, joint].ravel(), heavy),
            maxiter=50 * len(near),
        )
        regressor[joint, near] = weights / weights.sum()
        regressor[other] = regressor[joint, mirror]
    return 0.5 * (regressor + regressor[SMPL_MIRROR][:, mirror])
