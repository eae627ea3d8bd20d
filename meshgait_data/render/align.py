"""Masks to aligned silhouettes: the published gait pretreatments, bit for bit, and the exact window of every frame.

The definition is OpenGait's ``datasets/pretreatment.py`` (Fan et al., CVPR 2023), whose output most gait networks are
trained on. Per frame: leave out a frame whose grey sum is at most 10,000; crop to the rows that are not empty; resize
to height S, bicubic, over the full width of the image; find the first column at which the cumulative mass exceeds a
half; take S columns around it, zeros where the image ends; keep the grey edges. Others are named in :data:`VARIANTS`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from meshgait_data.compiled import compiled
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.render.roi_align import roi_align, through_boxes
from meshgait_data.types import Aligned, ByteArray, FloatArray, IntArray

MIN_GREY_SUM = 10_000
"""Frames whose grey values add up to no more are left out: 39 white pixels. The published constant."""


@dataclass(frozen=True, slots=True)
class Pretreatment:
    """What one published script does differently from the others."""

    interpolation: int
    """cv2's number of the method that resizes."""
    min_grey_sum: int
    """Frames whose grey values add up to no more are left out."""
    centre_from: int
    """First column that counts as a centre; frames whose centre lies before it are left out."""
    origin: str
    whole: bool = False
    """Whether pictures are aligned already and only resized, whatever they show,"""
    resized: bool = True
    """or not even that, because they have the wanted size."""


VARIANTS: Mapping[str, Pretreatment] = {
    "opengait": Pretreatment(cv2.INTER_CUBIC, MIN_GREY_SUM, 1, "OpenGait, datasets/pretreatment.py"),
    "ccpg": Pretreatment(cv2.INTER_AREA, 0, 0, "OpenGait, datasets/CCPG/organize_ccpg.py"),
    "sustech1k": Pretreatment(
        cv2.INTER_CUBIC, -1, 0, "OpenGait, datasets/SUSTech1K/pretreatment_SUSTech1K.py", whole=True
    ),
    "as_is": Pretreatment(
        cv2.INTER_NEAREST, -1, 0, "OpenGait, datasets/pretreatment.py for GREW", whole=True, resized=False
    ),
}
"""Pretreatments of the same form, by name. ``as_is`` takes pictures that have the wanted size already."""

FATES = (
    "kept",
    "show too little of the body",
    "have no centre",
    "are too narrow for their height: the published script breaks off there",
    "have another size than the aligned silhouettes",
)
"""What may become of a frame, by the number that ``Aligned.fates`` has for it."""
KEPT, TOO_LITTLE, NO_CENTRE, TOO_NARROW, OTHER_SIZE = range(len(FATES))
"""Numbers of the fates."""

NAMES = (*VARIANTS, "casia_b_star")
"""All that :func:`align` knows; the last one is :mod:`meshgait_data.render.roi_align`."""


def keeps_empty(variant: str) -> bool:
    """Whether a pretreatment keeps pictures that show nothing: those that take pictures as they are."""
    return variant in VARIANTS and VARIANTS[variant].whole


def align(masks: ByteArray, size: int = 64, *, variant: str = "opengait", sizes: IntArray | None = None) -> Aligned:
    """Crop, scale and centre masks to ``size`` x ``size``.

    Parameters
    ----------
    masks
        (F, H, W) grey 0..255; a body is bright.
    size
        Side S of the result in pixels, even.
    variant
        Name of the pretreatment: ``opengait``; ``ccpg``; ``sustech1k`` and ``as_is`` for pictures that are aligned
        already, of any size or of the wanted one; or ``casia_b_star``, whose 44 columns of 64 stand in the
        middle of the square with nothing beside them, so that cutting it for the network gives them alone.
    sizes
        (F, 2) width and height of each picture, which lies at the upper left of its mask: the rules scale by the
        width of the picture. By default all fill their masks.

    Returns
    -------
    Silhouettes, windows, which frames survived and why the others did not. A window takes the centre of image pixel
    (x, y) to ``u = (x + 1/2) w'/w - 1/2 - left`` and ``v = (y - top + 1/2) S/h - 1/2``: cv2's convention of pixel
    centres at integers, so a point of the image and the pixel that shows it go to the same place.

    Raises
    ------
    UsageError
        On a variant that does not exist.
    InvalidData
        On masks of another type or shape, an odd or non-positive size, or sizes that do not belong to the masks.

    Notes
    -----
    Besides frames with too little mass, the published rule leaves out those whose centre is column 0 after scaling
    (it takes 0 for "none"), and fails on images so narrow that no column would remain: those are left out here. That
    of CCPG keeps a hole in place of a frame without a body: here it is left out.
    """
    pictures = _checked(masks, size, variant, sizes)
    if variant == "casia_b_star":
        return _squared(pictures, size)
    way = VARIANTS[variant]
    silhouettes = np.zeros((len(masks), size, size), dtype=np.uint8)
    windows = np.zeros((len(masks), 2, 3), dtype=np.float64)
    fates = np.zeros(len(masks), dtype=np.uint8)
    for frame, (rows, top) in enumerate(_body_rows(masks, pictures, way)):
        fates[frame], scaled, left = _scaled(rows, size, way)
        if scaled is not None:
            _cut(scaled, left, silhouettes[frame])
            windows[frame] = _window(rows, top, scaled, left)
    kept = fates == KEPT
    return Aligned(silhouettes[kept], windows[kept].astype(np.float32), kept, fates)


