"""The fit's peers, written plainly: Adam on the same energy, and one frame at a time through the whole mesh.

Both find the same unknowns by gradients from autograd, from a sensible start.

* :func:`adam` minimises exactly the energy that the solver minimises, over all frames at once, through the kinematics
  of the joints only. Run it at several rates and from several starts, and take the best.
* :func:`smplify` does what SMPLify does (Bogo et al., *Keep it SMPL*, ECCV 2016): frame by frame, the joints by the
  joint regressor from the vertices of the posed mesh, L-BFGS with a strong Wolfe line search, a Gaussian prior on the
  pose and on the shape.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from common import Figures
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.body.model import Body, forward
from meshgait_data.body.torch_body import TorchBody
from meshgait_data.fit.batch import Layout, State, pose
from meshgait_data.fit.engine import Solved, solve
from meshgait_data.fit.known import Known
from meshgait_data.fit.minimise import Problem, evaluate
from meshgait_data.fit.settings import FitSettings
from meshgait_data.fit.terms.points3d import Points3D
from meshgait_data.fit.terms.pose_prior import PoseTerm
from meshgait_data.types import BodyParams, Observations

ErrorOf = Callable[[State], float]
"""How far a state is from the truth, in any unit."""

RATES = (0.01, 0.03, 0.1)
"""Learning rates of Adam, the best of which counts."""
CHECK_EVERY = 5
"""Iterations between two looks at the error, which are not timed."""


@dataclass(frozen=True, slots=True)
class Peer:
    """How a peer did."""

    seconds: float
    """CPU seconds until the error was reached, infinite where it never was."""
    error: float
    """The least that it came to."""
    spent: float
    """CPU seconds in all."""


def single(value: Any) -> Any:
    """The same dataclass in single precision, which is enough for gradient descent and takes half the time."""
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if is_dataclass(value) and not isinstance(value, type):
        changed = {each.name: single(getattr(value, each.name)) for each in fields(value) if each.init}
        return replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(map(single, value))
    if isinstance(value, dict):
        return {name: single(each) for name, each in value.items()}
    return value


def upright(start: State, mean: Tensor) -> State:
    """The mean pose of the (24, 3, 3) rotations and the mean shape, in the right place and turned the right way."""
    rotations = mean.to(start.rotations).expand_as(start.rotations).clone()
    rotations[:, 0] = start.rotations[:, 0]
    return replace(start, rotations=rotations, betas=torch.zeros_like(start.betas))


def adam(
    problem: Problem, start: State, error_of: ErrorOf, *, goal: float, rates: Sequence[float] = RATES, most: int = 1500
) -> Peer:
    """The best of several rates.

    Parameters
    ----------
    problem, start
        As the solver takes them.
    error_of
        Distance from the truth.
    goal
        Error to reach.
    rates
        Learning rates to try.
    most
        Iterations to give up after.
    """
    tried = [_adam(single(problem), single(start), error_of, goal=goal, rate=rate, most=most) for rate in rates]
    return min(tried, key=lambda peer: (peer.seconds, peer.error))


def _adam(problem: Problem, start: State, error_of: ErrorOf, *, goal: float, rate: float, most: int) -> Peer:
    free = list(problem.free)
    angles = torch_rotations.log(start.rotations[:, free]).requires_grad_()
    transl, betas = start.transl.clone().requires_grad_(), start.betas.clone().requires_grad_()
    extras = {name: value.clone().requires_grad_() for name, value in start.extras.items()}
    optimiser = torch.optim.Adam([angles, transl, betas, *extras.values()], lr=rate)

    def state() -> State:
        rotations = start.rotations.clone()
        rotations[:, free] = torch_rotations.exp(angles)
        return State(rotations, transl, betas, extras)

    spent, best = 0.0, float("inf")
    for iteration in range(1, most + 1):
        begin = time.process_time()
        optimiser.zero_grad()
        evaluate(problem, state())[2].sum().backward()
        optimiser.step()
        spent += time.process_time() - begin
        if iteration % CHECK_EVERY == 0:
            with torch.no_grad():
                best = min(best, error_of(state()))
            if best <= goal:
                return Peer(spent, best, spent)
    return Peer(float("inf"), best, spent)


@dataclass(frozen=True, slots=True, eq=False)
class Energy:
    """What is minimised for a single frame."""

    sigma: float
    """Metres: spread of an observed joint."""
    huber: float
    """Of those, beyond which a joint pulls no harder."""
    joints: tuple[int, ...]
    """L joints that the pose prior knows."""
    mean: Tensor
    """(L, 3, 3)"""
    precision: Tensor
    """(3 L, 3 L) 1/rad^2."""

    def __call__(self, misses: Tensor, body_pose: Tensor, betas: Tensor) -> Tensor:
        """Half the sum of squares: joints (Huber), pose and shape."""
        distance, limit = misses.norm(dim=-1) / self.sigma, self.huber
        data = torch.where(distance <= limit, distance.square() / 2, limit * (distance - limit / 2)).sum()
        rotations = torch_rotations.exp(body_pose.reshape(-1, 3)[[joint - 1 for joint in self.joints]])
        bend = torch_rotations.log(self.mean.mT @ rotations).flatten()
        return data + bend @ self.precision @ bend / 2 + betas.square().sum() / 2


def smplify(
    body: Body, target: Tensor, start: State, energy: Energy, error_of: ErrorOf, *, goal: float, iterations: int = 100
) -> Peer:
    """Fit one frame to the places of its 24 joints.

    Parameters
    ----------
    body
        The body, all of whose vertices are posed.
    target
        (24, 3) metres.
    start
        One frame to start from.
    energy
        What is minimised.
    error_of
        Distance from the truth.
    goal
        Error to reach.
    iterations
        Of L-BFGS.
    """
    mesh, regressor = TorchBody(body), torch.as_tensor(body.J_regressor, dtype=torch.float32)
    angles = torch_rotations.log(start.rotations[0]).float()
    unknowns = [
        angles[:1].clone(),
        angles[1:].reshape(1, -1),
        start.transl.float().clone(),
        start.betas.float().clone(),
    ]
    orient, pose, transl, betas = (unknown.requires_grad_() for unknown in unknowns)
    target, spent, best = target.float(), 0.0, float("inf")
    optimiser = torch.optim.LBFGS([orient, pose, transl, betas], max_iter=CHECK_EVERY, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        vertices, _ = mesh(betas, orient, pose, transl)
        cost = energy(target - regressor @ vertices[0], pose, betas)
        cost.backward()
        return cost

    for _ in range(0, iterations, CHECK_EVERY):
        begin = time.process_time()
        optimiser.step(closure)
        spent += time.process_time() - begin
        with torch.no_grad():
            turned = torch_rotations.exp(torch.cat([orient.reshape(1, 3), pose.reshape(-1, 3)]))[None]
            best = min(best, error_of(State(turned, transl, betas)))
        if best <= goal:
            return Peer(spent, best, spent)
    return Peer(float("inf"), best, spent)


def against_adam(
    body: Body, seen: Sequence[Observations], truths: Sequence[BodyParams], known: Known, *, most: int = 1500
) -> Figures:
    """Ratios of CPU time to 101 % of our error on noisy 24 joints: ours from nothing, Adam's without that of its start.

    ``vs_adam`` starts at the mean pose, ``vs_adam_same_start`` at our closed form; a ratio that is missing has no
    end: Adam never came so near.
    """
    ours, solved, error_of = _ours(body, seen, truths, known)
    goal = 1.01 * error_of(solved.solution.state)
    start = solved.begun.state
    starts = {"vs_adam": upright(start, known.pose.mean), "vs_adam_same_start": start}
    peers = {name: adam(solved.problem, begin, error_of, goal=goal, most=most) for name, begin in starts.items()}
    figures = {name: peer.seconds / ours for name, peer in peers.items() if math.isfinite(peer.seconds)}
    return {**figures, **{f"{name}_error_mm": peer.error for name, peer in peers.items()}}


def against_smplify(
    body: Body, seen: Observations, truth: BodyParams, known: Known, *, every: int = 20, least_sigma_m: float = 0.005
) -> Figures:
    """Ratio of CPU time a frame on clean 24 joints: of 100 iterations, or fewer where our error is reached.

    Parameters
    ----------
    body, seen, truth, known
        One walk, whose frames we fit together.
    every
        The peer fits one frame of so many.
    least_sigma_m
        Metres: the spread that the peer is told; with much less, its line search stalls.
    """
    ours, solved, error_of = _ours(body, [seen], [truth], known)
    state, start, problem = solved.solution.state, solved.begun.state, solved.problem
    prior = next(term for term in problem.terms if isinstance(term, PoseTerm))
    data = next(term for term in problem.terms if isinstance(term, Points3D))
    energy = Energy(least_sigma_m, data.huber, prior.joints, prior.mean.float(), prior.precision.float())
    standing = upright(start, known.pose.mean)
    peers = []
    for frame in range(0, len(truth), every):
        part = slice(frame, frame + 1)
        frame_error = _error_of(problem, [truth.take(part)], body)
        goal = 1.01 * frame_error(_frame(state, part))
        target = torch.as_tensor(seen.joints[frame])
        peers.append(smplify(body, target, _frame(standing, part), energy, frame_error, goal=goal))
    spent = float(np.mean([peer.spent for peer in peers]))
    return {
        "vs_smplify": spent / (ours / len(truth)),
        "smplify_s": spent,
        "smplify_error_mm": float(np.mean([peer.error for peer in peers])),
        "smplify_ours_mm": error_of(state),
    }


def _ours(
    body: Body, seen: Sequence[Observations], truths: Sequence[BodyParams], known: Known
) -> tuple[float, Solved, ErrorOf]:
    """CPU seconds of our fit, the solution, and the mean distance of 24 joints from the truth in millimetres."""
    settings = FitSettings()
    solve(body, seen[:1], known, settings)
    begin = time.process_time()
    solved = solve(body, seen, known, settings)
    return time.process_time() - begin, solved, _error_of(solved.problem, truths, body)


def _error_of(problem: Problem, truths: Sequence[BodyParams], body: Body) -> ErrorOf:
    chain, layout = problem.chain, Layout.of([len(truth) for truth in truths])
    joints = torch.as_tensor(np.concatenate([forward(body, truth, np.array([0])).joints for truth in truths]))

    def error_of(state: State) -> float:
        doubled = State(state.rotations.double(), state.transl.double(), state.betas.double())
        return 1e3 * float((pose(chain, layout, doubled).joints - joints).norm(dim=-1).mean())

    return error_of


def _frame(state: State, part: slice) -> State:
    return State(state.rotations[part], state.transl[part], state.betas[:1])
