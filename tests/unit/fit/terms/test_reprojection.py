"""Reprojection of body points: derivatives by pose, shape, cameras and offsets, through every kind of camera."""

import numpy as np
import pytest
import torch
from gradients import check_gradient, check_matrix

from meshgait_data.body.joint_files import load_regressor
from meshgait_data.fit.batch import pose
from meshgait_data.fit.cameras import EXTRA, UNKNOWNS, CameraPrior, Views, camera_extra
from meshgait_data.fit.minimise import Extra
from meshgait_data.fit.points import BodyPoints
from meshgait_data.fit.terms.kernels import geman_mcclure, huber
from meshgait_data.fit.terms.reprojection import BIAS, Reprojection
from meshgait_data.render.cameras import look_at
from meshgait_data.types import Camera

LENS = np.array([[900.0, 2.0, 480.0], [0.0, 950.0, 270.0], [0.0, 0.0, 1.0]])
KINDS = {
    "plain": {},
    "lens": {"distortion": (-0.2, 0.05, 0.003, -0.002, 0.01)},
    "rational": {"distortion": (0.1, 0.02, -0.001, 0.002, 0.01, 0.05, 0.01, 0.002)},
    "weak": {"model": "weak_perspective", "reference_m": 6.0},
    "orthographic": {"model": "orthographic"},
}


def camera(name, azimuth, **kind):
    position = np.array([6 * np.sin(azimuth), 0.7, 6 * np.cos(azimuth)])
    rotation = look_at(position, np.array([0.1, -0.2, 0.0]))
    return Camera(name, LENS, rotation, -rotation @ position, (960, 540), **kind)


def ring(kind, captures=3):
    row = [camera("a", 0.1, **KINDS[kind]), camera("b", 1.5, **KINDS[kind])]
    return Views.of([row, [row[1], None], row][:captures], targets=0.1 * torch.ones(captures, 3))


def term_of(points, views, layout, state, chain, spread, **settings):
    generator = torch.Generator().manual_seed(1)
    offsets = state.extras.get(BIAS)
    placed = points.place(pose(chain, layout, state), offsets if offsets is None else offsets.unflatten(1, (-1, 3)))
    seen = views.project(placed.points, layout.capture, state.extras.get(EXTRA), slopes=False)
    pixels = seen.pixels + spread * torch.randn(seen.pixels.shape, generator=generator, dtype=torch.float64)
    weights = torch.rand(seen.depth.shape, generator=generator, dtype=torch.float64)
    weights = weights * views.present[layout.capture][..., None]
    weights[0, 0, 0] = 0
    sigma = 1 + torch.rand(len(layout), len(views), generator=generator, dtype=torch.float64)
    return Reprojection(points, views, pixels, weights, sigma, **settings)


def placed_state(random_state, **extras):
    layout, state = random_state()
    return layout, type(state)(state.rotations, 0.3 * state.transl, state.betas, extras)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kernel", [geman_mcclure, huber])
def test_gradient(chain, random_state, kind, kernel):
    layout, state = placed_state(random_state)
    points = BodyPoints.at_joints(chain, range(24))
    term = term_of(points, ring(kind), layout, state, chain, 8.0, kernel=kernel)
    check_gradient(term, chain, layout, state)


@pytest.mark.parametrize("kind", ["lens", "weak"])
def test_gradient_of_unknown_cameras_and_offsets(lite, chain, random_state, kind):
    views, generator = ring(kind), torch.Generator().manual_seed(2)
    points = BodyPoints.regressed(lite, chain, load_regressor(lite, "coco17").matrix).take([0, 5, 10, 16])
    extras = {
        EXTRA: 0.1 * torch.randn(3, 2 * UNKNOWNS, generator=generator, dtype=torch.float64),
        BIAS: 0.03 * torch.randn(3, 12, generator=generator, dtype=torch.float64),
    }
    layout, state = placed_state(random_state, **extras)
    unknowns = (camera_extra(views), Extra(BIAS, 12))
    noisy = term_of(points, views, layout, state, chain, 8.0, bias_m=0.02)
    check_gradient(noisy, chain, layout, state, extras=unknowns)
    plain = _without(state, BIAS)
    check_matrix(term_of(points, views, layout, plain, chain, 0.0), chain, layout, plain, extras=unknowns[:1])


def _without(state, name):
    return type(state)(state.rotations, state.transl, state.betas, {k: v for k, v in state.extras.items() if k != name})


def test_matrix_ties_offsets_to_cameras(chain, random_state):
    views = ring("lens")
    extras = {EXTRA: torch.zeros(3, 2 * UNKNOWNS).double(), BIAS: torch.zeros(3, 9).double()}
    layout, state = placed_state(random_state, **extras)
    points = BodyPoints.at_joints(chain, [4, 8, 20])
    term = term_of(points, views, layout, state, chain, 0.0, bias_m=0.02)
    check_matrix(term, chain, layout, state, extras=(camera_extra(views), Extra(BIAS, 9)))


def test_camera_prior_gradient(chain, random_state):
    views = ring("plain")
    layout, state = placed_state(random_state, **{EXTRA: 0.1 * torch.ones(3, 2 * UNKNOWNS).double()})
    check_gradient(CameraPrior.of(views), chain, layout, state, extras=(camera_extra(views),))


def test_what_lies_behind_a_camera_pulls_nowhere_wild(chain, random_state):
    layout, state = placed_state(random_state)
    state = type(state)(state.rotations, state.transl + torch.tensor([0.0, 0.0, 9.0]).double(), state.betas)
    term = term_of(BodyPoints.at_joints(chain, range(24)), ring("plain"), layout, state, chain, 8.0)
    residual = term.measure(pose(chain, layout, state))
    assert residual.cost.isfinite().all()
    check_gradient(term, chain, layout, state)


def test_errors_are_pixels_and_unseen_frames_say_nothing(chain, random_state):
    layout, state = placed_state(random_state)
    term = term_of(BodyPoints.at_joints(chain, range(24)), ring("plain"), layout, state, chain, 0.0)
    shifted = torch.zeros_like(term.pixels)
    shifted[..., 0] = 3.0
    weights = term.weights.clone()
    weights[2] = 0
    moved = Reprojection(term.points, term.views, term.pixels + shifted, weights, term.sigma)
    error = moved.measure(pose(chain, layout, state)).error
    assert error[2].isnan()
    np.testing.assert_allclose(error[[0, 1, 3, 4, 5, 6, 7]], 3.0, rtol=1e-9)
