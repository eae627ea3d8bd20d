"""Differentiable coverage in torch operations alone, for any device; the algorithm is that of ``soft_kernels.py``.

Shape letters: N images, V vertices, K drawn triangles of all images, L outline edges of all images, C crossings, H and
W of the image, h and w of its samples.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from meshgait_data.render.soft_kernels import GRID, NEAR_M

if TYPE_CHECKING:
    from meshgait_data.render.soft import Topology

_SNAP = 1e-9


def project(vertices: Tensor, matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels (N, V, 2) and depths (N, V) of points (N, V, 3) through (3, 4) or (N, 3, 4) matrices, differentiable.

    Pixels of points nearer than 5 cm, or behind the camera, are NaN, and their derivatives zero.
    """
    matrix = matrices.to(vertices.dtype)
    image = vertices @ matrix[..., :3].mT + matrix[..., None, :, 3]
    depth = image[..., 2]
    seen = depth >= NEAR_M
    safe = torch.where(seen, depth, torch.ones_like(depth))
    pixels = image[..., :2] / safe[..., None]
    return torch.where(seen[..., None], pixels, torch.full_like(pixels, torch.nan)), depth


def coverage_torch(
    vertices: Tensor, topology: "Topology", matrices: Tensor, size: tuple[int, int], samples: int
) -> Tensor:
    """What :func:`meshgait_data.render.soft.coverage` gives, on any device.

    Parameters
    ----------
    vertices
        (N, V, 3) metres.
    topology
        Of a closed mesh.
    matrices
        (N, 3, 4) float64, to homogeneous *samples*, on the device of the vertices.
    size, samples
        Width and height in pixels, and samples per pixel and axis.

    Returns
    -------
    (N, H, W) from 0 to 1.
    """
    flat, _ = project(vertices.double(), matrices)
    faces, edges = (torch.as_tensor(ids, device=vertices.device).long() for ids in (topology.faces, topology.edges))
    return _Outline.apply(flat, faces, edges, size, samples).to(vertices.dtype)  # type: ignore[no-untyped-call]


class _Outline(torch.autograd.Function):
    """From positions in samples (N, V, 2) to coverage."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, faces: Tensor, edges: Tensor, size: tuple[int, int], samples: int) -> Tensor:
        points = torch.floor(flat * GRID + 0.5) / GRID
        width, height = size
        a, b, c = (points[:, faces[:, corner]] for corner in range(3))
        facing = _turn(a, b, c) < 0.0
        fine = _draw(torch.stack([a[facing], c[facing], b[facing]], 1), facing.nonzero()[:, 0],
                     (len(points), height * samples, width * samples))  # fmt: skip
        ctx.save_for_backward(points, edges, facing, fine)
        return fine.reshape(len(points), height, samples, width, samples).double().mean((2, 4))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, pull: Tensor) -> tuple[Tensor, None, None, None, None]:
        points, edges, facing, fine = ctx.saved_tensors
        along, against = facing[:, edges[:, 2]], facing[:, edges[:, 3]]
        image, edge = (along != against).nonzero().unbind(1)
        forwards = along[image, edge]
        start = torch.where(forwards, edges[edge, 0], edges[edge, 1])
        end = torch.where(forwards, edges[edge, 1], edges[edge, 0])
        result = torch.zeros_like(points)
        for axis in range(2):
            _pull(points, torch.stack([image, start, end], 1), axis, fine, pull.double(), result[..., axis])
        return result, None, None, None, None


def _turn(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])


def _spread(counts: Tensor) -> tuple[Tensor, Tensor]:
    """For counts (2, 0, 3): owners (0, 0, 2, 2, 2) and places among the owner's (0, 1, 0, 1, 2)."""
    owner = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    place = torch.arange(len(owner), device=counts.device) - (counts.cumsum(0) - counts)[owner]
    return owner, place


