"""Outlines of masks as points with normals: what the silhouette term pulls the body's outline to.

A point lies where the mask, blurred a little, crosses one half: between a white and a black pixel, and by the blur to
a fraction of a pixel on smooth outlines. It stands for a length of the outline, so that sums over points are integrals
along it, whatever the resolution.

Shape letters: F frames, C points of all of them together, H and W of the images.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from meshgait_data.compiled import compiled
from meshgait_data.errors import InvalidData
from meshgait_data.types import BoolArray, ByteArray, FloatArray, IntArray

BLUR_PX = 1.0
"""Standard deviation of the blur. Of 0.7, 1 and 1.5 px that with the least spread on circles of radius 5 to 60 px; it
moves the outline of a limb of radius r inwards by about ``1 / (2 r)`` px."""
_MARGIN = 5
"""Pixels around the mask that the blur may reach."""


@dataclass(frozen=True, slots=True, eq=False)
class Contours:
    """Outlines of one view's masks, frame after frame."""

    points: FloatArray
    """(C, 2) float32 x and y, pixels of the image, centres at integers."""
    normals: FloatArray
    """(C, 2) float32 unit vectors out of the mask."""
    lengths: FloatArray
    """(C,) float32 pixels of outline that each point stands for."""
    starts: IntArray
    """(F+1,) int64: points of frame f are ``starts[f]:starts[f + 1]``."""
    boxes: FloatArray
    """(F, 4) float32 least and greatest x, least and greatest y of the white pixels; NaN where there are none."""
    cut: BoolArray
    """(F,) whether the body reaches the image border, so that a part of it may be missing."""

    @property
    def seen(self) -> BoolArray:
        """(F,) whether there is an outline."""
        return np.asarray(np.diff(self.starts) > 0)

    def take(self, frames: IntArray) -> "Contours":
        """The outlines of some frames, in that order."""
        ids = [np.arange(self.starts[frame], self.starts[frame + 1]) for frame in np.asarray(frames).tolist()]
        flat = np.concatenate(ids) if ids else np.zeros(0, np.int64)
        starts = np.concatenate([[0], np.cumsum([len(part) for part in ids])]).astype(np.int64)
        return Contours(
            self.points[flat], self.normals[flat], self.lengths[flat], starts, self.boxes[frames], self.cut[frames]
        )


def mask_contours(masks: ByteArray | BoolArray, *, spacing: float = 1.0) -> Contours:
    """Outlines of (F, H, W) masks.

    Parameters
    ----------
    masks
        Bool, or 0 to 255 where grey edges are coverage. Outlines of holes and of further parts are kept too. Where the
        body meets the image border there is no outline: there the image ends, not the body.
    spacing
        Pixels between lines of the image along which crossings are looked for: fewer points for large bodies.

    Raises
    ------
    InvalidData
        Where the masks are no stack of images.
    """
    if masks.ndim != 3 or min(masks.shape[1:]) < 2:
        raise InvalidData(f"expected masks (F, H, W), found {masks.shape}")
    step = max(1, round(spacing))
    height, width = masks.shape[1:]
    boxes, cut = np.full((len(masks), 4), np.nan, np.float32), np.zeros(len(masks), bool)
    found = []
    for frame, mask in enumerate(masks):
        image = mask.astype(np.uint8) * 255 if mask.dtype == bool else mask
        rows = np.flatnonzero((image >= 128).any(axis=1))
        columns = np.flatnonzero((image >= 128).any(axis=0))
        if not len(rows):
            found.append(np.zeros((0, 5), np.float32))
            continue
        left, right, top, bottom = columns[0], columns[-1], rows[0], rows[-1]
        boxes[frame] = left, right, top, bottom
        cut[frame] = left == 0 or top == 0 or right == width - 1 or bottom == height - 1
        x0, y0 = max(left - _MARGIN, 0), max(top - _MARGIN, 0)
        crop = image[y0 : bottom + _MARGIN + 1, x0 : right + _MARGIN + 1].astype(np.float32) / 255
        # The blur must not pull the outline in along the border, hence the replicated border pixels.
        smooth = cv2.GaussianBlur(crop, (0, 0), BLUR_PX, borderType=cv2.BORDER_REPLICATE)
        points = _crossings(np.asarray(smooth, np.float32), step, int(x0) % step, int(y0) % step)
        points[:, :2] += x0, y0
        found.append(points)
    flat = np.concatenate(found) if found else np.zeros((0, 5), np.float32)
    starts = np.concatenate([[0], np.cumsum([len(part) for part in found])]).astype(np.int64)
    return Contours(
        np.ascontiguousarray(flat[:, :2]),
        np.ascontiguousarray(flat[:, 2:4]),
        np.ascontiguousarray(flat[:, 4]),
        starts,
        boxes,
        cut,
    )


def _crossings(smooth: FloatArray, step: int, skip_x: int, skip_y: int) -> FloatArray:
    """(C, 5) x, y, normal and length of the crossings of one half, along every ``step``-th row and column."""
    room = np.zeros((2 * smooth.size, 5), np.float32)
    return room[: _cross(smooth, step, (-skip_x) % step, (-skip_y) % step, room)].copy()


@compiled
def _cross(image: FloatArray, step: int, first_x: int, first_y: int, found: FloatArray) -> int:
    height, width = image.shape
    count = 0
    for axis in range(2):
        lines, along = (height, width) if axis == 0 else (width, height)
        for line in range(first_y if axis == 0 else first_x, lines, step):
            for i in range(along - 1):
                y, x = (line, i) if axis == 0 else (i, line)
                a, b = image[y, x], image[y + axis, x + 1 - axis]
                if (a >= 0.5) == (b >= 0.5):
                    continue
                s = (0.5 - a) / (b - a)
                # Central differences at both pixels, weighed as the place between them is.
                gx = gy = np.float32(0.0)
                for end in range(2):
                    v, u = (y, x) if end == 0 else (y + axis, x + 1 - axis)
                    share = 1 - s if end == 0 else s
                    gx += share * (image[v, min(u + 1, width - 1)] - image[v, max(u - 1, 0)])
                    gy += share * (image[min(v + 1, height - 1), u] - image[max(v - 1, 0), u])
                size = np.sqrt(gx * gx + gy * gy)
                if size < 1e-6:
                    continue
                nx, ny = -gx / size, -gy / size
                found[count, 0] = x + s if axis == 0 else x
                found[count, 1] = y if axis == 0 else y + s
                found[count, 2], found[count, 3] = nx, ny
                # A line of length l crosses l |n_x| / step rows and l |n_y| / step columns.
                found[count, 4] = step / (abs(nx) + abs(ny))
                count += 1
    return count
