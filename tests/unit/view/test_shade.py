"""The picture renderer: covers what the exact rasteriser covers, and shows the near side."""

import numpy as np

from meshgait_data.render.raster import silhouettes
from meshgait_data.types import Camera
from meshgait_data.view.shade import shade

MATRIX = np.array([[300.0, 0, 59.5], [0, 300.0, 49.5], [0, 0, 1]])


def box(centre: tuple[float, float, float], half: float) -> tuple[np.ndarray, np.ndarray]:
    """Closed cube, faces counter-clockwise seen from outside."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * half + centre
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [part for a, b, c, d in quads for part in ((a, b, c), (a, c, d))]
    return corners, np.array(faces)


def test_covers_what_the_rasteriser_covers():
    vertices, faces = box((0.113, -0.057, 4.0), 0.4)
    camera = Camera("x", MATRIX, np.eye(3), np.zeros(3), (120, 100))
    picture = shade(vertices, faces, MATRIX, camera.size)
    mask = silhouettes(vertices[None], faces, camera)[0] > 0
    np.testing.assert_array_equal(np.isfinite(picture.depth), mask)
    assert picture.rgb.shape == (100, 120, 3)
    assert np.all(picture.rgb[0, 0] == 255)
    assert picture.rgb[mask].mean() < 250


def test_the_near_side_hides_the_far_one():
    near, faces = box((0.0, 0.0, 3.0), 0.2)
    far, _ = box((0.05, 0.0, 5.0), 0.5)
    for order in ([near, far], [far, near]):
        vertices = np.concatenate(order)
        picture = shade(vertices, np.concatenate([faces, faces + 8]), MATRIX, (120, 100))
        assert abs(picture.depth[50, 60] - 2.8) < 1e-6
        assert abs(picture.depth[50, 82] - 4.5) < 1e-6
