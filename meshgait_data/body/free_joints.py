"""Joint regressors of the free bodies: built from definitions, Anny's keypoints and rules; measured on walks.

Shape letters: V vertices, N bodies, F frames, P joints of a set, J joints (24). Metres; errors in millimetres.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from meshgait_data.body.free_mesh import Topology
from meshgait_data.body.free_source import Anny
from meshgait_data.body.joint_rows import beside, corrected, moving_alike, nearest_on_surface
from meshgait_data.body.joint_sets import SkinPoints, defined, points_of
from meshgait_data.body.joints import JointRegressor, JointSet, regress
from meshgait_data.body.model import Body, BodyOutput, chain, forward, local_rotations, rest_joints
from meshgait_data.conventions import SMPL_MIRROR, mirror_names
from meshgait_data.errors import MissingExtra
from meshgait_data.types import BodyParams, FloatArray, IntArray

KEYPOINTS_ORIGIN = (
    "keypoint regressor coco.pth of Anny 0.6.2 (NAVER Corp., Apache-2.0; on MakeHuman's CC0 mesh), carried to the "
    "vertices of the free body"
)

_LEAST = 2e-3
"""Coefficients below this part of the largest are dropped: Anny's rows for the ears reach over the whole head."""
_NEAR = 40
"""Vertices around a row that may change when it is carried to another mesh."""


def anny_keypoints(source: Anny, mesh: Topology) -> dict[str, FloatArray]:
    """Rows (V,) of Anny's keypoints on a mesh over some of its vertices; exactly symmetric.

    Each vertex of the source becomes the nearest point on the mesh in the template.

    Parameters
    ----------
    source
        The model.
    mesh
        The free body's.

    Raises
    ------
    MissingExtra
        Where the package is not installed.
    """
    try:
        from anny.keypoints import KeypointsRegressor
    except ImportError as error:
        raise MissingExtra(f"the keypoints need Anny: {error}", hint="pip install 'meshgait[anny]'") from error
    known = KeypointsRegressor.coco(source._model)
    vertices = source.skin().vertices
    weights = known.regression_weights.numpy().astype(np.float64)
    return carried_keypoints(dict(zip(map(str, known.labels), weights, strict=True)), vertices, mesh)


def carried_keypoints(rows: Mapping[str, FloatArray], vertices: FloatArray, mesh: Topology) -> dict[str, FloatArray]:
    """Rows over a source's vertices (W, 3) on a mesh of some of them."""
    ours = vertices[mesh.source]
    result: dict[str, FloatArray] = {}
    for name, row in rows.items():
        if name.startswith("right_"):
            result[name] = result[f"left_{name.removeprefix('right_')}"][mesh.mirror]
            continue
        used = np.flatnonzero(row > _LEAST * row.max())
        shares = row[used] / row[used].sum()
        carried = shares @ nearest_on_surface(vertices[used], ours, mesh.faces)
        # Eyeballs are no part of the skin: what is left is made up for by vertices around them.
        wanted = (row / row.sum()) @ vertices
        carried = corrected(carried, ours[None], wanted[None], _around(carried, ours))
        carried[np.abs(carried) < _LEAST * carried.max()] = 0.0
        carried /= carried.sum()
        result[name] = carried if name.startswith("left_") else 0.5 * (carried + carried[mesh.mirror])
    return result


def carried_rows(rows: FloatArray, source: Body, target: Body) -> FloatArray:
    """Rows (P, V + J) of one level of detail on another that shares its betas and joints.

    Vertices become the nearest points on the other surface; then the rows are changed as little as needed for them to
    give the same points on the mean shape and on its first components.
    """
    used = np.flatnonzero(rows[:, : source.num_vertices].any(axis=0))
    onto = nearest_on_surface(source.v_template[used].astype(np.float64), target.v_template, target.faces)
    result = np.concatenate([rows[:, used] @ onto, rows[:, source.num_vertices :]], axis=1)
    for row, before in zip(result, rows, strict=True):
        if not before[: source.num_vertices].any():
            continue
        moves = row @ np.concatenate([target.weights, np.eye(len(target.parents))])
        here, there = before[: source.num_vertices], row[: target.num_vertices]
        offset = here @ source.v_template.astype(np.float64) - there @ target.v_template
        growth = np.tensordot(here, source.shapedirs, 1) - np.tensordot(there, target.shapedirs, 1)
        holds = moving_alike(target, moves)
        there[holds] += beside(target, holds, offset, growth)
    return result


