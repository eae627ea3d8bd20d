"""Moments of subtrees give the same normal equations as the Jacobian of every point."""

from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body
from meshgait_data.fit.batch import Layout, Posed, State, pose
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.points import BodyPoints, Placed
from meshgait_data.fit.rigid import Subtrees
from meshgait_data.fit.system import System
from meshgait_data.torch_rotations import exp

Scene = Callable[[list[int]], tuple[BodyPoints, Posed, Placed]]


@pytest.fixture(scope="module")
def lite() -> Body:
    return load_body("free-lite")


@pytest.fixture
def scene(lite: Body) -> Scene:
    """Bent bodies some metres from the origin, and points a hand's breadth from joints."""

    def make(joints: list[int]) -> tuple[BodyPoints, Posed, Placed]:
        generator = torch.Generator().manual_seed(0)

        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        chain, layout = Chain.of(lite, num_betas=4), Layout.of((4, 1, 3))
        posed = pose(chain, layout, State(exp(0.3 * normal(8, 24, 3)), 5 * normal(8, 3), normal(3, 4)))
        points = BodyPoints.at_joints(chain, joints, 0.1 * normal(len(joints), 3))
        return points, posed, points.place(posed)

    return make


@pytest.mark.parametrize("joints", [list(range(24)), [3, 7, 20, 20, 15, 0]])
@pytest.mark.parametrize("free", [tuple(range(24)), (0, 1, 3, 4, 6, 9, 13, 16, 18)])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_equations_are_those_of_the_jacobian(
    scene: Scene, joints: list[int], free: tuple[int, ...], full: bool, dtype: torch.dtype, tolerance: float
) -> None:
    points, posed, placed = scene(joints)
    jacobian = points.jacobian(posed, placed, free)
    root = torch.rand(8, len(joints), 3, 3, dtype=torch.float64)
    information = root @ root.mT if full else root[..., 0, 0]
    matrices = information if full else information[..., None, None] * torch.eye(3, dtype=torch.float64)
    values = torch.randn(8, len(joints), 3, 5, dtype=torch.float64)
    part = slice(2, 7)
    tree = Subtrees(posed, part, free, owner=points.joint, points=placed.points[part], dtype=dtype)
    expected = torch.einsum("tpxu,tpxy,tpyv->tuv", jacobian, matrices, jacobian)[part]
    found = tree.matrix(information[part].to(dtype))
    assert_close(found.double(), expected, rtol=0, atol=tolerance * float(expected.abs().max()))
    expected = torch.einsum("tpxu,tpxc->tuc", jacobian, values)[part]
    found = tree.columns(values[part].to(dtype))
    assert_close(found.double(), expected, rtol=0, atol=tolerance * float(expected.abs().max()))


def test_captures_at_rest_get_no_equations(scene: Scene) -> None:
    points, posed, placed = scene(list(range(24)))
    force = torch.ones(8, 24, 3, dtype=torch.float64)
    sizes = {"betas": 4}
    whole, some = (System.zeros(posed.layout, tuple(range(24)), sizes, active=a) for a in (None, (1, 2)))
    for system in (whole, some):
        system.add_points(points, posed, placed, information=force[..., 0], force=force)
    assert some.parts == (slice(4, 8),)
    assert not some.diagonal[:4].any()
    assert not some.corner[0].any()
    assert_close(some.diagonal[4:], whole.diagonal[4:])
    assert_close(some.border[4:], whole.border[4:])
    assert_close(some.corner[1:], whole.corner[1:])
    assert_close(some.shared[1:], whole.shared[1:])
