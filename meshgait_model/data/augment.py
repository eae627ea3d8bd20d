"""Random mirror images, rotations, sizes and shifts of clips, applied to silhouettes and labels alike.

Shape letters: B clips, T frames, H, W rows and columns, P points.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from meshgait_model.config.data import AugmentConfig


@dataclass(frozen=True, slots=True, eq=False)
class Augmentation:
    """What happens to each clip: first the mirror image, then the affine map."""

    flip: NDArray[np.bool_]
    """(B,)."""
    affine: NDArray[np.floating[Any]]
    """(B, 2, 3) takes pixels (u, v, 1) to augmented pixels."""
    size: NDArray[np.floating[Any]]
    """(B,) change of size, which depth and ``scale`` follow."""


def draw(config: AugmentConfig, clips: int, window: tuple[int, int], rng: np.random.Generator) -> Augmentation:
    """Draw what happens to the clips of a batch.

    Parameters
    ----------
    window
        Rows and columns; rotation and size keep its centre.
    """
    rows, columns = window
    flip = rng.random(clips) < config.flip
    use = rng.random(clips) < config.affine
    angle = np.deg2rad(rng.uniform(-1, 1, clips) * config.rotate_deg) * use
    size = 1 + rng.uniform(-1, 1, clips) * config.scale * use
    shift = rng.uniform(-1, 1, (clips, 2)) * config.shift_px * use[:, None]
    centre = np.array([(columns - 1) / 2, (rows - 1) / 2])
    linear = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1).reshape(-1, 2, 2)
    linear = linear * size[:, None, None]
    offset = centre + shift - linear @ centre
    return Augmentation(flip, np.concatenate([linear, offset[:, :, None]], 2), size)


def move_silhouettes(silhouettes: Tensor, augmentation: Augmentation) -> Tensor:
    """Augment float silhouettes (B, T, H, W); what comes from outside the window is background."""
    flip = torch.from_numpy(augmentation.flip).to(silhouettes.device)
    turned = torch.where(flip[:, None, None, None], silhouettes.flip(-1), silhouettes)
    rows, columns = silhouettes.shape[2:]
    # grid_sample looks up where each output pixel comes from, in [-1, 1] between the centres of the corner pixels.
    half = np.array([(columns - 1) / 2, (rows - 1) / 2])
    inverse = np.linalg.inv(augmentation.affine[:, :, :2])
    shift = (inverse @ (half - augmentation.affine[:, :, 2])[:, :, None])[:, :, 0] / half - 1
    linear = inverse * half[None, None, :] / half[None, :, None]
    theta = np.concatenate([linear, shift[:, :, None]], 2)
    size = [len(theta), 1, rows, columns]
    matrices = torch.from_numpy(theta).to(silhouettes)
    grid = functional.affine_grid(matrices, size, align_corners=True)
    return functional.grid_sample(turned, grid, padding_mode="zeros", align_corners=True)


def move_points(points: Tensor, augmentation: Augmentation, mirror: Tensor, columns: int) -> Tensor:
    """Augment points (B, T, P, 3) in window pixels.

    Parameters
    ----------
    mirror
        (P,) the point on the other side of the body.
    columns
        Width of the window.
    """
    flip = torch.from_numpy(augmentation.flip).to(points.device)[:, None, None, None]
    image = points[:, :, mirror] * points.new_tensor([-1, 1, 1]) + points.new_tensor([columns - 1, 0, 0])
    turned = torch.where(flip, image, points)
    affine = torch.from_numpy(augmentation.affine).to(points)
    size = torch.from_numpy(augmentation.size).to(points)
    uv = turned[..., :2] @ affine[:, None, :, :2].transpose(2, 3) + affine[:, None, None, :, 2]
    return torch.cat([uv, turned[..., 2:] * size[:, None, None, None]], -1)
