"""What OpenCV's single precision draws must be certain: never a pixel that the exact rule leaves black."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshgait_data.render.backends import lacks
from meshgait_data.render.raster import silhouettes
from meshgait_data.types import Camera

pytestmark = pytest.mark.skipif(bool(lacks("opencv")), reason=lacks("opencv"))


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([33, 64, 100, 256, 511]),
    st.sampled_from([2, 10, 100, 1000]),
    st.sampled_from([1, 2, 8, 4096]),
)
@settings(max_examples=60)
def test_only_certain_pixels_are_filled(seed, side, size, steps):
    from meshgait_data.render.raster_numpy import visible
    from meshgait_data.render.raster_opencv import _fill_insides

    rng = np.random.default_rng(seed)
    corners = rng.uniform(-0.5 * side, 1.5 * side, (30, 1, 2)) + rng.normal(size=(30, 3, 2)) * size
    # Every second one a sliver: the third corner lies close to the opposite side.
    between = corners[::2, 0] + (corners[::2, 1] - corners[::2, 0]) * rng.random((15, 1))
    corners[::2, 2] = between + rng.normal(size=(15, 2)) * rng.choice([0.01, 0.3])
    # On few steps a pixel, edges often run through pixel centres.
    points = np.column_stack([np.round(corners.reshape(-1, 2) * steps) / steps, np.ones(90)]).astype(np.float32)
    faces = np.arange(90, dtype=np.int32).reshape(-1, 3)
    camera = Camera("x", np.eye(3), np.eye(3), np.zeros(3), (side, side - 9))
    expected = silhouettes(points[None], faces, camera, closed=False)[0]

    certain = np.zeros_like(expected)
    _fill_insides(visible(points, np.ascontiguousarray(faces.T), camera, False)[0], certain)
    assert np.all(certain <= expected)
    drawn = silhouettes(points[None], faces, camera, closed=False, backend="opencv")[0]
    np.testing.assert_array_equal(drawn, expected)
