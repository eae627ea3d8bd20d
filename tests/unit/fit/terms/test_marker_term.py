"""Markers whose offsets are unknown: derivatives by pose, shape, place and offset; the prior of the offsets."""

import numpy as np
import pytest
import torch
from gradients import check_gradient, check_matrix

from meshgait_data.fit.batch import State, pose
from meshgait_data.fit.minimise import Extra
from meshgait_data.fit.points import BodyPoints
from meshgait_data.fit.terms.markers import OFFSETS, Markers, PlacementPrior, retract

COUNT = 5
EXTRA = Extra(OFFSETS, 3 * COUNT, retract, 10.0)


def scene(lite, chain, random_state, spread, *, unknown=True):
    layout, state = random_state()
    generator = torch.Generator().manual_seed(4)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    points = BodyPoints.on_surface(lite, chain, np.array([3, 300, 700, 1100, 1500]))
    offsets = 0.02 * normal(len(layout), COUNT, 3)
    targets = points.place(pose(chain, layout, state), offsets).points + spread * normal(layout.frames, COUNT, 3)
    weights = torch.rand(layout.frames, COUNT, generator=generator, dtype=torch.float64)
    weights[0, 0] = 0
    sigma = torch.tensor([0.01, 0.02, 0.03], dtype=torch.float64)
    if unknown:
        state = State(state.rotations, state.transl, state.betas, {OFFSETS: offsets})
    return Markers(points, offsets, targets, weights, sigma), layout, state


@pytest.mark.parametrize("spread", [0.003, 0.2], ids=["near", "robust"])
@pytest.mark.parametrize("unknown", [True, False])
def test_gradient(lite, chain, random_state, spread, unknown):
    term, layout, state = scene(lite, chain, random_state, spread, unknown=unknown)
    check_gradient(term, chain, layout, state, extras=(EXTRA,) if unknown else ())


def test_matrix_is_the_hessian_at_zero_residual(lite, chain, random_state):
    term, layout, state = scene(lite, chain, random_state, 0.0)
    check_matrix(term, chain, layout, state, extras=(EXTRA,))


def test_placement_prior(lite, chain, random_state):
    _, layout, state = scene(lite, chain, random_state, 0.0)
    factor = torch.randn(len(layout), COUNT, 3, 3, dtype=torch.float64)
    prior = PlacementPrior(0 * state.extras[OFFSETS], factor @ factor.mT)
    check_gradient(prior, chain, layout, state, extras=(EXTRA,))
    check_matrix(PlacementPrior(state.extras[OFFSETS], factor @ factor.mT), chain, layout, state, extras=(EXTRA,))
