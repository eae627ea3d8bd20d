"""Pictures of one mesh for people: lit, coloured by values, with named points on it; and several side by side.

Shape letters: V vertices, T triangles, P points, H and W of the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meshgait_data.types import BoolArray, ByteArray, FloatArray, IntArray
from meshgait_data.view.paint import PAPER, Text, dot, line, write_png
from meshgait_data.view.shade import shade

_AWAY_M = 12.0
"""Distance of the camera: nearly parallel rays, so that sizes can be compared."""

_ROOM = 1.06
"""The picture shows this much more than the mesh is high."""

_HIDDEN_M = 0.03
"""A point this far behind the visible surface is drawn paler: joints lie inside the body."""

_GAP, _MARGIN, _TITLE, _CAPTION = 8, 16, 40, 30


@dataclass(frozen=True, slots=True, eq=False)
class Dots:
    """Points to draw on a mesh."""

    points: FloatArray
    """(P, 3) metres, the frame of the mesh."""
    colours: ByteArray
    """(P, 3) RGB."""
    names: tuple[str, ...] = ()
    """P short texts beside the points, or none."""
    bones: tuple[tuple[int, int], ...] = ()
    """Pairs of points that a line joins."""
    radius: float = 4.0
    """Pixels."""
    veil: float = 0.55
    """How much of their colour points lose that the mesh hides; 0 where colours are values to be read."""


def draw_mesh(
    vertices: FloatArray,
    faces: IntArray,
    *,
    size: tuple[int, int] = (360, 640),
    azimuth_deg: float = 20.0,
    elevation_deg: float = 0.0,
    height_m: float | None = None,
    centre: FloatArray | None = None,
    colours: ByteArray | None = None,
    dots: Dots | None = None,
) -> ByteArray:
    """Draw a mesh from a side.

    Parameters
    ----------
    vertices
        (V, 3) metres, y up.
    faces
        (T, 3), counter-clockwise seen from outside.
    size
        Width and height of the picture in pixels.
    azimuth_deg
        0 looks at a body that faces +z from the front, 90 at its left side, 180 at its back.
    elevation_deg
        How far above the horizon the camera stands.
    height_m
        What the picture shows vertically; None fits the mesh in. Give it to draw several bodies to one scale.
    centre
        (3,) point in the middle of the picture; None is the middle of the mesh.
    colours
        (V, 3) RGB, e.g. of :func:`heat`; None is plain skin.
    dots
        Points drawn on top, paler where the mesh hides them.

    Returns
    -------
    (H, W, 3) RGB.
    """
    middle = 0.5 * (vertices.min(axis=0) + vertices.max(axis=0)) if centre is None else centre
    rotation = _facing(azimuth_deg, elevation_deg)

    def to_view(points: FloatArray) -> FloatArray:
        return (points - middle) @ rotation.T + np.array([0.0, 0.0, _AWAY_M])

    shown = to_view(np.asarray(vertices, np.float64))
    width, height = size
    if height_m is None:
        reach = np.ptp(shown[:, :2], axis=0)
        height_m = _ROOM * max(float(reach[1]), float(reach[0]) * height / width)
    focal = height * _AWAY_M / height_m
    matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    picture = shade(shown, faces, matrix, size, colours=colours, background=PAPER)
    rgb = picture.rgb.copy()
    if dots is not None:
        _draw_dots(rgb, picture.depth, to_view(np.asarray(dots.points, np.float64)), matrix, dots)
    return rgb


def heat(values: FloatArray, top: float) -> ByteArray:
    """Colours (V, 3) of values (V,) from 0 (dark) to ``top`` (bright) and beyond, in matplotlib's ``viridis``."""
    from matplotlib import colormaps

    return np.round(255 * colormaps["viridis"](np.clip(np.asarray(values) / top, 0, 1))[..., :3]).astype(np.uint8)


