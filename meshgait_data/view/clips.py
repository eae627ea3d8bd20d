"""Contact sheets of what a network is given: clips in its window, their labels, and what it says itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from meshgait_data.types import BoolArray, ByteArray, FloatArray
from meshgait_data.view.mesh import Cell, montage
from meshgait_data.view.paint import MARKER, PAPER, dot
from meshgait_data.view.sheet import GAP, Skeleton, draw_bones

_FADED = 0.45
"""How dark silhouettes are under labels: bones must stand out."""


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Joints and markers of clips in pixels of the window."""

    joints: FloatArray
    """(B, T, J, 3) u, v, d."""
    markers: FloatArray
    """(B, T, K, 3)."""
    known: BoolArray
    """(B, T) frames that have them."""


def clip_sheet(
    silhouettes: FloatArray,
    rows: Sequence[tuple[str, Points]],
    captions: Sequence[str],
    bones: Skeleton,
    *,
    title: str,
    zoom: int = 4,
) -> bytes:
    """Draw clips below each other: silhouettes, and below them each kind of points over the same pixels.

    Parameters
    ----------
    silhouettes
        (B, T, H, W) in [0, 1].
    rows
        Name and points of each kind, e.g. labels and predictions.
    captions
        One for each clip.

    Returns
    -------
    PNG file; equal input gives equal bytes.
    """
    blocks: list[list[Cell]] = []
    for clip, caption in enumerate(captions):
        blocks.append([(_strip([_enlarged(frame, zoom) for frame in silhouettes[clip]]), caption)])
        for name, points in rows:
            frames = [
                _drawn(frame, points, (clip, place), bones, zoom) for place, frame in enumerate(silhouettes[clip])
            ]
            blocks.append([(_strip(frames), name)])
    return montage(blocks, title)


def _drawn(frame: FloatArray, points: Points, at: tuple[int, int], bones: Skeleton, zoom: int) -> ByteArray:
    rgb = 255 - _enlarged(frame * _FADED, zoom)
    if points.known[at]:
        joints, markers = points.joints[at].copy(), points.markers[at].copy()
        for some in (joints, markers):
            # Pixel (u, v) is zoom x zoom pixels here.
            some[:, :2] = (some[:, :2] + 0.5) * zoom - 0.5
        for u, v, _ in markers.tolist():
            dot(rgb, u, v, 0.3 * zoom, MARKER)
        draw_bones(rgb, joints, np.ones(len(joints), bool), bones, radius=0.5 * zoom)
    return rgb


def _enlarged(frame: FloatArray, zoom: int) -> ByteArray:
    grey = np.round(255 * frame.clip(0, 1)).astype(np.uint8)
    large = cv2.resize(grey, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST)
    return np.repeat(large[..., None], 3, axis=2)


def _strip(frames: Sequence[ByteArray]) -> ByteArray:
    gap = np.full((len(frames[0]), GAP, 3), PAPER, np.uint8)
    return np.concatenate([part for frame in frames for part in (gap, frame)][1:], axis=1)
