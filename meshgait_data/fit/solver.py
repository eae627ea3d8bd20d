"""Linear algebra of one Gauss-Newton step: banded in time, with a dense border of what a capture's frames share.

Each capture has symmetric positive definite equations ``[[A, X], [X^T, C]] [x, y] = [g, h]``. A is block-pentadiagonal
(second differences tie a frame to the next two), so that block elimination costs the same for every frame; the border
follows by its Schur complement. Every capture is eliminated from both its ends towards two frames in its middle, and
many captures side by side without padding: step k treats the halves that still have a frame k. Longest first, those
are the first rows of every batch.

Letters as in ``batch.py``; besides, G captures side by side, H = 2 G halves of them, and K = 1 + S right-hand sides:
the gradient, then the border.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from meshgait_data.fit.batch import Layout

_SIDE_BY_SIDE = 8
"""Captures eliminated side by side on a processor: what they touch in one step stays in its cache."""
_FRAMES_AT_A_TIME = 64
"""The same for frames that are independent."""


class Equations(Protocol):
    """Normal equations of N captures; the right-hand side points downhill."""

    @property
    def layout(self) -> Layout:
        """Which frame belongs to which capture."""

    @property
    def diagonal(self) -> Tensor:
        """(T, U, U) blocks on the diagonal."""

    @property
    def near(self) -> Tensor | None:
        """(T, L+1, 3, 3) coupling of frame f to f + 1, joint by joint; zero past a capture's end; None without."""

    @property
    def far(self) -> Tensor | None:
        """(T, L+1, 3, 3) coupling of frame f to f + 2."""

    @property
    def border(self) -> Tensor:
        """(T, U, S) coupling of a frame to what its capture shares."""

    @property
    def corner(self) -> Tensor:
        """(N, S, S) what is shared."""

    @property
    def gradient(self) -> Tensor:
        """(T, U) of the frames."""

    @property
    def shared(self) -> Tensor:
        """(N, S) gradient of what is shared."""


@dataclass(frozen=True, slots=True)
class Step:
    """The solution, in double precision."""

    frames: Tensor
    """(T, U)"""
    shared: Tensor
    """(N, S)"""
    failed: Tensor
    """(N,) bool: the equations are not positive definite, or not finite; the step is zero."""


