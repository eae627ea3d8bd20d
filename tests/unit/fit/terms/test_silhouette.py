"""The silhouette term: derivatives by pose, place, shape and cameras; what it feels and what it does not."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from gradients import check_gradient
from torch import Tensor

from meshgait_data.body.model import Body
from meshgait_data.errors import InvalidData
from meshgait_data.fit.batch import Layout, Posed, State, pose
from meshgait_data.fit.cameras import EXTRA, Views, camera_extra
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.contours import mask_contours
from meshgait_data.fit.minimise import Problem, Stopping, minimise
from meshgait_data.fit.system import System
from meshgait_data.fit.terms.shape import ShapePrior
from meshgait_data.fit.terms.silhouette import OutlineRule, Outlines, SilhouetteResidual, Silhouettes, Surface
from meshgait_data.render.cameras import look_at
from meshgait_data.render.raster import silhouettes
from meshgait_data.torch_rotations import exp
from meshgait_data.types import Camera

FRAMES, SIDE = 3, 240


def camera(azimuth: float, scale: float = 1.0) -> Camera:
    side, place = round(SIDE * scale), 4.0 * np.array([np.sin(azimuth), 0.1, np.cos(azimuth)])
    rotation = look_at(place, np.zeros(3))
    middle = (side - 1) / 2
    lens = np.array([[430.0 * scale, 0, middle], [0, 430.0 * scale, middle], [0, 0, 1]])
    return Camera(f"{azimuth:.1f}", lens, rotation, -rotation @ place, (side, side))


@pytest.fixture(scope="module")
def stiff(lite: Body) -> Body:
    """Without pose correctives, whose slope the term leaves out."""
    return replace(lite, posedirs=np.zeros_like(lite.posedirs))


def states(seed: int = 0, bend: float = 0.15) -> tuple[Layout, State]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return Layout.of([2, 1]), State(exp(bend * normal(FRAMES, 24, 3)), 0.02 * normal(FRAMES, 3), normal(2, 4))


def vertices_of(body: Body, posed: Posed) -> np.ndarray:
    """(T, V, 3) by linear blend skinning, without pose correctives, in double precision."""
    state, capture = posed.state, posed.layout.capture.numpy()
    directions = body.shapedirs[..., : state.betas.shape[1]].astype(np.float64)
    shaped = body.v_template + np.einsum("vxb,nb->nvx", directions, state.betas.numpy())
    world, weights = posed.world.numpy(), body.weights.astype(np.float64)
    offset = posed.joints.numpy() - (world @ posed.rest.numpy()[capture][..., None])[..., 0]
    blended = np.einsum("vj,tjxy->tvxy", weights, np.concatenate([world, offset[..., None]], -1))
    return (blended[..., :3] @ shaped[capture][..., None])[..., 0] + blended[..., 3]


def term_of(
    body: Body, chain: Chain, target: tuple[Layout, State], cameras: list[Camera], rule: OutlineRule | None = None
) -> Silhouettes:
    """Masks of the target, seen by the same cameras in both captures."""
    layout, state = target
    vertices = vertices_of(body, pose(chain, layout, state))
    contours, heights = [], np.zeros((len(layout), len(cameras)))
    for n, part in enumerate(layout.slices()):
        rows = [mask_contours(silhouettes(vertices[part], body.faces, each), spacing=3) for each in cameras]
        contours.append(rows)
        heights[n] = [np.median(row.boxes[:, 3] - row.boxes[:, 2]) for row in rows]
    outlines = Outlines.of(contours, Views.of([cameras] * len(layout)), heights)
    sigma = torch.ones(len(layout), dtype=torch.float64)
    return Silhouettes(Surface.of(body, num_betas=4), outlines, np.arange(layout.frames), rule or OutlineRule(), sigma)


@dataclass(frozen=True)
class Held:
    """The residual's samples tied to where its forces pull them, with everything else held: an exact energy."""

    body: Body
    at: SilhouetteResidual
    name: str = "held"
    unit: str = "px"

    def measure(self, posed: Posed) -> "HeldResidual":
        return HeldResidual(self, posed)


@dataclass(frozen=True)
class HeldResidual:
    term: Held
    posed: Posed

    def pixels(self, posed: Posed) -> Tensor:
        """(T, K, R, 2) in units of the rule."""
        at = self.term.at
        vertices = torch.as_tensor(vertices_of(self.term.body, posed))
        outlines = at.term.outlines
        seen = outlines.views.project(vertices, posed.layout.capture, posed.state.extras.get(EXTRA), slopes=False)
        flat = seen.pixels * torch.as_tensor(outlines.units)[posed.layout.capture][..., None, None]
        owners, along = (
            torch.as_tensor(at.found[2].astype(np.int64)),
            torch.as_tensor(at.found[1][..., 5:6].astype(float)),
        )
        ends = [torch.gather(flat, 2, owners[..., end, None].expand(-1, -1, -1, 2)) for end in (0, 1)]
        return (1 - along) * ends[0] + along * ends[1]

    @property
    def cost(self) -> Tensor:
        at = self.term.at
        forces = torch.as_tensor(at.found[1][..., 9:11].astype(float))
        moved = self.pixels(self.posed) - self.pixels(at.posed)
        values = -(forces * moved).sum((1, 2, 3))
        return at._weights * self.posed.layout.sums(values)

    @property
    def error(self) -> Tensor:
        return self.cost

    def add_to(self, system: System) -> None:
        self.term.at.add_to(system)