def _around(row: FloatArray, vertices: FloatArray) -> IntArray:
    """The vertices of a row and those nearest to its heaviest ones."""
    heavy = np.abs(row) / np.abs(row).sum()
    middle = heavy @ vertices
    nearest = np.argsort(np.linalg.norm(vertices - middle, axis=1), kind="stable")[:_NEAR]
    beside = {
        int(v)
        for vertex in np.argsort(-heavy, kind="stable")[:3]
        for v in np.argsort(np.linalg.norm(vertices - vertices[vertex], axis=1), kind="stable")[:10]
    }
    strong = np.flatnonzero(heavy > 0.01)
    spread = np.median(np.linalg.norm(vertices[strong] - middle, axis=1)) if len(strong) else 0.0
    near = nearest[np.linalg.norm(vertices[nearest] - middle, axis=1) < max(0.03, spread)]
    return np.array(sorted({*map(int, strong), *beside, *map(int, near)}))


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """Regressors of a body and their measured errors in mm: set, kind of error, one number a joint."""

    regressors: tuple[JointRegressor, ...]
    errors_mm: Mapping[str, Mapping[str, Sequence[float]]]


def build_regressors(
    body: Body, sets: Sequence[JointSet], skin: SkinPoints, keypoints: Mapping[str, FloatArray], poses: BodyParams
) -> Built:
    """Regressors of all sets on the free body.

    Parameters
    ----------
    body, sets, skin, keypoints
        The body, the definitions, the rules, and (V,) rows of keypoints on its mesh.
    poses
        Walking poses to measure on.
    """
    regressors = tuple(defined(body, each, points_of(body, each, skin, keypoints, own=True)) for each in sets)
    output = forward(body, poses)
    errors = {
        each.name: {"rigid": looseness(body, each, regressor, poses, output).tolist()}
        for each, regressor in zip(sets, regressors, strict=True)
    }
    return Built(regressors, errors)


def carry_regressors(built: Built, source: Body, target: Body, sets: Sequence[JointSet], poses: BodyParams) -> Built:
    """The same for a level of detail whose betas and joints are the source's; measured against it."""
    from scipy.sparse import csr_array

    here, there = forward(source, poses), forward(target, poses)
    regressors, errors = [], {}
    for joint_set, old in zip(sets, built.regressors, strict=True):
        rows = carried_rows(old.matrix.toarray(), source, target)
        if target.mirror is not None:
            rows = _symmetric(rows, old.matrix.toarray(), source, target, joint_set)
        new = JointRegressor(
            old.joint_set, target.sha256, old.names, csr_array(rows), old.how, False, f"{old.origin} Carried from free."
        )
        apart = np.linalg.norm(regress(new, there) - regress(old, here), axis=-1)
        errors[old.joint_set] = {
            "rigid": looseness(target, joint_set, new, poses, there).tolist(),
            "from_free": (1000.0 * apart.mean(axis=0)).tolist(),
        }
        regressors.append(new)
    return Built(tuple(regressors), errors)


def _symmetric(rows: FloatArray, old: FloatArray, source: Body, target: Body, joint_set: JointSet) -> FloatArray:
    """Mean of the rows and their mirror images, for the joints whose old rows are symmetric."""
    other = mirror_names(joint_set.names)
    before = np.concatenate([np.asarray(source.mirror), source.num_vertices + SMPL_MIRROR])
    after = np.concatenate([np.asarray(target.mirror), target.num_vertices + SMPL_MIRROR])
    paired = (old[other][:, before] == old).all(axis=1)
    return np.where(paired[:, None], 0.5 * (rows + rows[other][:, after]), rows)


def looseness(
    body: Body, joint_set: JointSet, regressor: JointRegressor, poses: BodyParams, output: BodyOutput
) -> FloatArray:
    """How far each joint moves in the frame of the SMPL joint that it moves with, (P,) mm rms over the poses."""
    J_template, J_shapedirs = rest_joints(body)
    rest = J_template + J_shapedirs[..., : len(poses.betas)] @ poses.betas
    world, _ = chain(body.parents, local_rotations(poses), rest)
    turns = world[:, joint_set.carriers, :, :3]
    offset = regress(regressor, output) - output.joints[:, joint_set.carriers]
    local = np.einsum("fpba,fpb->fpa", turns, offset)
    apart = np.linalg.norm(local - local.mean(axis=0), axis=-1)
    return 1000.0 * np.sqrt((apart**2).mean(axis=0))
