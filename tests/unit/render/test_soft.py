"""Differentiable coverage: its values are the rasteriser's, its gradients those of the covered area."""

import numpy as np
import pytest
import torch
from test_raster import icosphere, spinning
from walking import walk

from meshgait_data.body.files import load_body
from meshgait_data.body.torch_body import TorchBody
from meshgait_data.errors import InvalidData
from meshgait_data.render.cameras import look_at
from meshgait_data.render.cameras import project as project_exactly
from meshgait_data.render.raster import silhouettes
from meshgait_data.render.soft import Topology, camera_matrices, coverage
from meshgait_data.render.soft_torch import coverage_torch, project
from meshgait_data.types import Camera

SPHERE = icosphere(3)


def camera(side: int = 64, focal: float = 1.0, distance: float = 4.0, height: float = 0.0) -> Camera:
    """Looks along -z from a distance at (0, height, 0); the focal length is a multiple of the image's side."""
    position = np.array([0.3, height + 0.2, distance])
    rotation = look_at(position, np.array([0.0, height, 0.0]))
    middle = (side - 1) / 2
    intrinsics = np.array([[focal * side, 0, middle], [0, focal * side, middle], [0, 0, 1]])
    return Camera("x", intrinsics, rotation, -rotation @ position, (side, side))


def finer(view: Camera, samples: int) -> Camera:
    """The same view with ``samples`` times as many pixels along each axis."""
    middle = (samples - 1) / 2
    scale = np.array([[samples, 0, middle], [0, samples, middle], [0, 0, 1]])
    size = (samples * view.size[0], samples * view.size[1])
    return Camera(view.name, scale @ view.intrinsics, view.rotation, view.translation, size)