def fates_of(
    masks: ByteArray, size: int = 64, *, variant: str = "opengait", sizes: IntArray | None = None
) -> ByteArray:
    """(F,) what :func:`align` makes of each mask, by number in :data:`FATES`, for less than the whole alignment.

    Parameters and errors are those of :func:`align`.
    """
    pictures = _checked(masks, size, variant, sizes)
    if variant == "casia_b_star":
        return _squared(pictures, size).fates
    way = VARIANTS[variant]
    found = (
        _wanted_width(rows, size, way) if way.whole else _scaled(rows, size, way)
        for rows, _ in _body_rows(masks, pictures, way)
    )
    return np.array([fate for fate, *_ in found], dtype=np.uint8)


def _checked(masks: ByteArray, size: int, variant: str, sizes: IntArray | None) -> list[ByteArray]:
    """Pictures of masks that can be aligned."""
    if variant not in NAMES:
        raise UsageError(f"no alignment is called {variant!r}", hint=f"choose one of: {', '.join(NAMES)}")
    if masks.dtype != np.uint8 or masks.ndim != 3:
        raise InvalidData(f"masks must be uint8 (F, H, W), found {masks.dtype} {masks.shape}")
    if size < 2 or size % 2:
        raise InvalidData(f"aligned size {size} is not an even number of pixels")
    return _pictures(masks, sizes)


def _body_rows(masks: ByteArray, pictures: Sequence[ByteArray], way: Pretreatment) -> Iterator[tuple[ByteArray, int]]:
    """Of each picture the rows that show the body, and the first one's number; no rows where there is too little."""
    if way.whole:
        yield from ((picture, 0) for picture in pictures)
        return
    limits = _rows(np.ascontiguousarray(masks), way.min_grey_sum).tolist()
    yield from ((picture[top:bottom], top) for picture, (top, bottom) in zip(pictures, limits, strict=True))


def _pictures(masks: ByteArray, sizes: IntArray | None) -> list[ByteArray]:
    """Each mask without what its picture does not reach."""
    if sizes is None:
        return list(masks)
    limits = (masks.shape[2], masks.shape[1])
    if sizes.shape != (len(masks), 2) or (sizes < 1).any() or (sizes > limits).any():
        raise InvalidData(f"sizes {sizes.shape} are not widths and heights of masks {masks.shape}")
    return [mask[:height, :width] for mask, (width, height) in zip(masks, sizes.tolist(), strict=True)]


def reframe(
    masks: ByteArray,
    windows: FloatArray,
    size: int = 64,
    *,
    variant: str = "opengait",
    sizes: IntArray | None = None,
) -> ByteArray:
    """Masks through windows that are known: what :func:`align` gives once it has found them.

    Parameters
    ----------
    masks
        (F, H, W) grey 0..255, of the size of the masks that the windows were found on.
    windows
        (F, 2, 3) of :func:`align`, of the same variant; or :func:`doubled` ones.
    size
        Side S of the result in pixels: that of the windows.
    variant
        Name of the pretreatment.
    sizes
        (F, 2) as for :func:`align`.

    Returns
    -------
    (F, S, S), some of which may be empty.

    Raises
    ------
    InvalidData
        Where there is not one window for each mask.
    """
    if len(windows) != len(masks):
        raise InvalidData(f"{len(windows)} windows for {len(masks)} masks")
    silhouettes = np.zeros((len(masks), size, size), dtype=np.uint8)
    pictures = _pictures(masks, sizes)
    affine = np.asarray(windows, dtype=np.float64)
    if variant == "casia_b_star":
        columns = 2 * round(size * 22 / 64)
        margin = (size - columns) // 2
        narrow = silhouettes[:, :, margin : size - margin]
        for frame, picture in enumerate(pictures):
            window = affine[frame : frame + 1] - np.array([[0, 0, margin], [0, 0, 0]])
            through_boxes(picture[None], window, narrow[frame : frame + 1])
        return silhouettes
    for frame, picture in enumerate(pictures):
        (across, _, right), (_, down, below) = affine[frame]
        top, height = round(0.5 - (below + 0.5) / down), round(size / down)
        rows = picture[top : top + height]
        width = max(1, round(across * picture.shape[1]))
        scaled = cv2.resize(rows, (width, size), interpolation=VARIANTS[variant].interpolation)
        _cut(np.asarray(scaled, np.uint8), round(0.5 * across - 0.5 - right), silhouettes[frame])
    return silhouettes