def test_gradient(stiff: Body) -> None:
    chain = Chain.of(stiff, num_betas=4)
    layout, state = states(1)
    term = term_of(stiff, chain, states(0), [camera(0.3), camera(1.8)])
    at = term.measure(pose(chain, layout, state))
    # Samples are stored in single precision.
    check_gradient(Held(stiff, at), chain, layout, state, step=1e-5, tolerance=2e-5)


def test_gradient_by_unknown_cameras(stiff: Body) -> None:
    chain = Chain.of(stiff, num_betas=4)
    layout, state = states(1)
    term = term_of(stiff, chain, states(0), [camera(0.3), camera(1.8)])
    generator = torch.Generator().manual_seed(5)
    unknowns = 0.03 * torch.randn(2, 14, generator=generator, dtype=torch.float64)
    state = replace(state, extras={EXTRA: unknowns})
    at = term.measure(pose(chain, layout, state))
    extras = [camera_extra(term.outlines.views)]
    check_gradient(Held(stiff, at), chain, layout, state, extras=extras, step=1e-5, tolerance=2e-5)


def test_matrix_is_symmetric_and_feels_depth_only_across_views(stiff: Body) -> None:
    chain = Chain.of(stiff, num_betas=4)
    layout, state = states(0)
    curvatures = []
    for azimuths in ((0.0,), (0.0, np.pi / 2)):
        term = term_of(stiff, chain, (layout, state), [camera(azimuth) for azimuth in azimuths])
        system = System.zeros(layout, tuple(range(24)), {"betas": 4}, dtype=torch.float64)
        term.measure(pose(chain, layout, state)).add_to(system)
        torch.testing.assert_close(system.diagonal, system.diagonal.mT)
        assert float(torch.linalg.eigvalsh(system.diagonal).min()) > -1e-9 * float(system.diagonal.abs().max())
        curvatures.append(system.diagonal[:, -1, -1])
    assert (curvatures[1] > 20 * curvatures[0]).all()


def test_finds_back_from_a_perturbed_start(stiff: Body) -> None:
    chain = Chain.of(stiff, num_betas=4)
    layout, truth = states(0)
    term = term_of(stiff, chain, (layout, truth), [camera(angle) for angle in (0.2, 1.4, 2.9)])
    generator = torch.Generator().manual_seed(3)
    turns = 0.06 * torch.randn(FRAMES, 24, 3, generator=generator, dtype=torch.float64)
    start = State(truth.rotations @ exp(turns), truth.transl + 0.03, 0.5 * truth.betas)
    problem = Problem(chain, layout, tuple(range(22)), [term, ShapePrior(torch.ones(2, dtype=torch.float64))])
    found = minimise(problem, start, Stopping(max_iterations=12, damping=1e-2)).posed
    wanted = pose(chain, layout, truth).joints

    def off(posed: Posed) -> float:
        # Joints whose twist or place outlines do not show stay where they were: the pelvis, hips, knees, ankles.
        return float((posed.joints - wanted)[:, [0, 1, 2, 4, 5, 7, 8]].norm(dim=-1).mean())

    assert off(found) < 0.012 < 0.03 < off(pose(chain, layout, start))
    assert float(term.measure(found).error.mean()) < 1.5


def test_resolution_does_not_matter(stiff: Body) -> None:
    chain = Chain.of(stiff, num_betas=4)
    layout, state = states(1)
    costs = []
    for scale in (1.0, 2.0):
        term = term_of(stiff, chain, states(0), [camera(0.3, scale)])
        residual = term.measure(pose(chain, layout, state))
        costs.append(residual.cost)
        assert residual.error.shape == (FRAMES,)
    torch.testing.assert_close(costs[0], costs[1], rtol=0.05, atol=0.0)


def test_frames_without_masks_say_nothing(stiff: Body) -> None:
    chain = Chain.of(stiff, num_betas=4)
    layout, state = states(1)
    term = replace(term_of(stiff, chain, states(0), [camera(0.3)]), source=np.array([0, -1, 2]))
    residual = term.measure(pose(chain, layout, state))
    assert residual.error.isnan().tolist() == [False, True, False]
    system = System.zeros(layout, tuple(range(24)), {"betas": 4})
    residual.add_to(system)
    assert float(system.diagonal[1].abs().max()) == 0.0 < float(system.diagonal[0].abs().max())


def test_a_body_behind_the_camera_costs_but_does_not_pull(stiff: Body) -> None:
    chain = Chain.of(stiff, num_betas=4)
    layout, state = states(0)
    term = term_of(stiff, chain, (layout, state), [camera(0.0)])
    away = replace(state, transl=state.transl + torch.tensor([0.0, 0.0, 9.0]))
    residual = term.measure(pose(chain, layout, away))
    assert (residual.cost > term.measure(pose(chain, layout, state)).cost).all()
    system = System.zeros(layout, tuple(range(24)), {"betas": 4})
    residual.add_to(system)
    assert float(system.gradient.abs().max()) == 0.0


def test_views_and_contours_must_fit(stiff: Body) -> None:
    nothing = mask_contours(np.zeros((2, 4, 4), bool))
    with pytest.raises(InvalidData, match="outlines of"):
        Outlines.of([[nothing, nothing]], Views.of([[camera(0.0)]]), np.ones((1, 1)))
