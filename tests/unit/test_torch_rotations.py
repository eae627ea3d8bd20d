"""Rotations in torch: inverses of each other, and derivatives that finite differences confirm."""

import torch
from torch.testing import assert_close

from meshgait_data import rotations, torch_rotations


def _vectors() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    directions = torch.nn.functional.normalize(torch.randn(60, 3, generator=generator, dtype=torch.float64), dim=-1)
    return directions * torch.cat([torch.logspace(-9, -2, 20), torch.linspace(0.1, 2.9, 40)]).double()[:, None]


def test_log_undoes_exp() -> None:
    vectors = _vectors()
    assert_close(torch_rotations.log(torch_rotations.exp(vectors)), vectors, atol=1e-12, rtol=1e-9)


def test_exp_is_that_of_numpy() -> None:
    vectors = _vectors()
    assert_close(torch_rotations.exp(vectors).numpy(), rotations.exp(vectors.numpy()))


def test_vee_undoes_skew() -> None:
    vectors = _vectors()
    assert_close(torch_rotations.vee(torch_rotations.skew(vectors)), vectors)


def test_log_jacobian_is_the_slope_of_the_log() -> None:
    vectors, step = _vectors(), 1e-6
    matrices = torch_rotations.exp(vectors)
    for axis in range(3):
        delta = step * torch.eye(3, dtype=torch.float64)[axis]
        slope = (
            torch_rotations.log(matrices @ torch_rotations.exp(delta))
            - torch_rotations.log(matrices @ torch_rotations.exp(-delta))
        ) / (2 * step)
        assert_close(torch_rotations.log_jacobian(vectors)[..., axis], slope, atol=1e-7, rtol=1e-6)
