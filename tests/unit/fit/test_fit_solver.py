"""The block solver gives what a dense solver gives, for captures of any lengths side by side."""

from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from meshgait_data.fit.batch import Layout
from meshgait_data.fit.solver import solve


@dataclass(frozen=True)
class Random:
    """Positive definite equations, and the same as one dense matrix for each capture."""

    layout: Layout
    diagonal: Tensor
    near: Tensor | None
    far: Tensor | None
    border: Tensor
    corner: Tensor
    gradient: Tensor
    shared: Tensor

    @classmethod
    def of(cls, lengths: tuple[int, ...], joints: int = 2, shared: int = 2, *, banded: bool = True) -> "Random":
        generator = torch.Generator().manual_seed(hash((lengths, joints, shared)) % 2**31)
        frames, unknowns = sum(lengths), 3 * joints

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        layout = Layout.of(lengths)
        rows = normal(frames, unknowns + shared + 3, unknowns + shared)
        own = rows.mT @ rows
        diagonal, corner = own[:, :unknowns, :unknowns].clone(), layout.sums(own[:, unknowns:, unknowns:])
        near = far = None
        if banded:
            near, far = normal(frames, joints, 3, 3), normal(frames, joints, 3, 3)
            for gap, blocks in ((1, near), (2, far)):
                for part in layout.slices():
                    blocks[max(part.start, part.stop - gap) : part.stop] = 0
                # As much on the diagonal as keeps the matrix positive definite.
                for row, column in ((slice(None, frames - gap), 1), (slice(gap, None), 2)):
                    size = blocks[: max(frames - gap, 0)].abs().sum(4 - column)
                    diagonal[row].diagonal(dim1=1, dim2=2).add_(size.flatten(1)[: len(diagonal[row])])
        return cls(
            layout, diagonal, near, far, own[:, :unknowns, unknowns:], corner,
            normal(frames, unknowns), normal(len(lengths), shared),
        )  # fmt: skip

    def dense(self, capture: int) -> tuple[Tensor, Tensor]:
        """Matrix and right-hand side of one capture."""
        part, shared = self.layout.slices()[capture], self.shared.shape[1]
        unknowns, length = self.gradient.shape[1], self.layout.lengths[capture]
        size = length * unknowns
        matrix = self.gradient.new_zeros(size + shared, size + shared)
        for frame in range(length):
            at = slice(frame * unknowns, (frame + 1) * unknowns)
            matrix[at, at] = self.diagonal[part][frame]
            matrix[at, size:] = self.border[part][frame]
            matrix[size:, at] = matrix[at, size:].T
            for gap, blocks in ((1, self.near), (2, self.far)):
                if blocks is not None and frame + gap < length:
                    to = slice(at.start + gap * unknowns, at.stop + gap * unknowns)
                    matrix[at, to] = torch.block_diag(*blocks[part][frame])
                    matrix[to, at] = matrix[at, to].T
        matrix[size:, size:] = self.corner[capture]
        return matrix, torch.cat([self.gradient[part].flatten(), self.shared[capture]])

    def solution(self, damping: Tensor) -> tuple[Tensor, Tensor]:
        """Frames and shared unknowns by a dense solver."""
        frames, shared = [], []
        for capture, length in enumerate(self.layout.lengths):
            matrix, rhs = self.dense(capture)
            found = torch.linalg.solve(matrix + damping[capture] * torch.diag(matrix.diagonal()), rhs)
            own, tied = found.split([length * self.gradient.shape[1], self.shared.shape[1]])
            frames.append(own.reshape(length, -1))
            shared.append(tied)
        return torch.cat(frames), torch.stack(shared)

    def single(self) -> "Random":
        """The same in single precision."""
        fields = ("diagonal", "near", "far", "border", "corner", "gradient", "shared")
        values = {name: getattr(self, name) for name in fields}
        return replace(self, **{name: value if value is None else value.float() for name, value in values.items()})


