"""Triangulation: exact through every kind of camera, robust to a wrong view, honest about what it cannot know."""

import numpy as np
import pytest
import torch

from meshgait_data.fit.cameras import Views
from meshgait_data.fit.triangulate import triangulate
from meshgait_data.render.cameras import look_at
from meshgait_data.types import Camera

LENS = np.array([[1000.0, 0.0, 500.0], [0.0, 1000.0, 500.0], [0.0, 0.0, 1.0]])
KINDS = {
    "plain": {},
    "lens": {"distortion": (-0.2, 0.05, 0.003, -0.002, 0.01)},
    "weak": {"model": "weak_perspective", "reference_m": 4.5},
    "orthographic": {"model": "orthographic"},
}


def camera(azimuth, **kind):
    angle = np.deg2rad(azimuth)
    position = 4.5 * np.array([np.sin(angle), 0.15, np.cos(angle)])
    rotation = look_at(position, np.zeros(3))
    return Camera(str(azimuth), LENS, rotation, -rotation @ position, (1000, 1000), **kind)


def scene(azimuths=(0, 90, 180, 270), frames=20, count=6, **kind):
    views = Views.of([[camera(azimuth, **kind) for azimuth in azimuths]])
    points = 0.5 * torch.randn(frames, count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    capture = torch.zeros(frames, dtype=torch.long)
    pixels = views.project(points, capture, slopes=False).pixels
    return views, points, capture, pixels, torch.ones(pixels.shape[:-1], dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("azimuths", [(0, 90), (0, 40, 100), (0, 90, 180, 270)])
def test_exact_images_give_exact_points(kind, azimuths):
    views, points, capture, pixels, confidence = scene(azimuths, **KINDS[kind])
    found = triangulate(views, pixels, confidence, capture)
    np.testing.assert_allclose(found.points, points, atol=1e-6)
    assert (found.inlying > 0.999).all()


@pytest.mark.parametrize("azimuths", [(0, 90), (0, 90, 180, 270)])
def test_covariance_is_that_of_the_errors(azimuths):
    views, _, _, _, _ = scene(azimuths, frames=1, count=1)
    points = torch.tensor([[[0.1, 0.4, -0.2]]], dtype=torch.float64).expand(4000, 1, 3)
    capture = torch.zeros(4000, dtype=torch.long)
    pixels = views.project(points, capture, slopes=False).pixels
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = triangulate(views, pixels + 2 * noise, torch.ones(pixels.shape[:-1]).double(), capture, robust=False)
    errors = (found.points - points)[:, 0]
    spread = errors.mT @ errors / 4000
    np.testing.assert_allclose(spread, 4 * found.covariance[:, 0].mean(0), atol=0.08 * float(spread.max()))


def test_one_view_gives_no_point():
    views, points, capture, pixels, confidence = scene()
    confidence[3, 1:, 2] = 0
    pixels[4, 1:, 1] = torch.nan
    found = triangulate(views, pixels, confidence, capture)
    unknown = found.points.isnan().all(-1)
    assert unknown.nonzero().tolist() == [[3, 2], [4, 1]]
    assert found.covariance[3, 2].isnan().all()
    assert found.residual[3, :, 2].isnan().all()
    np.testing.assert_allclose(found.points[~unknown], points[~unknown], atol=1e-6)


def test_rays_that_hardly_meet_give_no_point():
    views, _, capture, pixels, confidence = scene((0, 0.1))
    assert triangulate(views, pixels, confidence, capture).points.isnan().all()


@pytest.mark.parametrize("azimuths", [(0, 60, 120), (0, 90, 180, 270)])
@pytest.mark.parametrize("miss", [60.0, 300.0])
def test_a_wrong_view_is_outvoted(azimuths, miss):
    views, points, capture, pixels, confidence = scene(azimuths)
    wrong = torch.randint(len(views), (len(points), 6), generator=torch.Generator().manual_seed(2))
    for frame in range(len(points)):
        for point in range(6):
            pixels[frame, wrong[frame, point], point] += miss * torch.tensor([0.6, 0.8])
    robust = (triangulate(views, pixels, confidence, capture).points - points).norm(dim=-1)
    plain = (triangulate(views, pixels, confidence, capture, robust=False).points - points).norm(dim=-1)
    assert (robust < 0.03).double().mean() > 0.95
    assert plain.mean() > 3 * robust.mean()


def test_confidence_weighs():
    views, points, capture, pixels, confidence = scene((0, 90, 180, 270))
    pixels[:, 0] += 10
    confidence[:, 0] = 1e-4
    found = triangulate(views, pixels, confidence, capture, robust=False)
    np.testing.assert_allclose(found.points, points, atol=2e-4)


def test_captures_have_their_own_cameras_and_lacking_views():
    row = [camera(0), camera(90), camera(200)]
    views = Views.of([row, [row[1], row[2], None]])
    points = torch.randn(4, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 3
    capture = torch.tensor([0, 0, 1, 1])
    pixels = views.project(points, capture, slopes=False).pixels
    found = triangulate(views, pixels, torch.ones(4, 3, 3, dtype=torch.float64), capture)
    np.testing.assert_allclose(found.points, points, atol=1e-6)
    assert (found.inlying[2:, 2] == 0).all()
