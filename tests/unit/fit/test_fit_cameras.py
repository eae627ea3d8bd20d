"""Cameras in torch: the same images as the renderer's, exact inverse, gauge of unknown cameras."""

import numpy as np
import pytest
import torch

from meshgait_data.body.files import load_body
from meshgait_data.fit.batch import Layout, State, pose
from meshgait_data.fit.cameras import (
    EXTRA,
    UNKNOWNS,
    Views,
    crop_camera,
    move_camera,
    no_change,
    nominal_cameras,
    to_walk,
)
from meshgait_data.fit.chain import Chain
from meshgait_data.manifest import load_rig
from meshgait_data.render.cameras import look_at, project
from meshgait_data.torch_rotations import exp
from meshgait_data.types import Camera

LENS = np.array([[900.0, 2.0, 480.0], [0.0, 950.0, 270.0], [0.0, 0.0, 1.0]])
KINDS = [
    {},
    {"distortion": (-0.2, 0.05, 0.003, -0.002)},
    {"distortion": (0.1, 0.02, -0.001, 0.002, 0.01, 0.05, 0.01, 0.002)},
    {"model": "weak_perspective", "reference_m": 6.0, "distortion": (-0.1, 0.0, 0.0, 0.0)},
    {"model": "orthographic"},
]


def camera(azimuth, **kind):
    position = np.array([6 * np.sin(azimuth), 0.7, 6 * np.cos(azimuth)])
    rotation = look_at(position, np.zeros(3))
    return Camera("a", LENS, rotation, -rotation @ position, (960, 540), **kind)


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_those_of_the_renderer(kind):
    points = torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one, two = camera(0.3, **kind), camera(2.0, **kind)
    views = Views.of([[one, two], [two, None]])
    seen = views.project(points, torch.tensor([0, 0, 1, 1, 0]))
    for frame, row in enumerate([(one, two), (one, two), (two,), (two,), (one, two)]):
        for view, each in enumerate(row):
            pixels, depth = project(each, points[frame].numpy())
            np.testing.assert_allclose(seen.pixels[frame, view], pixels, atol=1e-9)
            np.testing.assert_allclose(seen.depth[frame, view], depth, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_rays_are_the_inverse(kind):
    views = Views.of([[camera(0.3, **kind)]])
    capture = torch.zeros(5, dtype=torch.long)
    points = torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    seen = views.project(points, capture)
    rays = views.rays(seen.pixels, capture)
    inside = points @ views.rotation[0, 0].T + views.offset[0, 0]
    divisor = views.divisor[0, 0] if views.divisor[0, 0] > 0 else inside[:, None, :, 2:]
    torch.testing.assert_close(rays, inside[:, None, :, :2] / divisor, atol=1e-8, rtol=0)


def test_a_lens_never_folds_points_back():
    views = Views.of([[camera(0.0, distortion=(-0.3, 0.0, 0.0, 0.0))]])
    across = torch.linspace(0.0, 5.9, 60, dtype=torch.float64)
    points = torch.stack([across, 0.7 + 0 * across, 5.0 + 0 * across], -1)[None]
    pixels = views.project(points, torch.zeros(1, dtype=torch.long)).pixels[0, 0]
    assert (pixels[1:, 0] > pixels[:-1, 0]).all()
    assert (
        views.rays(torch.tensor([[[[9e4, 0.0]]]], dtype=torch.float64), torch.zeros(1, dtype=torch.long)).isnan().all()
    )


def test_estimated_cameras_are_cameras():
    points = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one, two = camera(0.3, distortion=(-0.2, 0.05, 0.003, -0.002)), camera(2.0, model="orthographic")
    views = Views.of([[one, two], [two, None]], targets=torch.tensor([[0.1, 1.0, 0.2]]).expand(2, 3))
    unknowns = 0.1 * torch.randn(2, 2 * UNKNOWNS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    seen = views.project(points, torch.arange(2), unknowns)
    row = views.estimated(unknowns)
    assert row[1][1] is None
    for capture, view in ((0, 0), (0, 1), (1, 0)):
        pixels, _ = project(row[capture][view], points[capture].numpy())
        np.testing.assert_allclose(seen.pixels[capture, view], pixels, atol=1e-8)
    same = views.project(points, torch.arange(2), no_change(views))
    torch.testing.assert_close(same.pixels, views.project(points, torch.arange(2)).pixels)


def test_taken_views_see_the_same():
    views = Views.of([[camera(0.3), camera(1.0)], [camera(2.0), camera(3.0)]])
    points = torch.randn(3, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    some = views.take([1, 1, 0], slice(1, 2))
    seen = some.project(points, torch.arange(3)).pixels
    torch.testing.assert_close(seen, views.project(points, torch.tensor([1, 1, 0])).pixels[:, 1:])


@pytest.mark.parametrize("rig", ["casia_b", "oumvlp"])
def test_nominal_cameras_stand_around_a_walk_along_z(rig):
    cameras = nominal_cameras(load_rig(rig).cameras)
    front, side = (cameras[name] for name in ("000", "090"))
    assert (-front.rotation.T @ front.translation)[2] > 1
    assert (-side.rotation.T @ side.translation)[0] > 1
    # Both see the middle of the walk in the middle of the image.
    for each in (front, side):
        pixels, _ = project(each, np.array([0.0, 0.9, 0.0]))
        np.testing.assert_allclose(pixels, each.intrinsics[:2, 2], atol=1e-6)


def test_a_crop_shows_a_person_upright():
    pixels, _ = project(crop_camera("crop", (64, 64)), np.array([[0.0, 0.875, 0.0], [0.0, -0.875, 0.0]]))
    assert 55 < pixels[1, 1] - pixels[0, 1] < 60
    assert pixels[0, 1] < pixels[1, 1]


def test_walks_are_turned_to_lead_along_z_and_look_the_same():
    chain, layout = Chain.of(load_body("free-lite"), num_betas=4), Layout.of([5, 1])
    generator = torch.Generator().manual_seed(0)
    way = torch.linspace(0, 2, 6, dtype=torch.float64)[:, None] * torch.tensor([1.0, 0.02, 0.5], dtype=torch.float64)
    betas = torch.randn(2, 4, generator=generator, dtype=torch.float64)
    rotations = exp(0.3 * torch.randn(6, 24, 3, generator=generator, dtype=torch.float64))
    state = State(rotations, way, betas, {EXTRA: torch.zeros(2, UNKNOWNS)})
    posed = pose(chain, layout, state)
    moved, turn, move = to_walk(layout, posed.rest, state)
    after = pose(chain, layout, moved)
    expected = (posed.joints @ turn[layout.capture].mT) + move[layout.capture][:, None]
    torch.testing.assert_close(after.joints, expected)
    pelvis = after.joints[:, 0]
    np.testing.assert_allclose(pelvis[0, [0, 2]], 0, atol=1e-12)
    assert abs(pelvis[4, 0]) < 1e-9
    assert pelvis[4, 2] > 1.5
    np.testing.assert_allclose(pelvis[:, 1], posed.joints[:, 0, 1])
    one = camera(0.3)
    other = move_camera(one, turn[0].numpy(), move[0].numpy())
    np.testing.assert_allclose(project(other, after.joints[:5].numpy())[0], project(one, posed.joints[:5].numpy())[0])
