"""Check of a term's derivatives: the gradient that it adds to the equations against finite differences of its cost."""

from collections.abc import Sequence

import torch
from torch import Tensor

from meshgait_data.fit.batch import Layout, State
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.minimise import Extra, Problem, evaluate, linearise, move
from meshgait_data.fit.solver import Step
from meshgait_data.fit.terms.base import Term


def check_gradient(
    term: Term,
    chain: Chain,
    layout: Layout,
    state: State,
    *,
    free: Sequence[int] = tuple(range(24)),
    extras: Sequence[Extra] = (),
    step: float = 1e-6,
    tolerance: float = 1e-5,
) -> None:
    """Compare the downhill direction with central differences of the cost, along every unknown of some frames.

    Parameters
    ----------
    term, chain, layout, state
        What to check and where, in double precision.
    free, extras
        Unknowns.
    step
        Of the finite differences.
    tolerance
        Largest difference, relative to the largest slope.
    """
    problem = Problem(chain, layout, tuple(free), [term], extras, dtype=torch.float64)
    system = linearise(problem, state, evaluate(problem, state)[1])
    everyone = torch.ones(len(layout), dtype=torch.bool)

    def slope(frames: Tensor, shared: Tensor) -> Tensor:
        costs = []
        for sign in (step, -step):
            moved = move(problem, state, Step(sign * frames, sign * shared, ~everyone), everyone)
            costs.append(evaluate(problem, moved)[2])
        return (costs[0] - costs[1]).sum() / (2 * step)

    slopes, analytic = [], []
    zeros = torch.zeros_like(system.gradient), torch.zeros_like(system.shared)
    chosen = sorted({0, layout.frames // 2, layout.frames - 1})
    for frame in chosen:
        for column in range(system.gradient.shape[1]):
            direction = zeros[0].clone()
            direction[frame, column] = 1
            slopes.append(slope(direction, zeros[1]))
            analytic.append(-system.gradient[frame, column])
    for capture in range(len(layout)):
        for column in range(system.shared.shape[1]):
            direction = zeros[1].clone()
            direction[capture, column] = 1
            slopes.append(slope(zeros[0], direction))
            analytic.append(-system.shared[capture, column])
    expected, found = torch.stack(slopes), torch.stack(analytic)
    assert expected.abs().max() > 0, "the term does not feel any unknown: nothing is checked"
    worst = float((expected - found).abs().max() / expected.abs().max())
    assert worst < tolerance, f"gradients differ by {worst:.2e} of the largest slope"


def check_matrix(
    term: Term,
    chain: Chain,
    layout: Layout,
    state: State,
    *,
    free: Sequence[int] = tuple(range(24)),
    extras: Sequence[Extra] = (),
    tolerance: float = 1e-3,
) -> None:
    """At a state where all residuals are zero, K is the Hessian: its products against differences of the gradient."""
    problem = Problem(chain, layout, tuple(free), [term], extras, dtype=torch.float64)
    everyone = torch.ones(len(layout), dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    system = linearise(problem, state, evaluate(problem, state)[1])
    frames = torch.randn(system.gradient.shape, generator=generator, dtype=torch.float64)
    shared = torch.randn(system.shared.shape, generator=generator, dtype=torch.float64)
    size, gradients = 1e-5, []
    for sign in (size, -size):
        moved = move(problem, state, Step(sign * frames, sign * shared, ~everyone), everyone)
        moved_system = linearise(problem, moved, evaluate(problem, moved)[1])
        gradients.append((moved_system.gradient, moved_system.shared))
    capture = layout.capture
    expected = [-(up - down) / (2 * size) for up, down in zip(*gradients, strict=True)]
    product = (system.diagonal @ frames[..., None])[..., 0] + (system.border @ shared[capture][..., None])[..., 0]
    for coupling, gap in ((system.near, 1), (system.far, 2)):
        if coupling is not None and layout.frames > gap:
            blocks = frames.unflatten(1, (-1, 3))
            ahead = torch.einsum("tlij,tlj->tli", coupling[:-gap], blocks[gap:]).flatten(1)
            back = torch.einsum("tlij,tli->tlj", coupling[:-gap], blocks[:-gap]).flatten(1)
            product[:-gap] += ahead
            product[gap:] += back
    tied = layout.sums((system.border.mT @ frames[..., None])[..., 0])
    products = [product, tied + (system.corner @ shared[..., None])[..., 0]]
    for want, got in zip(expected, products, strict=True):
        if want.numel():
            assert float((want - got).abs().max()) < tolerance * float(want.abs().max() + 1e-12), "K is not J^T J"
