"""The first guess in closed form: rotations by Kabsch from the root outwards, then shape and place by least squares.

Kabsch, *A solution for the best rotation to relate two sets of vectors*, Acta Cryst. A32 (1976).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit.batch import Layout, State, pose
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.points import BodyPoints

_TRUNK = frozenset(
    {"pelvis", "left_hip", "right_hip", "spine1", "spine2", "spine3", "neck", "left_shoulder", "right_shoulder"}
)
"""Joints that move nearly as one; together they give the pelvis a direction even where hips are missing."""

_TIE_M = 0.01
"""Metres: pull towards the mean pose, as of a point at this distance, which decides what the points leave open (twist,
unseen joints); with more noise, of a point at ``_TIE_SD`` times the noise."""
_TIE_SD = 3.0

_LEVER_M = 0.03
"""Metres from its joint within which a point says nothing about that joint's own rotation."""

_SHAPE_TIE = 1e-4
"""(1 cm)^2 a frame, as sure as observed points are: betas that nothing observes stay at zero."""


def owners(points: BodyPoints) -> Tensor:
    """(P,) the joint that each point moves with most."""
    strength = points.weight.new_zeros(points.count, 24)
    strength[points.point, points.joint] = points.weight
    return strength.argmax(1)


def nearest_points(chain: Chain, owner: Sequence[int], levered: Sequence[bool]) -> tuple[list[int], ...]:
    """For each joint, the observed points that tell most about its own rotation.

    Parameters
    ----------
    chain
        The tree.
    owner
        Joint that each of P points moves with.
    levered
        Whether a point is far enough from that joint to feel its rotation.

    Returns
    -------
    Ids of the points that each joint moves with no other observed joint in between.
    """
    centres = {joint for joint, far in zip(owner, levered, strict=True) if not far}
    found: tuple[list[int], ...] = tuple([] for _ in chain.parents)
    for point, joint in enumerate(owner):
        above = chain.ancestors(joint)
        for ancestor in above if levered[point] else above[1:]:
            found[ancestor].append(point)
            if ancestor in centres and ancestor != joint:
                break
    return found


def first_guess(
    chain: Chain,
    layout: Layout,
    points: BodyPoints,
    targets: Tensor,
    weights: Tensor,
    *,
    mean: Tensor,
    free: Sequence[int],
    noise: Tensor | None = None,
    rounds: int = 2,
) -> State:
    """Guess pose, place and shape from points in space without iterating on angles.

    Parameters
    ----------
    chain, layout, points
        Body, captures and P points.
    targets
        (T, P, 3) metres; anything finite where unseen.
    weights
        (T, P) relative; zero where unseen.
    mean
        (J, 3, 3) mean pose: what the points leave open (twist of a single bone, unseen joints) follows it.
    free
        Joints that may move; the others take the mean pose.
    noise
        (N,) metres: standard deviation of a target; None where it is small.
    rounds
        Times that rotations and shape take turns.
    """
    owner = owners(points)
    middle = points.rest.new_zeros(points.count, 3).index_add_(0, points.point, points.rest)
    levered = ((middle - chain.template[owner]).norm(dim=1) > _LEVER_M).tolist()
    near = nearest_points(chain, owner.tolist(), levered)
    trunk = [point for point, joint in enumerate(owner.tolist()) if SMPL_JOINTS[joint] in _TRUNK]
    near[0][:] = trunk if len(trunk) > 2 else list(range(points.count))
    weights = weights / weights.max().clamp(min=1e-12)
    noise = targets.new_zeros(len(layout)) if noise is None else noise
    tie = (_TIE_SD * noise).clamp(min=_TIE_M).square()[layout.capture, None, None]
    still = mean.expand(layout.frames, -1, -1, -1)
    betas = chain.template.new_zeros(len(layout), chain.shapedirs.shape[-1])
    state = State(still, targets.new_zeros(layout.frames, 3), betas)
    fixed = [joint for joint in range(len(chain.parents)) if joint not in free]
    for _ in range(rounds):
        world = _turn(chain, layout, points, near, state.betas, targets, weights, mean, tie)
        rotations = world.clone()
        for joints, parents in chain.levels:
            rotations[:, joints] = world[:, parents].mT @ world[:, joints]
        rotations[:, fixed] = mean[fixed]
        state = _shape_and_place(chain, layout, points, rotations, targets, weights)
    return state


