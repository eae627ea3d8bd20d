"""Observed points in space, on every kind of body point."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from gradients import check_gradient, check_matrix

from meshgait_data.body.joint_files import load_regressor
from meshgait_data.body.joints import regress
from meshgait_data.body.model import forward
from meshgait_data.fit.batch import pose
from meshgait_data.fit.points import BodyPoints
from meshgait_data.fit.terms.points3d import Points3D
from meshgait_data.rotations import log
from meshgait_data.types import BodyParams


def kinds(lite, chain):
    offsets = 0.1 * torch.arange(9, dtype=torch.float64).reshape(3, 3) - 0.3
    coco = load_regressor(lite, "coco17")
    return {
        "joints": BodyPoints.at_joints(chain, range(24)),
        "offsets": BodyPoints.at_joints(chain, [0, 5, 20], offsets),
        "surface": BodyPoints.on_surface(lite, chain, np.array([3, 700, 1500])),
        "coco17": BodyPoints.regressed(lite, chain, coco.matrix),
    }


def observed(points, layout, state, chain, spread, seed=1):
    placed = points.place(pose(chain, layout, state))
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(placed.points.shape, generator=generator, dtype=torch.float64)
    weights = torch.rand(placed.points.shape[:2], generator=generator, dtype=torch.float64)
    weights[0, 0] = 0
    sigma = torch.tensor([0.01, 0.02, 0.03], dtype=torch.float64)[: len(layout)]
    return Points3D(points, placed.points + spread * noise, weights, sigma)


@pytest.mark.parametrize("kind", ["joints", "offsets", "surface", "coco17"])
@pytest.mark.parametrize("spread", [0.003, 0.2], ids=["near", "robust"])
def test_gradient(lite, chain, random_state, kind, spread):
    layout, state = random_state()
    check_gradient(observed(kinds(lite, chain)[kind], layout, state, chain, spread), chain, layout, state)


@pytest.mark.parametrize("kind", ["joints", "offsets", "surface", "coco17"])
def test_matrix_is_the_hessian_at_zero_residual(lite, chain, random_state, kind):
    layout, state = random_state()
    check_matrix(observed(kinds(lite, chain)[kind], layout, state, chain, 0.0), chain, layout, state)


def params_of(layout, state):
    """One body for each capture."""
    angles = log(state.rotations.numpy())
    return [
        BodyParams(state.betas[i].numpy(), angles[s, 0], angles[s, 1:].reshape(-1, 69), state.transl[s].numpy())
        for i, s in enumerate(layout.slices())
    ]


def test_points_lie_where_the_body_has_them(lite, chain, random_state):
    layout, state = random_state()
    posed, points = pose(chain, layout, state), kinds(lite, chain)
    regressor = load_regressor(lite, "coco17")
    outputs = [forward(lite, params, dtype=np.dtype(np.float64)) for params in params_of(layout, state)]
    joints = np.concatenate([output.joints for output in outputs])
    skin = np.concatenate([output.vertices for output in outputs])
    coco = np.concatenate([regress(regressor, output) for output in outputs])
    found = {name: kind.place(posed).points.numpy() for name, kind in points.items()}
    np.testing.assert_allclose(found["joints"], joints, atol=1e-9)
    np.testing.assert_allclose(found["surface"], skin[:, [3, 700, 1500]], atol=1e-7)
    np.testing.assert_allclose(found["coco17"], coco, atol=1e-6)


def test_take_keeps_order(lite, chain, random_state):
    layout, state = random_state()
    posed, points = pose(chain, layout, state), kinds(lite, chain)["coco17"]
    chosen = points.take([5, 0, 16])
    np.testing.assert_allclose(chosen.place(posed).points, points.place(posed).points[:, [5, 0, 16]], atol=1e-12)


def test_a_joint_centre_does_not_feel_its_own_rotation(lite, chain):
    assert BodyPoints.at_joints(chain, [5]).movers(chain) == {0, 2}
    rows = sp.csr_matrix((1, lite.num_vertices + 24))
    rows[0, lite.num_vertices + 5] = 1.0
    assert BodyPoints.regressed(lite, chain, rows).movers(chain) == {0, 2}


def test_offsets_move_points_in_rest_axes(lite, chain, random_state):
    layout, state = random_state()
    posed, points = pose(chain, layout, state), BodyPoints.at_joints(chain, [7, 20])
    offsets = torch.randn(len(layout), 2, 3, dtype=torch.float64)
    moved = points.place(posed, offsets).points - points.place(posed).points
    expected = posed.world[:, [7, 20]] @ offsets[layout.capture][..., None]
    torch.testing.assert_close(moved, expected[..., 0])
