"""The first guess in closed form: rotations by Kabsch from the root outwards, then shape and place by least squares.

Kabsch, *A solution for the best rotation to relate two sets of vectors*, Acta Cryst. A32 (1976).
"""

import torch
from torch import Tensor

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit.chain import Chain, Points, State
from meshgait_data.fit.residuals import Problem

_TRUNK = frozenset(
    {"pelvis", "left_hip", "right_hip", "spine1", "spine2", "spine3", "neck", "left_shoulder", "right_shoulder"}
)
"""Joints that move nearly as one; together they give the pelvis a direction even where hips are missing."""

_TIE = 1e-4
"""Square metres: pull towards the mean pose, which decides what the points leave open (twist, unseen joints). Points
at 10 cm weigh 100 times as much."""


def nearest_points(chain: Chain, points: Points) -> tuple[list[int], ...]:
    """For each joint, the observed points that tell most about its own rotation.

    Returns
    -------
    Ids of the points that each joint moves with no other observed joint in between.
    """
    owners = points.joints.tolist()
    moved = points.offsets.abs().sum(-1) > 0
    found: tuple[list[int], ...] = tuple([] for _ in chain.parents)
    for point, owner in enumerate(owners):
        ancestors = chain.ancestors(owner)
        for ancestor in ancestors if moved[point] else ancestors[1:]:
            found[ancestor].append(point)
            if ancestor in owners and ancestor != owner:
                break
    return found


def first_guess(problem: Problem, rounds: int = 2) -> State:
    """Guess pose, place and shape without iterating on angles.

    What the points leave open (twist of a single bone, unseen joints) follows the prior's mean pose.

    Parameters
    ----------
    problem
        Body, observed points and prior.
    rounds
        Times that rotations and shape take turns.
    """
    chain, targets = problem.chain, problem.targets
    near = nearest_points(chain, problem.points)
    trunk = [point for point, owner in enumerate(problem.points.joints.tolist()) if SMPL_JOINTS[owner] in _TRUNK]
    near[0][:] = trunk or near[0]
    state = State(
        rotations=problem.prior.mean.expand(len(targets), -1, -1, -1).clone(),
        betas=chain.template.new_zeros(chain.shapedirs.shape[-1]),
        transl=targets.new_zeros(len(targets), 3),
    )
    for _ in range(rounds):
        world = _turn(problem, near, chain.rest(state.betas))
        rotations = world.clone()
        for joints, parents in chain.levels:
            rotations[:, joints] = world[:, parents].mT @ world[:, joints]
        fixed = [joint for joint in range(len(chain.parents)) if joint not in problem.points.free]
        rotations[:, fixed] = problem.prior.mean[fixed]
        state = State(rotations, *_shape_and_place(problem, world))
    return state


def _turn(problem: Problem, near: tuple[list[int], ...], rest: Tensor) -> Tensor:
    """(F, J, 3, 3) world rotations that turn rest directions into observed ones."""
    chain, points, prior = problem.chain, problem.points, problem.prior
    targets, weights = problem.targets, problem.weights / problem.weights.max().clamp(min=1e-12)
    marks = rest[points.joints] + points.offsets
    world = prior.mean.expand(len(targets), -1, -1, -1).clone()
    joints = targets.new_zeros(len(targets), len(chain.parents), 3)
    for joint, parent in enumerate(chain.parents):
        ids = near[joint]
        share = weights[:, ids, None]
        if parent < 0:
            # The root has no parent to say where it is: both sides are taken relative to their weighted middle.
            total = share.sum(1, keepdim=True).clamp(min=1e-12)
            pivot, anchor = ((share * x).sum(1, keepdim=True) / total for x in (marks[ids], targets[:, ids]))
            guess = world[:, joint]
        else:
            joints[:, joint] = joints[:, parent] + world[:, parent] @ (rest[joint] - rest[parent])
            pivot, anchor = rest[joint].expand(len(targets), 1, 3), joints[:, joint, None]
            guess = world[:, parent] @ prior.mean[joint]
        moment = (share * (targets[:, ids] - anchor)).mT @ (marks[ids] - pivot)
        world[:, joint] = nearest_rotation(moment + _TIE * guess)
        if parent < 0:
            joints[:, joint] = anchor[:, 0] + (world[:, joint] @ (rest[joint] - pivot).mT)[..., 0]
    return world


def nearest_rotation(matrices: Tensor) -> Tensor:
    """Rotations R that maximise ``trace(R^T M)``; (..., 3, 3) to the same."""
    left, _, right = torch.linalg.svd(matrices)
    flip = torch.det(left @ right)
    left = torch.cat([left[..., :2], left[..., 2:] * flip[..., None, None]], -1)
    return left @ right


def _shape_and_place(problem: Problem, world: Tensor) -> tuple[Tensor, Tensor]:
    """Betas and translation by linear least squares, given the rotations."""
    chain, points, targets, weights = problem.chain, problem.points, problem.targets, problem.weights
    slope = chain.accumulate(world, chain.shapedirs)[:, points.joints]
    place = chain.accumulate(world, chain.template[..., None])[:, points.joints, :, 0]
    place = place + (world[:, points.joints] @ points.offsets[..., None])[..., 0]
    share = (weights / weights.sum(1, keepdim=True).clamp(min=1e-12))[..., None]
    miss = targets - place
    mean_miss, mean_slope = (share * miss).sum(1, keepdim=True), (share[..., None] * slope).sum(1, keepdim=True)
    centred = (slope - mean_slope).flatten(0, 2)
    root = share.sqrt().expand_as(miss).reshape(-1, 1)
    system = (centred * root).mT @ (centred * root)
    # (1 cm)^2 a frame, as sure as the joints are: betas that nothing observes stay at zero.
    system.diagonal().add_(1e-4 * len(targets))
    betas = torch.linalg.solve(system, (centred * root).mT @ ((miss - mean_miss).reshape(-1, 1) * root)[:, 0])
    return betas, mean_miss[:, 0] - mean_slope[:, 0] @ betas