def doubled(windows: FloatArray) -> FloatArray:
    """Windows (..., 2, 3) of the same framing at twice the size: (u, v) becomes (2 u + 1/2, 2 v + 1/2)."""
    return np.asarray(2 * windows + np.array([[0, 0, 0.5], [0, 0, 0.5]]), dtype=np.float32)


def _squared(pictures: Sequence[ByteArray], size: int) -> Aligned:
    """GaitAlign's result with columns of zeros on both sides, and windows to match."""
    columns = 2 * round(size * 22 / 64)
    margin = (size - columns) // 2
    fates = np.zeros(len(pictures), dtype=np.uint8)
    silhouettes = np.zeros((len(pictures), size, size), dtype=np.uint8)
    windows = np.zeros((len(pictures), 2, 3), dtype=np.float32)
    for frame, picture in enumerate(pictures):
        narrow = roi_align(picture[None], (size, columns))
        if not narrow.kept[0]:
            fates[frame] = TOO_LITTLE
            continue
        silhouettes[frame, :, margin : size - margin] = narrow.silhouettes[0]
        windows[frame] = narrow.windows[0]
    windows[:, 0, 2] += margin
    kept = fates == KEPT
    return Aligned(silhouettes[kept], windows[kept], kept, fates)


def through(windows: FloatArray, points: FloatArray) -> FloatArray:
    """Take image points (..., P, 2) through windows (..., 2, 3) to points (u, v) of the silhouettes, float64."""
    affine = np.asarray(windows, dtype=np.float64)
    return np.asarray(points @ np.swapaxes(affine[..., :2], -1, -2) + affine[..., None, :, 2])


def inverse(windows: FloatArray) -> FloatArray:
    """Affines (..., 2, 3) float64 that take pixels (u, v, 1) of the silhouettes back to image pixels (x, y)."""
    affine = np.asarray(windows, dtype=np.float64)
    back = np.linalg.inv(affine[..., :2])
    return np.concatenate([back, -back @ affine[..., 2:]], axis=-1)


def _wanted_width(rows: ByteArray, size: int, way: Pretreatment) -> tuple[int, int]:
    """Fate of a frame as far as its size decides it, and the width to which its rows are scaled."""
    if not rows.size:
        return TOO_LITTLE, 0
    if not way.resized and rows.shape != (size, size):
        return OTHER_SIZE, 0
    height, width = rows.shape
    scaled_width = size if way.whole else int(size * (width / height))
    return (KEPT if scaled_width else TOO_NARROW), scaled_width


def _scaled(rows: ByteArray, size: int, way: Pretreatment) -> tuple[int, ByteArray | None, int]:
    """Fate of a frame, the rows that show the body at their final size, and the first column that stays."""
    fate, scaled_width = _wanted_width(rows, size, way)
    if fate != KEPT:
        return fate, None, 0
    scaled = np.asarray(cv2.resize(rows, (scaled_width, size), interpolation=way.interpolation), np.uint8)
    if way.whole:
        return KEPT, scaled, 0
    mass = np.cumsum(cv2.reduce(scaled, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0])
    centre = int(np.searchsorted(mass, mass[-1] / 2, side="right"))
    if not way.centre_from <= centre < scaled_width:
        return NO_CENTRE, None, 0
    return KEPT, scaled, centre - size // 2


def _window(rows: ByteArray, top: int, scaled: ByteArray, left: int) -> FloatArray:
    """(2, 3) affine that takes pixels of the picture to those of the silhouette."""
    x_scale, y_scale = scaled.shape[1] / rows.shape[1], scaled.shape[0] / rows.shape[0]
    return np.array([[x_scale, 0.0, 0.5 * x_scale - 0.5 - left], [0.0, y_scale, (0.5 - top) * y_scale - 0.5]])


def _cut(scaled: ByteArray, left: int, silhouette: ByteArray) -> None:
    """Copy as many columns as the silhouette has, from ``left`` on; what lies outside of the image stays as it is."""
    first, last = max(left, 0), min(left + len(silhouette), scaled.shape[1])
    if first < last:
        silhouette[:, first - left : last - left] = scaled[:, first:last]


@compiled
def _rows(masks_FHW: ByteArray, min_grey_sum: int) -> IntArray:
    """(F, 2) first row that is not empty and the one after the last; (0, 0) for frames with too little mass."""
    result = np.zeros((masks_FHW.shape[0], 2), np.int64)
    for f in range(masks_FHW.shape[0]):
        first = last = -1
        total = 0
        for y in range(masks_FHW.shape[1]):
            # 32 bits are enough for 16 million columns and four times as fast as 64.
            row = np.uint32(0)
            for x in range(masks_FHW.shape[2]):
                row = np.uint32(row + np.uint32(masks_FHW[f, y, x]))
            if row > 0:
                first = y if first < 0 else first
                last = y
                total += int(row)
        if total > min_grey_sum:
            result[f] = (first, last + 1)
    return result
