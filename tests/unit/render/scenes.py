"""Meshes, triangles and cameras that the rasteriser's tests share."""

import numpy as np
from hypothesis import strategies as st

from meshgait_data import rotations
from meshgait_data.render.cameras import look_at
from meshgait_data.types import Camera

PLANE = Camera("plane", np.eye(3), np.eye(3), np.zeros(3), (20, 14))
"""Shows the point (x, y, 1) at pixel (x, y) without any rounding."""


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