def _turn(
    chain: Chain,
    layout: Layout,
    points: BodyPoints,
    near: tuple[list[int], ...],
    betas: Tensor,
    targets: Tensor,
    weights: Tensor,
    mean: Tensor,
    tie: Tensor,
) -> Tensor:
    """(T, J, 3, 3) world rotations that turn rest directions into observed ones."""
    rest = (chain.template + torch.einsum("jxb,nb->njx", chain.shapedirs, betas))[layout.capture]
    parts = points.rest + torch.einsum("mxb,nb->nmx", points.shapedirs, betas)
    marks = parts.new_zeros(len(layout), points.count, 3).index_add_(1, points.point, parts)[layout.capture]
    world = mean.expand(len(targets), -1, -1, -1).clone()
    joints = targets.new_zeros(len(targets), len(chain.parents), 3)
    for joint, parent in enumerate(chain.parents):
        ids = near[joint]
        share = weights[:, ids, None]
        if parent < 0:
            # The root has no parent to say where it is: both sides are taken relative to their weighted middle.
            total = share.sum(1, keepdim=True).clamp(min=1e-12)
            pivot, anchor = ((share * x).sum(1, keepdim=True) / total for x in (marks[:, ids], targets[:, ids]))
            guess = world[:, joint]
        else:
            joints[:, joint] = joints[:, parent] + (
                world[:, parent] @ (rest[:, joint] - rest[:, parent])[..., None]
            ).squeeze(-1)
            pivot, anchor = rest[:, joint, None], joints[:, joint, None]
            guess = world[:, parent] @ mean[joint]
        moment = (share * (targets[:, ids] - anchor)).mT @ (marks[:, ids] - pivot)
        world[:, joint] = nearest_rotation(moment + tie * guess)
        if parent < 0:
            joints[:, joint] = anchor[:, 0] + (world[:, joint] @ (rest[:, joint] - pivot[:, 0])[..., None])[..., 0]
    return world


def nearest_rotation(matrices: Tensor) -> Tensor:
    """Rotations R that maximise ``trace(R^T M)``; (..., 3, 3) to the same."""
    left, _, right = torch.linalg.svd(matrices)
    flip = torch.det(left @ right)
    left = torch.cat([left[..., :2], left[..., 2:] * flip[..., None, None]], -1)
    return left @ right


def _shape_and_place(
    chain: Chain, layout: Layout, points: BodyPoints, rotations: Tensor, targets: Tensor, weights: Tensor
) -> State:
    """Betas and translation by linear least squares, given the rotations."""
    none = targets.new_zeros(layout.frames, 3), targets.new_zeros(len(layout), chain.shapedirs.shape[-1])
    posed = pose(chain, layout, State(rotations, *none))
    slope = points.shape_jacobian(posed)
    miss = targets - points.place(posed).points
    share = (weights / weights.sum(1, keepdim=True).clamp(min=1e-12))[..., None]
    mean_miss, mean_slope = (share * miss).sum(1, keepdim=True), (share[..., None] * slope).sum(1, keepdim=True)
    root = share.sqrt()
    centred = ((slope - mean_slope) * root[..., None]).flatten(1, 2)
    off = ((miss - mean_miss) * root).flatten(1)[..., None]
    system = layout.sums(centred.mT @ centred)
    lengths = torch.tensor(layout.lengths, dtype=system.dtype, device=system.device)
    system.diagonal(dim1=1, dim2=2).add_(_SHAPE_TIE * lengths[:, None])
    betas = torch.linalg.solve(system, layout.sums((centred.mT @ off)[..., 0]))
    place = mean_miss[:, 0] - (mean_slope[:, 0] @ betas[layout.capture][..., None])[..., 0]
    return State(rotations, place, betas)
