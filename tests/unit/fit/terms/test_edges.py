"""The edge-gradient term: its gradient, and that it ends nearer to the truth than matched outlines do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gradients import check_gradient
from test_silhouette import camera, states, stiff, term_of, vertices_of  # noqa: F401  # a fixture

from meshgait_data.body.model import Body
from meshgait_data.errors import InvalidData
from meshgait_data.fit.batch import pose
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.minimise import Problem, Stopping, minimise
from meshgait_data.fit.terms.edges import Edges, Windows
from meshgait_data.fit.terms.shape import ShapePrior
from meshgait_data.render.raster import silhouettes
from meshgait_data.render.soft import Topology


def edges_of(body: Body, chain: Chain, samples: int = 2) -> Edges:
    cameras, (layout, state) = [camera(0.3), camera(1.8)], states(0)
    term = term_of(body, chain, (layout, state), cameras)
    vertices = vertices_of(body, pose(chain, layout, state))
    windows = Windows.of([silhouettes(vertices, body.faces, each, samples=4) for each in cameras])
    sigma = torch.ones(len(layout), dtype=torch.float64)
    return Edges(term, windows, Topology.of(body.faces), sigma, samples)


def test_gradient(stiff: Body) -> None:  # noqa: F811
    chain = Chain.of(stiff, num_betas=4)
    layout, state = states(1, bend=0.1)
    term = edges_of(stiff, chain, samples=12)
    # Coverage changes in steps of 1 / 144: differences are taken over many of them, so they are only about right.
    check_gradient(term, chain, layout, state, free=(0,), step=1e-3, tolerance=0.05)


def test_ends_near_the_truth(stiff: Body) -> None:  # noqa: F811
    chain = Chain.of(stiff, num_betas=4)
    layout, truth = states(0)
    term = edges_of(stiff, chain, samples=4)
    start = replace(truth, transl=truth.transl + 0.006)
    prior = ShapePrior(torch.ones(len(layout), dtype=torch.float64))
    solved = minimise(Problem(chain, layout, (0, 1, 2), [term, prior]), start, Stopping(max_iterations=8, damping=1e-3))
    off = (solved.state.transl - truth.transl).norm(dim=1)
    assert float(off.mean()) < 0.002
    assert float(solved.residuals["edges"].error.max()) < 0.1


def test_windows_must_have_the_same_frames() -> None:
    with pytest.raises(InvalidData, match="frames"):
        Windows.of([np.zeros((2, 9, 9), bool), np.zeros((3, 9, 9), bool)])
