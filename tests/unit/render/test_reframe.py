"""Masks through windows that are known: the same as aligning them, and the same framing at twice the size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from meshgait_data.errors import InvalidData
from meshgait_data.render.align import NAMES, align, doubled, reframe, through

HEIGHT, WIDTH = 90, 120


@st.composite
def bodies(draw):
    """Masks with a ragged blob each, some with grey."""
    masks = np.zeros((3, HEIGHT, WIDTH), np.uint8)
    for mask in masks:
        top, left = draw(st.integers(0, 40)), draw(st.integers(0, 90))
        height, width = draw(st.integers(10, 50)), draw(st.integers(6, 30))
        noise = draw(arrays(np.uint8, (5, 3), elements=st.sampled_from([0, 140, 255])))
        noise[2, 1] = 255
        grown = np.kron(noise, np.ones((height // 5, width // 3), np.uint8))
        mask[top : top + len(grown), left : left + grown.shape[1]] = grown
    return masks


@pytest.mark.parametrize("variant", NAMES)
@given(masks=bodies(), size=st.sampled_from([32, 64, 128]))
@settings(max_examples=40, deadline=None)
def test_what_was_aligned_comes_out_again(variant, masks, size):
    aligned = align(masks, size, variant=variant)
    again = reframe(masks[aligned.kept], aligned.windows, size, variant=variant)
    # CASIA-B*'s boxes have fractions, which single precision of the window rounds.
    tolerance = 1 if variant == "casia_b_star" else 0
    np.testing.assert_allclose(again.astype(int), aligned.silhouettes.astype(int), rtol=0, atol=tolerance)


@pytest.mark.parametrize("variant", [name for name in NAMES if name != "as_is"])
def test_twice_the_size_shows_the_same_at_twice_the_place(variant):
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    disc = ((u - 70.0) ** 2 / 20**2 + (v - 45.0) ** 2 / 40**2 < 1).astype(np.uint8)[None] * np.uint8(255)
    aligned = align(disc, 64, variant=variant)
    fine = reframe(disc, doubled(aligned.windows), 128, variant=variant)
    assert fine.shape == (1, 128, 128)
    halved = fine.reshape(1, 64, 2, 64, 2).mean(axis=(2, 4))
    assert np.abs(halved - aligned.silhouettes).mean() < 1.5
    points = np.array([[[70.0, 45.0], [60.0, 10.0]]])
    np.testing.assert_allclose(
        through(doubled(aligned.windows), points), 2 * through(aligned.windows, points) + 0.5, atol=1e-4
    )


def test_other_masks_through_the_same_windows_keep_their_place():
    mask = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    mask[0, 20:80, 50:70] = 255
    other = np.zeros_like(mask)
    other[0, 40:50, 70:76] = 255
    windows = align(mask, 64).windows
    u, v = through(windows, np.array([[[72.5, 44.5]]]))[0, 0]
    drawn = np.argwhere(reframe(other, windows, 64)[0] > 127)
    np.testing.assert_allclose(drawn.mean(axis=0), (v, u), atol=0.5)


def test_a_window_for_each_mask():
    with pytest.raises(InvalidData, match="1 windows for 2 masks"):
        reframe(np.zeros((2, 8, 8), np.uint8), np.zeros((1, 2, 3)), 64)
