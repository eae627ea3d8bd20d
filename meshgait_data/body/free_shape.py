"""The free body's rest: sampled bodies into the T-pose, shape components, the joint regressor. Arrays only.

Shape letters: N bodies, V vertices, J joints (24), B shape components. World frame (y up, facing +z), metres.
"""

from dataclasses import dataclass

import numpy as np

from meshgait_data.body.measure_sections import volume
from meshgait_data.conventions import SMPL_JOINTS, SMPL_MIRROR, SMPL_PARENTS
from meshgait_data.rotations import between
from meshgait_data.types import BoolArray, FloatArray, IntArray

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

    def betas(self, vertices: FloatArray, count: int | None = None) -> FloatArray:
        """Coordinates of the nearest bodies among the first ``count`` components; (N, V, 3) to (N, count)."""
        flat = self.directions[..., :count].reshape(-1, self.directions[..., :count].shape[2])
        wanted = (vertices - self.mean).reshape(len(vertices), -1)
        return np.linalg.solve(flat.T @ flat, flat.T @ wanted.T).T

    def shapes(self, betas: FloatArray) -> FloatArray:
        """Bodies of coordinates; (N, up to B) to (N, V, 3)."""
        return self.mean + np.tensordot(betas, self.directions[..., : betas.shape[1]], axes=(1, 2))


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
    mean = vertices.mean(axis=0, dtype=np.float64)
    flat = (vertices - mean).reshape(len(vertices), -1)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    order = np.argsort(-values)[:components]
    scores = vectors[:, order] * np.sqrt(len(flat))
    scores = scores @ _named_axes(scores, values[order], stature(vertices), volume(vertices, faces))
    directions = regressed(flat, scores, mirror)
    signs = _signs(directions, mean[:, 0] > 0)
    signs[:2] = 1.0
    return ShapeSpace(mean, directions * signs, float(values[order].sum() / values.sum()))


def extended(space: ShapeSpace, vertices: FloatArray, mirror: IntArray, components: int) -> ShapeSpace:
    """Append principal components of what a space leaves of other bodies.

    Parameters
    ----------
    space
        The first components; they stay as they are.
    vertices
        (N, V, 3) T-posed, mirror symmetric bodies of everyone whom the space shall hold.
    mirror
        Of the mesh.
    components
        How many are appended. One unit is the root mean square over these bodies, measured from the space's mean.
    """
    left = (vertices - space.shapes(space.betas(vertices))).reshape(len(vertices), -1)
    values, vectors = np.linalg.eigh(left @ left.T)
    order = np.argsort(-values)[:components]
    directions = regressed(left, vectors[:, order] * np.sqrt(len(left)), mirror)
    directions *= _signs(directions, space.mean[:, 0] > 0)
    return ShapeSpace(space.mean, np.concatenate([space.directions, directions], axis=2), space.kept)


def regressed(flat: FloatArray, scores: FloatArray, mirror: IntArray) -> FloatArray:
    """Regression of (N, 3 V) offsets on whitened (N, B) scores: (V, 3, B), made exactly symmetric."""
    directions = (flat.T @ scores / len(flat)).reshape(-1, 3, scores.shape[1])
    return np.moveaxis(symmetric(np.moveaxis(directions, -1, 0), mirror), 0, -1)


def _signs(directions: FloatArray, left: BoolArray) -> FloatArray:
    """(B,) that turn each direction so that its largest coordinate on the body's left side is positive."""
    parts = directions[left].reshape(-1, directions.shape[2])
    return np.sign(parts[np.argmax(np.abs(parts), axis=0), np.arange(parts.shape[1])])


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


def joint_regressor(
    vertices: FloatArray, joints: FloatArray, mirror: IntArray, among: IntArray, *, ridge: float, most: int = 500
) -> FloatArray:
    """Rows that give the joints from vertices near them, mirror symmetric.

    Non-negative least squares (Lawson and Hanson 1974) per joint gives a convex combination. The source's joints move
    in its surface in ways that no convex combination follows (a knee by 9 mm on average), so a ridge regression of
    what is left is added; its weights sum to zero.

    Parameters
    ----------
    vertices, joints
        (N, V, 3) and (N, J, 3) T-posed.
    mirror
        (V,) of the mesh.
    among
        Vertices that may take part.
    ridge
        Penalty of the second step; infinite leaves it out.
    most
        Number of vertices, the nearest ones, that may take part in one joint.

    Returns
    -------
    (J, V) rows sum to one.
    """
    mean = vertices.mean(axis=0, dtype=np.float64)[among]
    regressor = np.zeros((len(SMPL_JOINTS), vertices.shape[1]))
    for joint, other in enumerate(SMPL_MIRROR):
        if other < joint:
            continue
        distance = np.linalg.norm(mean - joints[:, joint].mean(axis=0), axis=1)
        near = among[np.argsort(distance, kind="stable")[:most]]
        equations = vertices[:, near].transpose(0, 2, 1).reshape(-1, len(near)).astype(np.float64)
        regressor[joint, near] = _joint_row(equations, joints[:, joint].ravel(), ridge)
        regressor[other] = regressor[joint, mirror]
    return 0.5 * (regressor + regressor[SMPL_MIRROR][:, mirror])


def _joint_row(equations: FloatArray, wanted: FloatArray, ridge: float) -> FloatArray:
    from scipy.optimize import nnls

    heavy = 0.5 * np.sqrt(len(equations))
    ones = np.ones((1, equations.shape[1]))
    row = nnls(np.vstack([equations, heavy * ones]), np.append(wanted, heavy), maxiter=50 * ones.size)[0]
    row /= row.sum()
    if np.isinf(ridge):
        return row
    level = equations - equations.mean(axis=1, keepdims=True)
    more = np.linalg.solve(level.T @ level + ridge * np.eye(ones.size), level.T @ (wanted - equations @ row))
    return row + more - more.mean()
