"""A far-reaching term between projected points and a mask: for starts that the outline's own gradient cannot feel.

Shape letters: N images, P projected points, C points of the mask's contour, H and W of the image.

Two one-sided distances: points outside of the mask are pulled in by the mask's distance transform, and every contour
point pulls at the projected point nearest to it (chamfer matching: Barrow, Tenenbaum, Bolles & Wolf, IJCAI 1977). It
reaches across the whole image, but its minimum is off by about the spacing of the points: finish with
:func:`meshgait_data.render.soft.coverage`.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from meshgait_data.errors import InvalidData
from meshgait_data.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ContourTarget:
    """What the term needs of N masks, computed once."""

    outside: Tensor
    """(N, H, W) float32 pixels: distance to the nearest white pixel; 0 where nothing is known."""
    contour: Tensor
    """(N, C, 2) float32 pixels: evenly chosen contour points; NaN in images without any."""

    @classmethod
    def of(
        cls,
        masks: BoolArray,
        *,
        known: BoolArray | None = None,
        points: int = 96,
        device: torch.device | str = "cpu",
    ) -> "ContourTarget":
        """Distance transforms and contours of (N, H, W) masks.

        Parameters
        ----------
        masks
            True where the body is. Contour points on the image border, or beside what is not known, are left out:
            there the image ends, not the body.
        known
            (N, H, W) False where nothing is known; everything by default.
        points
            C, chosen evenly along all contours of an image, those of holes too.
        device
            Where the tensors live.

        Raises
        ------
        InvalidData
            Where the masks are no stack of images, or ``known`` is of another shape.
        """
        known = np.ones(masks.shape, bool) if known is None else known
        if masks.ndim != 3 or min(masks.shape[1:]) < 2 or known.shape != masks.shape or points < 1:
            raise InvalidData(f"expected masks (N, H, W) and points > 0, found {masks.shape} and {points}")
        outside = np.zeros(masks.shape, np.float32)
        contour = np.full((len(masks), points, 2), np.nan, np.float32)
        for n, mask in enumerate(masks):
            if mask.any():
                distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
                outside[n] = distance * known[n]
                contour[n] = _contour(mask, known[n], points)
        return cls(torch.as_tensor(outside, device=device), torch.as_tensor(contour, device=device))


def _contour(mask: BoolArray, known: BoolArray, points: int) -> FloatArray:
    """(C, 2) contour points in pixels; NaN where all of them lie beside what is not known."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    chain = np.concatenate([part[:, 0] for part in found])
    sure = cv2.erode(known.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    chain = chain[sure[chain[:, 1], chain[:, 0]] > 0].astype(np.float32)
    if not len(chain):
        return np.full((points, 2), np.nan, np.float32)
    return chain[np.linspace(0, len(chain), points, endpoint=False).astype(int)]


def contour_distance(points: Tensor, target: ContourTarget) -> Tensor:
    """Mean squared distance of points outside of the mask to it, plus that of contour points to the nearest point.

    Parameters
    ----------
    points
        (N, P, 2) pixels, any floating type, centres at integers; every 8th vertex is enough. Points that are NaN
        (behind the camera) take no part.
    target
        Of N masks. Images without a white pixel give zero.

    Returns
    -------
    (N,) square pixels. Beyond the image border the distance is that of the nearest pixel of the image.

    Raises
    ------
    InvalidData
        Where points and target do not fit.
    """
    if points.dim() != 3 or points.shape[2] != 2 or len(points) != len(target.outside):
        raise InvalidData(f"expected points ({len(target.outside)}, P, 2), found {tuple(points.shape)}")
    seen = points.isfinite().all(-1)
    placed = torch.where(seen[..., None], points, torch.zeros_like(points))
    inwards = (_sample(target.outside.to(points.dtype), placed) * seen).square().sum(1) / seen.sum(1).clamp(min=1)
    contour = target.contour.to(points.dtype)
    known = contour.isfinite().all(-1) & seen.any(1)[:, None]
    contour = torch.where(known[..., None], contour, torch.zeros_like(contour))
    with torch.no_grad():
        # Squared distances up to a constant of the contour point.
        squares = placed.square().sum(-1)[:, None] - 2 * contour @ placed.mT
        nearest = squares.masked_fill(~seen[:, None], torch.inf).argmin(2)
    reached = torch.gather(placed, 1, nearest[..., None].expand(-1, -1, 2))
    outwards = ((reached - contour).square().sum(-1) * known).sum(1) / known.sum(1).clamp(min=1)
    return inwards + outwards


def _sample(images: Tensor, points: Tensor) -> Tensor:
    """(N, P) values of (N, H, W) images between their pixels, continued evenly beyond the border."""
    height, width = images.shape[1:]
    last = points.new_tensor([width - 1, height - 1])
    grid = (2 * points / last - 1)[:, None]
    sampled = torch.nn.functional.grid_sample(images[:, None], grid, padding_mode="border", align_corners=True)
    return sampled[:, 0, 0]
