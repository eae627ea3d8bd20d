"""A body in SMPL's schema and its forward pass in numpy: shape and pose in, vertices and joints out.

Shape letters: F frames, V vertices, S chosen vertices, J joints (24), B shape components. World frame, metres.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from meshgait_data.errors import InvalidData
from meshgait_data.rotations import exp, log
from meshgait_data.types import BodyParams, BoolArray, FloatArray, IntArray

_BLOCK = 32
"""Frames that are skinned side by side (measured: 8 take 1.7 times as long, 64 are no faster)."""
_ALONE = 8
"""Fewer frames than this are skinned one by one."""
_SPARSE = 0.2
"""Share of non-zero pose correctives below which sparse ones are faster than a dense product."""


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
    """(F, V or S, 3) metres."""
    joints: FloatArray
    """(F, J, 3) metres."""


@lru_cache(maxsize=4)
def rest_joints(body: Body) -> tuple[FloatArray, FloatArray]:
    """Rest joints as a linear function of the shape: ``J(betas) = J_template + J_shapedirs @ betas``.

    Returns
    -------
    ``J_template`` (J, 3) and ``J_shapedirs`` (J, 3, B), float64, metres.
    """
    regressor = body.J_regressor.astype(np.float64)
    return regressor @ body.v_template, np.tensordot(regressor, body.shapedirs.astype(np.float64), 1)


def forward(
    body: Body, params: BodyParams, vertex_ids: IntArray | None = None, *, dtype: type[np.floating[Any]] = np.float32
) -> BodyOutput:
    """Shape and pose a body: blend shapes, pose correctives, linear blend skinning.

    Each frame's result depends on that frame alone, and a chosen vertex' on that vertex: it is bit for bit the same
    whatever else is computed along with it, as long as pose correctives are sparse; else up to rounding.

    Parameters
    ----------
    body
        Any body in SMPL's schema.
    params
        Shape and F poses. Fewer betas than the body has leave the other components at zero.
    vertex_ids
        (S,) vertices to compute; None for all. The others cost nothing.
    dtype
        Of the result, and of the arithmetic on vertices: ``np.float32`` or ``np.float64``. Joints are always computed
        in double precision.

    Returns
    -------
    Vertices (F, V or S, 3) and joints (F, J, 3), metres. Memory beyond them does not grow with F.

    Raises
    ------
    InvalidData
        Where the arrays of ``params`` do not fit the body or each other, or ``vertex_ids`` names no vertices.
    """
    from meshgait_data.body.kernels import pose_joints

    betas = _checked_betas(body, params)
    chosen = _checked_ids(body, vertex_ids)
    frames, count = len(params), len(body.parents)
    axis_angle = np.zeros((frames, count, 3))
    axis_angle[:, 0] = params.global_orient
    axis_angle[:, 1:] = params.body_pose.reshape(frames, count - 1, 3)
    J_template, J_shapedirs = rest_joints(body)
    rest = J_template + J_shapedirs[..., : len(betas)] @ betas
    world = np.zeros((frames, count, 12), dtype)
    joints = np.zeros((frames, count, 3), dtype)
    feature = np.zeros((frames, body.posedirs.shape[2]), dtype)
    pose_joints(axis_angle, body.parents, rest, world, joints, feature)
    transl = params.transl.astype(dtype)
    vertices = _skin(_select(body, betas, chosen, np.dtype(dtype)), feature, world, transl)
    return BodyOutput(vertices, joints + transl[:, None])


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


_Entries = tuple[IntArray, IntArray, FloatArray]
"""A sparse matrix by rows: where each row begins, the column of each entry, the entry."""


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """A body's arrays as skinning takes them."""

    everything: IntArray  # (V,) all vertices
    template: FloatArray  # (V, 3)
    shapedirs: FloatArray  # (3 V, B)
    moved: _Entries  # sparse pose correctives: feature of each entry, and (N, 3) what it moves the vertex by
    dense: FloatArray  # (V, 3, P) pose correctives where they are not sparse, else (0, 3, P)
    weights: _Entries  # a vertex follows two joints on average, not 24


