"""Residuals of the fit and their normal equations.

What is minimised, with the values of :class:`~meshgait_data.fit.settings.FitSettings`:

====================  ======================================================  ============================
term                  residual                                                divided by
====================  ======================================================  ============================
joints                observed point - point of the body (Huber)              ``sigma_m / sqrt(weight)``
pose prior            ``log(mean^T R)`` of each joint, in its own axes        ``sd_deg`` of each axis
limits                angle of knees and elbows beyond straight               ``limit_sd_deg``
shape prior           betas, in every frame                                   ``sigma_m / map_error_m``
smoothness            second difference in time of R and of the translation   see ``problem.py``
====================  ======================================================  ============================

Shape letters as in :mod:`meshgait_data.fit.chain`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.fit.chain import Chain, Points, State
from meshgait_data.fit.solver import System

_CHUNK = 64
"""Frames whose Jacobian is held at a time: a few MB, which stay in the cache."""


@dataclass(frozen=True, slots=True)
class Prior:
    """Gaussian on rotations, and one-sided stops of hinges."""

    mean: Tensor
    """(J, 3, 3) rotations of the mean pose."""
    precision: Tensor
    """(J, 3) one over variance, 1/rad^2."""
    hinges: tuple[int, ...]
    """H joints that have a stop."""
    axes: Tensor
    """(H, 3) axis that the angle is about, signed so that allowed angles are positive."""
    mean_angle: Tensor
    """(H,) angle of the mean pose about it, radians."""
    stop_precision: float
    """1/rad^2."""


@dataclass(frozen=True, slots=True)
class Smoothness:
    """Weights of second differences in time."""

    stencil: Tensor
    """(F-2, 3) coefficients of the frame before, this and the next; (1, -2, 1) at an even pace."""
    rotations: Tensor
    """(L,) 1/rad^2."""
    transl: float
    """1/m^2."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that stays the same while solving."""

    chain: Chain
    points: Points
    targets: Tensor
    """(F, P, 3) metres; zero where unseen."""
    weights: Tensor
    """(F, P) 1/m^2; zero where unseen."""
    huber_m: float
    prior: Prior
    smoothness: Smoothness | None
    shape_precision: float
    """Of all frames together."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The residuals at one state."""

    cost: float
    world: Tensor
    joints: Tensor
    points: Tensor
    misses: Tensor
    """(F, P, 3) observed minus body, metres."""
    bend: Tensor
    """(F, L, 3) log(mean^T R)."""
    excess: Tensor
    """(F, H) radians beyond straight, never negative."""
    turn: Tensor | None
    """(F-2, L, 3, 3) second difference of the rotation matrices."""
    drift: Tensor | None
    """(F-2, 3) second difference of the translation, metres."""


def evaluate(problem: Problem, state: State) -> Evaluation:
    """All residuals and the cost (half the sum of their squares)."""
    world = problem.chain.world(state.rotations)
    joints = problem.chain.positions(world, state)
    points = problem.points.positions(world, joints)
    misses = problem.targets - points
    distance = misses.norm(dim=-1)
    huber = torch.where(
        distance <= problem.huber_m, distance**2 / 2, problem.huber_m * (distance - problem.huber_m / 2)
    )
    free, prior, smooth = list(problem.points.free), problem.prior, problem.smoothness
    rotations = state.rotations[:, free]
    bend = torch_rotations.log(prior.mean[free].mT @ rotations)
    excess = _excess(problem, bend)
    cost = (problem.weights * huber).sum() + (prior.precision[free] * bend**2).sum() / 2
    cost = cost + prior.stop_precision * excess.square().sum() / 2
    cost = cost + problem.shape_precision * state.betas.square().sum() / 2
    turn = drift = None
    if smooth is not None:
        turn, drift = _difference(smooth.stencil, rotations), _difference(smooth.stencil, state.transl)
        # A rotation by a small angle changes the matrix by sqrt(2) times that angle, hence another half.
        cost = cost + (smooth.rotations * turn.square().sum((-1, -2))).sum() / 4
        cost = cost + smooth.transl * drift.square().sum() / 2
    return Evaluation(float(cost), world, joints, points, misses, bend, excess, turn, drift)


def _hinges(problem: Problem) -> tuple[list[int], list[int]]:
    """Positions of the hinges that are free: among the hinges, and among the free joints."""
    free, hinges = problem.points.free, problem.prior.hinges
    rows = [row for row, joint in enumerate(hinges) if joint in free]
    return rows, [free.index(hinges[row]) for row in rows]


def _excess(problem: Problem, bend: Tensor) -> Tensor:
    rows, columns = _hinges(problem)
    angle = (bend[:, columns] * problem.prior.axes[rows]).sum(-1) + problem.prior.mean_angle[rows]
    return torch.relu(-angle)


def _difference(stencil: Tensor, values: Tensor) -> Tensor:
    weights = stencil.reshape(len(stencil), 3, *[1] * (values.dim() - 1))
    return weights[:, 0] * values[:-2] + weights[:, 1] * values[1:-1] + weights[:, 2] * values[2:]


