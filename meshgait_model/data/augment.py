"""Random mirror images, rotations, sizes, shifts, perspectives and erasures of clips, for silhouettes and labels alike.

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
    """What happens to each clip: first the mirror image, then the warp, then the erasure."""

    flip: NDArray[np.bool_]
    """(B,)."""
    warp: NDArray[np.floating[Any]]
    """(B, 3, 3) takes homogeneous pixels (u, v, 1) to augmented pixels."""
    size: NDArray[np.floating[Any]]
    """(B,) change of size at the centre of the window, which depth follows."""
    erased: NDArray[np.bool_]
    """(B, H, W) pixels that become background."""


def draw(config: AugmentConfig, clips: int, window: tuple[int, int], rng: np.random.Generator) -> Augmentation:
    """Draw what happens to the clips of a batch.

    Parameters
    ----------
    window
        Rows and columns; rotation and size keep its centre.
    """
    flip = rng.random(clips) < config.flip
    warp = _perspective(config, clips, window, rng) @ _affine(config, clips, window, rng)
    return Augmentation(flip, warp, _size(warp, window), _erased(config, clips, window, rng))


def _affine(
    config: AugmentConfig, clips: int, window: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Rotations, sizes and shifts (B, 3, 3)."""
    use = rng.random(clips) < config.affine
    angle = np.deg2rad(rng.uniform(-1, 1, clips) * config.rotate_deg) * use
    size = 1 + rng.uniform(-1, 1, clips) * config.scale * use
    shift = rng.uniform(-1, 1, (clips, 2)) * config.shift_px * use[:, None]
    linear = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1).reshape(-1, 2, 2)
    warp = np.tile(np.eye(3), (clips, 1, 1))
    warp[:, :2, :2] = linear * size[:, None, None]
    centre = _centre(window)
    warp[:, :2, 2] = centre + shift - warp[:, :2, :2] @ centre
    return warp


def _perspective(
    config: AugmentConfig, clips: int, window: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Homographies (B, 3, 3) that take two random points of the top row and two of the bottom row to the corners.

    The perspective change of DeepGaitV2's recipe (OpenGait): corners are those of the square silhouette that the
    window was cut from, and each moves inwards along its row.
    """
    use = rng.random(clips) < config.perspective
    inwards = rng.uniform(0, config.perspective_px, (clips, 4)) * use[:, None]
    rows, columns = window
    left, right = (columns - rows) / 2, (columns + rows) / 2 - 1
    corners = np.array([[left, 0], [right, 0], [left, rows - 1], [right, rows - 1]])
    found = np.tile(corners, (clips, 1, 1))
    found[:, :, 0] += inwards * [1, -1, 1, -1]
    warp = np.tile(np.eye(3), (clips, 1, 1))
    warp[use] = _homography(found[use], np.broadcast_to(corners, found[use].shape))
    return warp


def _homography(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3, 3) that take four points (N, 4, 2) to four others, by the direct linear equations."""
    (x, y), (u, v) = np.moveaxis(source, -1, 0), np.moveaxis(target, -1, 0)
    zero, one = np.zeros_like(x), np.ones_like(x)
    first = np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], -1)
    second = np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], -1)
    right = np.concatenate([u, v], 1)[..., None]
    solved = np.linalg.solve(np.concatenate([first, second], 1), right)[..., 0]
    return np.concatenate([solved, np.ones((len(x), 1))], 1).reshape(-1, 3, 3)


def _size(warp: NDArray[np.float64], window: tuple[int, int]) -> NDArray[np.float64]:
    """Square root (B,) of the change of area at the centre of the window."""
    w = warp[:, 2] @ np.append(_centre(window), 1)
    size: NDArray[np.float64] = np.sqrt(np.abs(np.linalg.det(warp)) / np.abs(w) ** 3)
    return size


def _erased(config: AugmentConfig, clips: int, window: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Rectangles (B, H, W) of random area, shape and place (random erasing, Zhong et al., AAAI 2020)."""
    use = rng.random(clips) < config.erase
    area = rng.uniform(*config.erase_area, clips) * window[0] * window[1]
    shape = rng.uniform(_FLATTEST, 1 / _FLATTEST, clips)
    # A rectangle that is longer than the window is cut off there.
    sides = np.minimum(np.rint(np.sqrt([area * shape, area / shape])), np.array(window)[:, None])
    begin = np.floor(rng.random((2, clips)) * (np.array(window)[:, None] - sides + 1))
    inside = [
        (np.arange(n) >= low[:, None]) & (np.arange(n) < (low + side)[:, None])
        for n, low, side in zip(window, begin, sides, strict=True)
    ]
    return use[:, None, None] & inside[0][:, :, None] & inside[1][:, None, :]


_FLATTEST = 0.3
"""Height over width of the flattest rectangle that is erased; the steepest has the inverse (as Zhong et al.)."""


def _centre(window: tuple[int, int]) -> NDArray[np.float64]:
    rows, columns = window
    return np.array([(columns - 1) / 2, (rows - 1) / 2])


def move_silhouettes(silhouettes: Tensor, augmentation: Augmentation) -> Tensor:
    """Augment float silhouettes (B, T, H, W); what comes from outside the window is background.

    Clips that nothing happens to stay as they are, bit for bit.
    """
    moved, device = silhouettes, silhouettes.device
    if augmentation.flip.any():
        flip = torch.from_numpy(augmentation.flip).to(device)
        moved = torch.where(flip[:, None, None, None], moved.flip(-1), moved)
    warped = np.flatnonzero((augmentation.warp != np.eye(3)).any((1, 2)))
    if len(warped):
        chosen = torch.from_numpy(warped).to(device)
        moved = moved.index_copy(0, chosen, _warped(moved[chosen], augmentation.warp[warped]))
    if augmentation.erased.any():
        moved = moved.masked_fill(torch.from_numpy(augmentation.erased).to(device)[:, None], 0)
    return moved


def _warped(images: Tensor, warp: NDArray[np.floating[Any]]) -> Tensor:
    rows, columns = images.shape[-2:]
    v, u = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    # Where each pixel comes from, as grid_sample wants it: [-1, 1] between the centres of the corner pixels.
    origin = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(warp)[:, None].swapaxes(2, 3)
    grid = origin[..., :2] / origin[..., 2:] / _centre((rows, columns)) - 1
    return functional.grid_sample(images, torch.from_numpy(grid).to(images), padding_mode="zeros", align_corners=True)


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
    warp = torch.from_numpy(augmentation.warp).to(points)[:, None]
    size = torch.from_numpy(augmentation.size).to(points)
    # Written out: a matrix product would be rounded to three digits on some devices.
    u, v, d = turned.unbind(-1)
    x, y, w = (warp[..., i, :1] * u + warp[..., i, 1:2] * v + warp[..., i, 2:] for i in range(3))
    return torch.stack([x / w, y / w, d * size[:, None, None]], -1)
