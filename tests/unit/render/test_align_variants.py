"""Named alignments against slow readings of their scripts, the inverse of windows, and what a window says of pixels."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.render.align import align, inverse, through
from meshgait_data.render.roi_align import roi_align


def ellipses(seed: int, *, count: int = 3, height: int = 150, width: int = 110) -> np.ndarray:
    """An image with some blobs."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width), np.uint8)
    for _ in range(count):
        centre, axes = (int(rng.integers(0, width)), int(rng.integers(0, height))), rng.integers(2, 40, 2).tolist()
        cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, int(rng.choice([255, 255, 90])), -1)
    return image


def pretreat_ccpg(image: np.ndarray, size: int) -> np.ndarray | None:
    """CCPG's rule step by step: area averages, every centre counts, only empty frames are left out."""
    rows = np.flatnonzero(image.sum(axis=1))
    if not len(rows):
        return None
    image = image[rows[0] : rows[-1] + 1]
    image = cv2.resize(image, (int(size * (image.shape[1] / image.shape[0])), size), interpolation=cv2.INTER_AREA)
    total, centre, running = int(image.sum()), -1, 0
    for column in range(image.shape[1]):
        running += int(image[:, column].sum())
        if running > total / 2:
            centre = column
            break
    if centre < 0:
        return None
    padded = np.pad(image, ((0, 0), (size, size)))
    return padded[:, centre + size // 2 : centre + 3 * size // 2]


@given(st.integers(0, 2**32), st.integers(0, 4), st.integers(20, 160), st.integers(4, 170), st.sampled_from([64, 128]))
def test_ccpg_equals_its_script(seed, count, height, width, size):
    image = ellipses(seed, count=count, height=height, width=width)
    expected = pretreat_ccpg(image, size)
    result = align(image[None], size, variant="ccpg")
    assert result.kept.tolist() == [expected is not None]
    if expected is not None:
        np.testing.assert_array_equal(result.silhouettes[0], expected)


def test_the_scripts_differ_where_they_say_so():
    few = np.zeros((1, 60, 50), np.uint8)
    few[0, 20:25, 20:24] = 255  # 20 white pixels
    assert [align(few, variant=name).kept[0] for name in ("opengait", "ccpg")] == [False, True]
    at_the_border = np.zeros((1, 60, 50), np.uint8)
    at_the_border[0, :, 0] = 255
    assert [align(at_the_border, variant=name).kept[0] for name in ("opengait", "ccpg")] == [False, True]
    with pytest.raises(UsageError, match="no alignment is called 'grew'") as caught:
        align(few, variant="grew")
    assert "opengait, ccpg, sustech1k, as_is, casia_b_star" in caught.value.hint


def keys(t: np.ndarray) -> np.ndarray:
    """Weight of a sample at distance t in bicubic convolution with a = -3/4 (Keys 1981), OpenCV's choice."""
    t, a = np.abs(t), -0.75
    near, far = ((a + 2) * t - (a + 3)) * t * t + 1, a * (((t - 5) * t + 8) * t - 4)
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


@pytest.mark.parametrize(("size", "seed"), [(64, 1), (64, 2), (128, 3), (44, 4)])
def test_the_window_says_where_each_pixel_was_sampled(size, seed):
    # Every pixel is what bicubic convolution gives at the image position that the inverse window names: to one grey
    # value, anywhere, at any shape. Half a hundredth of a pixel more would be seen.
    rng = np.random.default_rng(seed)
    height, width = int(rng.integers(90, 300)), int(rng.integers(80, 300))
    image = cv2.GaussianBlur(rng.integers(60, 196, (height, width)).astype(np.uint8), (0, 0), 1.2)
    image[: int(rng.integers(1, 20))] = 0
    result = align(image[None], size)
    back = inverse(result.windows)
    v, u = np.mgrid[:size, :size]
    xy = through(back, np.stack([u, v], -1).reshape(1, -1, 2).astype(float))[0]
    top = int(np.flatnonzero(image.any(axis=1))[0])
    rows = image[top:].astype(float)
    across = keys(xy[:, 0, None] - np.arange(-4, width + 4))
    down = keys(xy[:, 1, None] - top - np.arange(-4, len(rows) + 4))
    expected = np.einsum("pi,ij,pj->p", down, np.pad(rows, 4, mode="edge"), across).reshape(size, size)
    inside = (xy[:, 0].reshape(size, size) >= -0.5) & (xy[:, 0].reshape(size, size) <= width - 0.5)
    error = np.abs(result.silhouettes[0] - expected.clip(0, 255))
    assert error[inside].max() <= 1.0
    assert (result.silhouettes[0][~inside] == 0).all()


def test_inverse_and_through():
    windows = align(np.stack([ellipses(seed) for seed in range(6)])).windows
    points = np.random.default_rng(0).uniform(-50, 200, (len(windows), 20, 2))
    np.testing.assert_allclose(through(inverse(windows), through(windows, points)), points, atol=1e-9)
    one = through(windows[0], points[0])
    np.testing.assert_allclose(one, through(windows, points)[0])
    x_y_1 = np.append(points[0, 0], 1.0)
    np.testing.assert_allclose(one[0], windows[0].astype(float) @ x_y_1)


def roi_align_slowly(image: np.ndarray, ratio: float, rows: int = 64, columns: int = 44) -> np.ndarray:
    """GaitAlign for one mask: the published box, then RoIAlign bin by bin from its definition."""
    height, width = image.shape
    filled = np.flatnonzero(image.sum(axis=1))
    top, bottom = float(filled[0]), float(filled[-1] + 1)
    mass = image.sum(axis=0).cumsum()
    centre = float((mass < mass[-1] / 2).sum()) + columns // 2
    margin = max((columns - rows * ratio) / 2, 0) / (ratio * rows / width)
    half = (bottom - top) * width / height / 2 + margin
    image = np.pad(image, ((0, 0), (columns // 2, columns // 2)))
    left, right = (np.clip(centre + sign * half, 0, width + 2 * (columns // 2)) for sign in (-1, 1))
    result = np.zeros((rows, columns))
    bin_w, bin_h = (right - left) / columns, (bottom - top) / rows
    grid_w, grid_h = int(np.ceil(bin_w)), int(np.ceil(bin_h))
    for row in range(rows):
        for column in range(columns):
            samples = []
            for j in range(grid_h):
                for i in range(grid_w):
                    y = top + row * bin_h + (j + 0.5) * bin_h / grid_h
                    x = left + column * bin_w + (i + 0.5) * bin_w / grid_w
                    samples.append(bilinear(image, x, y))
            result[row, column] = np.mean(samples)
    return result


def bilinear(image: np.ndarray, x: float, y: float) -> float:
    """As RoIAlign samples: nothing beyond one pixel outside, the border's value within it."""
    height, width = image.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    x, y = max(x, 0.0), max(y, 0.0)
    x0, y0 = min(int(x), width - 1), min(int(y), height - 1)
    x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
    fx, fy = (x - x0 if x1 > x0 else 0.0), (y - y0 if y1 > y0 else 0.0)
    upper, lower = ((1 - fx) * image[r, x0] + fx * image[r, x1] for r in (y0, y1))
    return float((1 - fy) * upper + fy * lower)


@pytest.mark.parametrize(("seed", "ratio"), [(0, 0.4), (1, 0.55), (2, 0.9), (3, 0.3), (5, None)])
def test_roi_align_equals_its_definition(seed, ratio):
    width = 90 if ratio is None else 128
    image = np.where(ellipses(seed, height=128, width=width) > 100, 255, 0).astype(np.uint8)
    result = roi_align(image[None], ratios=None if ratio is None else np.array([ratio]))
    expected = roi_align_slowly(image.astype(float), ratio or width / 128)
    np.testing.assert_allclose(result.silhouettes[0], expected, atol=0.5 + 1e-6)


@pytest.mark.parametrize(("size", "cut"), [(64, 10), (128, 20)])
def test_casia_b_star_is_roi_align_in_the_middle(size, cut):
    masks = np.stack([np.where(ellipses(seed) > 100, 255, 0).astype(np.uint8) for seed in range(4)])
    masks[2] = 0
    square, narrow = align(masks, size, variant="casia_b_star"), roi_align(masks, (size, size - 2 * cut))
    assert square.kept.tolist() == [True, True, False, True]
    np.testing.assert_array_equal(square.silhouettes[:, :, cut:-cut], narrow.silhouettes)
    assert not square.silhouettes[:, :, :cut].any()
    assert not square.silhouettes[:, :, -cut:].any()
    points = np.array([[30.0, 70.0], [0.0, 0.0]])
    np.testing.assert_allclose(
        through(square.windows, points), through(narrow.windows, points) + np.array([cut, 0]), atol=1e-4
    )


def test_roi_align_undoes_the_squeeze():
    tall = np.zeros((256, 150), np.uint8)
    cv2.ellipse(tall, (72, 128), (36, 127), 0, 0, 360, 255, -1)
    squeezed = cv2.resize(tall, (128, 128), interpolation=cv2.INTER_AREA)
    one, other = roi_align(tall[None]), roi_align(squeezed[None], ratios=np.array([150 / 256]))
    assert np.abs(one.silhouettes[0].astype(int) - other.silhouettes[0]).mean() < 5
    outside = np.array([-1.5, 1.5])
    # Left, right and top of the ellipse, in each image's own pixels.
    x, y = (np.array([36.0, 108, 72]) + 0.5) * 128 / 150 - 0.5, np.array([128, 128, 1]) / 2 - 0.25
    for result, points in ((one, [[36.0, 128], [108, 128], [72, 1]]), (other, np.stack([x, y], -1))):
        u, v = through(result.windows[0], np.array(points)).T
        np.testing.assert_allclose(v, [31.6, 31.6, 0], atol=0.5)
        np.testing.assert_allclose(u[:2].mean(), 21.7, atol=0.6)
        assert u[1] - u[0] == pytest.approx(72 / 256 * 64, abs=0.1)
        np.testing.assert_allclose(result.silhouettes[0, 32, (u[:2] + outside).round().astype(int)], 0)
        assert (result.silhouettes[0, 32, (u[:2] - outside).round().astype(int)] == 255).all()


def test_roi_align_refuses_what_makes_no_sense():
    with pytest.raises(InvalidData, match="uint8"):
        roi_align(np.zeros((1, 8, 8)))  # type: ignore[arg-type]
    with pytest.raises(InvalidData, match="positive ratios"):
        roi_align(np.zeros((2, 8, 8), np.uint8), ratios=np.array([1.0]))
    assert roi_align(np.zeros((2, 8, 8), np.uint8)).kept.tolist() == [False, False]
