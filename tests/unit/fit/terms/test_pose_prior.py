"""The pose prior and joint limits: derivatives, and what they mean."""

import math
from dataclasses import replace

import pytest
import torch
from gradients import check_gradient, check_matrix

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit.batch import State, pose
from meshgait_data.fit.priors.pose import PosePrior
from meshgait_data.fit.priors.ranges import limits
from meshgait_data.fit.terms.limits import Limits
from meshgait_data.fit.terms.pose_prior import PoseTerm
from meshgait_data.fit.terms.tangent import pulled, turned
from meshgait_data.torch_rotations import exp


@pytest.fixture
def prior():
    generator = torch.Generator().manual_seed(3)
    root = torch.randn(69, 69, generator=generator, dtype=torch.float64)
    mean = exp(0.2 * torch.randn(24, 3, generator=generator, dtype=torch.float64))
    covariance = 0.01 * root @ root.mT + 0.1 * torch.eye(69, dtype=torch.float64)
    return PosePrior("toy", mean, covariance, torch.ones(24, dtype=torch.float64), 1.0)


@pytest.mark.parametrize("free", [tuple(range(24)), (0, 1, 4, 9, 20), (3, 4)], ids=str)
def test_pose_gradient(chain, random_state, prior, free):
    layout, state = random_state()
    check_gradient(PoseTerm.of(prior, free, weight=0.7), chain, layout, state, free=free)


def test_pose_matrix_is_the_hessian_at_the_mean(chain, random_state, prior):
    layout, state = random_state()
    there = State(prior.mean.expand(layout.frames, -1, -1, -1).clone(), state.transl, state.betas)
    check_matrix(PoseTerm.of(prior, range(24)), chain, layout, there)


def test_pose_error_is_one_for_samples_of_the_prior(chain, random_state, prior):
    layout, state = random_state((4000,))
    generator = torch.Generator().manual_seed(4)
    drawn = torch.randn(4000, 69, generator=generator, dtype=torch.float64) @ torch.linalg.cholesky(prior.covariance).mT
    vectors = torch.cat([torch.zeros(4000, 3).double(), 0.2 * drawn], 1).reshape(-1, 24, 3)
    term = PoseTerm.of(replace(prior, covariance=0.04 * prior.covariance), range(24))
    residual = term.measure(pose(chain, layout, State(prior.mean @ exp(vectors), state.transl, state.betas)))
    assert float(residual.error.square().mean()) == pytest.approx(1, abs=0.01)
    assert float(residual.cost) == pytest.approx(4000 * 69 / 2, rel=0.01)


def test_free_joints_are_marginal_not_conditional(prior):
    joints = (2, 5, 8)
    rows = [3 * (joint - 1) + axis for joint in joints for axis in range(3)]
    torch.testing.assert_close(torch.linalg.inv(prior.precision(joints)), prior.covariance[rows][:, rows])
    with pytest.raises(ValueError, match="root"):
        prior.precision((0, 1))


def test_products_with_block_diagonals():
    generator = torch.Generator().manual_seed(5)
    blocks = torch.randn(2, 4, 3, 3, generator=generator, dtype=torch.float64)
    precision = torch.randn(12, 12, generator=generator, dtype=torch.float64)
    dense = torch.stack([torch.block_diag(*row) for row in blocks])
    torch.testing.assert_close(turned(precision, blocks), dense.mT @ precision @ dense)
    vectors = torch.randn(2, 12, 5, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(pulled(blocks, vectors), dense.mT @ vectors)


@pytest.mark.parametrize("free", [tuple(range(24)), (0, 4, 5, 18)], ids=str)
def test_limits_gradient(chain, random_state, free):
    layout, state = random_state(bend=0.6)
    check_gradient(Limits.of(torch.as_tensor(limits()), free), chain, layout, state, free=free)


def test_knees_and_elbows_are_hinges(chain, random_state):
    layout, state = random_state((1,), bend=0.0)
    term, straight = Limits.of(torch.as_tensor(limits()), range(24)), state.rotations
    for joint, axis, allowed in (
        ("left_knee", 0, 1),
        ("right_knee", 0, 1),
        ("left_elbow", 1, -1),
        ("right_elbow", 1, 1),
    ):
        for sign in (1, -1):
            vector = torch.zeros(3).double()
            vector[axis] = sign * math.radians(20)
            rotations = straight.clone()
            rotations[:, SMPL_JOINTS.index(joint)] = exp(vector)
            residual = term.measure(pose(chain, layout, State(rotations, state.transl, state.betas)))
            assert float(residual.error) == pytest.approx(0 if sign == allowed else math.radians(20), abs=1e-9)


def test_limits_are_symmetric_and_hold_the_rest_pose():
    low, high = limits()
    mirror = [1, -1, -1]
    for joint, name in enumerate(SMPL_JOINTS[1:], 1):
        assert (low[joint] <= 0).all()
        assert (high[joint] >= 0).all()
        if name.startswith("left_"):
            other = SMPL_JOINTS.index(name.replace("left_", "right_"))
            images = sorted([tuple(low[joint] * mirror), tuple(high[joint] * mirror)])
            assert (abs(sum(map(sum, images)) - (low[other] + high[other]).sum())) < 1e-12
