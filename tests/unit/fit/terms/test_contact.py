"""Standing feet: exact gradients although places and ground are eliminated, and nothing said of feet in the air."""

import pytest
import torch
from gradients import check_gradient

from meshgait_data.fit.batch import pose
from meshgait_data.fit.contact import sole_points
from meshgait_data.fit.terms.contact import Contact


def scene(lite, chain, random_state, bend):
    layout, state = random_state(bend=bend)
    # Two stances in the first capture, one in the third; the second stands nowhere.
    stance = torch.full((layout.frames, 4), -1)
    stance[:3, 0], stance[1:4, 3], stance[5:, 1] = 0, 1, 2
    return sole_points(lite, chain), stance, torch.tensor([0, 0, 2]), layout, state


@pytest.mark.parametrize("sigma", [0.5, 5.0], ids=["robust", "quadratic"])
def test_gradient(lite, chain, random_state, sigma):
    points, stance, capture, layout, state = scene(lite, chain, random_state, 0.05)
    term = Contact(points, stance, capture, sigma, 2 * sigma)
    check_gradient(term, chain, layout, state, tolerance=1e-3 if sigma < 1 else 1e-5)


def test_a_still_body_on_level_ground_costs_nothing(lite, chain, random_state):
    points, stance, capture, layout, state = scene(lite, chain, random_state, 0.0)
    still = type(state)(state.rotations, 0 * state.transl, 0 * state.betas)
    residual = Contact(points, stance, capture, 0.002, 0.1).measure(pose(chain, layout, still))
    assert float(residual.cost.max()) < 1e-3
    assert residual.error[4].isnan()
    assert float(residual.error[:4].max()) < 1e-9
