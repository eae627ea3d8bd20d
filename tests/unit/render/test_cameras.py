"""Cameras: agreement with OpenCV, and a ring that stands where its azimuths say."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data import rotations
from meshgait_data.errors import InvalidData
from meshgait_data.manifest import CameraRing
from meshgait_data.render.cameras import look_at, project, to_camera
from meshgait_data.render.rigs import ring_cameras, walking_direction
from meshgait_data.types import Camera

AZIMUTHS = {"000": 0.0, "018": 18.0, "090": 90.0, "180": 180.0, "270": 270.0}
RING = CameraRing(AZIMUTHS, distance_m=6.0, height_m=1.2, target_m=0.9, focal_px=700.0, image_size=(640, 480))

finite = st.floats(-3.0, 3.0, allow_nan=False)
vector = st.tuples(finite, finite, finite).map(np.array)


def path(heading: float, *, frames: int = 40, start: tuple[float, float, float] = (0.4, 0.95, -2.0)) -> np.ndarray:
    """Straight walk of 3 m; heading 0 leads to +z."""
    along = np.linspace(0, 3, frames)[:, None] * [np.sin(heading), 0.0, np.cos(heading)]
    sway = 0.03 * np.sin(np.arange(frames))[:, None] * [0.0, 1.0, 0.0]
    return start + along + sway


@given(vector, vector, vector)
def test_project_agrees_with_opencv(turn, point, offset):
    rotation = rotations.exp(turn)
    intrinsics = np.array([[700.0, 0.0, 319.5], [0.0, 650.0, 239.5], [0.0, 0.0, 1.0]])
    camera = Camera("x", intrinsics, rotation, offset + np.array([0, 0, 12.0]), (640, 480))
    pixels, depth = project(camera, point[None])
    # The axis-angle itself: cv2 takes matrices very near the identity for it.
    expected, _ = cv2.projectPoints(point[None], turn, camera.translation, intrinsics, None)
    np.testing.assert_allclose(pixels, expected[:, 0], atol=1e-4)
    np.testing.assert_allclose(depth, (rotation @ point + camera.translation)[2:], atol=1e-12)


def test_points_behind_the_camera_have_no_pixel():
    camera = Camera("x", np.eye(3), np.eye(3), np.zeros(3), (8, 8))
    pixels, depth = project(camera, np.array([[0.0, 0, 1], [0, 0, 0], [0, 0, -1]]))
    assert np.isnan(pixels).tolist() == [[False, False], [True, True], [True, True]]
    assert depth.tolist() == [1, 0, -1]


@pytest.mark.parametrize("heading", [0.0, 0.7, 2.0, -3.0])
def test_azimuths_are_relative_to_the_walk(heading):
    walk = path(heading)
    forward = np.array([np.sin(heading), 0.0, np.cos(heading)])
    left = np.array([np.cos(heading), 0.0, -np.sin(heading)])  # up x forward
    middle = walk.mean(axis=0)
    cameras = {camera.name: camera for camera in ring_cameras(RING, walk, ground=0.1)}
    assert list(cameras) == list(AZIMUTHS)
    for name, azimuth in AZIMUTHS.items():
        camera = cameras[name]
        outward = -camera.rotation.T @ camera.translation - middle
        angle = np.rad2deg(np.arctan2(outward @ left, outward @ forward)) % 360
        assert (angle - azimuth + 180) % 360 == pytest.approx(180)
        assert np.hypot(outward[0], outward[2]) == pytest.approx(6.0)
    # From the left the walker goes to the left of the image, from behind away from the camera.
    ahead = to_camera(cameras["090"], walk + forward) - to_camera(cameras["090"], walk)
    assert np.all(ahead[:, 0] < -0.99)
    away = to_camera(cameras["180"], walk + forward) - to_camera(cameras["180"], walk)
    assert np.all(away[:, 2] > 0.99)


def test_heights_and_target_count_from_the_ground():
    walk = path(0.3)
    for camera in ring_cameras(RING, walk, ground=-0.4):
        position = -camera.rotation.T @ camera.translation
        assert position[1] == pytest.approx(-0.4 + 1.2)
        target = np.array([walk[:, 0].mean(), -0.4 + 0.9, walk[:, 2].mean()])
        np.testing.assert_allclose(project(camera, target)[0], [319.5, 239.5], atol=1e-6)
        upper = project(camera, target + np.array([0, 0.5, 0]))[0]
        assert upper[0] == pytest.approx(319.5)
        assert upper[1] < 239.5


def test_look_at_is_a_rotation():
    rotation = look_at(np.array([1.0, 2.0, 3.0]), np.array([-2.0, 0.5, 1.0]))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "pelvis",
    [np.zeros((30, 3)), np.ones((1, 3)), np.zeros((0, 3)), path(0.0) * [0, 1, 0], path(0.0) * [np.nan, 1, 1]],
    ids=["stands", "one frame", "none", "jumps", "nan"],
)
def test_a_walk_that_leads_nowhere_is_refused(pelvis):
    with pytest.raises(InvalidData, match="no walking direction"):
        walking_direction(pelvis)