def linearise(problem: Problem, state: State, at: Evaluation) -> System:
    """Gauss-Newton's normal equations; the right-hand side points downhill."""
    system = _joint_term(problem, at)
    system.corner.diagonal().add_(problem.shape_precision)
    system.shared.sub_(problem.shape_precision * state.betas)
    _add_prior(problem, at, system)
    if problem.smoothness is None:
        return system
    return _add_smoothness(problem, state, at, system)


def _joint_term(problem: Problem, at: Evaluation) -> System:
    frames, unknowns = len(at.points), problem.points.unknowns
    shapes = problem.chain.shapedirs.shape[-1]
    new = at.points.new_zeros
    diagonal, border = new(frames, unknowns, unknowns), new(frames, unknowns, shapes)
    corner, gradient, shared = new(shapes, shapes), new(frames, unknowns), new(shapes)
    distance = at.misses.norm(dim=-1)
    # Iteratively reweighted least squares: beyond huber_m a residual weighs less, so that its pull stays constant.
    root = (problem.weights * torch.clamp(problem.huber_m / distance.clamp(min=1e-12), max=1.0)).sqrt()
    for start in range(0, frames, _CHUNK):
        part = slice(start, start + _CHUNK)
        scale = root[part].repeat_interleave(3, 1)[..., None]
        jacobian = problem.points.jacobian(at.world[part], at.joints[part], at.points[part]) * scale
        shape = problem.points.shape_jacobian(problem.chain, at.world[part]) * scale
        miss = at.misses[part].flatten(1)[..., None] * scale
        diagonal[part] = jacobian.mT @ jacobian
        border[part] = jacobian.mT @ shape
        gradient[part] = (jacobian.mT @ miss)[..., 0]
        flat = shape.flatten(0, 1)
        corner += flat.mT @ flat
        shared += flat.mT @ miss.flatten()
    return System(diagonal, None, None, border, corner, gradient, shared)


def _joint_blocks(matrices: Tensor) -> Tensor:
    """View (.., 3, 3, L) of the diagonal blocks of L joints in (.., U, U) matrices."""
    count = matrices.shape[-1] // 3
    split = matrices.view(*matrices.shape[:-2], count, 3, count, 3)
    return split.diagonal(dim1=-4, dim2=-2)[..., :-1]


def _add_prior(problem: Problem, at: Evaluation, system: System) -> None:
    free, prior = list(problem.points.free), problem.prior
    jacobian = torch_rotations.log_jacobian(at.bend)
    weighted = prior.precision[free][..., None] * jacobian
    block = jacobian.mT @ weighted
    pull = -(weighted * at.bend[..., None]).sum(-2)
    rows, columns = _hinges(problem)
    slope = (prior.axes[rows][..., None] * jacobian[:, columns]).sum(-2)
    active = prior.stop_precision * (at.excess > 0)
    block[:, columns] += active[..., None, None] * slope[..., :, None] * slope[..., None, :]
    pull[:, columns] += prior.stop_precision * at.excess[..., None] * slope
    _joint_blocks(system.diagonal).add_(block.permute(0, 2, 3, 1))
    system.gradient[:, :-3] += pull.flatten(1)


def _add_smoothness(problem: Problem, state: State, at: Evaluation, system: System) -> System:
    smooth, unknowns = problem.smoothness, problem.points.unknowns
    if smooth is None or at.turn is None or at.drift is None:
        return system
    rotations = state.rotations[:, list(problem.points.free)]
    frames = len(rotations)
    near = rotations.new_zeros(frames - 1, unknowns, unknowns)
    far = rotations.new_zeros(frames - 2, unknowns, unknowns)
    c = smooth.stencil
    for i in range(3):
        here = slice(i, i + frames - 2)
        step = c[:, i, None] * smooth.transl
        system.gradient[here, -3:] -= step * at.drift
        pull = torch_rotations.vee(rotations[here].mT @ at.turn) * c[:, i, None, None] * smooth.rotations[:, None]
        system.gradient[here, :-3] -= pull.flatten(1)
        for k in range(i, 3):
            target = (system.diagonal, near, far)[k - i][here]
            both = c[:, i] * c[:, k]
            block = _turn_block(rotations[here], rotations[k : k + frames - 2]) * smooth.rotations[:, None, None]
            _joint_blocks(target).add_((both[:, None, None, None] * block).permute(0, 2, 3, 1))
            target.diagonal(dim1=-2, dim2=-1)[:, -3:] += both[:, None] * smooth.transl
    return System(system.diagonal, near, far, system.border, system.corner, system.gradient, system.shared)


def _turn_block(first: Tensor, second: Tensor) -> Tensor:
    """Half of ``J_s^T J_t`` for matrices as residuals: ``(trace(M) I - M^T) / 2`` with ``M = R_s^T R_t``."""
    between = first.mT @ second
    trace = between.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    eye = torch.eye(3, dtype=between.dtype, device=between.device)
    return (trace * eye - between.mT) / 2
