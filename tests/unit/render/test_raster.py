"""The rasteriser against a plain one in exact integers, and what must hold for any closed mesh."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import PLANE, corner, icosphere, spinning

from meshgait_data.errors import InvalidData
from meshgait_data.render import projection
from meshgait_data.render.backends import EXACT, lacks
from meshgait_data.render.cameras import look_at, project
from meshgait_data.render.raster import extents, image_points, silhouettes
from meshgait_data.render.reference import reference_coverage, reference_mask
from meshgait_data.types import Camera

every_backend = pytest.mark.parametrize(
    "backend", [pytest.param(name, marks=pytest.mark.skipif(bool(lacks(name)), reason=lacks(name))) for name in EXACT]
)


@every_backend
@given(st.lists(corner, min_size=3, max_size=9), st.randoms(use_true_random=False))
def test_any_triangles_on_the_grid(backend, corners, random):
    # Eighths of a pixel: edges run through pixel centres often, and slivers and degenerate triangles are common.
    vertices = np.array(corners, np.float32)
    faces = np.array([random.sample(range(len(corners)), 3) for _ in range(4)])
    mask = silhouettes(vertices[None], faces, PLANE, closed=False, backend=backend)[0]
    np.testing.assert_array_equal(mask, reference_mask(vertices, faces, PLANE))


@every_backend
@given(st.integers(0, 2**32 - 1))
def test_any_triangles_in_space(backend, seed):
    rng = np.random.default_rng(seed)
    position = rng.normal(size=3)
    rotation = look_at(position, rng.normal(size=3))
    camera = Camera("x", np.array([[15.0, 0, 8], [0, 15, 6], [0, 0, 1]]), rotation, -rotation @ position, (17, 13))
    vertices = (position + rng.normal(size=(12, 3)) * rng.choice([0.1, 1, 10])).astype(np.float32)
    faces = rng.integers(0, 12, (10, 3))
    mask = silhouettes(vertices[None], faces, camera, closed=False, backend=backend)[0]
    np.testing.assert_array_equal(mask, reference_mask(vertices, faces, camera))


@every_backend
@pytest.mark.parametrize("x", [7.0, 7.25, 6.999])
def test_long_slivers_and_huge_triangles(backend, x):
    vertices = np.array([[x, -3e4, 1], [x + 0.01, 3e4, 1], [7.0, 5.5, 1], [-5e5, -4e5, 1], [6e5, -4e5, 1], [8, 9e5, 1]])
    for faces in ([[0, 1, 2]], [[3, 4, 5]], [[0, 1, 2], [0, 3, 5]]):
        mask = silhouettes(vertices[None], np.array(faces), PLANE, closed=False, backend=backend)[0]
        np.testing.assert_array_equal(mask, reference_mask(vertices.astype(np.float32), np.array(faces), PLANE))


@every_backend
def test_edges_are_inclusive_and_neighbours_leave_no_hole(backend):
    # A fan around a point that is no pixel centre, tiling a square whose corners are pixel centres.
    corners = np.array([[2, 3, 1], [9, 3, 1], [9, 8, 1], [2, 8, 1], [5.3, 4.7, 1]])
    faces = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
    mask = silhouettes(corners[None], faces, PLANE, closed=False, backend=backend)[0]
    expected = np.zeros((14, 20), np.uint8)
    expected[3:9, 2:10] = 255
    np.testing.assert_array_equal(mask, expected)


@every_backend
def test_a_closed_mesh_needs_one_side_only(backend, rng):
    vertices, faces, camera = spinning(rng, 20)
    both = silhouettes(vertices, faces, camera, closed=False, backend=backend)
    np.testing.assert_array_equal(silhouettes(vertices, faces, camera, backend=backend), both)
    np.testing.assert_array_equal(silhouettes(vertices, faces[:, ::-1], camera, backend=backend), both)
    assert np.all(both.any(axis=(1, 2)))


def test_a_whole_mesh_equals_the_reference_mask(rng):
    vertices, faces, camera = spinning(rng, 2, levels=2)
    np.testing.assert_array_equal(
        silhouettes(vertices, faces, camera)[1], reference_mask(vertices[1], faces, camera, closed=True)
    )


@every_backend
@pytest.mark.parametrize("samples", [1, 3])
def test_threads_change_nothing(backend, samples, rng):
    vertices, faces, camera = spinning(rng, 7)
    expected = silhouettes(vertices, faces, camera, samples=samples)
    for threads in (2, 16):
        many = silhouettes(vertices, faces, camera, threads=threads, samples=samples, backend=backend)
        np.testing.assert_array_equal(many, expected)


@every_backend
@pytest.mark.parametrize("scale", [0.3, 1.0, 8.0])
@pytest.mark.parametrize("closed", [True, False])
def test_all_backends_draw_identical_pixels(backend, scale, closed, rng):
    # From specks of which several share a pixel to triangles of hundreds of pixels that leave the image.
    vertices, faces, camera = spinning(rng, 6)
    lens = np.diag([scale, scale, 1.0]) @ camera.intrinsics
    near = Camera("near", lens, camera.rotation, camera.translation, (200, 117))
    faces = faces[: len(faces) if closed else len(faces) // 3]
    expected = silhouettes(vertices, faces, near, closed=closed, backend="numba")
    np.testing.assert_array_equal(silhouettes(vertices, faces, near, closed=closed, backend=backend), expected)
    assert 0 < np.mean(expected > 0) < 1


@every_backend
@pytest.mark.parametrize("samples", [2, 3, 4])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_coverage_is_that_of_the_sub_samples(backend, samples, seed):
    rng = np.random.default_rng(seed)
    small = Camera("small", np.eye(3), np.eye(3), np.zeros(3), (8, 6))
    vertices = np.column_stack([rng.integers(-16, 96, (9, 2)) / 8, np.ones(9)]).astype(np.float32)
    faces = rng.integers(0, 9, (4, 3))
    grey = silhouettes(vertices[None], faces, small, closed=False, samples=samples, backend=backend)[0]
    np.testing.assert_array_equal(grey, reference_coverage(vertices, faces, small, samples))


def test_coverage_of_a_sphere_is_its_area():
    vertices, faces = icosphere(5)
    camera = Camera(
        "x", np.array([[60.0, 0, 30], [0, 60, 29.3], [0, 0, 1]]), np.eye(3), np.array([0, 0, 4.0]), (61, 61)
    )
    grey = silhouettes(vertices[None], faces, camera, samples=8)
    assert grey.sum() / 255 == pytest.approx(np.pi * 60**2 / (4.0**2 - 1), rel=2e-3)
    assert np.all((grey[0] >= 128) == (grey[0] / 255 >= 0.5))


@every_backend
def test_corners_far_outside_are_drawn_and_do_no_harm(backend):
    vertices = np.array([[[1e30, 1, 1], [1e30, 9, 1], [2e30, 5, 1], [-1e12, 3, 1], [4e12, 2, 1], [5, 2e12, 1]]])
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    mask = silhouettes(vertices, faces, PLANE, closed=False, backend=backend)
    np.testing.assert_array_equal(mask, silhouettes(vertices, faces, PLANE, closed=False, backend="numba"))
    assert mask[0, -1].all()
    assert not mask[0, 0].any()


@pytest.mark.gpu
def test_a_gpu_draws_the_same_pixels(rng):
    vertices, faces, camera = spinning(rng, 70)
    for samples in (1, 3):
        expected = silhouettes(vertices, faces, camera, samples=samples)
        drawn = silhouettes(vertices, faces, camera, samples=samples, device="cuda")
        np.testing.assert_array_equal(drawn, expected)


def test_projection_without_numba_is_the_same_to_the_last_bit(rng):
    vertices, _, camera = spinning(rng, 5)
    vertices[0, :5, 2] = [np.nan, np.inf, 4.99, 5.5, 1e30]
    np.testing.assert_array_equal(projection.image_points(vertices, camera), image_points(vertices, camera))
    np.testing.assert_array_equal(projection.extents(vertices[1:], camera), extents(vertices[1:], camera))


@pytest.mark.parametrize("samples", [0, 17])
def test_samples_out_of_range(samples):
    with pytest.raises(InvalidData, match="samples along each axis"):
        silhouettes(np.zeros((1, 3, 3)), np.zeros((0, 3), int), PLANE, samples=samples)


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


@every_backend
def test_no_frames_no_faces(backend):
    nothing = np.zeros((0, 3), int)
    assert silhouettes(np.zeros((0, 3, 3)), nothing, PLANE, backend=backend).shape == (0, 14, 20)
    assert not silhouettes(np.zeros((2, 3, 3)), nothing, PLANE, backend=backend).any()
    assert silhouettes(np.zeros((0, 3, 3)), nothing, PLANE, backend=backend, samples=2, threads=3).shape == (0, 14, 20)


@every_backend
def test_corners_that_are_not_finite_are_left_out(backend):
    vertices = np.array([[[1, 1, 1], [9, 1, 1], [5, 9, 1], [np.nan, 3, 1], [np.inf, 2, 1]]])
    expected = silhouettes(vertices, np.array([[0, 1, 2]]), PLANE, closed=False)
    faces = np.array([[0, 1, 2], [0, 1, 3], [3, 4, 2], [1, 3, 3]])
    np.testing.assert_array_equal(silhouettes(vertices, faces, PLANE, closed=False, backend=backend), expected)


@pytest.mark.parametrize("faces", [[[0, 1, 3]], [[-1, 1, 2]]])
def test_faces_must_name_vertices(faces):
    with pytest.raises(InvalidData, match="faces name vertices"):
        silhouettes(np.zeros((1, 3, 3)), np.array(faces), PLANE)


def test_shapes_must_fit():
    with pytest.raises(InvalidData, match="expected vertices"):
        silhouettes(np.zeros((3, 3)), np.zeros((1, 3), int), PLANE)