def _draw(corners_K32: Tensor, image_K: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """(N, h, w) bool: samples that triangles of positive area cover, edges included."""
    fine = torch.zeros(shape, dtype=torch.bool, device=corners_K32.device)
    limit = torch.tensor([shape[2] - 1.0, shape[1] - 1.0], dtype=torch.float64, device=corners_K32.device)
    low = torch.ceil(corners_K32.amin(1).clamp(min=0.0))
    high = torch.floor(torch.minimum(corners_K32.amax(1), limit))
    extent = (high - low + 1).clamp(min=0.0).long()
    owner, place = _spread(extent[:, 0] * extent[:, 1])
    wide = extent[owner, 0]
    at = low[owner] + torch.stack([place % wide, place // wide], 1)
    a, b, c = corners_K32[owner].unbind(1)
    inside = (_turn(a, b, at) >= 0.0) & (_turn(b, c, at) >= 0.0) & (_turn(c, a, at) >= 0.0)
    x, y = at[inside].long().unbind(1)
    fine[image_K[owner[inside]], y, x] = True
    return fine


def _pull(
    points_NV2: Tensor, outlines_L3: Tensor, axis: int, fine_Nhw: Tensor, pull_NHW: Tensor, result_NV: Tensor
) -> None:
    """Add the pull of all rows (axis 0) or columns (axis 1) of all images at the edges that cross them."""
    image, a, b = outlines_L3.unbind(1)
    start, end = points_NV2[image, a], points_NV2[image, b]
    p0, q0, p1, q1 = start[:, axis], start[:, 1 - axis], end[:, axis], end[:, 1 - axis]
    lines, length = fine_Nhw.shape[1 + axis], fine_Nhw.shape[2 - axis]
    first = torch.ceil(torch.minimum(q0, q1).clamp(min=0.0))
    last = torch.floor(torch.maximum(q0, q1).clamp(max=lines - 1.0))
    owner, place = _spread(torch.where(q0 == q1, 0.0, (last - first + 1).clamp(min=0.0)).long())
    line = first[owner] + place
    s = (line - q0[owner]) / (q1 - q0)[owner]
    p = p0[owner] + s * (p1 - p0)[owner]
    near = torch.floor(p + 0.5)
    p = torch.where((p - near).abs() < _SNAP, near, p)
    outward = ((q1 < q0) == (axis == 0))[owner]
    left = torch.where(outward, torch.floor(p), torch.ceil(p) - 1.0)
    reach = torch.where(outward, p - left, left + 1.0 - p)
    across, along = left.clamp(0.0, length - 2.0).long(), line.long()
    row, column = (along, across) if axis == 0 else (across, along)
    before, after = fine_Nhw[image[owner], row, column], fine_Nhw[image[owner], row + axis, column + 1 - axis]
    kept = (left >= 0.0) & (left <= length - 2.0) & (before != after) & (before == outward)
    key = (image[owner] * fine_Nhw.shape[1] + row) * fine_Nhw.shape[2] + column
    chosen = _outermost(key, reach, kept.nonzero()[:, 0], fine_Nhw.numel())
    owner, s, outward, reach, row, column = (x[chosen] for x in (owner, s, outward, reach, row, column))
    samples = fine_Nhw.shape[1] // pull_NHW.shape[1]
    step = ((reach >= 0.5) == outward).long()
    y, x = (row, column + step) if axis == 0 else (row + step, column)
    pull = pull_NHW[image[owner], y // samples, x // samples] * (2.0 * outward - 1.0) / samples**2
    result_NV.index_put_((image[owner], a[owner]), (1.0 - s) * pull, accumulate=True)
    result_NV.index_put_((image[owner], b[owner]), s * pull, accumulate=True)


def _outermost(key_C: Tensor, reach_C: Tensor, candidates: Tensor, count: int) -> Tensor:
    """Of the candidates that share a key the one with the greatest reach, the first of several equal ones."""
    key, reach = key_C[candidates], reach_C[candidates]
    table = reach.new_full((count,), -1.0).scatter_reduce(0, key, reach, "amax")
    candidates = candidates[reach == table[key]]
    first = candidates.new_full((count,), len(key_C)).scatter_reduce(0, key_C[candidates], candidates, "amin")
    return candidates[first[key_C[candidates]] == candidates]