def solve(
    equations: Equations,
    damping: Tensor,
    *,
    captures: Sequence[int] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Step:
    """Solve ``(K + damping diag(K)) z = rhs`` of every capture; the cost is linear in the number of frames.

    An unknown that no equation mentions (zero on the diagonal) stays where it is. A capture whose elimination breaks
    down is solved again in double precision.

    Parameters
    ----------
    equations
        The equations, in any precision.
    damping
        (N,) Marquardt's factor of each capture.
    captures
        Those to solve for, None for all; the step of the others is zero.
    dtype
        Precision of the elimination.
    """
    count, device = len(equations.layout), equations.diagonal.device
    step = Step(
        torch.zeros(equations.gradient.shape, dtype=torch.float64, device=device),
        torch.zeros(equations.shared.shape, dtype=torch.float64, device=device),
        torch.zeros(count, dtype=torch.bool, device=device),
    )
    todo = list(range(count) if captures is None else captures)
    for precision in dict.fromkeys((dtype, torch.float64)):
        for group in _groups(equations, todo):
            _solve_group(equations, damping, group, precision, step)
        todo = step.failed.nonzero()[:, 0].tolist()
        if not todo:
            break
    step.frames[step.failed[equations.layout.capture]] = 0
    return step


def _groups(equations: Equations, captures: list[int]) -> list[list[int]]:
    """Captures that are solved side by side, longest first."""
    lengths, size = equations.layout.lengths, _SIDE_BY_SIDE
    if equations.near is None:
        frames = sum(lengths[capture] for capture in captures)
        size = 1 + _FRAMES_AT_A_TIME * len(captures) // max(frames, 1)
    if equations.diagonal.is_cuda:
        size = len(captures)
    ordered = sorted(captures, key=lambda capture: -lengths[capture])
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def _solve_group(equations: Equations, damping: Tensor, captures: list[int], dtype: torch.dtype, step: Step) -> None:
    """Eliminate the frames of some captures, solve for what they share, and write their part of the step."""
    ids = torch.tensor(captures, device=equations.diagonal.device)
    frames = _Frames(equations, damping, dtype)
    tied: _Independent | _Banded
    tied = _Independent(frames, captures) if equations.near is None else _Banded(frames, captures)
    # Small, and a difference of large numbers: in double precision.
    corner = equations.corner[ids].double()
    corner.diagonal(dim1=1, dim2=2).add_(_stiffness(corner.diagonal(dim1=1, dim2=2), damping[ids].double()))
    corner -= tied.schur[:, 1:, 1:]
    rhs = equations.shared[ids].double()[..., None] - tied.schur[:, 1:, :1]
    factor, bad = _cholesky(corner)
    shared = torch.cholesky_solve(rhs, factor)[..., 0]
    failed = tied.failed | bad | ~shared.isfinite().all(1)
    shared = torch.where(failed[:, None], 0.0, shared)
    tied.write(shared, step.frames)
    step.shared[ids], step.failed[ids] = shared, failed


class _Frames:
    """The blocks of any frames, ready for elimination."""

    def __init__(self, equations: Equations, damping: Tensor, dtype: torch.dtype) -> None:
        self.equations, self.dtype = equations, dtype
        diagonal = equations.diagonal.diagonal(dim1=1, dim2=2)
        self._stiffness = _stiffness(diagonal, damping.to(diagonal)[equations.layout.capture]).to(dtype)

    def diagonal(self, frames: Tensor) -> Tensor:
        """(..., U, U) with Marquardt's damping."""
        blocks = self.equations.diagonal[frames].to(self.dtype)
        blocks.diagonal(dim1=-2, dim2=-1).add_(self._stiffness[frames])
        return blocks

    def rhs(self, frames: Tensor) -> Tensor:
        """(..., U, K) gradient and border."""
        both = self.equations.gradient[frames][..., None], self.equations.border[frames]
        return torch.cat(both, -1).to(self.dtype)

    def couplings(self, frames: Tensor, sign: Tensor) -> tuple[Tensor, Tensor]:
        """(..., L+1, 3, 3) to the next frame and to the one after; backwards in time where ``sign`` is negative."""
        found = []
        for gap, blocks in ((1, self.equations.near), (2, self.equations.far)):
            assert blocks is not None
            backwards = sign < 0
            chosen = blocks[torch.where(backwards, frames - gap, frames)].to(self.dtype)
            found.append(torch.where(backwards[:, None, None, None], chosen.mT, chosen))
        return found[0], found[1]


class _Independent:
    """Elimination of frames that are not tied to one another."""

    def __init__(self, frames: _Frames, captures: list[int]) -> None:
        slices = frames.equations.layout.slices()
        device = frames.equations.diagonal.device
        self._at = torch.cat([torch.arange(slices[i].start, slices[i].stop, device=device) for i in captures])
        lengths = torch.tensor([slices[i].stop - slices[i].start for i in captures], device=device)
        self._owner = torch.repeat_interleave(torch.arange(len(captures), device=device), lengths)
        solved, bad = [], []
        rhs = frames.rhs(self._at)
        self.schur = rhs.new_zeros(len(captures), rhs.shape[-1], rhs.shape[-1], dtype=torch.float64)
        """(G, K, K) what the frames add to the equations of what is shared."""
        size = len(self._at) if rhs.is_cuda else _FRAMES_AT_A_TIME
        for part in range(0, len(self._at), size):
            chunk = slice(part, part + size)
            factor, broken = _cholesky(frames.diagonal(self._at[chunk]))
            solved.append(torch.cholesky_solve(rhs[chunk], factor))
            bad.append(broken)
            self.schur.index_add_(0, self._owner[chunk], (rhs[chunk].mT @ solved[-1]).double())
        self._solved = torch.cat(solved)
        self.failed = torch.zeros(len(captures), dtype=torch.bool, device=device)
        """(G,)"""
        self.failed.index_put_((self._owner,), torch.cat(bad), accumulate=True)

    def write(self, shared: Tensor, result: Tensor) -> None:
        """Write the frames' part of the step, given the (G, S) shared part."""
        found = _weights(shared, self._solved.dtype)[self._owner] @ self._solved.mT
        result[self._at] = found[:, 0].double()


@dataclass(frozen=True, slots=True)
class _Halves:
    """The order in which the frames of G captures are eliminated; H rows, longest first."""

    first: Tensor
    """(H,) outermost frame of each half."""
    sign: Tensor
    """(H,) +1 where time runs towards the middle, -1 where it runs away from it."""
    owner: Tensor
    """(H,) which of the G captures."""
    counts: list[int]
    """Rows that have a frame, step by step."""
    sides: Tensor
    """(2, G) rows of the left and of the right half of each capture."""
    middle: Tensor
    """(2, G) frames that stay for the end: neighbours, or twice the same where a capture has one frame only."""

    @classmethod
    def of(cls, layout: Layout, captures: list[int]) -> "_Halves":
        slices = layout.slices()
        middle, rows = [], []
        for owner, capture in enumerate(captures):
            start, last = slices[capture].start, slices[capture].stop - 1
            left = start + (last - start) // 2
            right = min(left + 1, last)
            middle.append((left, right))
            rows += [(left - start, start, 1, owner), (last - right, last, -1, owner)]
        order = sorted(range(len(rows)), key=lambda row: -rows[row][0])
        lengths = [rows[row][0] for row in order]
        counts = [sum(length > step for length in lengths) for step in range(lengths[0])]
        place = {row: rank for rank, row in enumerate(order)}
        sides = [(place[2 * owner], place[2 * owner + 1]) for owner in range(len(captures))]

        def tensor(values: list[Any]) -> Tensor:
            return torch.tensor(values, device=layout.capture.device)

        first, sign, owner_of = (tensor([rows[row][i] for row in order]) for i in (1, 2, 3))
        return cls(first, sign, owner_of, counts, tensor(sides).mT, tensor(middle).mT)

    def order(self) -> tuple[Tensor, Tensor]:
        """Frames in the order of their elimination, and the sign of the half of each."""
        device = self.first.device
        counts = torch.tensor(self.counts, dtype=torch.long, device=device)
        step = torch.repeat_interleave(torch.arange(len(counts), device=device), counts)
        row = torch.arange(len(step), device=device) - (counts.cumsum(0) - counts)[step]
        return self.first[row] + step * self.sign[row], self.sign[row]


class _Banded:
    """Elimination of the frames of G captures from both ends."""

    def __init__(self, frames: _Frames, captures: list[int]) -> None:
        self._frames = frames
        self._halves = halves = _Halves.of(frames.equations.layout, captures)
        self._unknowns = unknowns = frames.equations.gradient.shape[1]
        columns = 1 + frames.equations.border.shape[2]
        new = partial(torch.zeros, dtype=frames.dtype, device=frames.equations.diagonal.device)
        count, wide = len(halves.first), 2 * unknowns + columns
        # Couplings of the frame at hand to the next two, and its right-hand sides, next to one another.
        self._panel = new(count, unknowns, wide)
        blocks, strides = (count, unknowns // 3, 3, 3), (unknowns * wide, 3 * wide + 3, wide, 1)
        self._near, self._far = (self._panel.as_strided(blocks, strides, at) for at in (0, unknowns))
        # What eliminated frames take away from the next frame: diagonal, coupling onwards, right-hand sides; and from
        # the one after: diagonal, right-hand sides.
        self._next, self._after = new(count, unknowns, wide), new(count, unknowns, unknowns + columns)
        schur = new(count, columns, columns, dtype=torch.float64)
        bad = new(count, dtype=torch.bool)
        self._solved: list[Tensor] = []
        self._at, sign = halves.order()
        ordered = (self._at, *frames.couplings(self._at, sign), frames.rhs(self._at))
        parts = [torch.split(values, halves.counts) for values in ordered]
        for at, near, far, rhs in zip(*parts, strict=True):
            self._eliminate(at, (near, far), rhs, schur, bad)
        self.schur = new(len(captures), columns, columns, dtype=torch.float64).index_add_(0, halves.owner, schur)
        """(G, K, K) what the frames add to the equations of what is shared."""
        self.failed = new(len(captures), dtype=torch.bool)
        """(G,)"""
        self.failed.index_put_((halves.owner,), bad, accumulate=True)
        self._close()

    def _eliminate(self, at: Tensor, ties: tuple[Tensor, Tensor], rhs: Tensor, schur: Tensor, bad: Tensor) -> None:
        """Take the frames at hand out of the first rows."""
        unknowns, active = self._unknowns, len(at)
        panel, ahead, beyond = self._panel[:active], self._next[:active], self._after[:active]
        torch.neg(ahead[..., unknowns : 2 * unknowns], out=panel[..., :unknowns])
        self._near[:active] += ties[0]
        self._far[:active] = ties[1]
        torch.sub(rhs, ahead[..., 2 * unknowns :], out=panel[..., 2 * unknowns :])
        inverse, broken = _inverse(self._frames.diagonal(at) - ahead[..., :unknowns])
        solved = inverse @ panel
        schur[:active] += panel[..., 2 * unknowns :].mT @ solved[..., 2 * unknowns :]
        bad[:active] |= broken
        torch.bmm(panel[..., :unknowns].mT, solved, out=ahead)
        ahead[..., :unknowns] += beyond[..., :unknowns]
        ahead[..., 2 * unknowns :] += beyond[..., unknowns:]
        torch.bmm(panel[..., unknowns : 2 * unknowns].mT, solved[..., unknowns:], out=beyond)
        self._solved.append(solved)

    def _close(self) -> None:
        """Solve for the two frames in the middle of each capture, once both halves are gone."""
        unknowns, (left, right), (start, end) = self._unknowns, self._halves.sides, self._halves.middle
        both = self._frames.diagonal(start).new_zeros(len(start), 2 * unknowns, 2 * unknowns)
        first, second = slice(0, unknowns), slice(unknowns, 2 * unknowns)
        ahead, beyond, single = self._next, self._after, (start == end)[:, None, None]
        both[:, first, first] = self._frames.diagonal(start) - ahead[left][..., first] - beyond[right][..., first]
        both[:, second, second] = self._frames.diagonal(end) - ahead[right][..., first] - beyond[left][..., first]
        dense = both.new_zeros(len(start), unknowns, unknowns)
        blocks = dense.as_strided((len(start), unknowns // 3, 3, 3), (unknowns**2, 3 * unknowns + 3, unknowns, 1))
        blocks.copy_(self._frames.couplings(start, torch.ones_like(start))[0])
        tie = dense - ahead[left][..., second] - ahead[right][..., second].mT
        both[:, second, first] = torch.where(single, 0.0, tie).mT
        near = self._frames.rhs(start) - ahead[left][..., 2 * unknowns :] - beyond[right][..., unknowns:]
        far = self._frames.rhs(end) - ahead[right][..., 2 * unknowns :] - beyond[left][..., unknowns:]
        rhs = torch.cat([near, torch.where(single, 0.0, far)], 1)
        factor, broken = _cholesky(both)
        self._middle = torch.cholesky_solve(rhs, factor)
        self.schur += rhs.mT @ self._middle
        self.failed |= broken

    def write(self, shared: Tensor, result: Tensor) -> None:
        """Write the frames' part of the step, given the (G, S) shared part: from the middle outwards."""
        halves, weights = self._halves, _weights(shared, self._frames.dtype)
        pair = (weights @ self._middle.mT).reshape(-1, 2, 1, self._unknowns)
        left, right = halves.sides
        ahead = pair.new_zeros(len(halves.first), 1, self._unknowns)
        beyond = torch.zeros_like(ahead)
        ahead[left], ahead[right] = pair[:, 0], pair[:, 1]
        beyond[left], beyond[right] = pair[:, 1], pair[:, 0]
        found, weights = [ahead[:0]], weights[halves.owner]
        for solved in reversed(self._solved):
            active = len(solved)
            mix = torch.cat([-ahead[:active], -beyond[:active], weights[:active]], 2)
            beyond[:active] = ahead[:active]
            ahead[:active] = mix @ solved.mT
            found.append(ahead[:active].clone())
        start, end = halves.middle
        # For a capture of one frame both are the same frame, whose solution is the first.
        result[end], result[start] = pair[:, 1, 0].double(), pair[:, 0, 0].double()
        result[self._at] = torch.cat(found[::-1])[:, 0].double()


def _weights(shared: Tensor, dtype: torch.dtype) -> Tensor:
    """(G, 1, K) how much of the solution for each right-hand side the step has."""
    return torch.cat([shared.new_ones(len(shared), 1), -shared], 1)[:, None].to(dtype)


def _stiffness(diagonal: Tensor, damping: Tensor) -> Tensor:
    """(..., n) what Marquardt's damping adds to a diagonal; what nothing is known about is held."""
    return torch.where(diagonal == 0, 1.0, diagonal * damping[:, None])


def _cholesky(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Factors, and where there is none: (..., n, n) and (...,) bool; the identity stands in for those."""
    factor, info = torch.linalg.cholesky_ex(blocks)
    bad = info != 0
    if bool(bad.any()):
        eye = torch.eye(blocks.shape[-1], dtype=blocks.dtype, device=blocks.device)
        factor = torch.where(bad[:, None, None], eye, factor)
    return factor, bad


def _inverse(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Inverses, and where there is none: products with them run several times faster than triangular solves."""
    factor, info = torch.linalg.cholesky_ex(blocks)
    try:
        return torch.cholesky_inverse(factor), info != 0
    except RuntimeError:  # torch.linalg.LinAlgError, which torch does not tell type checkers of
        factor, bad = _cholesky(blocks)
        return torch.cholesky_inverse(factor), bad
