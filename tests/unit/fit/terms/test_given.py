"""The term of given parameters: its derivatives, and what it does with outliers."""

import numpy as np
import pytest
import torch
from gradients import check_gradient, check_matrix

from meshgait_data.body.files import load_body
from meshgait_data.fit.batch import Layout, State, pose
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.minimise import Problem, Stopping, minimise
from meshgait_data.fit.terms.given import Given
from meshgait_data.torch_rotations import exp, log

BETAS = 4


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain.of(load_body("free-lite"), num_betas=BETAS)


@pytest.fixture
def layout() -> Layout:
    return Layout.of([3, 2])


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(seed).normal(0, 1, shape))


def state_near(layout: Layout, size: float = 0.5, seed: int = 0) -> State:
    angles = size * random(layout.frames, 24, 3, seed=seed)
    return State(exp(angles), random(layout.frames, 3, seed=seed + 1), random(len(layout), BETAS, seed=seed + 2))


def term_at(chain: Chain, layout: Layout, state: State, huber: float = 3.0) -> Given:
    turn = 50 * (1 + random(layout.frames, 24, seed=9) ** 2)
    turn[1, 4] = 0
    root = random(layout.frames, 3, 3, seed=8)
    pelvis = pose(chain, layout, state).joints[:, 0]
    shape = torch.tensor([2.0, 3.0], dtype=torch.float64)
    place = root @ root.mT + torch.eye(3)
    return Given(state.rotations, turn, pelvis, place, state.betas, shape, huber)


@pytest.mark.parametrize("huber", [0.5, 3.0, 1e3])
def test_gradient(chain, layout, huber):
    term = term_at(chain, layout, state_near(layout, seed=20), huber)
    check_gradient(term, chain, layout, state_near(layout, 0.3))
    check_gradient(term, chain, layout, state_near(layout, 0.3), free=(0, 1, 4, 20))


def test_matrix(chain, layout):
    state = state_near(layout, 0.3)
    check_matrix(term_at(chain, layout, state), chain, layout, state)


def test_alone_it_gives_back_what_was_given(chain, layout):
    wanted = state_near(layout, 0.3)
    problem = Problem(chain, layout, tuple(range(24)), [term_at(chain, layout, wanted)], dtype=torch.float64)
    start = state_near(layout, 0.3, seed=40)
    start.rotations[1, 4] = wanted.rotations[1, 4]
    found = minimise(problem, start, Stopping(max_iterations=60, step_tolerance=1e-8, cost_tolerance=0.0))
    assert log(found.state.rotations.mT @ wanted.rotations).abs().max() < 1e-5
    assert (found.state.betas - wanted.betas).abs().max() < 1e-5
    assert (found.state.transl - wanted.transl).abs().max() < 1e-5
    assert found.residuals["params"].error.max() < 1e-5


def test_the_error_is_how_far_joints_are_off(chain, layout):
    state = state_near(layout, 0.3)
    term = term_at(chain, layout, state)
    moved = State(state.rotations, state.transl + torch.tensor([0.03, 0.0, 0.04]), state.betas)
    error = term.measure(pose(chain, layout, moved)).error
    torch.testing.assert_close(error, torch.full_like(error, 0.05))


def test_frames_without_precision_say_nothing(chain, layout):
    state = state_near(layout, 0.3)
    term = term_at(chain, layout, state_near(layout, 0.3, seed=5))
    term.turn[2], term.place[2] = 0, 0
    residual = term.measure(pose(chain, layout, state))
    assert torch.isnan(residual.error).tolist() == [False, False, True, False, False]
    changed = State(state.rotations.clone(), state.transl.clone(), state.betas)
    changed.rotations[2], changed.transl[2] = torch.eye(3, dtype=torch.float64), 7.0
    torch.testing.assert_close(term.measure(pose(chain, layout, changed)).cost, residual.cost)
