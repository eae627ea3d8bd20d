"""Strokes that all pictures share: colours of the sides, soft dots and lines, text on a canvas, PNG bytes."""

import io
from collections.abc import Sequence

import cv2
import numpy as np

from meshgait_data.types import ByteArray, FloatArray

LEFT, RIGHT, MIDDLE, MARKER = (25, 113, 194), (217, 72, 15), (52, 58, 64), (12, 133, 110)
"""Colours of the joints and bones of each side, and of the virtual markers; RGB."""

PAPER, INK = (255, 255, 255), "#212529"
"""Colours of the sheet and of its text."""

Text = tuple[float, float, float, str, str]
"""x and y in pixels, height in pixels, the text, and which end of it stands at x: left, center (y: top) or right."""


def side_colour(name: str) -> tuple[int, int, int]:
    """Colour of a joint or marker by the side that its name begins with."""
    return LEFT if name.startswith("left_") else RIGHT if name.startswith("right_") else MIDDLE


def dot(
    rgb: ByteArray, u: float, v: float, radius: float, colour: Sequence[int] | ByteArray, *, hollow: bool = False
) -> None:
    """Blend a disc, or a ring, whose edge is one pixel soft; what lies outside the image is left out."""
    reach = int(radius) + 2
    x0, y0 = max(round(u) - reach, 0), max(round(v) - reach, 0)
    patch = rgb[y0 : max(round(v) + reach + 1, 0), x0 : max(round(u) + reach + 1, 0)]
    y, x = np.mgrid[: patch.shape[0], : patch.shape[1]]
    distance = np.hypot(x + x0 - u, y + y0 - v)
    edge = 1.0 - np.abs(distance - radius + 0.5) if hollow else radius + 0.5 - distance
    share = edge.clip(0, 1)[..., None]
    patch[...] = np.round(patch * (1 - share) + np.array(colour) * share).astype(np.uint8)


def line(rgb: ByteArray, start: FloatArray, end: FloatArray, colour: Sequence[int], width: int) -> None:
    """Draw a smooth line between two points (u, v), to a sixteenth of a pixel."""
    first, last = ((round(16 * float(point[0])), round(16 * float(point[1]))) for point in (start, end))
    cv2.line(rgb, first, last, [int(c) for c in colour], width, cv2.LINE_AA, 4)


def write_png(canvas: ByteArray, texts: Sequence[Text]) -> bytes:
    """PNG file of a canvas with text on it, pixel for pixel; equal input gives equal bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = canvas.shape[:2]
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    FigureCanvasAgg(figure)
    figure.figimage(canvas, origin="upper")
    for x, y, size, text, side in texts:
        vertical = "top" if side == "center" else "baseline"
        figure.text(x / width, 1 - y / height, text, size=0.72 * size, color=INK, ha=side, va=vertical, linespacing=1.1)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
