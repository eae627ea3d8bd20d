"""Outlines of masks: sub-pixel places, normals, lengths, the image border."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshgait_data.errors import InvalidData
from meshgait_data.fit.contours import mask_contours

SIDE = 120


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return (((columns - x) ** 2 + (rows - y) ** 2 <= radius**2) * np.uint8(255))[None]


@settings(deadline=None, max_examples=30)
@given(st.floats(14, 45), st.floats(50, 70), st.floats(50, 70), st.sampled_from([1.0, 2.0, 3.0]))
def test_points_lie_on_the_circle_that_was_drawn(radius: float, x: float, y: float, spacing: float) -> None:
    found = mask_contours(disc(x, y, radius), spacing=spacing)
    away = found.points - [x, y]
    distance = np.linalg.norm(away, axis=1)
    # The blur moves a convex outline in by 1 / (2 r) px; pixels scatter it by a third.
    assert abs(distance.mean() - radius + 0.5 / radius) < 0.25
    assert distance.std() < 0.35
    assert found.lengths.sum() == pytest.approx(2 * np.pi * radius, rel=0.1)
    assert ((found.normals * away).sum(1) / distance).min() > 0.85
    assert not found.cut[0]


def test_holes_have_outlines_that_look_into_them() -> None:
    ring = disc(60, 60, 40) - disc(60, 60, 20)
    found = mask_contours(ring)
    away = found.points - 60
    inner = np.linalg.norm(away, axis=1) < 30
    assert found.lengths[inner].sum() == pytest.approx(2 * np.pi * 20, rel=0.06)
    assert ((found.normals * away)[inner].sum(1) < 0).all()


def test_there_is_no_outline_where_the_image_ends() -> None:
    found = mask_contours(disc(0, 60, 30))
    assert found.cut[0]
    assert found.lengths.sum() == pytest.approx(np.pi * 30, rel=0.06)
    # A body that fills the image has none at all.
    assert not mask_contours(np.full((1, 20, 20), 255, np.uint8)).seen[0]


def test_frames_keep_their_points() -> None:
    masks = np.concatenate([disc(60, 60, 20), np.zeros((1, SIDE, SIDE), np.uint8), disc(50, 60, 30)])
    found = mask_contours(masks)
    assert found.seen.tolist() == [True, False, True]
    assert np.isnan(found.boxes[1]).all()
    assert found.boxes[0].tolist() == [40, 80, 40, 80]
    turned = found.take(np.array([2, 0]))
    alone = mask_contours(masks[[2, 0]])
    for name in ("points", "normals", "lengths", "starts", "boxes", "cut"):
        np.testing.assert_array_equal(getattr(turned, name), getattr(alone, name))


def test_bool_and_grey_masks_mean_the_same() -> None:
    mask = disc(60, 60, 25)
    np.testing.assert_array_equal(mask_contours(mask > 0).points, mask_contours(mask).points)


def test_what_is_no_stack_of_images_is_refused() -> None:
    with pytest.raises(InvalidData, match=r"\(F, H, W\)"):
        mask_contours(np.zeros((5, 5), np.uint8))
