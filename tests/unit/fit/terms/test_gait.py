"""The gait-cycle term: derivatives by pose, place, shape and the extra, and that it finds the walk it was made from."""

import math

import pytest
import torch
from gradients import check_gradient, check_matrix

from meshgait_data.fit.batch import Layout, State, pose
from meshgait_data.fit.minimise import Problem, minimise
from meshgait_data.fit.priors.gait import GaitPrior
from meshgait_data.fit.terms.gait import GaitTerm
from meshgait_data.fit.terms.gait_path import leg_lengths
from meshgait_data.fit.terms.gait_unknowns import EXTRA, Unknowns, gait_extra, gait_start
from meshgait_data.fit.terms.shape import ShapePrior
from meshgait_data.pipeline.prior_files import load_gait
from meshgait_data.torch_rotations import exp


@pytest.fixture(scope="module")
def prior() -> GaitPrior:
    return load_gait("walk").with_styles(3)


def seconds_of(layout, pace=1 / 30):
    return torch.cat([pace * torch.arange(length) for length in layout.lengths]).double()


def term_of(prior, layout, free=tuple(range(24)), **options):
    heading = 0.2 * torch.arange(layout.frames).double()
    floor = torch.tensor([[0.1, 30.0]]).double().expand(len(layout), -1)
    return GaitTerm.of(prior, layout, seconds_of(layout), free, heading=heading, floor=floor, **options)


def with_extra(prior, layout, state, seed=2):
    generator = torch.Generator().manual_seed(seed)
    values = 0.3 * torch.randn(len(layout), 5 + prior.size, generator=generator, dtype=torch.float64)
    return State(state.rotations, state.transl, state.betas, {EXTRA: values})


@pytest.mark.parametrize("moves", [True, False])
@pytest.mark.parametrize("free", [tuple(range(24)), (0, 1, 2, 4, 16), (4, 5)], ids=str)
def test_gradient(chain, random_state, prior, free, moves):
    layout, state = random_state()
    term, state = term_of(prior, layout, free, moves=moves, weight=0.7), with_extra(prior, layout, state)
    check_gradient(term, chain, layout, state, free=free, extras=(gait_extra(prior),))


def on_the_cycle(chain, prior, lengths, seed=5):
    """A state at which all residuals but those of the extra's own prior are zero."""
    layout = Layout.of(lengths)
    generator = torch.Generator().manual_seed(seed)
    betas = torch.randn(len(lengths), chain.shapedirs.shape[-1], generator=generator, dtype=torch.float64)
    blank = State(torch.eye(3).double().expand(layout.frames, 24, 3, 3), torch.zeros(layout.frames, 3).double(), betas)
    posed = pose(chain, layout, blank)
    leg = leg_lengths(posed)[0]
    phase = torch.linspace(0, 4, len(lengths)).double()
    term = GaitTerm.of(prior, layout, seconds_of(layout), range(24))
    values = gait_start(prior, leg, phase=phase, heading=phase - 2)
    rotations, pelvis = term.walk(layout, values, leg)
    return layout, term, State(rotations, pelvis - posed.rest[layout.capture, 0], betas, {EXTRA: values})


def test_matrix_is_the_hessian_on_the_cycle(chain, prior):
    layout, term, state = on_the_cycle(chain, prior, (4, 1, 3))
    # Stride and pace of the start are the prior's only for legs of zero spread in cadence: here both agree.
    assert float(term.measure(pose(chain, layout, state)).cost.max()) < 1e-3
    check_matrix(term, chain, layout, state, extras=(gait_extra(prior),))


def test_finds_phase_pace_heading_and_style_again(chain, prior):
    layout, term, truth = on_the_cycle(chain, prior, (40, 60))
    wanted = Unknowns.split(truth.extras[EXTRA])
    shift = torch.zeros_like(truth.extras[EXTRA])
    shift[:, :5] = torch.tensor([0.5, 0.1, -0.1, 0.4, 0.2])
    start = State(truth.rotations, truth.transl, truth.betas, {EXTRA: truth.extras[EXTRA] + shift})
    problem = Problem(
        chain, layout, tuple(range(24)), (term, ShapePrior(torch.ones(2).double())), (gait_extra(prior),),
        frozenset({"betas"}), torch.float64,
    )  # fmt: skip
    # Poses are held by a strong pull towards where they are: only the extra may move far.
    solution = minimise(problem, start)
    found = Unknowns.split(solution.state.extras[EXTRA])
    assert solution.converged.all()
    torch.testing.assert_close(found.pace, wanted.pace, atol=0.02, rtol=0)
    assert float(term.measure(solution.posed).error.max()) < 0.05


def test_mirrored_phase_is_half_a_cycle_away(prior):
    phases = torch.linspace(0, 2 * math.pi, 17).double()
    signs = torch.tensor([-1.0, 1.0, 1.0]).double()
    from meshgait_data.conventions import SMPL_MIRROR

    image = prior.rotations(phases + math.pi)[:, SMPL_MIRROR.tolist()] * signs[:, None] * signs
    torch.testing.assert_close(image, prior.rotations(phases), atol=1e-5, rtol=0)


def test_paths_end_where_captures_end(prior):
    layout = Layout.of([3, 1, 2])
    weights = GaitTerm.of(prior, layout, seconds_of(layout), range(24)).path.weights
    assert (weights[:, 0] > 0).all()
    assert (weights[:, 1] > 0).tolist() == [True, True, False, False, True, False]
    assert (GaitTerm.of(prior, layout, seconds_of(layout), range(24), moves=False).path.weights[:, 1:] == 0).all()


def test_derivatives_of_the_cycle(prior):
    phase = torch.tensor([0.3, 2.0, 5.0]).double().requires_grad_()
    style = torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
    point = prior.linearised(phase, style)
    torch.testing.assert_close(point.channels, prior.channels(phase, style))
    for channel in (0, 20, 72, 74):
        by_phase, by_style = torch.autograd.grad(point.channels[:, channel].sum(), (phase, style), retain_graph=True)
        torch.testing.assert_close(by_phase, point.by_phase[:, channel])
        torch.testing.assert_close(by_style, point.by_style[:, channel])


def test_finds_the_phase_of_a_pose(prior):
    phase = torch.linspace(0.1, 6.2, 30).double()
    rotations = prior.rotations(phase)
    rotations[:, 0] = exp(torch.tensor([0.0, 2.0, 0.0]).double()) @ rotations[:, 0]
    torch.testing.assert_close(prior.find_phase(rotations), phase, atol=0.02, rtol=0)
