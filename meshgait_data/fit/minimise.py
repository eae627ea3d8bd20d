"""Levenberg-Marquardt over a batch of captures: each has its own damping, and steps that raise its cost are refused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.fit.batch import Layout, Posed, State, pose
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.solver import Step, solve
from meshgait_data.fit.system import System
from meshgait_data.fit.terms.base import Residual, Term

_HONEST_DAMPING = 1.0
"""With more, a step is short because it is held back, which says nothing about how far the minimum is."""


@dataclass(frozen=True, slots=True)
class Extra:
    """Unknowns that the frames of a capture share beside the shape: cameras, gait phase, marker placement."""

    name: str
    size: int
    """E unknowns."""
    retract: Callable[[Tensor, Tensor], Tensor] = torch.add
    """From the value (N, ...) and a step (N, E) to the new value."""
    scale: float = 1.0
    """What a step is multiplied by to be compared with the tolerance (radians, decimetres)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that stays the same while solving."""

    chain: Chain
    layout: Layout
    free: tuple[int, ...]
    """Joints whose rotation is unknown; the others stay as they start."""
    terms: Sequence[Term]
    extras: Sequence[Extra] = ()
    hold: frozenset[str] = frozenset()
    """Shared unknowns that stay as they start: ``betas``, names of extras."""
    dtype: torch.dtype = torch.float32
    """Precision of the normal equations; states and costs are double."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """When to stop."""

    max_iterations: int = 30
    step_tolerance: float = 1e-3
    """Radians, decimetres, tenths of a standard deviation: converged where no unknown moves more."""
    cost_tolerance: float = 1e-4
    """Or where an accepted step lowers the cost by less than this share, or what is left to gain is less: the sum of
    all further gains, if each were the same part of the last as the last was of the one before."""
    damping: float = 1e-4
    """Marquardt's factor at the start."""
    least_damping: float = 1e-8
    most_damping: float = 1e8
    """A capture that is refused with so much damping is at the bottom, as far as rounding can tell."""


@dataclass(frozen=True, slots=True)
class Solution:
    """Where the solver stopped."""

    state: State
    posed: Posed
    residuals: Mapping[str, Residual]
    """By name of the term."""
    costs: Tensor
    """(N,)"""
    converged: Tensor
    """(N,) bool"""
    iterations: Tensor
    """(N,) steps tried while the capture was moving."""


def evaluate(problem: Problem, state: State) -> tuple[Posed, list[Residual], Tensor]:
    """All terms at a state, and the (N,) costs."""
    posed = pose(problem.chain, problem.layout, state)
    residuals = [term.measure(posed) for term in problem.terms]
    costs = posed.state.betas.new_zeros(len(problem.layout))
    for residual in residuals:
        costs = costs + residual.cost
    return posed, residuals, costs


def linearise(
    problem: Problem, state: State, residuals: Sequence[Residual], active: Sequence[int] | None = None
) -> System:
    """Gauss-Newton's normal equations of the captures that are active (None: of all); held unknowns do not move."""
    sizes = {"betas": state.betas.shape[1], **{extra.name: extra.size for extra in problem.extras}}
    system = System.zeros(problem.layout, problem.free, sizes, dtype=problem.dtype, active=active)
    for residual in residuals:
        residual.add_to(system)
    for name in problem.hold:
        columns = system.columns(name)
        system.border[..., columns] = 0
        system.corner[:, columns] = 0
        system.corner[:, :, columns] = 0
        system.corner[:, columns, columns].diagonal(dim1=1, dim2=2).fill_(1)
        system.shared[:, columns] = 0
    return system


