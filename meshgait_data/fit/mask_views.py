"""Masks as the mask fit takes them: small windows around the body, each with its own way from world to window.

Shape letters: C cameras, F frames, H and W of the images, S side of the windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from meshgait_data.errors import InvalidData
from meshgait_data.render.soft import camera_matrices
from meshgait_data.types import BoolArray, ByteArray, Camera, FloatArray

MARGIN = 0.15
"""Room on each side of the body, as a share of its height: an arm that the start holds elsewhere is still inside."""


@dataclass(frozen=True, slots=True, eq=False)
class MaskViews:
    """What C cameras saw of one body in F frames."""

    matrices: Tensor
    """(C, F, 3, 4) float64, world to homogeneous pixels of the window."""
    targets: Tensor
    """(C, F, S, S) float32, share of each window pixel that the body covers."""
    weights: Tensor
    """(C, F, S, S) float32, 0 where nothing is known: beyond the image, and in all of a frame without a mask."""

    @property
    def seen(self) -> BoolArray:
        """(F, C) whether a camera saw the body."""
        return np.asarray(((self.targets > 0) & (self.weights > 0)).flatten(2).any(2).T.numpy())

    @classmethod
    def of_images(cls, masks: Sequence[ByteArray | BoolArray], cameras: Sequence[Camera], side: int) -> "MaskViews":
        """Cut windows out of whole images.

        Parameters
        ----------
        masks
            C times (F, H, W), each of its camera's size; not zero where the body is. An empty image is a frame in
            which that camera says nothing.
        cameras
            They stand still.
        side
            S. A window shows at least as many pixels of the image; larger ones are averaged down.

        Raises
        ------
        InvalidData
            Where masks and cameras do not fit.
        """
        if len(masks) != len(cameras) or not cameras:
            raise InvalidData(f"{len(masks)} stacks of masks for {len(cameras)} cameras")
        for stack, camera in zip(masks, cameras, strict=True):
            if stack.shape != (len(masks[0]), *camera.size[::-1]):
                raise InvalidData(
                    f"masks of shape {stack.shape}, expected {(len(masks[0]), *camera.size[::-1])}",
                    where=f"camera {camera.name}",
                )
        views = [[_window(mask != 0, side) for mask in stack] for stack in masks]
        windows = torch.as_tensor(np.array([[part[0] for part in view] for view in views]))
        targets, weights = (np.array([[part[i] for part in view] for view in views], np.float32) for i in (1, 2))
        return cls(windows @ camera_matrices(cameras)[:, None], torch.as_tensor(targets), torch.as_tensor(weights))

    @classmethod
    def of_aligned(
        cls, silhouettes: Sequence[ByteArray], windows: Sequence[FloatArray], cameras: Sequence[Camera]
    ) -> "MaskViews":
        """Take aligned silhouettes as they are.

        Parameters
        ----------
        silhouettes
            C times (F, S, S) grey 0..255; an empty one says nothing.
        windows
            C times (F, 2, 3), image pixels to pixels of the silhouette.
        cameras
            C.
        """
        targets = torch.as_tensor(np.stack(silhouettes).astype(np.float32) / 255)
        affine = torch.as_tensor(np.stack(windows).astype(np.float64))
        last = affine.new_tensor([0.0, 0.0, 1.0]).expand(*affine.shape[:2], 1, 3)
        known = (targets > 0).flatten(2).any(2)[..., None, None]
        matrices = torch.cat([affine, last], 2) @ camera_matrices(cameras)[:, None]
        return cls(matrices, targets, known.float().expand_as(targets).contiguous())


def _window(mask: BoolArray, side: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A square around the white pixels: (3, 3) image to window, and (S, S) coverage and weight."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.eye(3), np.zeros((side, side)), np.zeros((side, side))
    ends = np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]])
    width = max(side, int(np.ceil((1 + 2 * MARGIN) * (ends[1] - ends[0]).max())))
    left, top = (ends.sum(axis=0) - width) // 2
    cut = np.zeros((2, width, width), np.float32)
    inside = np.zeros((2, *mask.shape), np.float32)
    inside[0], inside[1] = mask, 1
    y0, x0 = max(top, 0), max(left, 0)
    part = inside[:, y0 : top + width, x0 : left + width]
    cut[:, y0 - top : y0 - top + part.shape[1], x0 - left : x0 - left + part.shape[2]] = part
    coverage, known = (cv2.resize(layer, (side, side), interpolation=cv2.INTER_AREA) for layer in cut)
    scale = side / width
    # Pixel edges map to pixel edges; centres lie half a pixel farther.
    shift = (0.5 - np.array([left, top])) * scale - 0.5
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1]])
    return matrix, coverage, (known > 0.999).astype(np.float32)
