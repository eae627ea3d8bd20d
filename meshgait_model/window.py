"""From camera space into the window of the aligned silhouette, in torch: the coordinates of all labels."""

import torch
from torch import Tensor


def project_to_window(points: Tensor, pelvis_z: Tensor, intrinsics: Tensor, windows: Tensor) -> Tensor:
    """Positions (u, v, d) of points in the aligned silhouette.

    Parameters
    ----------
    points
        (N, P, 3) metres, camera frame (x right, y down, z forward).
    pelvis_z
        (N,) depth of the pelvis in metres.
    intrinsics
        (N, 3, 3) focal lengths and principal point in pixels.
    windows
        (N, 2, 3) affine that takes image pixels to pixels of the silhouette.

    Returns
    -------
    (N, P, 3): u and v in pixels of the silhouette (pixel centres at integers); d is the depth behind the pelvis in
    the same pixels, metres times ``windows[1, 1] * focal_y / pelvis_z``.
    """
    image = points @ intrinsics.transpose(1, 2)
    image = image / image[..., 2:]
    uv = image @ windows.transpose(1, 2)
    scale = windows[:, 1, 1] * intrinsics[:, 1, 1] / pelvis_z
    d = (points[..., 2] - pelvis_z[:, None]) * scale[:, None]
    return torch.cat([uv, d[..., None]], -1)
