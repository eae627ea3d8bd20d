"""The free body's posing: skinning weights on SMPL's tree, and pose correctives. Arrays only.

Shape letters: F poses, V vertices, J joints (24). World frame, metres.
"""

from collections.abc import Sequence

import numpy as np

from meshgait_data.body.free_shape import Sample, skin
from meshgait_data.body.model import chain
from meshgait_data.conventions import SMPL_MIRROR, SMPL_PARENTS
from meshgait_data.types import BoolArray, FloatArray, IntArray

_PARENTS = np.array(SMPL_PARENTS)
_SIGNS = np.array([-1.0, 1.0, 1.0])


def joint_weights(bone_weights: FloatArray, joints: Sequence[int], mirror: IntArray, most: int) -> FloatArray:
    """Sum skinning weights of bones over the joints that move them, and keep the largest ones of each vertex.

    Parameters
    ----------
    bone_weights
        (V, number of bones).
    joints
        Joint of each bone.
    mirror
        (V,) of the mesh.
    most
        Joints that may move one vertex.

    Returns
    -------
    (V, J) rows sum to one, mirror symmetric.
    """
    weights = np.zeros((len(bone_weights), len(_PARENTS)))
    np.add.at(weights.T, np.asarray(joints), bone_weights.T)
    weights = 0.5 * (weights + weights[mirror][:, SMPL_MIRROR])
    # A tie between a left and a right joint on the mid-line is cut on both sides or on neither.
    least = np.sort(weights, axis=1)[:, -most]
    weights[weights < least[:, None] * (1 - 1e-9)] = 0.0
    return weights / weights.sum(axis=1, keepdims=True)


def relevant_joints(weights: FloatArray) -> BoolArray:
    """(V, J) joints whose own rotation can deform the skin at a vertex.

    Skinning blends the transforms of the joints that hold the vertex, so only what lies between those joints in the
    tree matters: everything from each of them up to, and without, their lowest common ancestor.
    """
    ancestors = np.eye(len(_PARENTS), dtype=bool)
    for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
        ancestors[joint] |= ancestors[parent]
    patterns, which = np.unique(weights > 0, axis=0, return_inverse=True)
    rows = np.zeros(patterns.shape, bool)
    for row, holds in zip(rows, patterns, strict=True):
        above = ancestors[holds]
        row[:] = above.any(axis=0) & ~above.all(axis=0)
    return rows[which.ravel()]


def pose_vertices(rotations: FloatArray, rest: FloatArray, weights: FloatArray, points: FloatArray) -> FloatArray:
    """Skin one body in F poses: (F, J, 3, 3) relative rotations, (J, 3), (V, J), (V, 3) or (F, V, 3) to (F, V, 3)."""
    transforms = relative_transforms(rotations, rest)
    shapes = np.broadcast_to(points, (len(rotations), *points.shape[-2:]))
    return np.stack([skin(moved, weights, shape) for moved, shape in zip(transforms, shapes, strict=True)])


def relative_transforms(rotations: FloatArray, rest: FloatArray) -> FloatArray:
    """(F, J, 3, 4) what takes each joint's part from the rest pose to the pose."""
    world, _ = chain(_PARENTS, rotations, rest)
    world[..., 3] -= np.einsum("fjab,jb->fja", world[..., :3], rest)
    return world


def pose_source(rotations: FloatArray, body: Sample, weights: FloatArray) -> FloatArray:
    """Vertices of a sampled body as the source poses it: skinned from its own rest pose instead of the T-pose.

    Parameters
    ----------
    rotations
        (F, J, 3, 3) relative to the T-pose.
    body
        One body, see ``Sample.one``.
    weights
        (V, J) the source's skinning weights, all of them.

    Returns
    -------
    (F, V, 3).
    """
    square = np.broadcast_to(np.eye(4), (len(body.joints), 4, 4)).copy()
    square[:, :3] = body.transforms
    moved = relative_transforms(rotations, body.joints) @ square
    return np.stack([skin(transform, weights, body.source) for transform in moved])


def unposed(rotations: FloatArray, rest: FloatArray, weights: FloatArray, posed: FloatArray) -> FloatArray:
    """The rest shapes whose skinning gives the posed vertices: (F, V, 3) to (F, V, 3)."""
    transforms = relative_transforms(rotations, rest).reshape(len(rotations), -1, 12)
    rests = np.zeros_like(posed)
    for result, transform, points in zip(rests, transforms, posed, strict=True):
        blended = (weights @ transform).reshape(-1, 3, 4)
        result[:] = np.linalg.solve(blended[..., :3], (points - blended[..., 3])[..., None])[..., 0]
    return rests


def pose_features(rotations: FloatArray) -> FloatArray:
    """(F, 207) SMPL's pose feature: ``R - I`` of all joints but the root."""
    return (rotations[:, 1:] - np.eye(3)).reshape(len(rotations), -1)


def correctives(
    normal: FloatArray, moment: FloatArray, weights: FloatArray, mirror: IntArray, ridge: float
) -> FloatArray:
    """Ridge regression of rest offsets on pose features, each vertex on the joints that can deform it.

    A dense regression would explain the armpit by the stride, because arms and legs swing together in walking.

    Parameters
    ----------
    normal
        (207, 207) features (F, 207) times themselves, over poses.
    moment
        (207, V, 3) features times the offsets of the rest shape that make skinning give the source's vertices.
    weights, mirror
        Of the mesh.
    ridge
        Penalty.

    Returns
    -------
    (V, 3, 207), mirror symmetric.
    """
    patterns, which = np.unique(relevant_joints(weights)[:, 1:], axis=0, return_inverse=True)
    result = np.zeros((len(weights), 3, len(normal)))
    for number, pattern in enumerate(patterns):
        columns, vertices = np.flatnonzero(np.repeat(pattern, 9)), np.flatnonzero(which.ravel() == number)
        part = normal[np.ix_(columns, columns)] + ridge * np.eye(len(columns))
        wanted = moment[np.ix_(columns, vertices)].reshape(len(columns), 3 * len(vertices))
        solution = np.linalg.solve(part, wanted).reshape(len(columns), len(vertices), 3)
        result[np.ix_(vertices, np.arange(3), columns)] = solution.transpose(1, 2, 0)
    return 0.5 * (result + mirrored_correctives(result, mirror))


def mirrored_correctives(posedirs: FloatArray, mirror: IntArray) -> FloatArray:
    """Correctives of the mirror image; (V, 3, 207) to the same.

    Mirroring turns a rotation R of a joint into S R S of the joint on the other side, S = diag(-1, 1, 1).
    """
    joints = SMPL_MIRROR[1:] - 1
    split = posedirs.reshape(len(posedirs), 3, len(joints), 3, 3)[mirror][:, :, joints]
    signs = _SIGNS[:, None, None, None] * _SIGNS[:, None] * _SIGNS
    return (split * signs).reshape(posedirs.shape)