@settings(deadline=None, max_examples=80)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5).map(tuple),
    joints=st.integers(1, 3),
    shared=st.integers(0, 3),
    banded=st.booleans(),
    damped=st.booleans(),
)
def test_solution_is_the_dense_solution(
    lengths: tuple[int, ...], joints: int, shared: int, banded: bool, damped: bool
) -> None:
    equations = Random.of(lengths, joints, shared, banded=banded)
    damping = damped * torch.linspace(0.01, 1, len(lengths), dtype=torch.float64)
    step = solve(equations, damping, dtype=torch.float64)
    frames, common = equations.solution(damping)
    assert not step.failed.any()
    assert_close(step.frames, frames, atol=1e-9, rtol=1e-7)
    assert_close(step.shared, common, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("banded", [True, False])
def test_more_captures_than_are_solved_side_by_side(banded: bool) -> None:
    equations = Random.of(tuple(1 + (7 * i) % 11 for i in range(70)), banded=banded)
    damping = torch.zeros(70, dtype=torch.float64)
    step = solve(equations, damping, dtype=torch.float64)
    frames, common = equations.solution(damping)
    assert_close(step.frames, frames, atol=1e-9, rtol=1e-7)
    assert_close(step.shared, common, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("banded", [True, False])
def test_single_precision_is_close(banded: bool) -> None:
    equations = Random.of((40, 3, 17), 4, 3, banded=banded)
    damping = torch.full((3,), 1e-3, dtype=torch.float64)
    step = solve(equations.single(), damping)
    frames, common = equations.solution(damping)
    assert step.frames.dtype == step.shared.dtype == torch.float64
    assert_close(step.frames, frames, atol=1e-4, rtol=1e-3)
    assert_close(step.shared, common, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("banded", [True, False])
@pytest.mark.parametrize("spoil", ["indefinite", "nan", "corner"])
def test_a_capture_without_a_solution_is_named_and_does_not_disturb_others(banded: bool, spoil: str) -> None:
    equations = Random.of((5, 6, 7), banded=banded)
    damping = torch.zeros(3, dtype=torch.float64)
    expected = solve(equations, damping, dtype=torch.float64)
    if spoil == "corner":
        equations.corner[1] *= -1
    else:
        equations.diagonal[8] *= -1 if spoil == "indefinite" else torch.nan
    step = solve(equations, damping, dtype=torch.float64)
    assert step.failed.tolist() == [False, True, False]
    assert not step.frames[5:11].any()
    assert not step.shared[1].any()
    others = [*range(5), *range(11, 18)]
    assert_close(step.frames[others], expected.frames[others])
    assert_close(step.shared[[0, 2]], expected.shared[[0, 2]])


@pytest.mark.parametrize("banded", [True, False])
def test_double_precision_helps_out_where_single_is_too_coarse(banded: bool) -> None:
    equations = Random.of((4, 5), banded=banded)
    # Next to so stiff a tie of two unknowns, all else vanishes in single precision, and the second pivot is zero.
    equations.diagonal[6, :2, :2] += 2**30
    damping = torch.zeros(2, dtype=torch.float64)
    step = solve(equations, damping)
    frames, common = equations.solution(damping)
    assert not step.failed.any()
    assert_close(step.frames[:4], frames[:4], atol=1e-4, rtol=1e-3)
    assert_close(step.frames[4:], frames[4:], atol=1e-5, rtol=1e-4)
    assert_close(step.shared[1], common[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("banded", [True, False])
def test_what_no_equation_mentions_stays(banded: bool) -> None:
    equations = Random.of((3, 4), banded=banded)
    for tensor in (
        equations.diagonal[:, 2],
        equations.diagonal[..., 2],
        equations.border[:, 2],
        equations.border[..., 1],
    ):
        tensor.zero_()
    for tensor in (equations.corner[:, 1], equations.corner[..., 1], equations.gradient[:, 2], equations.shared[:, 1]):
        tensor.zero_()
    for blocks in (equations.near, equations.far):
        if blocks is not None:
            blocks[:, 0, 2], blocks[:, 0, :, 2] = 0, 0
    step = solve(equations, torch.zeros(2, dtype=torch.float64), dtype=torch.float64)
    assert not step.failed.any()
    assert not step.frames[:, 2].any()
    assert not step.shared[:, 1].any()
    assert step.frames[:, [0, 1, 3]].all()
