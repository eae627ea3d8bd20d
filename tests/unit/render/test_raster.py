"""The rasteriser against a plain one in exact integers, and what must hold for any closed mesh."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data import rotations
from meshgait_data.errors import InvalidData
from meshgait_data.render.cameras import look_at, project
from meshgait_data.render.raster import GRID, NEAR_M, extents, silhouettes
from meshgait_data.types import Camera

PLANE = Camera("plane", np.eye(3), np.eye(3), np.zeros(3), (20, 14))
"""Shows the point (x, y, 1) at pixel (x, y) without any rounding."""


def reference(vertices: np.ndarray, faces: np.ndarray, camera: Camera) -> np.ndarray:
    """One frame, slowly: for every triangle and pixel the sign of three cross products, in whole grid steps."""
    width, height = camera.size
    pixels, depth = project(camera, vertices)
    mask = np.zeros((height, width), np.uint8)
    for face in faces:
        if not np.all(depth[face] >= NEAR_M):
            continue
        a, b, c = ([int(v) for v in np.floor(pixels[i] * GRID + 0.5)] for i in face)
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area == 0:
            continue
        for y in range(height):
            for x in range(width):
                p = (x * int(GRID), y * int(GRID))
                sides = [
                    (t[0] - s[0]) * (p[1] - s[1]) - (t[1] - s[1]) * (p[0] - s[0]) for s, t in ((a, b), (b, c), (c, a))
                ]
                if all(side * area >= 0 for side in sides):
                    mask[y, x] = 255
    return mask


def icosphere(levels: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Closed mesh, faces counter-clockwise seen from outside."""
    vertices = [np.array(v, float) for v in [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]]
    faces = [(0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4), (2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)]
    for _ in range(levels):
        middles: dict[tuple[int, int], int] = {}

        def middle(i: int, j: int, known: dict[tuple[int, int], int] = middles) -> int:
            edge = (min(i, j), max(i, j))
            if edge not in known:
                known[edge] = len(vertices)
                vertices.append((vertices[i] + vertices[j]) / np.linalg.norm(vertices[i] + vertices[j]))
            return known[edge]

        faces = [
            part
            for a, b, c in faces
            for ab, bc, ca in [(middle(a, b), middle(b, c), middle(c, a))]
            for part in [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        ]
    return np.array(vertices, np.float32), np.array(faces, np.int32)


def spinning(rng: np.random.Generator, frames: int, levels: int = 3) -> tuple[np.ndarray, np.ndarray, Camera]:
    """A dented, turning closed mesh some metres before a camera."""
    vertices, faces = icosphere(levels)
    bumps = vertices * (1 + 0.4 * np.sin(5 * vertices[:, :1]) * np.cos(4 * vertices[:, 1:2]))
    turned = bumps @ rotations.exp(rng.normal(size=(frames, 3)) * 2)
    position = np.array([0.5, 0.8, 5.0])
    rotation = look_at(position, np.array([0.2, 0.1, 0.0]))
    intrinsics = np.array([[90.0, 0, 39.5], [0, 95.0, 29.5], [0, 0, 1]])
    return turned.astype(np.float32), faces, Camera("x", intrinsics, rotation, -rotation @ position, (80, 60))


coordinate = st.integers(-8 * 8, 8 * 28).map(lambda n: n / 8)
corner = st.tuples(coordinate, coordinate, st.sampled_from([1.0, 1.0, 1.0, 1.0, -1.0, 0.0, 0.01]))


@given(st.lists(corner, min_size=3, max_size=9), st.randoms(use_true_random=False))
def test_any_triangles_on_the_grid(corners, random):
    # Eighths of a pixel: edges run through pixel centres often, and slivers and degenerate triangles are common.
    vertices = np.array(corners, np.float32)
    faces = np.array([random.sample(range(len(corners)), 3) for _ in range(4)])
    mask = silhouettes(vertices[None], faces, PLANE, closed=False)[0]
    np.testing.assert_array_equal(mask, reference(vertices, faces, PLANE))


@given(st.integers(0, 2**32 - 1))
def test_any_triangles_in_space(seed):
    rng = np.random.default_rng(seed)
    position = rng.normal(size=3)
    rotation = look_at(position, rng.normal(size=3))
    camera = Camera("x", np.array([[15.0, 0, 8], [0, 15, 6], [0, 0, 1]]), rotation, -rotation @ position, (17, 13))
    vertices = (position + rng.normal(size=(12, 3)) * rng.choice([0.1, 1, 10])).astype(np.float32)
    faces = rng.integers(0, 12, (10, 3))
    mask = silhouettes(vertices[None], faces, camera, closed=False)[0]
    np.testing.assert_array_equal(mask, reference(vertices, faces, camera))


@pytest.mark.parametrize("x", [7.0, 7.25, 6.999])
def test_long_slivers_and_huge_triangles(x):
    vertices = np.array([[x, -3e4, 1], [x + 0.01, 3e4, 1], [7.0, 5.5, 1], [-5e5, -4e5, 1], [6e5, -4e5, 1], [8, 9e5, 1]])
    for faces in ([[0, 1, 2]], [[3, 4, 5]], [[0, 1, 2], [0, 3, 5]]):
        mask = silhouettes(vertices[None], np.array(faces), PLANE, closed=False)[0]
        np.testing.assert_array_equal(mask, reference(vertices.astype(np.float32), np.array(faces), PLANE))


def test_edges_are_inclusive_and_neighbours_leave_no_hole():
    # A fan around a point that is no pixel centre, tiling a square whose corners are pixel centres.
    corners = np.array([[2, 3, 1], [9, 3, 1], [9, 8, 1], [2, 8, 1], [5.3, 4.7, 1]])
    faces = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
    mask = silhouettes(corners[None], faces, PLANE, closed=False)[0]
    expected = np.zeros((14, 20), np.uint8)
    expected[3:9, 2:10] = 255
    np.testing.assert_array_equal(mask, expected)


def test_a_closed_mesh_needs_one_side_only(rng):
    vertices, faces, camera = spinning(rng, 20)
    both = silhouettes(vertices, faces, camera, closed=False)
    np.testing.assert_array_equal(silhouettes(vertices, faces, camera), both)
    np.testing.assert_array_equal(silhouettes(vertices, faces[:, ::-1], camera), both)
    assert np.all(both.any(axis=(1, 2)))


def test_a_whole_mesh_equals_the_reference(rng):
    vertices, faces, camera = spinning(rng, 2, levels=2)
    np.testing.assert_array_equal(silhouettes(vertices, faces, camera)[1], reference(vertices[1], faces, camera))


def test_threads_change_nothing(rng):
    vertices, faces, camera = spinning(rng, 7)
    expected = silhouettes(vertices, faces, camera)
    for threads in (2, 3, 16):
        np.testing.assert_array_equal(silhouettes(vertices, faces, camera, threads=threads), expected)


def test_mirrored_body_and_camera_give_the_mirrored_mask(rng):
    vertices, faces, camera = spinning(rng, 4)
    flip = np.diag([-1.0, 1.0, 1.0])
    turned = Camera("m", camera.intrinsics, flip @ camera.rotation @ flip, flip @ camera.translation, camera.size)
    mirrored = silhouettes((vertices @ flip).astype(np.float32), faces[:, ::-1], turned)
    # Only vertices that lie on a border between two grid steps may round to the other side.
    assert np.mean(mirrored[:, :, ::-1] != silhouettes(vertices, faces, camera)) < 1e-4


def test_area_of_a_sphere():
    vertices, faces = icosphere(5)
    intrinsics = np.array([[200.0, 0, 99.5], [0, 200.0, 99.5], [0, 0, 1]])
    camera = Camera("x", intrinsics, np.eye(3), np.array([0, 0, 4.0]), (200, 200))
    radius = 200 / np.sqrt(4.0**2 - 1)  # outline of the unit sphere seen from 4 m
    assert np.count_nonzero(silhouettes(vertices[None], faces, camera)) == pytest.approx(np.pi * radius**2, rel=2e-3)


def test_extents_are_those_of_the_projected_vertices(rng):
    vertices, _, camera = spinning(rng, 5)
    pixels, depth = project(camera, vertices)
    expected = [
        pixels[..., 0].min(1),
        pixels[..., 0].max(1),
        pixels[..., 1].min(1),
        pixels[..., 1].max(1),
        depth.min(1),
    ]
    np.testing.assert_allclose(extents(vertices, camera), np.stack(expected, axis=1), atol=1e-9)


def test_no_frames_no_faces():
    assert silhouettes(np.zeros((0, 3, 3)), np.zeros((0, 3), int), PLANE).shape == (0, 14, 20)
    assert not silhouettes(np.zeros((2, 3, 3)), np.zeros((0, 3), int), PLANE).any()


def test_corners_that_are_not_finite_are_left_out():
    vertices = np.array([[[1, 1, 1], [9, 1, 1], [5, 9, 1], [np.nan, 3, 1], [np.inf, 2, 1]]])
    expected = silhouettes(vertices, np.array([[0, 1, 2]]), PLANE, closed=False)
    faces = np.array([[0, 1, 2], [0, 1, 3], [3, 4, 2], [1, 3, 3]])
    np.testing.assert_array_equal(silhouettes(vertices, faces, PLANE, closed=False), expected)


@pytest.mark.parametrize("faces", [[[0, 1, 3]], [[-1, 1, 2]]])
def test_faces_must_name_vertices(faces):
    with pytest.raises(InvalidData, match="faces name vertices"):
        silhouettes(np.zeros((1, 3, 3)), np.array(faces), PLANE)


def test_shapes_must_fit():
    with pytest.raises(InvalidData, match="expected vertices"):
        silhouettes(np.zeros((3, 3)), np.zeros((1, 3), int), PLANE)
