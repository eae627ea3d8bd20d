"""A small z-buffered renderer for pictures: a lit mesh through any pinhole, with its depth.

Shape letters: V vertices, T triangles, H and W of the image. For labels use ``render.raster``, which is exact.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from meshgait_data.compiled import compiled
from meshgait_data.types import ByteArray, FloatArray, IntArray

SKIN = (214, 221, 230)
"""Colour of a fully lit surface, RGB."""

SAMPLES = 3
"""Sub-samples of a pixel along each axis."""

# Directions to the lights in the camera's frame (x right, y down, z forward) and their strengths.
_LIGHTS = ((np.array([-0.5, -0.7, -0.6]), 0.62), (np.array([0.8, -0.1, -0.6]), 0.3), (np.array([0.0, 0.3, -1.0]), 0.16))
_AMBIENT = 0.28


@dataclass(frozen=True, slots=True, eq=False)
class Shaded:
    """A picture of a mesh."""

    rgb: ByteArray
    """(H, W, 3)."""
    depth: FloatArray
    """(H, W) metres at the pixel centres; infinite where there is nothing."""


def shade(
    vertices: FloatArray,
    faces: IntArray,
    matrix: FloatArray,
    size: tuple[int, int],
    *,
    colours: ByteArray | None = None,
    background: tuple[int, int, int] = (255, 255, 255),
) -> Shaded:
    """Draw a closed mesh in the camera's frame.

    Parameters
    ----------
    vertices
        (V, 3) metres, camera frame (OpenCV), all in front of the camera.
    faces
        (T, 3), counter-clockwise seen from outside.
    matrix
        (3, 3) camera frame to homogeneous pixels; windows and zooms multiplied on the left of the intrinsics.
    size
        Width and height of the picture.
    colours
        (V, 3) RGB of each vertex where fully lit; None: the same skin everywhere.
    background
        Colour around the mesh, RGB.

    Returns
    -------
    Picture and depth.
    """
    fine = np.diag([SAMPLES, SAMPLES, 1.0])
    fine[:2, 2] = (SAMPLES - 1) / 2  # centre of a pixel to the middle of its samples
    points = np.asarray(vertices, dtype=np.float64)
    homogeneous = points @ (fine @ matrix).T
    pixels = np.column_stack([homogeneous[:, :2] / homogeneous[:, 2:], points[:, 2]])
    lit = lighting(points, faces)[:, None] * (np.array(SKIN) if colours is None else colours)
    width, height = size
    depth = np.full((height * SAMPLES, width * SAMPLES), np.inf)
    picture = np.full((*depth.shape, 3), background, dtype=np.float32)
    _draw(pixels, lit, np.ascontiguousarray(faces, dtype=np.int64), depth, picture)
    rgb = cv2.resize(np.clip(picture, 0, 255), size, interpolation=cv2.INTER_AREA)
    return Shaded(np.round(rgb).astype(np.uint8), depth[SAMPLES // 2 :: SAMPLES, SAMPLES // 2 :: SAMPLES])


def lighting(points: FloatArray, faces: IntArray) -> FloatArray:
    """Brightness (V,) of vertices (V, 3) in the camera's frame: Lambert's law, three lights, area-weighted normals."""
    corners = points[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.zeros_like(points)
    for corner in range(3):
        np.add.at(summed, faces[:, corner], normals)
    summed /= np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)
    shares = [strength * np.maximum(summed @ (way / np.linalg.norm(way)), 0) for way, strength in _LIGHTS]
    return _AMBIENT + np.sum(shares, axis=0)


@compiled
def _draw(pixels_V3: FloatArray, lit_V3: FloatArray, faces_T3: IntArray, depth: FloatArray, rgb: FloatArray) -> None:
    """Keep the nearest surface at every pixel centre; depth and colour vary linearly on a triangle."""
    for t in range(faces_T3.shape[0]):
        a, b, c = faces_T3[t, 0], faces_T3[t, 1], faces_T3[t, 2]
        ax, ay, bx, by, cx, cy = (
            pixels_V3[a, 0], pixels_V3[a, 1], pixels_V3[b, 0], pixels_V3[b, 1], pixels_V3[c, 0], pixels_V3[c, 1],
        )  # fmt: skip
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if not area < 0.0:
            continue
        for y in range(max(0, np.ceil(min(ay, by, cy))), min(depth.shape[0] - 1, np.floor(max(ay, by, cy))) + 1):
            for x in range(max(0, np.ceil(min(ax, bx, cx))), min(depth.shape[1] - 1, np.floor(max(ax, bx, cx))) + 1):
                to_a = ((cx - bx) * (y - by) - (cy - by) * (x - bx)) / area
                to_b = ((ax - cx) * (y - cy) - (ay - cy) * (x - cx)) / area
                to_c = 1.0 - to_a - to_b
                z = to_a * pixels_V3[a, 2] + to_b * pixels_V3[b, 2] + to_c * pixels_V3[c, 2]
                if min(to_a, to_b, to_c) >= 0.0 and z < depth[y, x]:
                    depth[y, x] = z
                    for k in range(3):
                        rgb[y, x, k] = to_a * lit_V3[a, k] + to_b * lit_V3[b, k] + to_c * lit_V3[c, k]
