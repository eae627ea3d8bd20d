"""Smoothness in time and the shape prior."""

import pytest
import torch
from gradients import check_gradient, check_matrix

from meshgait_data.fit.batch import Layout
from meshgait_data.fit.terms.shape import ShapePrior
from meshgait_data.fit.terms.smoothness import Smoothness, stencils

FREE = (0, 1, 4, 9)


def smoothness(layout, pace=1 / 30):
    steps = torch.cat([torch.arange(length) for length in layout.lengths]).double()
    steps[2:4] += 2  # a gap
    rotations = torch.linspace(1, 3, 24, dtype=torch.float64)
    return Smoothness(
        stencils(layout, steps * pace), rotations, 5.0, FREE, torch.linspace(0.2, 1, len(layout.lengths)).double()
    )


def test_gradient(chain, random_state):
    layout, state = random_state()
    check_gradient(smoothness(layout), chain, layout, state, free=FREE)


def test_matrix_is_the_hessian_at_zero_residual(chain, random_state):
    layout, state = random_state(bend=0.0)
    still = state.transl.clone() * 0
    state = type(state)(state.rotations, still, state.betas)
    check_matrix(smoothness(layout), chain, layout, state, free=FREE)


def test_shape_gradient(chain, random_state):
    layout, state = random_state()
    check_gradient(ShapePrior(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)), chain, layout, state)


def test_even_motion_costs_nothing(chain, random_state):
    layout, state = random_state((5, 3), bend=0.0)
    times = torch.cat([torch.arange(5.0), torch.tensor([0.0, 2.0, 3.0])]).double()
    state = type(state)(state.rotations, times[:, None] * torch.ones(3).double(), state.betas)
    term = Smoothness(stencils(layout, times), torch.ones(24).double(), 1.0, FREE, torch.ones(2).double())
    from meshgait_data.fit.batch import pose

    assert float(term.measure(pose(chain, layout, state)).cost.abs().max()) < 1e-20


def test_captures_do_not_feel_each_other():
    both = stencils(Layout.of([3, 4]), torch.arange(7.0))
    assert (both[[1, 2, 5, 6]] == 0).all()
    assert (both[[0, 3, 4]] != 0).all()


@pytest.mark.parametrize("lengths", [(1,), (2,), (1, 2)])
def test_short_captures_have_no_accelerations(lengths):
    assert (stencils(Layout.of(lengths), torch.arange(float(sum(lengths)))) == 0).all()
