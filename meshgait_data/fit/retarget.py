"""Parameters of one body as parameters of another: never by copying betas, which mean something else there.

With both bodies at hand the one is posed and the other is fitted to it: to its joints, and to places on the skin that
the same rule finds on both. With the numbers alone the pose is copied, for the rest poses of all bodies in SMPL's
schema agree by construction (a T-pose, y up, facing +z), and the shape follows from bone lengths where joints came
along, or is the mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from meshgait_data.body.joint_rows import skin_rows
from meshgait_data.body.joint_sets import SkinPoints
from meshgait_data.body.model import Body, forward, local_rotations, rest_joints
from meshgait_data.conventions import SMPL_JOINTS, SMPL_PARENTS
from meshgait_data.errors import FitError
from meshgait_data.fit.batch import Layout, State
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.minimise import Problem, Stopping, minimise
from meshgait_data.fit.points import BodyPoints
from meshgait_data.fit.terms.given import Given
from meshgait_data.fit.terms.points3d import Points3D
from meshgait_data.fit.terms.shape import ShapePrior
from meshgait_data.rotations import log
from meshgait_data.types import BodyParams, FloatArray

_EVERY_JOINT = tuple(range(len(SMPL_JOINTS)))


@dataclass(frozen=True, slots=True)
class RetargetSettings:
    """How far two bodies are trusted to mean the same."""

    num_betas: int = 10
    """Shape components of the new body to estimate."""
    joint_m: float = 0.01
    """Metres: how far joints of the same name lie apart in two bodies that are alike."""
    skin_m: float = 0.01
    """Metres: the same of places on the skin that one rule finds on both."""
    turn_deg: float = 5.0
    """Degrees: how far the same pose differs between bodies. Joints and skin decide about all but twists."""
    bone_m: float = 0.01
    """Metres: error of a bone's length, for the shape from bone lengths alone."""
    max_iterations: int = 15


@dataclass(frozen=True, slots=True, eq=False)
class Retargeted:
    """Parameters of the new body, and how they came about."""

    params: BodyParams
    how: str
    """``fitted``: to the posed old body; ``copied``: the pose, with a shape from bone lengths; ``copied, mean shape``;
    ``same``: it is the same body."""
    error_m: FloatArray
    """(F,) mean distance between joints of the same name, metres; NaN where the old body is not at hand."""
    converged: bool = True


_DEFAULT = RetargetSettings()


def retarget(
    params: BodyParams,
    target: Body,
    source: Body,
    skin: SkinPoints,
    settings: RetargetSettings = _DEFAULT,
) -> Retargeted:
    """Fit one body to another that is posed.

    Parameters
    ----------
    params
        F frames of the source.
    target, source
        Bodies in SMPL's schema.
    skin
        Rules for places on the skin; both bodies are searched for them.
    settings
        Weights.

    Returns
    -------
    Parameters of the target in the same frame of reference.

    Raises
    ------
    InvalidData
        Where the parameters do not fit the source.
    FitError
        Where there is no frame.
    """
    if not len(params):
        raise FitError("no frame to retarget")
    if source.sha256 == target.sha256:
        return Retargeted(params, "same", np.zeros(len(params)))
    chain = Chain.of(target, num_betas=min(settings.num_betas, target.num_betas))
    layout = Layout.of([len(params)])
    posed = forward(source, params, dtype=np.float64)
    start = copied(params, target, source, num_betas=chain.shapedirs.shape[-1])
    terms = (
        _points("joints", BodyPoints.at_joints(chain, _EVERY_JOINT), posed.joints, settings.joint_m),
        _skin_term(chain, target, source, skin, np.concatenate([posed.vertices, posed.joints], 1), settings.skin_m),
        _pose_prior(start, posed.joints[:, 0], settings),
        # The difference of two bodies is the same in all frames: these are no more evidence than one.
        ShapePrior(torch.full((1,), float(len(params)), dtype=torch.float64)),
    )
    problem = Problem(chain, layout, _EVERY_JOINT, terms)
    solution = minimise(problem, start, Stopping(max_iterations=settings.max_iterations))
    found = to_params(solution.state)
    error = solution.residuals["joints"].error.numpy()
    return Retargeted(found, "fitted", error, bool(solution.converged[0]))


def _points(name: str, points: BodyPoints, targets: FloatArray, sigma: float) -> Points3D:
    wanted = torch.as_tensor(targets, dtype=torch.float64)
    weights = torch.ones(wanted.shape[:2], dtype=torch.float64)
    return Points3D(points, wanted, weights, torch.tensor([sigma], dtype=torch.float64), name=name)


def _skin_term(chain: Chain, target: Body, source: Body, skin: SkinPoints, posed: FloatArray, sigma: float) -> Points3D:
    """Places on the skin of the posed source (F, V + J, 3), as a term of the target."""
    ours, theirs = (_rows(body, skin) for body in (target, source))
    names = [name for name in ours if name in theirs]
    points = BodyPoints.regressed(target, chain, csr_matrix(np.stack([ours[name] for name in names])), bends=False)
    wanted = np.einsum("pv,fvx->fpx", np.stack([theirs[name] for name in names]), posed, optimize=True)
    return _points("skin", points, wanted, sigma)


