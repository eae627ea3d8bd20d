"""Pictures of what rendering can do: a walk with every degradation, and its channels, before and after alignment."""

from collections.abc import Sequence

import cv2
import numpy as np

from meshgait_data.body.model import Body
from meshgait_data.render.channels import channels
from meshgait_data.render.degrade import DEGRADATIONS, Step
from meshgait_data.render.depth import depth_maps
from meshgait_data.render.look import Look
from meshgait_data.render.raster import silhouettes
from meshgait_data.types import BoolArray, ByteArray, Camera, FloatArray, IntArray, SequenceKey
from meshgait_data.view.mesh import heat, montage

_SIDE = 168
"""Pixels of one picture's side."""

_ROOM = 1.25
"""Height of the cut around the body, in heights of the body."""

_WIDTH, _PER_ROW = 320, 4
"""Pixels of a whole image's width, and how many stand side by side."""


def look_sheet(body: Body, vertices: FloatArray, camera: Camera, key: SequenceKey, *, seed: int, size: int) -> bytes:
    """Draw frames of a posed body as rendered, degraded in every way, and as channels.

    Parameters
    ----------
    body
        Gives faces and parts.
    vertices
        (F, V, 3) all frames of a walk, wholly in view; metres, world frame.
    camera
        Of the view.
    key
        Seeds the degradations together with ``seed``, as in a run.
    size
        Side of the aligned silhouettes.

    Returns
    -------
    PNG file. Each row shows the masks around the body, of two neighbouring frames and three more, and the aligned
    silhouettes of the last three.
    """
    frames = np.unique(np.round(np.array([0.2, 0.2, 0.45, 0.6, 0.8]) * (len(vertices) - 1) + [0, 1, 0, 0, 0]))
    chosen = frames.astype(np.int64).clip(0, len(vertices) - 1)
    depth = depth_maps(vertices[chosen], body.faces, camera)
    masks = depth.masks()
    looks = {"as rendered": Look(seed=seed)} | {
        name: Look(degradations=(Step(name),), seed=seed) for name in DEGRADATIONS
    }
    rows = []
    for title, look in looks.items():
        spoiled = look.degraded(masks, key, chosen)
        aligned = look.finish(masks, key, chosen, size)
        cells = [(_grey(_cut(mask, whole)), "") for mask, whole in zip(spoiled, masks, strict=True)]
        cells += [(_grey(image), "") for image in aligned.silhouettes[-3:]]
        cells[0] = cells[0][0], title
        cells += [(np.zeros((_SIDE, _SIDE, 3), np.uint8), "left out")] * (len(chosen) + 3 - len(cells))
        rows.append(cells)
    aligned = Look().finish(masks, key, chosen, size)
    if aligned.kept.all():
        rows += _channel_rows(body, vertices[chosen], camera, aligned.windows, size)
    return montage(rows, f"{key}: masks and aligned silhouettes")


def rig_sheet(body: Body, vertices: FloatArray, cameras: Sequence[Camera], title: str) -> bytes:
    """Draw what each camera sees of a walk: its whole image with five moments in it, the first ones darker.

    Parameters
    ----------
    body
        Gives the faces.
    vertices
        (F, V, 3) all frames of a walk; metres, world frame.
    cameras
        At least one.
    title
        Above all.

    Returns
    -------
    PNG file.
    """
    chosen = np.round(np.linspace(0, len(vertices) - 1, 5)).astype(np.int64)
    cells = []
    for camera in cameras:
        masks = silhouettes(vertices[chosen], body.faces, camera)
        image = np.zeros(masks.shape[1:], np.uint8)
        for mask, grey in zip(masks, (90, 130, 170, 210, 255), strict=True):
            image[mask > 0] = grey
        width, height = camera.size
        small = cv2.resize(image, (_WIDTH, round(_WIDTH * height / width)), interpolation=cv2.INTER_AREA)
        cells.append((np.repeat(small[..., None], 3, axis=2), camera.name))
    return montage([cells[i : i + _PER_ROW] for i in range(0, len(cells), _PER_ROW)], title)


def _channel_rows(
    body: Body, vertices: FloatArray, camera: Camera, windows: FloatArray, size: int
) -> list[list[tuple[ByteArray, str]]]:
    depth = depth_maps(vertices, body.faces, camera)
    found = channels(("depth", "parts", "layers"), body, vertices, camera, depth, windows, size=size)
    rows = []
    for name, maps in found.items():
        there = found["depth"] > 0
        cells = [(_coloured(image, shown, name), "") for image, shown in zip(maps, there, strict=True)]
        cells[0] = cells[0][0], f"channel {name}"
        rows.append(cells)
    return rows


def _coloured(image: IntArray, there: BoolArray, name: str) -> ByteArray:
    """Near is bright; parts have colours of their own; layers count from dark to bright."""
    values = image.astype(np.float64)
    if name == "depth":
        near, far = values[there].min(), values[there].max()
        values = 1 - 0.85 * (values - near) / max(far - near, 1)
        rgb = np.repeat((255 * values).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    elif name == "parts":
        # Neighbours in the numbering lie far apart on the circle of colours.
        turn = 2 * np.pi * (values * 0.381966)
        rgb = (140 + 110 * np.stack([np.cos(turn), np.cos(turn - 2.1), np.cos(turn - 4.2)], -1)).astype(np.uint8)
    else:
        rgb = heat(values.ravel() + 1, 4).reshape(*values.shape, 3)
    return _enlarged(np.where(there[..., None], rgb, 0).astype(np.uint8))


def _cut(mask: ByteArray, whole: ByteArray) -> ByteArray:
    """A square around the body as it was rendered."""
    rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
    side = int(_ROOM * (rows[-1] + 1 - rows[0]))
    padded = np.pad(mask, side)
    top, left = (int(line[0] + line[-1] + 1 - side) // 2 + side for line in (rows, columns))
    return padded[top : top + side, left : left + side]


def _grey(image: ByteArray) -> ByteArray:
    return _enlarged(np.repeat(image[..., None], 3, axis=2))


def _enlarged(image: ByteArray) -> ByteArray:
    """Nearest pixels, so that the picture shows what is there."""
    rows, columns = (np.arange(_SIDE) * side // _SIDE for side in image.shape[:2])
    return np.ascontiguousarray(image[rows][:, columns])
