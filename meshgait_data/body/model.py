"""A body in SMPL's schema and its forward pass in numpy: shape and pose in, vertices and joints out.

Shape letters: F frames, V vertices, S chosen vertices, J joints (24), B shape components. World frame, metres.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from meshgait_data.errors import InvalidData
from meshgait_data.rotations import exp, log
from meshgait_data.types import BodyParams, FloatArray, IntArray

_CHUNK_BYTES = 24 << 20
"""Working memory of one chunk of frames; more is hardly faster (measured: 0.41 ms a frame at 8 MB, 0.32 at 32)."""

_SPARSE = 0.2
"""Share of non-zero numbers below which a sparse product is faster than a dense one."""


@dataclass(frozen=True, eq=False)
class Body:
    """A skinned body in the schema of SMPL's model files (Loper et al., SIGGRAPH Asia 2015).

    Nothing that uses it knows which body it is: all sizes come from these arrays.
    """

    name: str
    """What the user calls it, e.g. ``free``."""
    sha256: str
    """Hash over the arrays; fits and markers are tied to it."""
    licence: str
    """One sentence: what may be done with the body."""
    v_template: FloatArray
    """(V, 3) metres: the mean shape in the rest pose, y up, facing +z."""
    shapedirs: FloatArray
    """(V, 3, B) metres per standard deviation of each shape component."""
    posedirs: FloatArray
    """(V, 3, 9 (J-1)) metres: pose correctives, linear in ``R - I`` of the joints other than the root."""
    J_regressor: FloatArray
    """(J, V) rows that give the rest joints of a shaped template."""
    weights: FloatArray
    """(V, J) skinning weights; rows sum to one."""
    parents: IntArray
    """(J,) parent of each joint; parents come before children; -1 for the root."""
    faces: IntArray
    """(F, 3) int32 vertex ids of the triangles, counter-clockwise seen from outside."""
    mirror: IntArray | None = None
    """(V,) vertex on the other side of the body; None where the mesh is not symmetric."""
    vertex_ids: Mapping[str, int] = field(default_factory=dict)
    """Named surface points, e.g. ``nose``, ``LBigToe``, with smplx's names."""

    @property
    def num_vertices(self) -> int:
        """V."""
        return len(self.v_template)

    @property
    def num_betas(self) -> int:
        """B."""
        return int(self.shapedirs.shape[2])


@dataclass(frozen=True, slots=True, eq=False)
class BodyOutput:
    """A posed body."""

    vertices: FloatArray
    """(F, V or S, 3) float32 metres."""
    joints: FloatArray
    """(F, J, 3) float32 metres."""


@lru_cache(maxsize=4)
def rest_joints(body: Body) -> tuple[FloatArray, FloatArray]:
    """Rest joints as a linear function of the shape: ``J(betas) = J_template + J_shapedirs @ betas``.

    Returns
    -------
    ``J_template`` (J, 3) and ``J_shapedirs`` (J, 3, B), float64, metres.
    """
    regressor = body.J_regressor.astype(np.float64)
    return regressor @ body.v_template, np.tensordot(regressor, body.shapedirs.astype(np.float64), 1)


def forward(body: Body, params: BodyParams, vertex_ids: IntArray | None = None) -> BodyOutput:
    """Shape and pose a body: blend shapes, pose correctives, linear blend skinning.

    Parameters
    ----------
    body
        Any body in SMPL's schema.
    params
        Shape and F poses. Fewer betas than the body has leave the other components at zero.
    vertex_ids
        (S,) vertices to compute; None for all. The others cost nothing.

    Returns
    -------
    Vertices (F, V or S, 3) and joints (F, J, 3), float32 metres. Memory beyond them does not grow with F.

    Raises
    ------
    InvalidData
        Where the arrays of ``params`` do not fit the body or each other.
    """
    betas = _checked_betas(body, params)
    rotations = local_rotations(params)
    J_template, J_shapedirs = rest_joints(body)
    rest = J_template + J_shapedirs[..., : len(betas)] @ betas
    world, joints = chain(body.parents, rotations, rest)
    world[..., 3] -= np.einsum("fjab,jb->fja", world[..., :3], rest)
    world[..., 3] += params.transl[:, None]
    feature = (rotations[:, 1:] - np.eye(3)).reshape(len(params), body.posedirs.shape[2])
    vertices = _skin(_select(body, betas, vertex_ids), feature.astype(np.float32), world.astype(np.float32))
    return BodyOutput(vertices, (joints + params.transl[:, None]).astype(np.float32))


