"""Analytic derivatives against finite differences, in double precision, every term switched on."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from toy_walk import KEY, gait

from meshgait_data import torch_rotations
from meshgait_data.body.model import Body, forward
from meshgait_data.fit.chain import Chain, State
from meshgait_data.fit.engine import _moved
from meshgait_data.fit.observed import map_observations
from meshgait_data.fit.problem import make_problem
from meshgait_data.fit.residuals import Problem, evaluate, linearise
from meshgait_data.fit.settings import FitSettings
from meshgait_data.manifest import JointMap, MappedJoint
from meshgait_data.types import Observations

ROWS = (
    MappedJoint("a", "pelvis", 0.5, (0.0, 0.1, -0.03)),
    MappedJoint("b", "left_knee"),
    MappedJoint("c", "left_foot", 2.0, (0.01, 0.0, 0.05)),
    MappedJoint("d", "right_hip"),
    MappedJoint("e", "right_elbow"),
    MappedJoint("f", "right_wrist", 1.0, (-0.1, 0.0, 0.02)),
    MappedJoint("g", "head", 1.0, (0.0, 0.1, 0.0)),
)


@pytest.fixture(scope="module")
def problem(body: Body) -> Problem:
    """Five frames at an uneven pace; some joints unseen, some far off, a knee and an elbow bent the wrong way."""
    rng = np.random.default_rng(5)
    joints = forward(body, gait(5), np.array([0])).joints[:, [0, 4, 10, 2, 19, 21, 15]] + rng.normal(0, 0.06, (5, 7, 3))
    joints[1, 3] = np.nan
    names = tuple(row.observed for row in ROWS)
    seen = Observations(KEY, joints, names, "toy", np.array([0, 4, 8, 20, 24]), 30.0)
    settings = FitSettings(huber_m=0.05, cutoff_hz=5.0)
    return make_problem(body, map_observations(seen, JointMap("toy", "test", ROWS), settings), settings, fps=30.0)


@pytest.fixture(scope="module")
def state(problem: Problem) -> State:
    generator = torch.Generator().manual_seed(2)
    turn = 0.3 * torch.randn(5, 24, 3, generator=generator, dtype=torch.float64)
    rotations = torch_rotations.exp(turn)
    rotations[:, 4] = torch_rotations.exp(torch.tensor([-0.3, 0.05, 0.1], dtype=torch.float64))
    rotations[:, 19] = torch_rotations.exp(torch.tensor([0.1, -0.4, 0.1], dtype=torch.float64))
    transl = problem.targets[:, 1] + 0.1 * torch.randn(5, 3, generator=generator, dtype=torch.float64)
    return State(rotations, torch.randn(10, generator=generator, dtype=torch.float64), transl)


def test_kinematics_are_those_of_the_body(body: Body) -> None:
    params = gait(4, np.linspace(-1, 1, 10))
    chain = Chain.of(body, num_betas=10)
    angles = np.concatenate([params.global_orient, params.body_pose], 1).reshape(4, 24, 3).astype(np.float64)
    state = State(
        torch_rotations.exp(torch.tensor(angles)), *(torch.tensor(a).double() for a in (params.betas, params.transl))
    )
    joints = chain.positions(chain.world(state.rotations), state)
    assert_close(joints.numpy(), forward(body, params, np.array([0])).joints.astype(np.float64), atol=2e-6, rtol=0)


def test_point_jacobian(problem: Problem, state: State) -> None:
    at, points, step = evaluate(problem, state), problem.points, 1e-6
    jacobian = points.jacobian(at.world, at.joints, at.points)
    for unknown in range(points.unknowns):
        delta = torch.zeros(5, points.unknowns, dtype=torch.float64)
        delta[:, unknown] = step
        ahead, behind = (evaluate(problem, _moved(problem, state, d, torch.zeros(10))).points for d in (delta, -delta))
        assert_close(jacobian[..., unknown], ((ahead - behind) / (2 * step)).flatten(1), atol=1e-8, rtol=1e-6)


def test_shape_jacobian(problem: Problem, state: State) -> None:
    at = evaluate(problem, state)
    still = torch.zeros(5, problem.points.unknowns, dtype=torch.float64)
    jacobian = problem.points.shape_jacobian(problem.chain, at.world)
    for component in range(10):
        # Points are linear in the shape, so that any step will do.
        unit = torch.eye(10, dtype=torch.float64)[component]
        moved = evaluate(problem, _moved(problem, state, still, unit)).points
        assert_close(jacobian[..., component], (moved - at.points).flatten(1), atol=1e-12, rtol=1e-9)


def test_gradient_is_the_slope_of_the_cost(problem: Problem, state: State) -> None:
    """Of all terms together: joints beyond the Huber radius, prior, stops, shape, smoothness at an uneven pace."""
    at = evaluate(problem, state)
    assert (at.excess > 0).any()
    assert (at.misses.norm(dim=-1)[problem.weights > 0] > problem.huber_m).any()
    assert problem.smoothness is not None
    system = linearise(problem, state, at)
    generator = torch.Generator().manual_seed(3)
    for _ in range(20):
        step = torch.randn(5, problem.points.unknowns, generator=generator, dtype=torch.float64)
        shape = torch.randn(10, generator=generator, dtype=torch.float64)
        size = 1e-6
        ahead, behind = (evaluate(problem, _moved(problem, state, s * step, s * shape)).cost for s in (size, -size))
        expected = -float((system.gradient * step).sum() + (system.shared * shape).sum())
        assert (ahead - behind) / (2 * size) == pytest.approx(expected, rel=1e-5, abs=1e-3)


def test_matrix_predicts_the_slope_of_the_gradient(problem: Problem, state: State) -> None:
    """Smoothness alone, around rest, where Gauss-Newton's matrix is the true second derivative."""
    alone = dataclasses.replace(
        problem,
        weights=torch.zeros_like(problem.weights),
        prior=dataclasses.replace(problem.prior, precision=problem.prior.precision * 0, stop_precision=0.0),
        shape_precision=0.0,
    )
    rest = State(torch.eye(3, dtype=torch.float64).expand(5, 24, 3, 3).clone(), state.betas * 0, state.transl * 0)
    system = linearise(alone, rest, evaluate(alone, rest))
    assert system.near is not None
    assert system.far is not None
    generator = torch.Generator().manual_seed(4)
    step = 1e-4 * torch.randn(5, alone.points.unknowns, generator=generator, dtype=torch.float64)
    product = (system.diagonal @ step[..., None])[..., 0]
    product[:-1] += (system.near @ step[1:, :, None])[..., 0]
    product[1:] += (system.near.mT @ step[:-1, :, None])[..., 0]
    product[:-2] += (system.far @ step[2:, :, None])[..., 0]
    product[2:] += (system.far.mT @ step[:-2, :, None])[..., 0]
    moved = _moved(alone, rest, step, torch.zeros(10))
    gradient = linearise(alone, moved, evaluate(alone, moved)).gradient
    assert_close(-gradient, product, atol=float(product.abs().max()) * 1e-3, rtol=0)