@lru_cache(maxsize=4)
def _tables(body: Body, dtype: np.dtype[Any]) -> _Tables:
    sparse = np.count_nonzero(body.posedirs) < _SPARSE * body.posedirs.size
    nothing = body.posedirs[:0].astype(dtype)
    used = (body.posedirs != 0).any(axis=1) if sparse else np.zeros((body.num_vertices, 0), bool)
    vertices, features = np.nonzero(used)
    moves = body.posedirs.transpose(0, 2, 1)[vertices, features]
    followed = body.weights != 0
    return _Tables(
        everything=np.arange(body.num_vertices),
        template=body.v_template.astype(dtype, copy=False),
        shapedirs=body.shapedirs.astype(dtype, copy=False).reshape(3 * body.num_vertices, body.num_betas),
        moved=(_starts(used), features, np.ascontiguousarray(moves, dtype)),
        dense=nothing if sparse else body.posedirs.astype(dtype, copy=False),
        weights=(_starts(followed), np.nonzero(followed)[1], body.weights[followed].astype(dtype)),
    )


def _starts(used: BoolArray) -> IntArray:
    """(V+1,) where the entries of each row begin."""
    return np.concatenate([[0], np.cumsum(used.sum(axis=1))])


@dataclass(frozen=True, slots=True, eq=False)
class _Selection:
    """What skinning needs of the chosen vertices."""

    chosen: IntArray  # (S,)
    shaped: FloatArray  # (S, 3) in the rest pose
    dense: FloatArray  # (3 S, P) or nothing
    tables: _Tables


def _select(body: Body, betas: FloatArray, chosen: IntArray | None, dtype: np.dtype[Any]) -> _Selection:
    tables = _tables(body, dtype)
    width, betas = tables.dense.shape[2], betas.astype(dtype)
    if chosen is None:
        shaped = tables.template + (tables.shapedirs[:, : len(betas)] @ betas).reshape(-1, 3)
        return _Selection(tables.everything, shaped, tables.dense.reshape(-1, width), tables)
    directions = tables.shapedirs.reshape(body.num_vertices, 3, body.num_betas)[chosen, :, : len(betas)]
    dense = tables.dense[chosen] if len(tables.dense) else tables.dense
    return _Selection(chosen, tables.template[chosen] + directions @ betas, dense.reshape(-1, width), tables)


def _skin(selection: _Selection, feature: FloatArray, world: FloatArray, transl: FloatArray) -> FloatArray:
    """(F, S, 3) vertices, block by block."""
    from meshgait_data.body.kernels import skin_block, skin_frame

    frames, count = len(feature), len(selection.chosen)
    vertices = np.zeros((frames, count, 3), feature.dtype)
    same = (selection.chosen, selection.shaped, selection.tables.moved)
    weights, dense = selection.tables.weights, selection.dense
    if frames < _ALONE:
        for frame in range(frames):
            offsets = (dense @ feature[frame]).reshape(-1, 3)
            skin_frame(*same, offsets, weights, feature[frame], world[frame], transl[frame], vertices[frame])
        return vertices
    bounds = np.linspace(0, frames, -(-frames // _BLOCK) + 1).astype(int)
    for start, stop in pairwise(bounds.tolist()):
        columns = np.ascontiguousarray(feature[start:stop].T)
        offsets = (dense @ columns).reshape(-1, 3, stop - start)
        matrices = np.ascontiguousarray(world[start:stop].transpose(1, 2, 0))
        skin_block(*same, offsets, weights, columns, matrices, transl[start:stop], vertices[start:stop])
    return vertices


def _checked_ids(body: Body, vertex_ids: IntArray | None) -> IntArray | None:
    """The compiled loops do not look whether an index is inside, so this does."""
    if vertex_ids is None:
        return None
    chosen = np.asarray(vertex_ids)
    whole = chosen.ndim == 1 and (chosen.dtype.kind in "iu" or not chosen.size)
    if not whole or (chosen.size and not 0 <= chosen.min() <= chosen.max() < body.num_vertices):
        raise InvalidData(f"vertex_ids must be vertices of body {body.name!r}, from 0 to {body.num_vertices - 1}")
    return chosen.astype(np.int64)


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
