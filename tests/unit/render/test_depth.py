"""Depth maps: the mask's pixels exactly, and the distance of the surface that a ray would meet."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_raster import icosphere

from meshgait_data import rotations
from meshgait_data.errors import InvalidData
from meshgait_data.render.cameras import look_at
from meshgait_data.render.depth import depth_maps
from meshgait_data.render.raster import silhouettes
from meshgait_data.types import Camera


def eye(size: tuple[int, int] = (160, 120), focal: float = 150.0, distance: float = 5.0) -> Camera:
    """Looks along -z of the world at its origin."""
    rotation = look_at(np.array([0.0, 0.0, distance]), np.zeros(3))
    intrinsics = np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1]])
    return Camera("eye", intrinsics, rotation, np.array([0.0, 0.0, distance]), size)


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_pixels_with_a_depth_are_those_of_the_mask(seed: int, closed: bool):
    """Any soup of triangles, also cut by the border, near the camera and behind it."""
    rng = np.random.default_rng(seed)
    vertices = rng.normal(size=(3, 30, 3)) * rng.uniform(0.2, 3)
    faces = rng.integers(0, 30, (40, 3))
    camera = eye(distance=rng.uniform(1, 6))
    maps = depth_maps(vertices, faces, camera, closed=closed)
    np.testing.assert_array_equal(maps.masks(), silhouettes(vertices, faces, camera, closed=closed))
    np.testing.assert_array_equal(np.isfinite(maps.whole()), maps.masks() > 0)
    np.testing.assert_array_equal(maps.faces >= 0, np.isfinite(maps.depth))
    assert maps.depth.dtype == np.float32


def test_depth_is_that_of_the_plane_of_the_triangle_that_is_seen():
    rng = np.random.default_rng(3)
    vertices = (rng.normal(size=(1, 40, 3)) * 0.8).astype(np.float32)
    faces, camera = rng.integers(0, 40, (60, 3)), eye()
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])]
    maps = depth_maps(vertices, faces, camera, closed=False)
    points = (vertices[0] @ camera.rotation.T + camera.translation)[faces]
    normals = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    _, rows, columns = np.nonzero(maps.faces >= 0)
    seen = maps.faces[0, rows, columns]
    x, y = columns + maps.corner[0, 0], rows + maps.corner[0, 1]
    rays = np.linalg.solve(camera.intrinsics, np.stack([x, y, np.ones_like(x)]).astype(float)).T
    slope = (normals[seen] * rays).sum(1)
    expected = (normals[seen] * points[seen, 0]).sum(1) / slope
    steep = np.abs(slope) / np.linalg.norm(normals[seen], axis=1) < 0.05  # corners on the grid tilt edge-on triangles
    np.testing.assert_allclose(maps.depth[0, rows, columns][~steep], expected[~steep], rtol=2e-4)
    # Nothing is nearer: draw each triangle alone.
    for face in faces:
        assert np.all(depth_maps(vertices, face[None], camera, closed=False).whole() >= maps.whole())


def test_a_sphere_is_as_far_as_a_sphere_is():
    vertices, faces = icosphere(4)
    camera = eye((161, 121), 300)
    maps = depth_maps(vertices[None], faces, camera)
    v, u = np.mgrid[:121, :161]
    rays = np.linalg.solve(camera.intrinsics, np.stack([u, v, np.ones_like(u)]).reshape(3, -1).astype(float)).T
    # |t r - c| = 1 with c at 5 m: the nearer solution of the quadratic equation, where it has one.
    a, b = (rays**2).sum(1), 5 * rays[:, 2]
    root = b**2 - 24 * a
    expected = np.where(root > 0.05, (b - np.sqrt(np.maximum(root, 0))) / a, np.nan).reshape(121, 161)
    inner = np.isfinite(expected)
    error = maps.whole()[0][inner] - expected[inner]  # of the mesh too, whose facets cut the sphere's corners
    assert abs(error).max() < 0.02
    assert 0 < error.mean() < 0.005
    assert np.isinf(maps.whole()[0][(root < -0.1).reshape(121, 161)]).all()


def test_frames_keep_their_own_box():
    vertices, faces = icosphere(2)
    camera = eye()
    moving = 0.2 * vertices + np.array([[[-1.0, 0.5, 0]], [[1.2, -0.3, 0]], [[90.0, 0, 0]]])
    maps = depth_maps(moving, faces, camera)
    assert maps.depth[0].size < 20 * 20
    whole = maps.whole()
    assert np.isinf(whole[2]).all()
    for frame in range(3):
        np.testing.assert_array_equal(depth_maps(moving[frame : frame + 1], faces, camera).whole()[0], whole[frame])
        np.testing.assert_array_equal(maps.take([frame]).whole()[0], whole[frame])
    columns, rows = np.tile(np.arange(160), (3, 1)), np.full((3, 160), 45)
    depth, face = maps.at(columns, rows)
    np.testing.assert_array_equal(depth, whole[:, 45])
    np.testing.assert_array_equal(face >= 0, np.isfinite(depth))


def test_turning_body_and_camera_together_changes_nothing():
    rng = np.random.default_rng(5)
    vertices, faces = icosphere(2)
    camera, turn = eye(), rotations.exp(rng.normal(size=3))
    moved = Camera("m", camera.intrinsics, camera.rotation @ turn.T, camera.translation, camera.size)
    bumpy = vertices * rng.uniform(0.8, 1.2, (len(vertices), 1))
    here, there = (depth_maps(v[None], faces, c).whole() for v, c in ((bumpy, camera), (bumpy @ turn.T, moved)))
    both = np.isfinite(here) & np.isfinite(there)
    assert both.sum() > 0.99 * np.isfinite(here).sum()
    np.testing.assert_allclose(here[both], there[both], atol=0.01)


def test_corners_far_outside_do_no_harm():
    view = eye()
    vertices = np.array([[[1e9, 0, 0], [1e9, 1, 0], [2e9, 0, 0], [-1e9, -1e9, 0], [1e9, -1e9, 0], [0, 2e9, 0]]])
    for faces in ([[0, 1, 2]], [[0, 1, 2], [3, 4, 5]]):
        found = depth_maps(vertices, np.array(faces), view, closed=False).whole()
        mask = silhouettes(vertices, np.array(faces), view, closed=False)
        np.testing.assert_array_equal(np.isfinite(found), mask > 0)
        assert mask.all() == (len(faces) == 2)


def test_shapes_are_checked():
    with pytest.raises(InvalidData, match="expected vertices"):
        depth_maps(np.zeros((5, 3)), np.zeros((1, 3), int), eye())
    assert depth_maps(np.zeros((0, 5, 3)), np.zeros((1, 3), int), eye()).whole().shape == (0, 120, 160)
