"""The fit of a body to observed 3D joints: closed-form start, then damped Gauss-Newton over all frames at once."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.body.model import Body
from meshgait_data.fit.chain import State
from meshgait_data.fit.observed import Mapped, map_observations
from meshgait_data.fit.problem import make_problem
from meshgait_data.fit.quality import judge
from meshgait_data.fit.residuals import Evaluation, Problem, evaluate, linearise
from meshgait_data.fit.settings import FitSettings
from meshgait_data.fit.solver import System, solve
from meshgait_data.fit.start import first_guess
from meshgait_data.manifest import JointMap
from meshgait_data.rotations import log
from meshgait_data.types import BodyParams, Fit, Observations

_DEFAULT = FitSettings()
_DAMPING = 1e-4
"""Marquardt's factor at the start: the closed form is near enough for almost full steps."""
_LEAST_DAMPING = 1e-8
_HONEST_DAMPING = 1.0
"""With more, a step is short because it is held back, which says nothing about how far the minimum is."""
_MAX_REFUSED = 8
"""Steps that may be refused in a row, each with ten times the damping, before the cost counts as flat."""


@dataclass(frozen=True, slots=True)
class Solution:
    """Where the solver stopped."""

    state: State
    at: Evaluation
    converged: bool
    iterations: int


def fit_joints(
    body: Body,
    observations: Observations,
    joint_map: JointMap,
    settings: FitSettings = _DEFAULT,
    *,
    device: torch.device | str = "cpu",
) -> Fit:
    """Fit shape (one for the walk), pose and place (one a frame) to 3D joints.

    The same input gives the same bytes on the same machine and number of threads.

    Parameters
    ----------
    body
        Body to fit.
    observations
        (F, J, 3) joints in metres, world frame; NaN where not seen.
    joint_map
        Which observed joint is which point of the body.
    settings
        Weights and stopping rules.
    device
        Where to compute, e.g. ``cuda``.

    Returns
    -------
    The fit. Frames with too few joints are left out and named in ``reasons``.

    Raises
    ------
    FitError
        Where the map names joints that were not observed, or too few frames show enough joints.
    """
    mapped = map_observations(observations, joint_map, settings)
    problem = make_problem(body, mapped, settings, fps=observations.fps, device=device)
    solution = minimise(problem, first_guess(problem), settings)
    params = to_params(solution.state)
    judged = judge(
        problem,
        solution.at,
        betas=params.betas,
        frame_ids=mapped.frame_ids,
        converged=solution.converged,
        settings=settings,
    )
    return Fit(
        key=observations.key,
        params=params,
        frame_ids=mapped.frame_ids,
        fps=observations.fps,
        residuals=judged.residuals,
        verdict=judged.verdict,
        reasons=(*_dropped(mapped), *judged.reasons),
        converged=solution.converged,
        body_name=body.name,
        body_sha256=body.sha256,
        provenance={"iterations": solution.iterations},
    )


def minimise(problem: Problem, start: State, settings: FitSettings) -> Solution:
    """Levenberg-Marquardt: steps that would raise the cost are refused and damped more.

    Converged means that the last step was below ``step_tolerance``, or lowered the cost by less than
    ``cost_tolerance`` of it.
    """
    state, at, damping = start, evaluate(problem, start), _DAMPING
    for iteration in range(1, settings.max_iterations + 1):
        attempt = _descend(problem, state, at, damping, settings.step_tolerance)
        small = attempt.length < settings.step_tolerance and attempt.damping <= _HONEST_DAMPING
        if not attempt.at.cost <= at.cost:
            # Refused to the end, or so small a step that only rounding is left.
            return Solution(state, at, small, iteration)
        flat = at.cost - attempt.at.cost < settings.cost_tolerance * at.cost and attempt.damping <= _HONEST_DAMPING
        state, at, damping = attempt.state, attempt.at, max(attempt.damping / 10, _LEAST_DAMPING)
        if small or flat:
            return Solution(state, at, True, iteration)
    return Solution(state, at, False, settings.max_iterations)


@dataclass(frozen=True, slots=True)
class _Attempt:
    state: State
    at: Evaluation
    length: float
    damping: float


def _descend(problem: Problem, state: State, at: Evaluation, damping: float, tolerance: float) -> _Attempt:
    """One step, damped until it lowers the cost or is as good as none."""
    system = linearise(problem, state, at)
    refused = 0
    while True:
        step, shape_step = _step(system, damping)
        length = _length(step, shape_step)
        trial = _moved(problem, state, step, shape_step)
        reached = evaluate(problem, trial)
        settled = length < tolerance and damping <= _HONEST_DAMPING
        if reached.cost <= at.cost or settled or refused == _MAX_REFUSED:
            return _Attempt(trial, reached, length, damping)
        damping, refused = 10 * damping, refused + 1


def _step(system: System, damping: float) -> tuple[Tensor, Tensor]:
    """Solve in single precision: a tenth faster in all, and the fitted joints stay within 0.001 mm.

    The cost, in double precision, decides whether the step is good.
    """
    try:
        return solve(system, damping, torch.float32)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # torch documents it but does not export its type
        return solve(system, damping)


def _length(step: Tensor, shape_step: Tensor) -> float:
    """Longest part of a step: radians, decimetres, tenths of a standard deviation."""
    parts = step[:, :-3].abs().max(), 10 * step[:, -3:].abs().max(), shape_step.abs().max() / 10
    return float(torch.stack(parts).max())


def _moved(problem: Problem, state: State, step: Tensor, shape_step: Tensor) -> State:
    free = list(problem.points.free)
    rotations = state.rotations.clone()
    rotations[:, free] = rotations[:, free] @ torch_rotations.exp(step[:, :-3].reshape(len(step), -1, 3))
    return State(rotations, state.betas + shape_step, state.transl + step[:, -3:])


def to_params(state: State) -> BodyParams:
    """Axis-angle in single precision, with smplx's names."""
    angles = log(state.rotations.cpu().numpy()).astype(np.float32)
    return BodyParams(
        betas=state.betas.cpu().numpy().astype(np.float32),
        global_orient=angles[:, 0].copy(),
        body_pose=angles[:, 1:].reshape(len(angles), -1),
        transl=state.transl.cpu().numpy().astype(np.float32),
    )


def _dropped(mapped: Mapped) -> tuple[str, ...]:
    if not mapped.dropped:
        return ()
    listed = ", ".join(str(i) for i in mapped.dropped[:5])
    more = ", ..." if len(mapped.dropped) > 5 else ""
    return (f"dropped: {len(mapped.dropped)} frames with too few joints ({listed}{more})",)
