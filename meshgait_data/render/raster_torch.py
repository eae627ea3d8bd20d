"""The rasteriser in plain torch, for the CPU and any other device: all pairs of triangle and pixel of a batch at once.

The arithmetic is that of :mod:`meshgait_data.render.raster_numba`, one rounded double operation at a time, so pixels
are the same. Shape letters: F frames, V vertices, T triangles, K those that can show, P pairs, H and W of the image.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from meshgait_data.render.raster_numba import GRID, NEAR_M, pixel_matrix
from meshgait_data.types import ByteArray, Camera, FloatArray, IntArray

PAIRS = {"cpu": 1 << 16, "cuda": 1 << 24}
"""Pairs of triangle and pixel that are decided at a time: what fits a processor's cache, or keeps a GPU busy."""

FRAMES = {"cpu": 4, "cuda": 64}
"""Frames that are set up at a time, for the same reason."""


def draw(
    points: FloatArray, triangles: IntArray, camera: Camera, masks: ByteArray, *, closed: bool, device: str
) -> None:
    """Fill black masks (F, H, W), see ``backends.Draw``."""
    drawn = silhouettes_torch(
        torch.from_numpy(points).to(device), torch.from_numpy(triangles).to(device), camera, closed=closed
    )
    masks[:] = drawn.cpu().numpy()


def silhouettes_torch(vertices: Tensor, faces: Tensor, camera: Camera, *, closed: bool = True) -> Tensor:
    """Masks of a moving mesh, from tensors to a tensor on the same device; not differentiable.

    Parameters
    ----------
    vertices
        (F, V, 3) metres, world frame; rounded to float32 as everywhere else.
    faces
        (T, 3) indices of vertices that exist, counter-clockwise seen from outside.
    camera
        Gives position, lens and image size.
    closed
        The mesh has no border, so that what faces away need not be drawn.

    Returns
    -------
    (F, H, W) uint8, 0 or 255: exactly what ``raster.silhouettes`` gives.
    """
    width, height = camera.size
    kind = "cpu" if vertices.device.type == "cpu" else "cuda"
    masks = torch.zeros((len(vertices), height, width), dtype=torch.uint8, device=vertices.device)
    corners = faces.long().T.reshape(-1)
    with torch.no_grad():
        for points, part in zip(torch.split(vertices, FRAMES[kind]), torch.split(masks, FRAMES[kind]), strict=True):
            pixels = _project(points, pixel_matrix(camera)).index_select(2, corners)
            shown = _visible(pixels.view(2, len(points), 3, len(faces)), camera.size, closed)
            for some in _portions(shown, PAIRS[kind]):
                _decide(*some, part)
    return masks


def _project(points: Tensor, matrix: FloatArray) -> Tensor:
    """(2, F, V) pixels rounded to the grid, NaN where a vertex is too near."""
    x, y, z = points.float().double().unbind(-1)
    rows = [m[0] * x + m[1] * y + m[2] * z + m[3] for m in matrix.tolist()]
    steps = torch.where(rows[2] >= NEAR_M, GRID / rows[2], torch.nan)
    return torch.stack([torch.floor(row * steps + 0.5) / GRID for row in rows[:2]])


def _visible(pixels: Tensor, size: tuple[int, int], closed: bool) -> tuple[Tensor, Tensor]:
    """Of corners (2, F, 3, T), those of triangles that face the camera and have pixel centres in their box.

    Returns
    -------
    corners
        (6, K) x and y of the first, second and third corner, in an order that makes areas positive.
    box
        (5, K) first column, first row, columns, rows, frame.
    """
    x, y = pixels
    low, high = pixels.amin(2), pixels.amax(2)
    ax, bx, cx = x.unbind(1)
    ay, by, cy = y.unbind(1)
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    limit = torch.tensor(size, dtype=torch.float64, device=pixels.device)[:, None, None]
    low = low.clamp(min=0).minimum(limit).ceil()
    high = high.minimum(limit - 1).clamp(min=-1).floor()
    shown = (area < 0) if closed else (area != 0) & area.isfinite()
    frame, triangle = (shown & (low <= high).all(0)).nonzero(as_tuple=True)
    turned = area[frame, triangle] < 0
    second, third = torch.where(turned, 2, 1), torch.where(turned, 1, 2)
    corners = torch.stack(
        [axis[frame, nth, triangle] for nth in (torch.zeros_like(second), second, third) for axis in (x, y)]
    )
    first = low[:, frame, triangle].long()
    counts = high[:, frame, triangle].long() - first + 1
    return corners, torch.cat([first, counts, frame[None]])


def _portions(shown: tuple[Tensor, Tensor], pairs: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Parts of all triangles that have about ``pairs`` pixels in their boxes together, or one triangle alone."""
    corners, box = shown
    if not box.shape[1]:
        return
    ends = torch.cumsum(box[2] * box[3], 0).cpu().numpy()
    first = 0
    while first < len(ends):
        before = ends[first - 1] if first else 0
        end = max(first + 1, int(np.searchsorted(ends, before + pairs, side="right")))
        yield corners[:, first:end], box[:, first:end]
        first = end


def _decide(corners: Tensor, box: Tensor, masks: Tensor) -> None:
    """White where a pixel centre lies inside or on the edge of a triangle with positive area."""
    left, top, columns, rows, frame = box
    counts = columns * rows
    triangle = torch.repeat_interleave(counts)
    nth = torch.arange(len(triangle), device=box.device) - (torch.cumsum(counts, 0) - counts)[triangle]
    per_row = columns[triangle]
    row = torch.div(nth, per_row, rounding_mode="floor")
    x, y = left[triangle] + nth - row * per_row, top[triangle] + row
    inside = torch.ones(len(triangle), dtype=torch.bool, device=box.device)
    px, py = x.double(), y.double()
    for start, end in ((0, 2), (2, 4), (4, 0)):
        ax, ay = corners[start], corners[start + 1]
        wx, wy = (corners[end] - ax)[triangle], (corners[end + 1] - ay)[triangle]
        inside &= wx * (py - ay[triangle]) - wy * (px - ax[triangle]) >= 0.0
    height, width = masks.shape[1:]
    pixel = ((frame[triangle] * height + y) * width + x)[inside]
    masks.view(-1)[pixel] = 255
