"""The alignment published for CASIA-B*: GaitAlign of *GaitEdge* (Liang et al., ECCV 2022), and its windows.

CASIA-B* has masks cut to the detector's box and squeezed to 128 x 128, with the box's width / height beside them.
GaitAlign undoes the squeeze while it crops: it takes a box as high as the body, centred on the median of mass, as wide
as 44/64 of the box's true height, and averages bilinear samples in each of 64 x 44 bins (RoIAlign; He et al., *Mask
R-CNN*, ICCV 2017, in the first form, without its later half-pixel shift). How the aligned silhouettes that CASIA-B*
comes with were made is not published.
"""

import numpy as np

from meshgait_data.compiled import compiled
from meshgait_data.errors import InvalidData
from meshgait_data.types import Aligned, ByteArray, FloatArray


def roi_align(masks: ByteArray, size: tuple[int, int] = (64, 44), *, ratios: FloatArray | None = None) -> Aligned:
    """Crop masks to the body and bring them to ``size``, soft at the edges.

    Parameters
    ----------
    masks
        (F, H, W) grey 0..255, as squeezed as they are.
    size
        Rows and columns of the result.
    ratios
        (F,) width / height of each image before it was squeezed; by default its own, for images that never were.

    Returns
    -------
    Silhouettes (N, rows, columns), rounded to grey values; windows; and which frames survived: empty ones do not.

    Raises
    ------
    InvalidData
        On masks of another type or shape, or ratios that are not F positive numbers.

    Notes
    -----
    As published: a body wider than 44/64 of its height is squeezed, and one that does not fill its image from top to
    bottom is stretched sideways by the same rule as if it did; the box ends 22 columns outside the image, which moves
    the body off the middle in images narrower than about half their height. The window says so.
    """
    if masks.dtype != np.uint8 or masks.ndim != 3:
        raise InvalidData(f"masks must be uint8 (F, H, W), found {masks.dtype} {masks.shape}")
    frames, height, width = masks.shape
    ratio = np.full(frames, width / max(height, 1)) if ratios is None else np.asarray(ratios, np.float64)
    if ratio.shape != (frames,) or not (ratio > 0).all():
        raise InvalidData(f"{frames} masks need as many positive ratios of width to height, found {ratio.shape}")
    kept = np.asarray(masks.any(axis=(1, 2)))
    boxes = _boxes(masks[kept], ratio[kept], size)
    silhouettes = np.zeros((len(boxes), *size), np.uint8)
    _average(np.ascontiguousarray(masks[kept]), boxes, silhouettes)
    windows = np.zeros((len(boxes), 2, 3))
    # The centre of bin i lies at low + (i + 1/2) (high - low) / count, in pixels whose centres are integers.
    low, high, count = boxes[:, :2], boxes[:, 2:], np.array([size[1], size[0]])
    scale = count / (high - low)
    windows[:, [0, 1], [0, 1]] = scale
    windows[:, :, 2] = -low * scale - 0.5
    # Only empty masks are left out.
    return Aligned(silhouettes, windows.astype(np.float32), kept, (~kept).astype(np.uint8))


def through_boxes(masks: ByteArray, windows: FloatArray, silhouettes: ByteArray) -> None:
    """Fill silhouettes (F, rows, columns) from masks (F, H, W) through windows (F, 2, 3) of :func:`roi_align`."""
    affine = np.asarray(windows, np.float64)
    scale = affine[:, [0, 1], [0, 1]]
    low = -(affine[:, :, 2] + 0.5) / scale
    high = low + np.array([silhouettes.shape[2], silhouettes.shape[1]]) / scale
    result = np.zeros(silhouettes.shape, np.uint8)
    _average(np.ascontiguousarray(masks), np.concatenate([low, high], axis=1), result)
    silhouettes[...] = result


def _boxes(masks: ByteArray, ratios: FloatArray, size: tuple[int, int]) -> FloatArray:
    """(N, 4) left, top, right and bottom of the box around each body."""
    rows, columns = size
    _, height, width = masks.shape
    filled = np.asarray(masks.any(axis=2))
    top = filled.argmax(axis=1).astype(np.float64)
    bottom = height - filled[:, ::-1].argmax(axis=1).astype(np.float64)
    mass = masks.sum(axis=1, dtype=np.int64).cumsum(axis=1)
    centre = (2 * mass < mass[:, -1:]).sum(axis=1).astype(np.float64)
    margin = np.maximum(columns - rows * ratios, 0) / 2 * width / (ratios * rows)
    half = (bottom - top) * width / height / 2 + margin
    # The image ends half the result's width outside its border.
    end = columns // 2
    left, right = (np.clip(centre + sign * half, -end, width + end) for sign in (-1, 1))
    return np.stack([left, top, right, bottom], axis=1)


@compiled
def _average(masks_NHW: ByteArray, boxes_N4: FloatArray, silhouettes_NRC: ByteArray) -> None:
    """Mean of evenly spaced bilinear samples in each bin: about one for each pixel of the image along each axis."""
    height, width = masks_NHW.shape[1:]
    rows, columns = silhouettes_NRC.shape[1:]
    for n in range(masks_NHW.shape[0]):
        left, top, right, bottom = boxes_N4[n]
        step_x, step_y = (right - left) / columns, (bottom - top) / rows
        across, down = int(np.ceil(step_x)), int(np.ceil(step_y))
        for row in range(rows):
            for column in range(columns):
                total = 0.0
                for j in range(down):
                    y = top + (row + (j + 0.5) / down) * step_y
                    y0 = int(np.floor(y))
                    for i in range(across):
                        x = left + (column + (i + 0.5) / across) * step_x
                        x0 = int(np.floor(x))
                        for dy in range(2):
                            for dx in range(2):
                                # Beyond the last row the image goes on as it ends, beside it there is nothing.
                                yy, xx = min(y0 + dy, height - 1), x0 + dx
                                if 0 <= xx < width:
                                    share = (1 - abs(x - xx)) * (1 - abs(y - (y0 + dy)))
                                    total += share * masks_NHW[n, yy, xx]
                silhouettes_NRC[n, row, column] = int(np.floor(total / (across * down) + 0.5))
