"""Tracks of boxes: posts that walk through known and through nominal cameras."""

import numpy as np
import pytest
import torch

from meshgait_data.errors import FitError
from meshgait_data.fit.cameras import CameraPrior, Views, nominal_cameras
from meshgait_data.fit.mask_cameras import place_cameras
from meshgait_data.fit.mask_start import STATURE_M, track
from meshgait_data.manifest import CameraRing
from meshgait_data.render.cameras import project
from meshgait_data.types import Camera, FloatArray

SECONDS = np.arange(30) / 30


def ring(azimuths: tuple[float, ...], distance: float = 4.5, focal: float = 500.0, turn: float = 0.0) -> list[Camera]:
    table = {f"{azimuth:g}": azimuth + turn for azimuth in azimuths}
    return list(nominal_cameras(CameraRing(table, distance, 1.2, 0.9, focal, (480, 480))).values())


def boxes_of(cameras: list[Camera], ground: FloatArray, stature: float, floor: float = 0.0) -> FloatArray:
    """(F, K, 4) of posts half a metre wide."""
    found = np.zeros((len(ground), len(cameras), 4))
    for k, camera in enumerate(cameras):
        heights = np.array([floor, floor + stature])
        posts = np.zeros((len(ground), 2, 3))
        posts[..., [0, 2]], posts[..., 1] = ground[:, None], heights
        pixels, _ = project(camera, posts)
        x, wide = pixels[..., 0].mean(axis=1), 60.0
        found[:, k] = np.stack([x - wide / 2, x + wide / 2, pixels[:, 1, 1] + 0.5, pixels[:, 0, 1] - 0.5], 1)
    return found


def straight(speed: float = 1.2, heading: float = 0.3) -> FloatArray:
    return (SECONDS - SECONDS.mean())[:, None] * speed * np.array([np.sin(heading), np.cos(heading)]) + [0.1, -0.2]


@pytest.mark.parametrize("azimuths", [(0.0, 90.0), (0.0, 90.0, 180.0, 270.0), (60.0, 120.0)])
def test_several_views_tell_where_a_walker_is(azimuths: tuple[float, ...]) -> None:
    cameras, ground = ring(azimuths), straight()
    post = track(boxes_of(cameras, ground, 1.8, 0.05), cameras, SECONDS)
    np.testing.assert_allclose(post.ground, ground, atol=0.02)
    np.testing.assert_allclose(post.heading, 0.3, atol=0.05)
    assert post.speed == pytest.approx(1.2, rel=0.03)
    assert post.floor == pytest.approx(0.05, abs=0.03)
    assert post.stature == pytest.approx(1.8, abs=0.05)


def test_one_view_takes_people_for_usually_tall() -> None:
    cameras, ground = ring((90.0,)), straight(heading=0.0)
    post = track(boxes_of(cameras, ground, STATURE_M), cameras, SECONDS)
    np.testing.assert_allclose(post.ground, ground, atol=0.1)
    assert abs(post.heading).max() < 0.15
    # Who is taller seems nearer.
    nearer = track(boxes_of(cameras, ground, 1.1 * STATURE_M), cameras, SECONDS)
    away = [np.linalg.norm(place.ground - [4.5, 0.0], axis=1).mean() for place in (nearer, post)]
    assert away[0] == pytest.approx(away[1] / 1.1, rel=0.03)


def test_a_wild_box_and_missing_frames_do_not_bend_the_path() -> None:
    cameras, ground = ring((0.0, 90.0)), straight()
    boxes = boxes_of(cameras, ground, 1.7)
    boxes[7, 0] += 80
    boxes[10:14] = np.nan
    np.testing.assert_allclose(track(boxes, cameras, SECONDS).ground, ground, atol=0.05)


def test_a_body_that_is_never_whole_has_no_track() -> None:
    with pytest.raises(FitError, match="no mask shows a whole body"):
        track(np.full((30, 1, 4), np.nan), ring((90.0,)), SECONDS)


def test_one_frame_stands_still() -> None:
    cameras = ring((0.0, 90.0))
    post = track(boxes_of(cameras, straight()[:1], 1.7), cameras, SECONDS[:1])
    np.testing.assert_allclose(post.ground, straight()[:1], atol=0.02)
    assert post.speed < 0.01


def test_nominal_cameras_are_brought_to_the_boxes() -> None:
    azimuths = tuple(float(angle) for angle in range(0, 181, 36))
    true = [ring((angle,), 4.5 * scale, 500.0 / scale, turn)[0] for angle, scale, turn in
            zip(azimuths, (0.9, 1.1, 1.0, 1.05, 0.95, 1.1), (2, -2, 1, 0, -1, 2), strict=True)]  # fmt: skip
    ground = straight(1.4, 0.0) - [0.1, -0.2]
    boxes = boxes_of(true, ground, STATURE_M)
    views = Views.of([ring(azimuths)])
    unknowns, post = place_cameras(boxes, views, CameraPrior.of(views), SECONDS)
    assert post.speed == pytest.approx(1.4, rel=0.15)
    moved = [camera for camera in views.estimated(unknowns)[0] if camera is not None]
    after = np.abs(boxes_of(moved, post.ground, STATURE_M) - boxes).mean()
    before = np.abs(boxes_of(ring(azimuths), ground, STATURE_M) - boxes).mean()
    assert after < 3.0 < before
    assert unknowns.shape == (1, 7 * len(azimuths))
    assert unknowns.dtype == torch.float64
