"""Labels: there and back, and what scale and depth mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data import rotations
from meshgait_data.render.cameras import to_camera
from meshgait_data.render.labels import from_window, to_window, window_scale
from meshgait_data.types import Camera


def scene(seed: int) -> tuple[np.ndarray, np.ndarray, Camera, np.ndarray]:
    """Points, pelvis, camera and windows of six frames."""
    rng = np.random.default_rng(seed)
    pelvis = rng.normal(size=(6, 3)) * [0.5, 0.1, 0.5]
    points = pelvis[:, None] + rng.normal(size=(6, 20, 3)) * 0.4
    intrinsics = np.array([[rng.uniform(300, 900), 0, 320], [0, rng.uniform(300, 900), 240], [0, 0, 1]])
    rotation = rotations.exp(rng.normal(size=3))
    camera = Camera("x", intrinsics, rotation, np.array([0.1, -0.2, 6.0]), (640, 480))
    windows = np.zeros((6, 2, 3))
    windows[:, 0, 0] = windows[:, 1, 1] = rng.uniform(0.2, 0.5, 6)
    windows[:, 0, 0] *= rng.uniform(0.99, 1.01, 6)
    windows[:, :, 2] = rng.uniform(-90, 0, (6, 2))
    return points, pelvis, camera, windows.astype(np.float32)


@given(st.integers(0, 2**32 - 1))
def test_round_trip(seed):
    points, pelvis, camera, windows = scene(seed)
    labels = to_window(points, pelvis, camera, windows)
    assert labels.dtype == np.float32
    back = from_window(labels, window_scale(pelvis, camera, windows), camera, windows)
    np.testing.assert_allclose(back, to_camera(camera, points), atol=5e-6)


@given(st.integers(0, 2**32 - 1))
def test_unit_is_the_window_pixel(seed):
    _, pelvis, camera, windows = scene(seed)
    camera.intrinsics[0, 0] = camera.intrinsics[1, 1]
    windows[:, 0, 0] = windows[:, 1, 1]
    scale = window_scale(pelvis, camera, windows)
    for axis in np.eye(3):
        near = pelvis + 1e-3 * axis @ camera.rotation  # a millimetre along one axis of the camera
        step = to_window(np.stack([pelvis, near], axis=1), pelvis, camera, windows)
        moved = (step[:, 1] - step[:, 0]) @ axis / scale * 1000
        np.testing.assert_allclose(moved, 1.0, atol=0.03)
    assert to_window(pelvis[:, None], pelvis, camera, windows)[..., 2] == pytest.approx(0, abs=1e-6)