def minimise(problem: Problem, start: State, stopping: Stopping = Stopping()) -> Solution:
    """Solve all captures of a batch side by side.

    Parameters
    ----------
    problem
        What is minimised.
    start
        First guess, in double precision.
    stopping
        When to stop.

    Returns
    -------
    The best state of each capture. Converged: the last honest step was shorter than ``step_tolerance``, or lowered the
    cost by less than ``cost_tolerance`` of it, or so little is left to gain.
    """
    state, (posed, residuals, costs) = start, evaluate(problem, start)
    damping = torch.full_like(costs, stopping.damping)
    active = torch.ones_like(costs, dtype=torch.bool)
    converged, iterations = ~active, torch.zeros_like(costs, dtype=torch.long)
    last_gain = torch.zeros_like(costs)
    for _ in range(stopping.max_iterations):
        moving = active.nonzero()[:, 0].tolist()
        system = linearise(problem, state, residuals, moving)
        step = solve(system, damping, captures=moving, dtype=problem.dtype)
        length = _lengths(problem, step)
        trial = move(problem, state, step, active)
        trial_posed, trial_residuals, trial_costs = evaluate(problem, trial)
        better = active & (trial_costs <= costs) & ~step.failed
        gain = costs - trial_costs
        little = torch.minimum(gain, _left_to_gain(gain, last_gain)) < stopping.cost_tolerance * costs
        last_gain = torch.where(better, gain, 0.0)
        honest = damping <= _HONEST_DAMPING
        iterations += active
        settled = honest & (length < stopping.step_tolerance) & ~step.failed
        done = active & (settled | (better & honest & little))
        stuck = active & ~better & (damping >= stopping.most_damping)
        damping = torch.where(better, (damping / 10).clamp(min=stopping.least_damping), damping * 10)
        # Captures at rest have not moved.
        if bool((better | ~active).all()):
            state, posed, residuals, costs = trial, trial_posed, trial_residuals, trial_costs
        else:
            state = choose(problem.layout, better, trial, state)
            posed, residuals, costs = evaluate(problem, state)
        converged, active = converged | done, active & ~done & ~stuck
        if not bool(active.any()):
            break
    named = {term.name: residual for term, residual in zip(problem.terms, residuals, strict=True)}
    return Solution(state, posed, named, costs, converged, iterations)


def _left_to_gain(gain: Tensor, before: Tensor) -> Tensor:
    """(N,) sum of a geometric series that goes on from the last two gains; infinite where they do not shrink."""
    shrinks = (gain >= 0) & (gain < before)
    ratio = torch.where(shrinks, gain / before, 0.0)
    return torch.where(shrinks, gain * ratio / (1 - ratio), torch.inf)


def _lengths(problem: Problem, step: Step) -> Tensor:
    """(N,) longest part of a step: radians, decimetres, tenths of a standard deviation."""
    layout = problem.layout
    frames = torch.maximum(step.frames[:, :-3].abs().amax(1), 10 * step.frames[:, -3:].abs().amax(1))
    longest = frames.new_zeros(len(layout)).scatter_reduce_(0, layout.capture, frames, "amax")
    shared = step.shared.abs()
    sizes = [shared.shape[1] - sum(extra.size for extra in problem.extras), *(e.size for e in problem.extras)]
    scales = [0.1, *(extra.scale for extra in problem.extras)]
    for part, scale in zip(torch.split(shared, sizes, 1), scales, strict=True):
        if part.shape[1]:
            longest = torch.maximum(longest, scale * part.amax(1))
    return longest


def move(problem: Problem, state: State, step: Step, active: Tensor) -> State:
    """Take a step where the capture is still moving."""
    free, dtype = list(problem.free), state.transl.dtype
    frames = torch.where(active[problem.layout.capture, None], step.frames.to(dtype), 0.0)
    shared = torch.where(active[:, None], step.shared.to(dtype), 0.0)
    rotations = state.rotations.clone()
    rotations[:, free] = rotations[:, free] @ torch_rotations.exp(frames[:, :-3].reshape(len(frames), -1, 3))
    start = state.betas.shape[1]
    extras = dict(state.extras)
    for extra in problem.extras:
        extras[extra.name] = extra.retract(extras[extra.name], shared[:, start : start + extra.size])
        start += extra.size
    return State(rotations, state.transl + frames[:, -3:], state.betas + shared[:, : state.betas.shape[1]], extras)


def choose(layout: Layout, first: Tensor, yes: State, no: State) -> State:
    """Capture by capture one of two states; ``first`` is (N,) bool."""
    frames = first[layout.capture]

    def pick(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
        return torch.where(mask.reshape(-1, *[1] * (a.dim() - 1)), a, b)

    return replace(
        yes,
        rotations=pick(yes.rotations, no.rotations, frames),
        transl=pick(yes.transl, no.transl, frames),
        betas=pick(yes.betas, no.betas, first),
        extras={name: pick(value, no.extras[name], first) for name, value in yes.extras.items()},
    )
