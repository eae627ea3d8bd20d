"""The block solver gives what a dense solver gives, for any number of frames and unknowns."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from meshgait_data.fit.solver import System, solve


def _random_system(frames: int, unknowns: int, shared: int, banded: bool) -> tuple[System, Tensor]:
    """A positive definite system in blocks, and the same as one matrix with its right-hand side."""
    generator = torch.Generator().manual_seed(frames * 100 + unknowns * 10 + shared)
    size, width = frames * unknowns, (2 if banded else 0)
    # Rows that touch three neighbouring frames and the border make a matrix of exactly the expected structure.
    rows = torch.randn(6 * size + 6 * shared, size + shared, generator=generator, dtype=torch.float64)
    for index, row in enumerate(rows):
        first = (index % max(frames - width, 1)) * unknowns
        row[:first] = 0
        row[first + (width + 1) * unknowns : size] = 0
    dense = rows.T @ rows + torch.eye(size + shared, dtype=torch.float64)
    rhs = torch.randn(size + shared, generator=generator, dtype=torch.float64)
    main = dense[:size, :size].reshape(frames, unknowns, frames, unknowns).transpose(1, 2)
    system = System(
        diagonal=torch.stack([main[f, f] for f in range(frames)]),
        near=torch.stack([main[f, f + 1] for f in range(frames - 1)]) if banded else None,
        far=torch.stack([main[f, f + 2] for f in range(frames - 2)]) if banded else None,
        border=dense[:size, size:].reshape(frames, unknowns, shared),
        corner=dense[size:, size:],
        gradient=rhs[:size].reshape(frames, unknowns),
        shared=rhs[size:],
    )
    return system, torch.cat([dense, rhs[:, None]], 1)


@settings(deadline=None, max_examples=60)
@given(
    frames=st.integers(3, 9), unknowns=st.integers(1, 4), shared=st.integers(0, 3), banded=st.booleans(),
    damping=st.sampled_from([0.0, 0.1]),
)  # fmt: skip
def test_block_solution_is_the_dense_solution(
    frames: int, unknowns: int, shared: int, banded: bool, damping: float
) -> None:
    system, dense = _random_system(frames, unknowns, shared, banded)
    matrix = dense[:, :-1] + damping * torch.diag(dense[:, :-1].diagonal())
    expected = torch.linalg.solve(matrix, dense[:, -1])
    own, common = solve(system, damping)
    assert_close(torch.cat([own.flatten(), common]), expected, atol=1e-9, rtol=1e-7)


def test_single_precision_inside_is_close() -> None:
    system, dense = _random_system(8, 4, 2, True)
    own, common = solve(system, dtype=torch.float32)
    expected = torch.linalg.solve(dense[:, :-1], dense[:, -1])
    assert own.dtype == torch.float64
    assert_close(torch.cat([own.flatten(), common]), expected, atol=1e-4, rtol=1e-3)


def test_indefinite_matrix_is_refused() -> None:
    system, _ = _random_system(4, 2, 1, False)
    system.diagonal.neg_()
    with pytest.raises(RuntimeError, match="positive-definite"):
        solve(system)