def local_rotations(params: BodyParams) -> FloatArray:
    """(F, J, 3, 3) float64: each joint's rotation relative to its parent, the root first."""
    axis_angle = np.concatenate([params.global_orient, params.body_pose], axis=1).astype(np.float64)
    return exp(axis_angle.reshape(len(params), axis_angle.shape[1] // 3, 3))


def chain(parents: IntArray, rotations: FloatArray, rest: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Forward kinematics along the tree.

    Parameters
    ----------
    parents
        (J,) parent of each joint, before its children; -1 for the root.
    rotations
        (F, J, 3, 3) relative to the parent.
    rest
        (J, 3) joints in the rest pose, metres.

    Returns
    -------
    (F, J, 3, 4) world rotation and position of each joint, and (F, J, 3) the positions, before any translation.
    """
    world = np.zeros((*rotations.shape[:2], 3, 4), rotations.dtype)
    for joint, parent in enumerate(parents):
        if parent < 0:
            world[:, joint, :, :3], world[:, joint, :, 3] = rotations[:, joint], rest[joint]
        else:
            world[:, joint, :, :3] = world[:, parent, :, :3] @ rotations[:, joint]
            world[:, joint, :, 3] = world[:, parent, :, :3] @ (rest[joint] - rest[parent]) + world[:, parent, :, 3]
    return world, world[..., 3].copy()


def move(body: Body, params: BodyParams, rotation: FloatArray, translation: FloatArray) -> BodyParams:
    """The same body after the world is turned and then shifted, e.g. from world to camera coordinates.

    SMPL turns the body about its own pelvis and not about the origin, hence the correction of ``transl``:
    ``t' = R (J0(betas) + t) + T - J0(betas)``.

    Parameters
    ----------
    body
        The body that the parameters are for.
    params
        Parameters in the old frame.
    rotation, translation
        (3, 3) R and (3,) T in metres: a point x becomes ``R x + T``.

    Returns
    -------
    Parameters whose vertices are ``R`` times the old vertices plus ``T``.
    """
    betas = _checked_betas(body, params)
    J_template, J_shapedirs = rest_joints(body)
    pelvis = J_template[0] + J_shapedirs[0, :, : len(betas)] @ betas
    turned = rotation.astype(np.float64) @ exp(params.global_orient.astype(np.float64))
    transl = (pelvis + params.transl) @ rotation.T + translation - pelvis
    return BodyParams(params.betas, log(turned).astype(np.float32), params.body_pose, transl.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class _Selection:
    """What skinning needs of the chosen vertices."""

    shaped: FloatArray  # (S, 3) in the rest pose
    posedirs: Any  # (3 S, P) scipy CSR or dense
    weights: Any  # (S, J) scipy CSR


def _select(body: Body, betas: FloatArray, vertex_ids: IntArray | None) -> _Selection:
    directions = body.shapedirs[..., : len(betas)]
    if vertex_ids is None:
        shaped = body.v_template + directions @ betas
        return _Selection(shaped, _pose_matrix(body), _sparse_weights(body))
    shaped = body.v_template[vertex_ids] + directions[vertex_ids] @ betas
    rows = (3 * np.asarray(vertex_ids)[:, None] + np.arange(3)).ravel()
    return _Selection(shaped, _pose_matrix(body)[rows], _sparse_weights(body)[vertex_ids])


@lru_cache(maxsize=4)
def _pose_matrix(body: Body) -> Any:
    """Pose correctives (3 V, P), as CSR where most are zero: the free body's reach only the joints beside a vertex."""
    from scipy.sparse import csr_array

    flat = body.posedirs.reshape(3 * body.num_vertices, body.posedirs.shape[2])
    return csr_array(flat) if np.count_nonzero(flat) < _SPARSE * flat.size else flat


@lru_cache(maxsize=4)
def _sparse_weights(body: Body) -> Any:
    """Skinning weights as CSR: a vertex follows two joints on average, not 24."""
    from scipy.sparse import csr_array

    return csr_array(body.weights.astype(np.float32))


def _skin(chosen: _Selection, feature: FloatArray, world: FloatArray) -> FloatArray:
    """(F, S, 3) vertices. Frames are the innermost axis while computing, so that every step is one long sweep."""
    frames, count = len(feature), len(chosen.shaped)
    vertices = np.zeros((frames, count, 3), np.float32)
    # 12 numbers of the blended transform, 3 of the corrected vertex and 3 + 3 of the result, 4 bytes each.
    step = max(1, _CHUNK_BYTES // (84 * max(count, 1)))
    template = chosen.shaped.astype(np.float32)[..., None]
    for start in range(0, frames, step):
        part = slice(start, min(start + step, frames))
        size = part.stop - start
        corrected = (chosen.posedirs @ feature[part].T).reshape(count, 3, size) + template
        columns = np.ascontiguousarray(world[part].transpose(1, 2, 3, 0)).reshape(-1, 12 * size)
        blended = (chosen.weights @ columns).reshape(count, 3, 4, size)
        result = blended[:, :, 3]
        for axis in range(3):
            result += blended[:, :, axis] * corrected[:, None, axis]
        vertices[part] = result.transpose(2, 0, 1)
    return vertices


def _checked_betas(body: Body, params: BodyParams) -> FloatArray:
    frames, angles = len(params), 3 * (len(body.parents) - 1)
    shapes = {"global_orient": (frames, 3), "body_pose": (frames, angles), "transl": (frames, 3)}
    for name, shape in shapes.items():
        found = getattr(params, name).shape
        if found != shape:
            raise InvalidData(f"{name} has shape {found}, expected {shape} for body {body.name!r}")
    if params.betas.ndim != 1 or len(params.betas) > body.num_betas:
        raise InvalidData(
            f"betas has shape {params.betas.shape}, but body {body.name!r} has {body.num_betas} shape components",
            hint="use the body that the parameters were fitted with",
        )
    return params.betas.astype(np.float64)