def _rows(body: Body, skin: SkinPoints) -> Mapping[str, FloatArray]:
    return skin_rows(body, skin.points, float(np.ptp(body.v_template[:, 1])) / skin.stature_m)


def _pose_prior(start: State, pelvis: FloatArray, settings: RetargetSettings) -> Given:
    frames, count = start.rotations.shape[:2]
    precision = np.radians(settings.turn_deg) ** -2
    return Given(
        rotations=start.rotations,
        turn=torch.full((frames, count), precision, dtype=torch.float64),
        pelvis=torch.as_tensor(pelvis, dtype=torch.float64),
        place=torch.zeros(frames, 3, 3, dtype=torch.float64),
        betas=start.betas,
        shape=torch.zeros(1, dtype=torch.float64),
    )


def copied(
    params: BodyParams, target: Body, source: Body | FloatArray, *, num_betas: int, betas: FloatArray | None = None
) -> State:
    """The pose of one body on another, with the pelvis where it was.

    Parameters
    ----------
    params
        F frames of the source.
    target
        The new body.
    source
        The old body, or the (3,) rest place of its pelvis in metres where it is not at hand.
    num_betas
        Shape components of the new body.
    betas
        (num_betas,) of the new body; the mean shape by default.
    """
    shape = np.zeros(num_betas) if betas is None else betas
    old = rest_pelvis(source, params.betas) if isinstance(source, Body) else source
    transl = params.transl.astype(np.float64) + old - rest_pelvis(target, shape)
    rotations = torch.as_tensor(local_rotations(params))
    return State(rotations, torch.as_tensor(transl), torch.as_tensor(shape[None].astype(np.float64)))


def rest_pelvis(body: Body, betas: FloatArray) -> FloatArray:
    """(3,) where the pelvis of a shape is in the rest pose, metres."""
    template, directions = rest_joints(body)
    return np.asarray(template[0] + directions[0, :, : len(betas)] @ betas.astype(np.float64))


def copy_pose(
    params: BodyParams,
    target: Body,
    pelvis: FloatArray,
    joints: FloatArray | None = None,
    settings: RetargetSettings = _DEFAULT,
) -> Retargeted:
    """The pose of a body whose file is not at hand, on another body.

    Parameters
    ----------
    params
        F frames.
    target
        The new body.
    pelvis
        (3,) rest place of the old body's pelvis, metres.
    joints
        (F, 24, 3) joints of the old body in any frame of reference: their distances give the shape. NaN where unknown.
    settings
        Weights.
    """
    count = min(settings.num_betas, target.num_betas)
    betas = None if joints is None else shape_from_bones(target, joints, count, settings.bone_m)
    state = copied(params, target, pelvis, num_betas=count, betas=betas)
    how = "copied, mean shape" if betas is None else "copied"
    return Retargeted(to_params(state), how, np.full(len(params), np.nan))


def shape_from_bones(body: Body, joints: FloatArray, num_betas: int, sigma_m: float = 0.01) -> FloatArray:
    """Most probable shape whose bones are as long as those between observed joints.

    Parameters
    ----------
    body
        The body.
    joints
        (F, 24, 3) metres; NaN where not seen. Each bone's median over frames counts.
    num_betas
        Shape components to estimate.
    sigma_m
        Error of a length, metres.

    Returns
    -------
    (num_betas,) by Gauss-Newton with a standard normal prior.
    """
    children = np.arange(1, len(SMPL_PARENTS))
    parents = np.array(SMPL_PARENTS)[children]
    wanted = np.nanmedian(np.linalg.norm(joints[:, children] - joints[:, parents], axis=-1), axis=0)
    seen = np.isfinite(wanted)
    template, directions = rest_joints(body)
    bone = (template[children] - template[parents])[seen]
    slopes = (directions[children] - directions[parents])[seen][..., :num_betas]
    betas = np.zeros(num_betas)
    for _ in range(10):
        vectors = bone + slopes @ betas
        lengths = np.linalg.norm(vectors, axis=-1)
        jacobian = np.einsum("kx,kxb->kb", vectors / lengths[:, None], slopes) / sigma_m
        residual = (wanted[seen] - lengths) / sigma_m
        betas = betas + np.linalg.solve(jacobian.T @ jacobian + np.eye(num_betas), jacobian.T @ residual - betas)
    return betas


def to_params(state: State) -> BodyParams:
    """Parameters of a state of one capture, float32."""

    def single(values: Tensor) -> FloatArray:
        return values.numpy().astype(np.float32)

    angles = log(state.rotations.numpy()).astype(np.float32)
    pose = angles[:, 1:].reshape(len(angles), -1)
    return BodyParams(single(state.betas[0]), angles[:, 0].copy(), pose, single(state.transl))