def colour_bar(top: float, unit: str, height: int) -> tuple[ByteArray, list[Text]]:
    """The scale of :func:`heat` as an image with its texts, 0 below and ``top`` above, for :func:`montage`."""
    image = np.full((height, 90, 3), PAPER, np.uint8)
    bar = heat(np.linspace(top, 0, height - 40), top)
    image[20:-20, 8:26] = bar[:, None]
    ticks = np.linspace(0, top, 5)
    return image, [(32.0, height - 16 - (height - 40) * t / top, 13.0, f"{t:g} {unit}", "left") for t in ticks]


Cell = tuple[ByteArray | tuple[ByteArray, list[Text]], str]
"""A picture, perhaps with texts of its own, and the caption below it."""


def montage(rows: Sequence[Sequence[Cell]], title: str = "") -> bytes:
    """Put pictures in rows, with captions below them and a title above; the bytes of a PNG file.

    Parameters
    ----------
    rows
        Rows of (picture, caption); the pictures of a row are equally high.
    title
        Above all.
    """
    top = _MARGIN + (_TITLE if title else 0)
    texts: list[Text] = [(_MARGIN, _MARGIN + 22, 20, title, "left")] if title else []
    placed: list[tuple[int, int, ByteArray]] = []
    right = 0
    for row in rows:
        x = _MARGIN
        tallest = 0
        for content, caption in row:
            image, inner = content if isinstance(content, tuple) else (content, [])
            placed.append((x, top, image))
            texts += [(x + u, top + v, size, text, side) for u, v, size, text, side in inner]
            if caption:
                texts.append((x + image.shape[1] / 2, top + len(image) + 5, 14, caption, "center"))
            x += image.shape[1] + _GAP
            tallest = max(tallest, len(image))
        right = max(right, x - _GAP)
        lines = max((caption.count("\n") + 1 for _, caption in row if caption), default=0)
        top += tallest + _GAP + (_CAPTION + 16 * (lines - 1) if lines else 0)
    canvas = np.full((top + _MARGIN, right + _MARGIN, 3), PAPER, np.uint8)
    for x, y, image in placed:
        canvas[y : y + len(image), x : x + image.shape[1]] = image
    return write_png(canvas, texts)


def _facing(azimuth_deg: float, elevation_deg: float) -> FloatArray:
    """(3, 3) rotation from the body's frame (y up, facing +z) to a camera (x right, y down, z forward)."""
    azimuth, elevation = np.deg2rad([azimuth_deg, elevation_deg])
    towards = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
    return np.stack([right, np.cross(-towards, right), -towards])


def _draw_dots(rgb: ByteArray, depth: FloatArray, points: FloatArray, matrix: FloatArray, dots: Dots) -> None:
    """Bones, then points from far to near, then names; ``points`` are in the camera's frame."""
    image = points @ matrix.T
    pixels = image[:, :2] / image[:, 2:]
    hidden = _hidden(pixels, points[:, 2], depth)
    for start, end in dots.bones:
        line(rgb, pixels[start], pixels[end], [int(c) for c in dots.colours[end]], max(1, round(0.6 * dots.radius)))
    for index in np.argsort(-points[:, 2]):
        share = 1.0 - dots.veil if hidden[index] else 1.0
        paler = (share * dots.colours[index] + (1 - share) * 255).astype(np.uint8)
        u, v = pixels[index]
        dot(rgb, u, v, dots.radius + 1.0, PAPER)
        dot(rgb, u, v, dots.radius, paler)
    for name, (u, v) in zip(dots.names, pixels, strict=False):
        _name(rgb, name, float(u) + dots.radius + 3, float(v) + 3)


def _hidden(pixels: FloatArray, z: FloatArray, depth: FloatArray) -> BoolArray:
    nearest = np.round(pixels).astype(int).clip(0, np.array(depth.shape)[::-1] - 1)
    return z > depth[nearest[:, 1], nearest[:, 0]] + _HIDDEN_M


def _name(rgb: ByteArray, name: str, x: float, y: float) -> None:
    """A small text with a white rim, for it stands on the mesh."""
    import cv2

    place = (round(x), round(y))
    cv2.putText(rgb, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.34, PAPER, 3, cv2.LINE_AA)
    cv2.putText(rgb, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.34, (33, 37, 41), 1, cv2.LINE_AA)
