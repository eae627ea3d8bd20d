"""How well a posed body covers what a camera saw: intersection over union of body and mask, frame by frame."""

from dataclasses import replace

import numpy as np

from meshgait_data.errors import InvalidData
from meshgait_data.render.raster import silhouettes
from meshgait_data.sources.smpl_params.records import WeakPerspective
from meshgait_data.types import BoolArray, ByteArray, Camera, FloatArray, IntArray

_THRESHOLD = 127
"""Grey above which a pixel of a mask is the person."""
_BLOCK = 64
"""Frames that are drawn at a time."""


def iou(first: ByteArray | BoolArray, second: ByteArray | BoolArray) -> FloatArray:
    """Intersection over union of masks, frame by frame.

    Parameters
    ----------
    first, second
        (F, H, W) bool, or grey where more than 127 is the person.

    Returns
    -------
    (F,) float64, 0 to 1; NaN where one of the two is empty: then there is nothing to compare.

    Raises
    ------
    InvalidData
        Where the shapes differ.
    """
    if np.shape(first) != np.shape(second) or np.ndim(first) != 3:
        raise InvalidData(f"masks of shapes {np.shape(first)} and {np.shape(second)}: expected the same (F, H, W)")
    a, b = _binary(first), _binary(second)
    both = (a & b).sum((1, 2))
    either = (a | b).sum((1, 2))
    comparable = a.any((1, 2)) & b.any((1, 2))
    return np.where(comparable, both / np.maximum(either, 1), np.nan)


def _binary(masks: ByteArray | BoolArray) -> BoolArray:
    array = np.asarray(masks)
    return array.astype(np.uint8) > (0 if array.dtype == np.bool_ else _THRESHOLD)


def body_iou(
    vertices: FloatArray,
    faces: IntArray,
    masks: ByteArray | BoolArray,
    camera: Camera | WeakPerspective,
) -> FloatArray:
    """Intersection over union of a posed body and the masks of one view.

    Parameters
    ----------
    vertices
        (F, V, 3) metres: world frame for a camera; for weak perspective the axes of the camera, without translation.
    faces
        (T, 3) vertex ids.
    masks
        (F, H, W) as for :func:`iou`; an empty one is a frame that was not seen.
    camera
        Of the view, of the masks' size.

    Returns
    -------
    (F,), NaN where there is no mask, and 0 where the body lies outside of the image.

    Raises
    ------
    InvalidData
        Where masks, camera and vertices do not fit.
    """
    frames, height, width = np.shape(masks)
    if len(vertices) != frames:
        raise InvalidData(f"{len(vertices)} posed bodies for {frames} masks")
    if isinstance(camera, Camera) and camera.size != (width, height):
        raise InvalidData(f"the camera shows {camera.size} pixels, the masks have {(width, height)}")
    result = np.full(frames, np.nan)
    for start in range(0, frames, _BLOCK):
        part = slice(start, min(start + _BLOCK, frames))
        seen = _binary(masks[part])
        drawn = _drawn(vertices[part], faces, camera, part, (width, height))
        found = iou(drawn, seen)
        result[part] = np.where(seen.any((1, 2)), np.nan_to_num(found), np.nan)
    return result


def _drawn(
    vertices: FloatArray, faces: IntArray, camera: Camera | WeakPerspective, part: slice, size: tuple[int, int]
) -> ByteArray:
    if isinstance(camera, Camera):
        return silhouettes(vertices, faces, camera)
    # On the rays of a camera whose pixels are its rays; any depth in front of it will do.
    pixels = replace(camera, scale=camera.scale[part], shift=camera.shift[part]).project(vertices.astype(np.float64))
    depth = vertices[..., 2] - vertices[..., 2].min(axis=1, keepdims=True) + 1.0
    flat = np.concatenate([pixels * depth[..., None], depth[..., None]], axis=-1).astype(np.float32)
    return silhouettes(flat, faces, Camera("weak", np.eye(3), np.eye(3), np.zeros(3), size))
