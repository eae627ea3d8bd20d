"""Gait space: slopes of poses and places by a walk's unknowns, its priors, and that it finds a walk again."""

import pytest
import torch

from meshgait_data.body.files import load_body
from meshgait_data.fit.batch import Layout, State, pose
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.gait_space import GaitPoint, GaitSpace, Path, minimise_gait
from meshgait_data.fit.points import BodyPoints
from meshgait_data.fit.terms.points3d import Points3D
from meshgait_data.fit.terms.shape import ShapePrior
from meshgait_data.pipeline.prior_files import load_gait
from meshgait_data.torch_rotations import log


@pytest.fixture(scope="module")
def space() -> GaitSpace:
    generator = torch.Generator().manual_seed(0)
    chain, layout = Chain.of(load_body("free-lite"), num_betas=4), Layout.of([5, 4])
    ground = torch.randn(9, 2, generator=generator, dtype=torch.float64)
    heading = torch.randn(9, generator=generator, dtype=torch.float64)
    seconds = torch.linspace(-0.5, 0.5, 9, dtype=torch.float64)
    path = Path(seconds, ground, heading, torch.tensor([1.2, 0.9], dtype=torch.float64))
    return GaitSpace(chain, layout, load_gait("walk").with_styles(3), path)


def points(space: GaitSpace, seed: int = 1) -> GaitPoint:
    generator = torch.Generator().manual_seed(seed)
    values = 0.3 * torch.randn(2, space.size, generator=generator, dtype=torch.float64)
    return GaitPoint(values, 0.5 * torch.randn(2, 4, generator=generator, dtype=torch.float64))


def moved(point: GaitPoint, column: int, step: float) -> GaitPoint:
    both = torch.cat([point.values, point.betas], 1)
    both[:, column] += step
    size = point.values.shape[1]
    return GaitPoint(both[:, :size], both[:, size:])


def difference(a: State, b: State) -> torch.Tensor:
    return torch.cat([log(a.rotations.mT @ b.rotations).flatten(1), b.transl - a.transl], 1)


def test_slopes(space: GaitSpace) -> None:
    point, step = points(space), 1e-6
    _, by_walk, by_shape = space.linearised(point)
    slopes = torch.cat([by_walk, by_shape], 2)
    for column in range(slopes.shape[2]):
        down, up = (space.state(moved(point, column, sign * step)) for sign in (-1, 1))
        torch.testing.assert_close(slopes[..., column], difference(down, up) / (2 * step), rtol=1e-6, atol=1e-7)


def test_slopes_of_the_prior(space: GaitSpace) -> None:
    point, start, step = points(space), points(space, 2), 1e-6
    _, matrix, force = space.prior_terms(point, start)
    torch.testing.assert_close(matrix, matrix.mT)
    for column in range(force.shape[1]):
        down, up = (space.prior_terms(moved(point, column, sign * step), start)[0] for sign in (-1, 1))
        torch.testing.assert_close(force[:, column], -(up - down) / (2 * step), rtol=1e-5, atol=1e-6)


def test_finds_a_walk_from_its_joints(space: GaitSpace) -> None:
    truth = points(space, 3)
    truth.values[:, 1] = -0.1
    wanted = space.linearised(truth, slopes=False)[0]
    joints = BodyPoints.at_joints(space.chain, range(24))
    targets = joints.place(pose(space.chain, space.layout, wanted)).points
    term = Points3D(
        joints, targets, torch.ones(9, 24, dtype=torch.float64), torch.full((2,), 0.005, dtype=torch.float64)
    )
    start = GaitPoint(truth.values.clone(), torch.zeros_like(truth.betas))
    start.values[:, 0] += 0.8
    start.values[:, 2:] *= 0.5
    solved = minimise_gait(space, [term, ShapePrior(torch.ones(2, dtype=torch.float64))], start, iterations=25)
    off = (joints.place(solved.posed).points - targets).norm(dim=-1)
    assert float(off.mean()) < 0.006
    torch.testing.assert_close(solved.point.values[:, 0], truth.values[:, 0], rtol=0, atol=0.1)
