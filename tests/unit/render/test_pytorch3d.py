"""pytorch3d's rasteriser against ours; skipped where it is not installed: everywhere but in its own environment."""

import numpy as np
import pytest
from scenes import PLANE, icosphere, spinning

from meshgait_data.errors import InvalidData
from meshgait_data.render.backends import lacks
from meshgait_data.render.cameras import look_at
from meshgait_data.render.raster import silhouettes
from meshgait_data.types import Camera

pytestmark = pytest.mark.skipif(bool(lacks("pytorch3d")), reason="pytorch3d is not installed: make test-pytorch3d")


def disagreement(one: np.ndarray, other: np.ndarray) -> float:
    """Differing pixels as a share of those that either mask shows."""
    return np.count_nonzero(one != other) / np.count_nonzero(one | other)


def test_the_same_camera(rng):
    vertices, faces, camera = spinning(rng, 3, levels=2)
    # Off-centre, unequal focal lengths, an oblong image: every number of the lens matters.
    lens = np.array([[88.0, 0, 41.3], [0, 97.0, 24.6], [0, 0, 1]])
    view = Camera("x", lens, camera.rotation, camera.translation, (80, 61))
    ours = silhouettes(vertices, faces, view)
    theirs = silhouettes(vertices, faces, view, backend="pytorch3d")
    assert disagreement(ours, theirs) < 2e-3
    assert set(np.unique(theirs)) == {0, 255}


def test_both_sides_or_one(rng):
    vertices, faces, camera = spinning(rng, 1, levels=2)
    for closed in (True, False):
        for part in (faces[::2], faces[::2, ::-1]):
            ours = silhouettes(vertices, part, camera, closed=closed)
            theirs = silhouettes(vertices, part, camera, closed=closed, backend="pytorch3d")
            assert disagreement(ours, theirs) < 0.02


def test_grey_edges(rng):
    vertices, faces, camera = spinning(rng, 1, levels=2)
    ours = silhouettes(vertices, faces, camera, samples=2).astype(int)
    theirs = silhouettes(vertices, faces, camera, samples=2, backend="pytorch3d").astype(int)
    assert np.abs(ours - theirs).mean() < 0.1


def test_triangles_behind_the_camera_are_left_out():
    vertices, faces = icosphere(2)
    position = np.array([0.0, 0.0, 0.9])  # inside the sphere
    rotation = look_at(position, np.zeros(3))
    # No edge runs through pixel centres, which pytorch3d would not count.
    camera = Camera("x", np.array([[9.0, 0, 12.3], [0, 9, 9.2], [0, 0, 1]]), rotation, -rotation @ position, (25, 19))
    ours = silhouettes(vertices[None], faces, camera, closed=False)
    theirs = silhouettes(vertices[None], faces, camera, closed=False, backend="pytorch3d")
    assert ours.any()
    assert disagreement(ours, theirs) < 0.02


def test_nothing_to_draw():
    none = np.zeros((0, 3), int)
    assert not silhouettes(np.ones((2, 3, 3)), none, PLANE, backend="pytorch3d").any()
    behind = silhouettes(-np.ones((2, 3, 3)), np.array([[0, 1, 2]]), PLANE, backend="pytorch3d")
    assert behind.shape == (2, 14, 20)
    assert not behind.any()


def test_skew_is_refused():
    skewed = Camera("s", np.array([[9.0, 1, 5], [0, 9, 5], [0, 0, 1]]), np.eye(3), np.zeros(3), (10, 10))
    with pytest.raises(InvalidData, match="no lens with skew"):
        silhouettes(np.ones((1, 3, 3)), np.array([[0, 1, 2]]), skewed, backend="pytorch3d")


@pytest.mark.gpu
def test_on_a_gpu(rng):
    vertices, faces, camera = spinning(rng, 9)
    theirs = silhouettes(vertices, faces, camera, backend="pytorch3d", device="cuda")
    assert disagreement(silhouettes(vertices, faces, camera), theirs) < 2e-3
