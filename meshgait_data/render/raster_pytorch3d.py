"""pytorch3d's rasteriser behind the same function: for comparison, and for its users on a GPU.

It projects and decides in single precision and by its own rule at edges, so outlines differ from the other backends'
by single pixels. Lens and pose are translated here: pytorch3d's camera looks along +z with x to the *left* and y *up*,
multiplies row vectors from the left, and has pixel centres at halves.
"""

import numpy as np
import torch
from pytorch3d.renderer import MeshRasterizer, PerspectiveCameras, RasterizationSettings
from pytorch3d.structures import Meshes
from torch import Tensor

from meshgait_data.errors import InvalidData
from meshgait_data.render.raster_numba import NEAR_M
from meshgait_data.types import ByteArray, Camera, FloatArray, IntArray

FRAMES = 8
"""Frames that are drawn at a time."""


def draw(
    points: FloatArray, triangles: IntArray, camera: Camera, masks: ByteArray, *, closed: bool, device: str
) -> None:
    """Fill black masks (F, H, W), see ``backends.Draw``; raises InvalidData for a lens with skew."""
    settings = RasterizationSettings(
        image_size=(camera.size[1], camera.size[0]),
        blur_radius=0.0,
        faces_per_pixel=1,
        cull_backfaces=closed,
        # On a GPU, triangles beyond this number in a part of the image would be dropped.
        max_faces_per_bin=max(10_000, len(triangles)),
    )
    faces = torch.from_numpy(triangles).long().to(device)
    for start in range(0, len(points), FRAMES):
        vertices = torch.from_numpy(points[start : start + FRAMES]).to(device)
        ahead = _ahead(vertices, faces, camera)
        # It takes no mesh without triangles.
        some = torch.nonzero(ahead.any(1))[:, 0].tolist()
        if some:
            meshes = Meshes([vertices[frame].nan_to_num() for frame in some], [faces[ahead[frame]] for frame in some])
            rasterizer = MeshRasterizer(cameras=_cameras(camera, len(some), device), raster_settings=settings)
            with torch.no_grad():
                seen = rasterizer(meshes).pix_to_face[..., 0] >= 0
            masks[[start + frame for frame in some]] = seen.cpu().numpy().view(np.uint8) * np.uint8(255)


def _cameras(camera: Camera, count: int, device: str) -> PerspectiveCameras:
    """The same camera ``count`` times."""
    lens = camera.intrinsics
    if lens[0, 1] != 0:
        raise InvalidData(
            f"pytorch3d has no lens with skew, and camera {camera.name!r} has {lens[0, 1]:g}", hint="backend='numpy'"
        )
    turn = np.diag([-1.0, -1.0, 1.0])
    rotation, translation = (turn @ camera.rotation).T, turn @ camera.translation

    def repeated(values: FloatArray | list[float]) -> Tensor:
        one = torch.tensor(np.asarray(values), dtype=torch.float32, device=device)
        return one.expand(count, *one.shape)

    return PerspectiveCameras(
        focal_length=repeated([lens[0, 0], lens[1, 1]]),
        principal_point=repeated([lens[0, 2] + 0.5, lens[1, 2] + 0.5]),
        R=repeated(rotation),
        T=repeated(translation),
        image_size=torch.tensor([camera.size[::-1]] * count, device=device),
        in_ndc=False,
        device=device,
    )


def _ahead(vertices: Tensor, faces: Tensor, camera: Camera) -> Tensor:
    """(F, T) triangles whose corners are all finite and no nearer than 5 cm: those that every backend draws."""
    axis = torch.tensor(camera.rotation[2], device=vertices.device)
    depth = vertices.double() @ axis + float(camera.translation[2])
    return (depth >= NEAR_M)[:, faces].all(-1)
