"""Mesh and camera to depth: how far the nearest surface is at each pixel that shows the body, by a z-buffer.

Shape letters: F frames, V vertices, T triangles, h and w of the box that the body is drawn in.

A pixel belongs to a triangle by the rule of :mod:`meshgait_data.render.raster`, so that the pixels which have a depth
are those of the mask, exactly. The inverse of depth is linear in the image; it is what is interpolated and compared.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from meshgait_data.compiled import compiled
from meshgait_data.render.raster import checked_mesh, extents, image_points
from meshgait_data.types import ByteArray, Camera, FloatArray, IntArray

Image = TypeVar("Image", FloatArray, ByteArray)


@dataclass(frozen=True, slots=True, eq=False)
class DepthMaps:
    """Depth of a moving mesh within a box around it; outside the box nothing is drawn."""

    depth: FloatArray
    """(F, h, w) float32 metres along the optical axis at the pixel centres; infinite where there is nothing."""
    faces: IntArray
    """(F, h, w) int32 triangle that is seen there; -1 where there is nothing."""
    corner: IntArray
    """(F, 2) column and row of the image at which each frame's box begins."""
    size: tuple[int, int]
    """Width and height of the image."""

    def whole(self) -> FloatArray:
        """(F, H, W) depth of the whole images."""
        return self._spread(self.depth, np.full(self._shape(), np.inf, np.float32))

    def masks(self) -> ByteArray:
        """(F, H, W) 0 or 255: what ``raster.silhouettes`` draws."""
        drawn = np.isfinite(self.depth).view(np.uint8) * np.uint8(255)
        return self._spread(drawn, np.zeros(self._shape(), np.uint8))

    def at(self, columns: IntArray, rows: IntArray) -> tuple[FloatArray, IntArray]:
        """Depth and triangle (F, P) at pixels (F, P): infinity and -1 outside the box."""
        frames = np.arange(len(self.depth))[:, None]
        x, y = columns - self.corner[:, :1], rows - self.corner[:, 1:]
        height, width = self.depth.shape[1:]
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        there = frames, y.clip(0, height - 1), x.clip(0, width - 1)
        return np.where(inside, self.depth[there], np.float32(np.inf)), np.where(inside, self.faces[there], -1)

    def take(self, frames: Any) -> "DepthMaps":
        """The same at some frames (any numpy index that keeps the frame axis)."""
        return DepthMaps(self.depth[frames], self.faces[frames], self.corner[frames], self.size)

    def _shape(self) -> tuple[int, int, int]:
        width, height = self.size
        return len(self.depth), height, width

    def _spread(self, boxes: Image, images: Image) -> Image:
        height, width = self.depth.shape[1:]
        for image, box, (x, y) in zip(images, boxes, self.corner, strict=True):
            image[y : y + height, x : x + width] = box
        return images


def depth_maps(vertices: FloatArray, faces: IntArray, camera: Camera, *, closed: bool = True) -> DepthMaps:
    """Depth of the nearest surface of a moving mesh.

    Parameters
    ----------
    vertices
        (F, V, 3) metres, world frame.
    faces
        (T, 3) vertex indices, counter-clockwise seen from outside.
    camera
        Gives position, lens and image size.
    closed
        The mesh has no border, so what faces away is never nearest. False draws both sides.

    Raises
    ------
    InvalidData
        Where shapes do not fit or a face names a vertex that does not exist.

    Notes
    -----
    As in ``raster.silhouettes``, a triangle with a vertex nearer than 5 cm is left out whole.
    """
    points, triangles = checked_mesh(vertices, faces)
    corner, (height, width) = _boxes(extents(points, camera), camera.size)
    drawn = image_points(points, camera)
    drawn[:, :, :2] -= corner[:, None]
    depth = np.zeros((len(drawn), height, width), np.float32)
    seen = np.full(depth.shape, -1, np.int32)
    _draw_frames(drawn, triangles, closed, depth, seen)
    return DepthMaps(depth, seen, corner, camera.size)


def _boxes(extent: FloatArray, size: tuple[int, int]) -> tuple[IntArray, tuple[int, int]]:
    """Corners (F, 2) and the common height and width of boxes in the image that hold extents (F, 4 or more)."""
    last = np.array(size) - 1
    low = np.floor(extent[:, [0, 2]]).clip(0, last).astype(np.int64)
    high = np.ceil(extent[:, [1, 3]]).clip(0, last).astype(np.int64)
    width, height = (high - low).max(axis=0, initial=0) + 1
    return np.minimum(low, last + 1 - (width, height)), (int(height), int(width))


@compiled
def _draw_frames(
    drawn_FV3: FloatArray, faces_T3: IntArray, one_side: bool, depth_Fhw: FloatArray, seen_Fhw: IntArray
) -> None:
    """Keep the largest inverse depth at every pixel centre, and turn it into depth at the end."""
    for f in range(drawn_FV3.shape[0]):
        xs, ys = drawn_FV3[f, :, 0].copy(), drawn_FV3[f, :, 1].copy()
        inverse = 1.0 / drawn_FV3[f, :, 2]
        for t in range(faces_T3.shape[0]):
            a, b, c = np.uint64(faces_T3[t, 0]), np.uint64(faces_T3[t, 1]), np.uint64(faces_T3[t, 2])
            ax, ay, bx, by, cx, cy = xs[a], ys[a], xs[b], ys[b], xs[c], ys[c]
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            # Most triangles hold no pixel centre or face away: one branch for all. Clamped on both sides before the
            # conversion, which a corner far outside would overflow.
            x0 = np.int32(np.ceil(min(depth_Fhw.shape[2] * 1.0, max(0.0, min(ax, bx, cx)))))
            x1 = np.int32(np.floor(max(-1.0, min(depth_Fhw.shape[2] - 1.0, max(ax, bx, cx)))))
            y0 = np.int32(np.ceil(min(depth_Fhw.shape[1] * 1.0, max(0.0, min(ay, by, cy)))))
            y1 = np.int32(np.floor(max(-1.0, min(depth_Fhw.shape[1] - 1.0, max(ay, by, cy)))))
            drawn = (area < 0.0) | ((area > 0.0) & (not one_side))
            if drawn & (x0 <= x1) & (y0 <= y1):
                wa, wb, wc = inverse[a] / area, inverse[b] / area, inverse[c] / area
                sign = 1.0 if area > 0.0 else -1.0
                for y in range(y0, y1 + 1):
                    for x in range(x0, x1 + 1):
                        to_c = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
                        to_a = (cx - bx) * (y - by) - (cy - by) * (x - bx)
                        to_b = (ax - cx) * (y - cy) - (ay - cy) * (x - cx)
                        if (to_a * sign >= 0.0) & (to_b * sign >= 0.0) & (to_c * sign >= 0.0):
                            near = np.float32(to_a * wa + to_b * wb + to_c * wc)
                            if near > depth_Fhw[np.uint64(f), np.uint64(y), np.uint64(x)]:
                                depth_Fhw[np.uint64(f), np.uint64(y), np.uint64(x)] = near
                                seen_Fhw[np.uint64(f), np.uint64(y), np.uint64(x)] = t
        for y in range(depth_Fhw.shape[1]):
            for x in range(depth_Fhw.shape[2]):
                nearest = depth_Fhw[f, y, x]
                depth_Fhw[f, y, x] = 1.0 / nearest if nearest > 0.0 else np.inf
