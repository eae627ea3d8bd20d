"""The silhouette as a differentiable function: exact coverage forwards, forces along its outline backwards.

Shape letters: N images, V vertices, T triangles, E edges, H and W of the image.

The forward pass is the rasteriser's own, on a grid that is ``samples`` times finer, averaged: nothing is blurred, and a
fitted mask is the mask that is rendered. The backward pass is the exact derivative of the covered area, a line
integral along the outline (as differentiable rendering by edges does: Li, Aittala, Durand & Lehtinen, *Differentiable
Monte Carlo Ray Tracing through Edge Sampling*, ACM TOG 37, 2018), sampled where the outline crosses the rows and
columns of the fine grid. Every change from covered to uncovered has exactly one owner, the outermost edge there, so
folds and limbs in front of the body count for nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from meshgait_data.errors import InvalidData
from meshgait_data.render import soft_kernels as kernels
from meshgait_data.render.soft_torch import coverage_torch
from meshgait_data.types import Camera, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Topology:
    """A closed mesh's triangles, and which two of them meet in each edge; make it once with :meth:`of`."""

    faces: IntArray
    """(T, 3) int32, counter-clockwise seen from outside."""
    edges: IntArray
    """(E, 4) int32: two vertices, the triangle that runs from the first to the second, the one that runs back."""
    num_vertices: int
    """Vertices that a mesh needs at least."""

    @classmethod
    def of(cls, faces: IntArray) -> "Topology":
        """Find the edges of (T, 3) faces.

        Raises
        ------
        InvalidData
            Where the mesh is not closed or not consistently oriented: its outline then is not made of edges between
            what faces the camera and what does not.
        """
        triangles = np.ascontiguousarray(faces, dtype=np.int32)
        if triangles.ndim != 2 or triangles.shape[1] != 3 or not triangles.size or triangles.min() < 0:
            raise InvalidData(f"faces of shape {triangles.shape} are not (T, 3) vertex indices")
        start, end = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
        owner = np.repeat(np.arange(len(triangles), dtype=np.int32), 3)
        there, back = np.lexsort((end, start)), np.lexsort((start, end))
        pairs = np.stack([start[there], end[there]], 1)
        repeated = len(pairs) > 1 and bool((pairs[1:] == pairs[:-1]).all(1).any())
        if repeated or not np.array_equal(pairs, np.stack([end[back], start[back]], 1)):
            raise InvalidData(
                "the mesh is not closed: some edge has not exactly one triangle on each side",
                hint="differentiable silhouettes need a closed, consistently oriented mesh",
            )
        once = pairs[:, 0] < pairs[:, 1]
        edges = np.column_stack([pairs, owner[there], owner[back]])[once]
        return cls(triangles, np.ascontiguousarray(edges, np.int32), int(triangles.max()) + 1)


def camera_matrices(cameras: Camera | Sequence[Camera], *, dtype: torch.dtype = torch.float64) -> Tensor:
    """World to homogeneous pixels ``K [R | t]``: (3, 4) of one camera, (N, 3, 4) of several.

    Raises
    ------
    InvalidData
        Where a camera is not a perspective one without distortion, which no matrix describes.
    """
    if isinstance(cameras, Camera):
        if not cameras.plain:
            raise InvalidData(
                f"camera {cameras.name!r} is not a perspective camera without distortion",
                hint="undistort the masks first",
            )
        pose = np.column_stack([cameras.rotation, cameras.translation])
        return torch.as_tensor(np.asarray(cameras.intrinsics, np.float64) @ pose, dtype=dtype)
    return torch.stack([camera_matrices(camera, dtype=dtype) for camera in cameras])


def coverage(
    vertices: Tensor, topology: Topology, matrices: Tensor, size: tuple[int, int], *, samples: int = 4
) -> Tensor:
    """Share of each pixel that a mesh covers, differentiable by vertices and camera.

    Parameters
    ----------
    vertices
        (N, V, 3) metres, float32 or float64, in the frame that ``matrices`` start from.
    topology
        Of a closed mesh.
    matrices
        (3, 4) for all or (N, 3, 4): to homogeneous pixels, see :func:`camera_matrices`. Kept in double precision.
    size
        Width and height of the image in pixels.
    samples
        Per pixel and axis. The result is exactly the average of the masks that
        :func:`meshgait_data.render.raster.silhouettes` draws ``samples`` times larger.

    Returns
    -------
    (N, H, W) from 0 to 1, in the precision and on the device of the vertices.

    Raises
    ------
    InvalidData
        Where shapes do not fit.

    Notes
    -----
    The same input gives the same bits on a processor. A CUDA device takes :mod:`meshgait_data.render.soft_torch`,
    where sums have no fixed order. Where the image border cuts the body there is no outline and so no gradient. As in
    the rasteriser, triangles nearer than 5 cm are left out whole.
    """
    images = len(vertices)
    if vertices.dim() != 3 or vertices.shape[2] != 3 or vertices.shape[1] < topology.num_vertices:
        raise InvalidData(f"expected vertices (N, {topology.num_vertices}, 3), found {tuple(vertices.shape)}")
    if matrices.shape not in {(3, 4), (images, 3, 4)}:
        raise InvalidData(f"expected matrices (3, 4) or ({images}, 3, 4), found {tuple(matrices.shape)}")
    if samples < 1 or min(size) < 1:
        raise InvalidData(f"size {size} and samples {samples} must be positive")
    middle = (samples - 1) / 2
    finer = torch.tensor([[samples, 0, middle], [0, samples, middle], [0, 0, 1]], dtype=torch.float64)
    fine = finer.to(matrices.device) @ matrices.double()
    fine = fine.expand(images, 3, 4)
    if vertices.device.type == "cpu":
        return _Coverage.apply(vertices, fine, topology, size, samples)  # type: ignore[no-untyped-call]
    return coverage_torch(vertices, topology, fine.to(vertices.device), size, samples)


class _Coverage(torch.autograd.Function):
    """The processor's way, by compiled loops."""

    @staticmethod
    def forward(
        ctx: Any, vertices: Tensor, matrices: Tensor, topology: Topology, size: tuple[int, int], samples: int
    ) -> Tensor:
        points = np.ascontiguousarray(vertices.detach().numpy())
        optics = np.ascontiguousarray(matrices.detach().numpy())
        (width, height), images = size, len(points)
        fine = np.zeros((images, samples * height, samples * width), np.uint8)
        facing = np.zeros((images, len(topology.faces)), np.bool_)
        drawn = np.zeros(points.shape, np.float64)
        result = np.zeros((images, height, width), points.dtype)
        kernels.draw_frames(points, optics, topology.faces, fine, facing, drawn, result)
        ctx.kept = points, optics, topology, fine, facing, drawn
        return torch.from_numpy(result)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, pull: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        points, optics, topology, fine, facing, drawn = ctx.kept
        on_vertices, on_matrices = np.zeros_like(points), np.zeros_like(optics)
        force = np.ascontiguousarray(pull.detach().numpy())
        kernels.pull_frames(optics, topology.edges, fine, facing, drawn, force, points, on_vertices, on_matrices)
        return torch.from_numpy(on_vertices), torch.from_numpy(on_matrices), None, None, None
