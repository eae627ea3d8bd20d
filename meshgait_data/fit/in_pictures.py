"""Bodies of known poses put to where masks show them, frame by frame: for pictures that follow the walker.

Crops and aligned silhouettes do not tell where in the film they lie, so that each frame has a camera of its own. With
one camera for all of them, :func:`~meshgait_data.fit.cameras.crop_camera`, it is the body that is placed anew in each
frame. How tall a mask is tells the distance, its middle row the height, and the middle of its mass what remains.
"""

import numpy as np

from meshgait_data.body.model import Body, forward
from meshgait_data.render.cameras import project, to_camera
from meshgait_data.render.raster import silhouettes
from meshgait_data.types import BodyParams, BoolArray, ByteArray, Camera, FloatArray, Masks

_ROUNDS = 3
"""Rounds of drawing the body and moving it; after three nothing moves by more than a tenth of a pixel."""
_CHUNK = 128
"""Frames whose meshes are in memory at one time."""


def placed_by_masks(body: Body, params: BodyParams, masks: Masks, camera: Camera) -> BodyParams:
    """The same poses where the masks of a view are.

    Parameters
    ----------
    body, params
        F frames, world frame; where they are there does not matter.
    masks
        Of the same frames.
    camera
        Perspective, without lens, of the masks' size.

    Returns
    -------
    Parameters with another ``transl`` (F, 3): the body is as tall as the mask, on the same rows, and its mass has the
    same mean column. Frames without a mask lie between their neighbours; where there is no mask at all nothing changes.
    """
    shown = np.asarray(masks.seen & masks.images.any(axis=(1, 2)))
    if not shown.any():
        return params
    rows = np.flatnonzero(shown)
    transl = params.transl.astype(np.float64)
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        transl[part] += _moves(body, params.take(part), masks.images[part], camera)
    every = np.arange(len(transl))
    pelvis = np.stack([np.interp(every, rows, transl[rows, axis]) for axis in range(3)], axis=1)
    return BodyParams(params.betas, params.global_orient, params.body_pose, pelvis.astype(np.float32))


def _moves(body: Body, params: BodyParams, images: ByteArray, camera: Camera) -> FloatArray:
    """(F, 3) metres in the world from where bodies are to where masks show them."""
    vertices = forward(body, params).vertices.astype(np.float64)
    # Before the camera, wherever they come from.
    depth = 2.0 * camera.intrinsics[1, 1] / camera.size[1]
    moved = _to(camera, to_camera(camera, vertices).mean(axis=1), np.array([0.0, 0.0, depth]))
    wanted = _boxes(images > 0)
    for _ in range(_ROUNDS):
        now = vertices + moved[:, None]
        pixels, depths = project(camera, now)
        top, bottom = pixels[..., 1].min(axis=1), pixels[..., 1].max(axis=1)
        middle = _boxes(silhouettes(now, body.faces, camera) > 0)[:, 2]
        # Out of the picture there is no mass: the middle of the outline does as well.
        middle = np.where(np.isfinite(middle), middle, (pixels[..., 0].min(axis=1) + pixels[..., 0].max(axis=1)) / 2)
        far = depths.mean(axis=1)
        nearer = (bottom - top) / (wanted[:, 1] - wanted[:, 0])
        metres = far * nearer / camera.intrinsics[1, 1]
        centre = camera.intrinsics[:2, 2]
        # What is on the axis stays there when the body moves along it; all else comes nearer to it by the same share.
        x = centre[0] + (middle - centre[0]) / nearer
        y = centre[1] + ((top + bottom) / 2 - centre[1]) / nearer
        step = np.stack(
            [(wanted[:, 2] - x) * metres, (wanted[:, :2].mean(axis=1) - y) * metres, far * (nearer - 1)], axis=1
        )
        moved = moved + step @ camera.rotation
    return np.asarray(moved)


def _to(camera: Camera, here: FloatArray, there: FloatArray) -> FloatArray:
    """(F, 3) way in the world between places in the camera's frame."""
    return np.asarray((there - here) @ camera.rotation)


def _boxes(masks: BoolArray) -> FloatArray:
    """(F, 3) upper and lower border and mean column of masks, in pixels; NaN of empty ones."""
    rows, columns = np.asarray(masks.any(axis=2)), masks.sum(axis=1)
    height, mass = masks.shape[1], columns.sum(axis=1)
    top = rows.argmax(axis=1) - 0.5
    bottom = height - rows[:, ::-1].argmax(axis=1) - 0.5
    mean = (columns * np.arange(masks.shape[2])).sum(axis=1) / np.maximum(mass, 1)
    return np.where(mass[:, None] > 0, np.stack([top, bottom, mean], axis=1), np.nan)
