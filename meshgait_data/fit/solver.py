"""Linear algebra of one Gauss-Newton step: block-banded in time, with a dense border for the shared shape.

Shape letters: F frames, U unknowns of a frame, B shared unknowns, M blocks of N unknowns.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class System:
    """Symmetric positive definite normal equations ``[[A, X], [X^T, C]] [x, y] = [g, h]``."""

    diagonal: Tensor
    """(F, U, U) blocks of A on the diagonal."""
    near: Tensor | None
    """(F-1, U, U) blocks A[f, f+1]; None where frames are independent."""
    far: Tensor | None
    """(F-2, U, U) blocks A[f, f+2]."""
    border: Tensor
    """(F, U, B) X."""
    corner: Tensor
    """(B, B) C."""
    gradient: Tensor
    """(F, U) g."""
    shared: Tensor
    """(B,) h."""


def solve(system: System, damping: float = 0.0, dtype: torch.dtype | None = None) -> tuple[Tensor, Tensor]:
    """Solve ``(K + damping diag(K)) z = rhs``; the cost is linear in the number of frames.

    Parameters
    ----------
    system
        The equations.
    damping
        Marquardt's factor.
    dtype
        Precision of the factorisation; None for that of the system.

    Returns
    -------
    x (F, U) and y (B,), in the precision of the system.

    Raises
    ------
    torch.linalg.LinAlgError
        Where the matrix is not positive definite.
    """
    outer, dtype = system.diagonal.dtype, dtype or system.diagonal.dtype
    diagonal = _damped(system.diagonal, damping).to(dtype)
    rhs = torch.cat([system.gradient[..., None], system.border], -1).to(dtype)
    if system.near is None or system.far is None:
        factors = torch.linalg.cholesky(diagonal)
        solved = torch.cholesky_solve(rhs, factors).to(outer)
    else:
        blocks, couplings = pair_frames(diagonal, system.near.to(dtype), system.far.to(dtype))
        frames, unknowns, columns = rhs.shape
        padded = torch.cat([rhs, rhs.new_zeros(frames % 2, unknowns, columns)])
        solved = solve_tridiagonal(blocks, couplings, padded.reshape(-1, 2 * unknowns, columns))
        solved = solved.reshape(-1, unknowns, columns)[:frames].to(outer)
    free, tied = solved[..., 0], solved[..., 1:]
    # Schur complement: what the shape's equations look like once every frame follows the shape.
    corner = _damped(system.corner, damping) - torch.einsum("fub,fuc->bc", system.border, tied)
    shared = torch.linalg.solve(corner, system.shared - torch.einsum("fub,fu->b", system.border, free))
    return free - tied @ shared, shared


def _damped(matrices: Tensor, damping: float) -> Tensor:
    return matrices + damping * torch.diag_embed(matrices.diagonal(dim1=-2, dim2=-1))


def pair_frames(diagonal: Tensor, near: Tensor, far: Tensor) -> tuple[Tensor, Tensor]:
    """Put two frames into one block, so that second differences, which tie three frames, tie two blocks only.

    Parameters
    ----------
    diagonal, near, far
        (F, U, U), (F-1, U, U), (F-2, U, U): a block-pentadiagonal matrix. An odd F is padded with a frame that is
        tied to nothing.

    Returns
    -------
    (M, 2U, 2U) diagonal blocks and (M-1, 2U, 2U) blocks to their right, M = ceil(F / 2).
    """
    frames, unknowns = diagonal.shape[:2]
    count, odd = (frames + 1) // 2, frames % 2
    if odd:
        eye = torch.eye(unknowns, dtype=diagonal.dtype, device=diagonal.device)[None]
        diagonal = torch.cat([diagonal, eye])
    near = torch.cat([near, near.new_zeros(2 * count - 1 - len(near), unknowns, unknowns)])
    far = torch.cat([far, far.new_zeros(2 * count - 2 - len(far), unknowns, unknowns)])
    first, second = slice(0, unknowns), slice(unknowns, None)
    blocks = diagonal.new_zeros(count, 2 * unknowns, 2 * unknowns)
    blocks[:, first, first], blocks[:, second, second] = diagonal[0::2], diagonal[1::2]
    blocks[:, first, second] = near[0::2]
    blocks[:, second, first] = near[0::2].mT
    couplings = diagonal.new_zeros(count - 1, 2 * unknowns, 2 * unknowns)
    couplings[:, first, first], couplings[:, second, second] = far[0::2], far[1::2]
    couplings[:, second, first] = near[1::2]
    return blocks, couplings


def solve_tridiagonal(blocks: Tensor, couplings: Tensor, rhs: Tensor) -> Tensor:
    """Block-tridiagonal Cholesky: one sweep forwards, one back.

    Parameters
    ----------
    blocks
        (M, N, N) on the diagonal.
    couplings
        (M-1, N, N) to the right of the diagonal.
    rhs
        (M, N, K)

    Returns
    -------
    (M, N, K) solution.
    """
    factors: list[Tensor] = []
    panels: list[Tensor] = []
    # One triangular solve a block serves both its coupling and its right-hand sides.
    carried: Tensor | None = None
    size = blocks.shape[-1]
    for index, block in enumerate(blocks):
        right = rhs[index]
        if carried is not None:
            update = carried[:, :size].mT @ carried
            block, right = block - update[:, :size], right - update[:, size:]
        factor = torch.linalg.cholesky(block)
        wide = right if index == len(couplings) else torch.cat([couplings[index], right], 1)
        carried = torch.linalg.solve_triangular(factor, wide, upper=False)
        factors.append(factor)
        panels.append(carried)
    solutions: list[Tensor] = []
    for factor, panel in zip(reversed(factors), reversed(panels), strict=True):
        right = panel[:, size:] - panel[:, :size] @ solutions[-1] if solutions else panel
        solutions.append(torch.linalg.solve_triangular(factor.mT, right, upper=True))
    return torch.stack(solutions[::-1])
