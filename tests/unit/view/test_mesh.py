"""Pictures of a mesh: from the right side, to scale, with points where they belong."""

import cv2
import numpy as np
import pytest

from meshgait_data.view.mesh import Dots, colour_bar, draw_mesh, heat, montage

RED, GREEN = (255, 0, 0), (0, 255, 0)


def box(size: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Closed box around the origin, faces counter-clockwise seen from outside."""
    corners = 0.5 * np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * size
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return corners, np.array([part for a, b, c, d in quads for part in ((a, b, c), (a, c, d))])


def extent(rgb: np.ndarray) -> tuple[int, int]:
    """Width and height in pixels of what is not paper."""
    rows, columns = np.nonzero((rgb < 250).any(axis=-1))
    return int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


@pytest.mark.parametrize(("azimuth", "width_m"), [(0.0, 0.5), (90.0, 0.3), (180.0, 0.5), (270.0, 0.3)])
def test_shows_the_side_that_it_is_asked_for_to_scale(azimuth, width_m):
    rgb = draw_mesh(*box((0.5, 1.0, 0.3)), size=(400, 400), azimuth_deg=azimuth, height_m=2.0)
    assert extent(rgb) == pytest.approx((200 * width_m, 200), abs=4)


def test_the_left_side_is_seen_at_90_degrees():
    vertices, faces = box((0.5, 1.0, 0.3))
    colours = np.where(vertices[:, :1] > 0, RED, GREEN).astype(np.uint8)
    seen = {
        azimuth: draw_mesh(vertices, faces, size=(200, 200), azimuth_deg=azimuth, colours=colours)[100, 100]
        for azimuth in (90.0, 270.0)
    }
    assert seen[90.0][0] > seen[90.0][1]
    assert seen[270.0][1] > seen[270.0][0]


def test_from_the_front_the_left_hand_is_on_the_right_and_hidden_points_are_paler():
    vertices, faces = box((1.0, 1.0, 0.3))
    points = np.array([[0.3, 0.3, 0.2], [-0.3, 0.3, -0.2]])
    dots = Dots(points, np.array([RED, GREEN], np.uint8), radius=6)
    rgb = draw_mesh(vertices, faces, size=(200, 200), azimuth_deg=0, height_m=2.0, dots=dots)
    np.testing.assert_array_equal(rgb[70, 130], RED)
    assert rgb[70, 70][1] == 255
    assert rgb[70, 70][0] > 100


def test_a_montage_holds_every_picture_and_is_the_same_file_twice():
    pictures = [np.full((40, 60, 3), level, np.uint8) for level in (10, 90, 170)]
    rows = [[(pictures[0], "a"), (pictures[1], "two\nlines")], [(pictures[2], ""), (colour_bar(30.0, "mm", 120), "")]]
    data = montage(rows, "title")
    assert data == montage(rows, "title")
    rgb = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    for level in (10, 90, 170):
        assert (rgb == level).all(axis=-1).sum() >= 40 * 60


def test_heat_goes_from_dark_to_bright():
    brightness = heat(np.linspace(0, 2, 9), 1.0).astype(int).sum(axis=1)
    assert np.all(np.diff(brightness[:5]) > 0)
    assert np.ptp(brightness[4:]) == 0