def boxes(*corners: tuple[tuple[float, float, float], tuple[float, float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Closed boxes from least and greatest corners, as one mesh."""
    unit = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
    vertices = np.concatenate([low + unit * (np.array(high) - low) for low, high in corners])
    return vertices, np.concatenate([faces + 8 * i for i in range(len(corners))])


FLAT = torch.eye(3, 4, dtype=torch.float64), (64, 64)
"""Matrix and size of a camera that shows the point (z x, z y, z) at pixel (x, y)."""


def plates(*rectangles: tuple[float, float, float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Thin boxes that ``FLAT`` shows as rectangles: least x and y, greatest x and y, and how far away."""
    vertices, faces = boxes(*(((x0, y0, 1.0), (x1, y1, 1 + 1e-6)) for x0, y0, x1, y1, _ in rectangles))
    return vertices * np.repeat([z for *_, z in rectangles], 8)[:, None], faces


@pytest.fixture(scope="module")
def walker():
    """A walking body, its topology, and a camera in front of it."""
    body = load_body("free")
    params = walk(body, frames=4, length=0.4)
    posed = TorchBody(body, dtype=torch.float64)
    tensors = [torch.tensor(x, dtype=torch.float64) for x in
               (params.betas[None, :10], params.global_orient, params.body_pose, params.transl)]  # fmt: skip
    tensors[1] = torch.tensor([[0, 0.0, 0], [0, 0.7, 0], [0, 1.6, 0], [0, 2.6, 0]], dtype=torch.float64)
    return posed, tensors, Topology.of(body.faces), camera(64, 1.6, 4.0, 1.0)


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_are_the_finer_masks_averaged(rng, samples, dtype):
    vertices, faces, view = spinning(rng, 5)
    matrices = camera_matrices(view)
    found = coverage(torch.tensor(vertices, dtype=dtype), Topology.of(faces), matrices, view.size, samples=samples)
    width, height = view.size
    fine = silhouettes(vertices, faces, finer(view, samples)) > 0
    expected = fine.reshape(5, height, samples, width, samples).mean((2, 4))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.numpy(), expected.astype(found.numpy().dtype))


def area_and_pull(vertices, faces, matrices, size, samples=4):
    points = torch.tensor(vertices, dtype=torch.float64)[None].requires_grad_()
    area = coverage(points, Topology.of(faces), matrices, size, samples=samples).sum()
    area.backward()
    return float(area.detach()), points.grad[0].numpy()


@pytest.mark.parametrize("shape", ["sphere", "box", "dented"])
def test_growing_changes_the_area_by_twice_itself(rng, shape):
    vertices, faces = {
        "sphere": lambda: icosphere(4),
        "box": lambda: boxes(((-0.6, -0.9, -0.5), (0.7, 0.8, 0.5))),
        "dented": lambda: (lambda v, f, _: (v[0], f))(*spinning(rng, 1, levels=4)),
    }[shape]()
    view = camera()
    growth = torch.ones((), dtype=torch.float64, requires_grad=True)
    # Scaling the image about a point of it: whatever that point is, the area changes by 2 A.
    about = torch.tensor([[1, 0, 20.0], [0, 1, 40.0], [0, 0, 1]], dtype=torch.float64)
    scale = torch.diag(torch.stack([growth, growth, torch.ones_like(growth)]))
    matrix = about @ scale @ torch.linalg.inv(about) @ camera_matrices(view)
    area = coverage(torch.tensor(vertices, dtype=torch.float64)[None], Topology.of(faces), matrix, view.size).sum()
    area.backward()
    assert growth.grad.item() == pytest.approx(2 * area.item(), rel=0.01)


@pytest.mark.parametrize("shape", ["sphere", "box"])
def test_shifting_and_rolling_leave_the_area_alone(shape):
    vertices, faces = icosphere(4) if shape == "sphere" else boxes(((-0.6, -0.9, -0.5), (0.7, 0.8, 0.5)))
    view = camera()
    area, pull = area_and_pull(vertices, faces, camera_matrices(view), view.size)
    in_camera = pull @ view.rotation.T
    points = vertices @ view.rotation.T + view.translation
    focal, depth = view.intrinsics[0, 0], points[:, 2].mean()
    # Metres to pixels across, and turning about the optical axis; the area's own derivative by depth is far from zero.
    outline = 2 * np.sqrt(np.pi * area) * focal / depth
    assert abs(in_camera[:, 0].sum()) < 0.05 * outline
    assert abs(in_camera[:, 1].sum()) < 0.05 * outline
    turning = (points[:, 0] * in_camera[:, 1] - points[:, 1] * in_camera[:, 0]).sum()
    assert abs(turning) < 0.02 * 2 * area


def test_shifting_moves_weight_from_one_side_to_the_other():
    # Sum of x C over the image is the area times the centroid: its derivative by a shift in x is the area.
    # A whole number of pixels wide, for C knows no finer place than its pixel.
    vertices, faces = plates((20.3, 18.1, 41.3, 44.9, 1))
    points = torch.tensor(vertices)[None].requires_grad_()
    drawn = coverage(points, Topology.of(faces), *FLAT)
    (drawn * torch.arange(64)).sum().backward()
    assert points.grad[0, :, 0].sum().item() == pytest.approx(drawn.sum().item(), rel=0.02)


def test_a_sphere_does_not_feel_its_own_rotation():
    vertices, faces = SPHERE
    view = camera()
    area, pull = area_and_pull(vertices, faces, camera_matrices(view), view.size)
    torque = np.cross(vertices, pull).sum(0)
    assert np.abs(torque).max() < 0.02 * area


def losses(walker, values, samples, target):
    """Squared difference to a target for each of four bodies, as a function of nine numbers."""
    posed, (betas, orient, pose, transl), topology, view = walker
    turned = orient + torch.stack([torch.zeros_like(values[:, 3]), values[:, 3], torch.zeros_like(values[:, 3])], 1)
    bent = pose.clone()
    for column, angle in ((0, 4), (9, 5), (47, 6)):  # left hip, left knee, left shoulder
        bent = bent + values[:, angle, None] * torch.eye(69, dtype=torch.float64)[column]
    shape = betas + torch.nn.functional.pad(values[:, 7:9], (0, 8))
    vertices, _ = posed(shape, turned, bent, transl + values[:, :3])
    drawn = coverage(vertices, topology, camera_matrices(view), view.size, samples=samples)
    return drawn if target is None else ((drawn - target) ** 2).sum((1, 2))


def test_gradients_of_walking_bodies_are_finite_differences(walker):
    zero = torch.zeros(4, 9, dtype=torch.float64)
    target = losses(walker, zero, 16, None)
    # Off the target by centimetres, tenths of a radian and half a standard deviation.
    here = torch.tensor([0.04, -0.03, 0.1, 0.1, 0.15, -0.15, 0.15, 0.5, 0.5], dtype=torch.float64).repeat(4, 1)
    values = here.clone().requires_grad_()
    losses(walker, values, 4, target).sum().backward()
    steps = torch.tensor([0.004, 0.004, 0.025, 0.01, 0.01, 0.015, 0.015, 0.05, 0.1], dtype=torch.float64)
    expected = torch.zeros_like(here)
    for column, step in enumerate(steps):
        shift = step * torch.eye(9, dtype=torch.float64)[column]
        above, below = (losses(walker, here + sign * shift, 16, target) for sign in (1, -1))
        expected[:, column] = (above - below) / (2 * step)
    # In units of the steps, so that no unit outweighs the others.
    found, expected = values.grad * steps, expected * steps
    cosine = torch.nn.functional.cosine_similarity(found, expected, dim=1)
    assert cosine.min() > 0.998
    assert ((found - expected).abs() / expected.abs()).median() < 0.05


def test_gradients_reach_the_camera(walker):
    posed, tensors, topology, view = walker
    vertices, _ = posed(*tensors)
    target = coverage(vertices, topology, camera_matrices(view), view.size, samples=8)
    base = camera_matrices(view)
    base[:, 3] += torch.tensor([1.5, -2.0, 0.02], dtype=torch.float64)

    def loss(matrix, samples):
        return ((coverage(vertices, topology, matrix, view.size, samples=samples) - target) ** 2).sum()

    matrix = base.clone().requires_grad_()
    loss(matrix, 4).backward()
    steps = torch.tensor([[1.0, 0.3, 1.0, 1.0]] * 2 + [[0.01, 0.004, 0.01, 0.01]], dtype=torch.float64)
    expected = torch.zeros(3, 4, dtype=torch.float64)
    for row in range(3):
        for column in range(4):
            shift = torch.zeros(3, 4, dtype=torch.float64)
            shift[row, column] = steps[row, column]
            expected[row, column] = (loss(base + shift, 16) - loss(base - shift, 16)) / 2
    found = matrix.grad * steps
    assert torch.nn.functional.cosine_similarity(found.flatten(), expected.flatten(), dim=0) > 0.998


def test_the_image_border_is_no_outline():
    # A plate that three borders cut: only its left side is an outline.
    vertices, faces = plates((20.3, -10, 90, 80, 1))
    area, pull = area_and_pull(vertices, faces, *FLAT)
    assert area == pytest.approx(64 * 43.2, rel=0.01)
    assert not pull[:, 1].any()
    assert not pull[vertices[:, 0] > 80].any()
    assert pull[:, 0].sum() == pytest.approx(-64, rel=0.01)


@pytest.mark.parametrize("plate", [(-50, -50, 150, 150, 1), (100, 100, 150, 150, 1), (5, 5, 9, 9, -2)])
def test_a_body_that_fills_the_image_or_is_out_of_it_feels_nothing(plate):
    assert not area_and_pull(*plates(plate), *FLAT)[1].any()


def test_a_body_far_outside_does_no_harm():
    vertices, faces = icosphere(1)
    points = torch.tensor(vertices + np.array([1e9, 0, 0]), dtype=torch.float64)[None].requires_grad_()
    drawn = coverage(points, Topology.of(faces), camera_matrices(camera()), (64, 64))
    drawn.sum().backward()
    assert not drawn.any()
    assert not points.grad.any()


def test_what_lies_before_the_body_feels_nothing():
    around = (10.2, 10.2, 50.4, 50.4, 2)
    _, pull = area_and_pull(*plates((25.2, 25.2, 35.6, 35.6, 1), around), *FLAT)
    _, alone = area_and_pull(*plates(around), *FLAT)
    assert alone.any()
    assert not pull[:8].any()
    np.testing.assert_array_equal(pull[8:], alone)


@pytest.mark.parametrize("z", [0.5, 1.5])
def test_a_limb_across_the_outline_counts_once(z):
    # Two overlapping plates, like a hand before or behind the hip: only what is outside of the other counts.
    vertices, faces = plates((10.2, 10.2, 30.4, 40.4, 1), (25.3, 20.3, 50.6, 33.6, z))
    area, pull = area_and_pull(vertices, faces, *FLAT)
    first, second = pull[:8], pull[8:] * z
    assert second[vertices[8:, 0] > 40 * z, 0].sum() == pytest.approx(33.6 - 20.3, rel=0.03)
    assert not second[vertices[8:, 0] < 30 * z, 0].any()
    assert first[vertices[:8, 0] > 20, 0].sum() == pytest.approx(40.4 - 10.2 - (33.6 - 20.3), rel=0.05)
    assert (pull * vertices)[:, :2].sum() == pytest.approx(2 * area, rel=0.01)


def test_a_hole_has_an_outline_too():
    # A frame of four plates, like the gap between arm and trunk.
    bars = [(10, 10, 50, 20), (10, 40, 50, 50), (10, 15, 20, 45), (40, 15, 50, 45)]
    vertices, faces = plates(*((*(np.array(bar) + 0.3), 1) for bar in bars))
    area, pull = area_and_pull(vertices, faces, *FLAT)
    assert area == pytest.approx(40 * 40 - 20 * 20, rel=0.02)
    assert (pull * vertices)[:, :2].sum() == pytest.approx(2 * area, rel=0.01)
    left_bar = pull[16:24][vertices[16:24, 0] > 20, 0]  # its right side looks into the hole
    assert left_bar.sum() == pytest.approx(20, rel=0.05)


def test_images_do_not_feel_each_other_and_runs_repeat(rng):
    vertices, faces, view = spinning(rng, 5)
    topology, matrices = Topology.of(faces), camera_matrices([view] * 5)
    matrices[:, 0, 3] += torch.arange(5)

    def gradient(frames):
        points = torch.tensor(vertices[frames]).requires_grad_()
        drawn = coverage(points, topology, matrices[frames], view.size)
        ((drawn - 0.3) ** 2).sum().backward()
        return points.grad

    together = gradient(slice(None))
    assert together.dtype == torch.float32
    assert torch.equal(together, gradient(slice(None)))
    for n in range(5):
        assert torch.equal(together[n], gradient(slice(n, n + 1))[0])


def test_shapes_without_images_or_of_bad_sizes():
    vertices, faces = SPHERE
    topology, view = Topology.of(faces), camera()
    matrix = camera_matrices(view)
    points = torch.tensor(vertices)[None]
    assert coverage(points[:0], topology, matrix, view.size).shape == (0, 64, 64)
    with pytest.raises(InvalidData, match="expected vertices"):
        coverage(points[:, :5], topology, matrix, view.size)
    with pytest.raises(InvalidData, match="expected matrices"):
        coverage(points, topology, torch.eye(3), view.size)
    with pytest.raises(InvalidData, match="positive"):
        coverage(points, topology, matrix, view.size, samples=0)


@pytest.mark.parametrize("spoil", [lambda f: f[1:], lambda f: np.concatenate([f, f[:1]]),
                                   lambda f: np.concatenate([f[:1, ::-1], f[1:]]), lambda f: f[:0]])  # fmt: skip
def test_only_closed_meshes_have_a_topology(spoil):
    with pytest.raises(InvalidData):
        Topology.of(spoil(SPHERE[1]))


def test_projection_is_the_cameras(rng):
    view = camera(50, 1.3)
    points = rng.normal(size=(3, 20, 3))
    points[0, 0] = view.rotation.T @ (np.array([0.1, 0.1, 0.01]) - view.translation)
    pixels, depth = project(torch.tensor(points).requires_grad_(), camera_matrices(view))
    expected, expected_depth = project_exactly(view, points)
    assert pixels[0, 0].isnan().all()
    np.testing.assert_allclose(pixels.detach()[1:], expected[1:], atol=1e-9)
    np.testing.assert_allclose(depth.detach(), expected_depth, atol=1e-12)


def test_projection_has_exact_derivatives_and_none_too_near(rng):
    view = camera(50, 1.3)
    matrix = camera_matrices(view).requires_grad_()
    points = torch.tensor(rng.normal(size=(1, 4, 3)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda p, m: project(p, m)[0], (points, matrix))
    near = torch.tensor(-view.rotation.T @ view.translation)[None, None].requires_grad_()
    project(near, camera_matrices(view))[0].nansum().backward()
    assert not near.grad.any()


@pytest.mark.parametrize("samples", [2, 4])
def test_torch_alone_gives_the_same(walker, samples):
    posed, tensors, topology, view = walker
    vertices = posed(*tensors)[0].detach()
    # One body cut by the border and one too near to be drawn whole.
    vertices[1, :, 0] += 1.2
    vertices[2, :, 2] += 3.8
    middle = (samples - 1) / 2
    fine = torch.tensor([[samples, 0, middle], [0, samples, middle], [0, 0, 1.0]]).double() @ camera_matrices(view)
    results = []
    for method, matrix in ((coverage, camera_matrices(view)), (coverage_torch, fine.expand(4, 3, 4))):
        points, optics = vertices.clone().requires_grad_(), matrix.clone().requires_grad_()
        named = {"samples": samples} if method is coverage else {}
        drawn = method(points, topology, optics, view.size, *(() if named else (samples,)), **named)
        ((drawn - 0.3) ** 2).sum().backward()
        results.append((drawn.detach(), points.grad))
    assert (results[0][0] != results[1][0]).sum() <= 2
    torch.testing.assert_close(results[1][1], results[0][1], atol=1e-3, rtol=1e-3)
