"""Masks to aligned silhouettes: the published gait pretreatment, bit for bit, and the exact window of every frame.

The definition is OpenGait's ``datasets/pretreatment.py`` (Fan et al., CVPR 2023), whose output most gait networks are
trained on. Per frame: leave out a frame whose grey sum is at most 10,000; crop to the rows that are not empty; resize
to height S, bicubic, over the full width of the image; find the first column at which the cumulative mass exceeds a
half; take S columns around it, zeros where the image ends; keep the grey edges.
"""

import cv2
import numpy as np

from meshgait_data.errors import InvalidData
from meshgait_data.render.compiled import compiled
from meshgait_data.types import Aligned, ByteArray, FloatArray, IntArray

MIN_GREY_SUM = 10_000
"""Frames whose grey values add up to no more are left out: 39 white pixels. The published constant."""


def align(masks: ByteArray, size: int = 64) -> Aligned:
    """Crop, scale and centre masks to ``size`` x ``size``.

    Parameters
    ----------
    masks
        (F, H, W) grey 0..255; a body is bright.
    size
        Side S of the result in pixels, even.

    Returns
    -------
    Silhouettes, windows and which frames survived. A window takes the centre of image pixel (x, y) to
    ``u = (x + 1/2) w'/w - 1/2 - left`` and ``v = (y - top + 1/2) S/h - 1/2``: cv2's convention of pixel centres at
    integers, so a point of the image and the pixel that shows it go to the same place.

    Raises
    ------
    InvalidData
        On masks of another type or shape, or an odd or non-positive size.

    Notes
    -----
    Besides frames with too little mass, the published rule leaves out those whose centre is column 0 after scaling
    (it takes 0 for "none"), and fails on images so narrow that no column would remain: those are left out here.
    """
    if masks.dtype != np.uint8 or masks.ndim != 3:
        raise InvalidData(f"masks must be uint8 (F, H, W), found {masks.dtype} {masks.shape}")
    if size < 2 or size % 2:
        raise InvalidData(f"aligned size {size} is not an even number of pixels")
    silhouettes = np.zeros((len(masks), size, size), dtype=np.uint8)
    windows = np.zeros((len(masks), 2, 3), dtype=np.float64)
    kept = np.zeros(len(masks), dtype=np.bool_)
    masks = np.ascontiguousarray(masks)
    for frame, (top, bottom) in enumerate(_rows(masks)):
        if top < bottom:
            kept[frame] = _align_frame(masks[frame, top:bottom], top, silhouettes[frame], windows[frame])
    return Aligned(silhouettes[kept], windows[kept].astype(np.float32), kept)


def _align_frame(rows: ByteArray, top: int, silhouette: ByteArray, window: FloatArray) -> bool:
    """Fill one silhouette and window from the rows that show the body; False where the frame has no centre."""
    size = len(silhouette)
    height, width = rows.shape
    scaled_width = int(size * (width / height))
    if scaled_width == 0:
        return False
    scaled = cv2.resize(rows, (scaled_width, size), interpolation=cv2.INTER_CUBIC)
    mass = np.cumsum(scaled.sum(axis=0, dtype=np.int64))
    centre = int(np.searchsorted(mass, mass[-1] / 2, side="right"))
    if centre in (0, scaled_width):
        return False
    left = centre - size // 2
    first, last = max(left, 0), min(left + size, scaled_width)
    silhouette[:, first - left : last - left] = scaled[:, first:last]
    x_scale, y_scale = scaled_width / width, size / height
    window[0] = x_scale, 0.0, 0.5 * x_scale - 0.5 - left
    window[1] = 0.0, y_scale, (0.5 - top) * y_scale - 0.5
    return True


@compiled
def _rows(masks_FHW: ByteArray) -> IntArray:
    """(F, 2) first row that is not empty and the one after the last; (0, 0) for frames with too little mass."""
    result = np.zeros((masks_FHW.shape[0], 2), np.int64)
    for f in range(masks_FHW.shape[0]):
        first = last = -1
        total = 0
        for y in range(masks_FHW.shape[1]):
            row = 0
            for x in range(masks_FHW.shape[2]):
                row += masks_FHW[f, y, x]
            if row > 0:
                first = y if first < 0 else first
                last = y
                total += row
        if total > MIN_GREY_SUM:
            result[f] = (first, last + 1)
    return result
