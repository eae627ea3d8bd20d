"""Alignment against a slow reading of the published definition, and windows against where content lands."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data.errors import InvalidData
from meshgait_data.render.align import NAMES, align, fates_of


def pretreat(image: np.ndarray, size: int) -> np.ndarray | None:
    """The definition, step by step, without any thought of speed."""
    if int(image.sum()) <= 10000:
        return None
    filled = [y for y in range(image.shape[0]) if image[y].sum() != 0]
    image = image[filled[0] : filled[-1] + 1]
    ratio = image.shape[1] / image.shape[0]
    if int(size * ratio) == 0:  # the script fails here
        return None
    image = cv2.resize(image, (int(size * ratio), size), interpolation=cv2.INTER_CUBIC)
    total = int(image.sum())
    x_center, running = None, 0
    for x in range(image.shape[1]):
        running += int(image[:, x].sum())
        if running > total / 2:
            x_center = x
            break
    if not x_center:
        return None
    left, right = x_center - size // 2, x_center + size // 2
    if left <= 0 or right >= image.shape[1]:
        border = np.zeros((size, size // 2))
        image = np.concatenate([border, image, border], axis=1)
        left, right = left + size // 2, right + size // 2
    return image[:, left:right].astype(np.uint8)


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    """Images of all shapes with grey or white blobs anywhere: at borders, tall, wide, tiny, absent."""
    height, width = draw(st.integers(20, 150)), draw(st.integers(4, 190))
    image = np.zeros((height, width), np.uint8)
    for _ in range(draw(st.integers(0, 4))):
        x, y = draw(st.integers(-5, width + 5)), draw(st.integers(-5, height + 5))
        axes = (draw(st.integers(1, 60)), draw(st.integers(1, 60)))
        cv2.ellipse(
            image, (x, y), axes, draw(st.integers(0, 180)), 0, 360, draw(st.sampled_from([255, 255, 7, 120])), -1
        )
    return image


@given(masks(), st.sampled_from([64, 64, 128, 32, 44]))
def test_equals_the_definition(image, size):
    expected = pretreat(image, size)
    result = align(image[None], size)
    assert result.kept.tolist() == [expected is not None]
    if expected is not None:
        np.testing.assert_array_equal(result.silhouettes[0], expected)


@pytest.mark.parametrize("white", [38, 39, 40, 41])
def test_the_least_mass_is_exact(white):
    image = np.zeros((30, 30), np.uint8)
    image[5:15, 10:14].flat[:white] = 255
    assert align(image[None]).kept[0] == (white >= 40)
    image[0, 0] = 10_001 - int(image.sum()) if white == 39 else 0
    assert align(image[None]).kept[0] == (white >= 39)


def test_a_centre_in_column_zero_counts_as_none():
    image = np.zeros((60, 50), np.uint8)
    image[:, 0] = 255
    assert pretreat(image, 64) is None
    assert not align(image[None]).kept[0]
    image[:, :4] = 255
    assert align(image[None]).kept[0]


def test_too_narrow_to_scale():
    assert not align(np.full((1, 300, 2), 255, np.uint8)).kept[0]


def test_survivors_keep_their_order(rng):
    frames = np.zeros((7, 80, 60), np.uint8)
    for frame in (1, 2, 5):
        frames[frame, 10 : 50 + frame, 20:40] = 255
    result = align(frames)
    assert np.flatnonzero(result.kept).tolist() == [1, 2, 5]
    for silhouette, window, frame in zip(result.silhouettes, result.windows, (1, 2, 5), strict=True):
        alone = align(frames[frame : frame + 1])
        np.testing.assert_array_equal(silhouette, alone.silhouettes[0])
        np.testing.assert_array_equal(window, alone.windows[0])


def test_no_frames():
    result = align(np.zeros((0, 10, 10), np.uint8))
    assert result.silhouettes.shape == (0, 64, 64)
    assert result.windows.shape == (0, 2, 3)


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("shape", [(480, 640), (150, 97), (301, 333)])
def test_a_ramp_lands_where_the_window_says(shape, size):
    # Bicubic resizing keeps linear functions, so the grey value of an aligned pixel tells where in the image it is.
    height, width = shape
    x0, x1, y0, y1 = width // 2 - 20, width // 2 + 21, height // 2 - 20, height // 2 + 21
    for axis in (0, 1):
        image = np.zeros(shape, np.uint8)
        image[5 : height - 7, width // 3 : 2 * width // 3] = 130
        image[y0:y1, x0:x1] = 30 + 5 * (np.mgrid[0 : y1 - y0, 0 : x1 - x0][1 - axis])
        result = align(image[None], size)
        inner = np.array(
            [[x, y] for x in (x0 + 12, (x0 + x1) // 2, x1 - 13) for y in (y0 + 12, (y0 + y1) // 2, y1 - 13)]
        )
        aligned = through(result.windows[0], inner.astype(float))
        nearest = np.round(aligned).astype(int)
        window = result.windows[0].astype(float)
        source = np.linalg.solve(window[:, :2], (nearest - window[:, 2]).T).T
        found = (result.silhouettes[0][nearest[:, 1], nearest[:, 0]].astype(float) - 30) / 5 + (x0, y0)[axis]
        np.testing.assert_allclose(found, source[:, axis], atol=0.1 + 0.5 / 5)
        assert abs(np.mean(found - source[:, axis])) < 0.1


def through(window: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    return pixels @ window[:, :2].T.astype(float) + window[:, 2]


@given(st.floats(100, 220), st.floats(80, 180), st.floats(9, 16))
def test_a_blob_lands_where_the_window_says(x, y, sigma):
    grid_y, grid_x = np.mgrid[0:260, 0:320]
    blob = np.exp(-((grid_x - x) ** 2 + (grid_y - y) ** 2) / (2 * sigma**2))
    image = np.round(255 * blob).astype(np.uint8)
    result = align(image[None])
    weights = result.silhouettes[0].astype(float)
    v, u = (weights * axis for axis in np.mgrid[0:64, 0:64])
    centre = np.array([u.sum(), v.sum()]) / weights.sum()
    expected = through(result.windows[0], np.array([x, y]))
    np.testing.assert_allclose(centre, expected, atol=0.1)


@pytest.mark.parametrize("size", [63, 0, -2])
def test_size_must_be_even(size):
    with pytest.raises(InvalidData, match="even"):
        align(np.zeros((1, 8, 8), np.uint8), size)


def test_masks_must_be_bytes():
    with pytest.raises(InvalidData, match="uint8"):
        align(np.zeros((1, 8, 8), np.float32))  # type: ignore[arg-type]


@given(st.lists(masks(), min_size=1, max_size=4), st.sampled_from([64, 64, 128, 32]), st.sampled_from(NAMES))
def test_fates_alone_are_those_of_the_alignment(images, size, variant):
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    stacked = np.zeros((len(images), height, width), np.uint8)
    for frame, image in enumerate(images):
        stacked[frame, : image.shape[0], : image.shape[1]] = image
    sizes = np.array([image.shape[::-1] for image in images])
    for own in (None, sizes):
        whole = align(stacked, size, variant=variant, sizes=own)
        alone = fates_of(stacked, size, variant=variant, sizes=own)
        assert alone.dtype == whole.fates.dtype
        np.testing.assert_array_equal(alone, whole.fates)


@pytest.mark.parametrize("variant", NAMES)
def test_fates_of_thousands_of_masks(variant, rng):
    fates = set()
    for batch in range(60):
        # Every other picture is as narrow as a body can hardly be.
        height, width = int(rng.integers(1, 200)), int(rng.integers(1, 90 if batch % 2 else 9))
        stacked = np.zeros((40, height, width), np.uint8)
        for image in stacked:
            top, left = rng.integers(0, height), rng.integers(0, width)
            image[top : top + rng.integers(1, 80), left : left + rng.integers(1, 40)] = rng.choice([1, 90, 255])
        alone = fates_of(stacked, 32, variant=variant)
        np.testing.assert_array_equal(alone, align(stacked, 32, variant=variant).fates)
        fates |= set(alone.tolist())
    assert variant != "opengait" or fates == {0, 1, 2, 3}, "the masks have every fate"


def test_fates_of_no_frames_and_of_what_is_no_mask():
    assert fates_of(np.zeros((0, 9, 9), np.uint8)).shape == (0,)
    with pytest.raises(InvalidData, match="uint8"):
        fates_of(np.zeros((1, 9, 9), np.float32))
