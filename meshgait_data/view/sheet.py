"""Contact sheets for people: aligned silhouettes, and below them the fitted body with its labels in the same window."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.model import Body, forward
from meshgait_data.conventions import ACCEPTED, SMPL_JOINTS, SMPL_PARENTS, VERDICTS
from meshgait_data.types import BodyParams, ByteArray, FloatArray, SequenceData
from meshgait_data.view.shade import shade

LEFT, RIGHT, MIDDLE, MARKER = (25, 113, 194), (217, 72, 15), (52, 58, 64), (12, 133, 110)
"""Colours of the bones and joints of each side, and of the virtual markers; RGB."""

PAPER, CELL, INK = (255, 255, 255), (243, 244, 246), "#212529"
"""Colours of the sheet, of the cells that bodies stand in, and of the text."""

GAP, MARGIN, TITLE, CAPTION, FOOT = 6, 18, 42, 28, 22
"""Pixels between cells, around the sheet, and of its lines of text."""

_TEXT_WIDTH = 720
"""Pixels that captions and legend need."""

_HIDDEN_M = 0.03
"""A marker this far behind the visible surface is drawn hollow."""


_Text = tuple[float, float, float, str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One sequence on a sheet."""

    sequence: SequenceData
    residual_mm: Sequence[float] | None = None
    """(F,) mean distance of the fit to the observed joints, where it is known."""


def contact_sheet(body: Body, shown: Sequence[Shown], *, columns: int = 8, zoom: int = 4) -> bytes:
    """Draw sequences below each other.

    Parameters
    ----------
    body
        That the sequences were fitted with.
    shown
        Views of one walk, at least one.
    columns
        Frames of each, evenly spaced.
    zoom
        Sheet pixels per silhouette pixel.

    Returns
    -------
    PNG file; equal input gives equal bytes.
    """
    blocks = [_block(body, one, columns, zoom) for one in shown]
    height = TITLE + sum(CAPTION + len(block.image) + GAP + CAPTION for block in blocks) + FOOT + MARGIN
    width = 2 * MARGIN + max(_TEXT_WIDTH, *(block.image.shape[1] for block in blocks))
    canvas = np.full((height, width, 3), PAPER, np.uint8)
    texts: list[_Text] = [(MARGIN, 31.0, 18.0, str(shown[0].sequence.key.capture), "left")]
    top = TITLE
    for block in blocks:
        texts.append((MARGIN, top + CAPTION - 9, 12.0, block.caption, "left"))
        top += CAPTION
        canvas[top : top + len(block.image), MARGIN : MARGIN + block.image.shape[1]] = block.image
        top += len(block.image) + GAP
        texts += [(MARGIN + x, top + 7, 11.0, text, "center") for x, text in block.labels]
        top += CAPTION
    texts.append((MARGIN, top + FOOT - 6, 11.0, _LEGEND, "left"))
    return _png(canvas, texts)


def strip(silhouettes: ByteArray, *, columns: int = 24, zoom: int = 2) -> bytes:
    """PNG of evenly spaced aligned silhouettes (F, S, S) in one row, nothing else."""
    cells = [_enlarge(_cut(silhouettes[i]), zoom) for i in evenly(len(silhouettes), columns)]
    return _encode(_row([np.repeat(cell[..., None], 3, axis=2) for cell in cells]))


def evenly(count: int, chosen: int) -> list[int]:
    """At most ``chosen`` indices of ``count`` frames, evenly spaced, first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, chosen)).round().astype(int)).tolist()


_LEGEND = (
    "bones and joints: left side blue, right side orange, middle grey · "
    "virtual markers: green, hollow where the body hides them"
)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    caption: str
    image: ByteArray
    labels: list[tuple[float, str]]  # horizontal centre and text below each column


def _block(body: Body, one: Shown, columns: int, zoom: int) -> _Block:
    sequence = one.sequence
    frames = evenly(len(sequence), columns)
    upper = [_enlarge(np.repeat(_cut(sequence.arrays["silhouettes"][i])[..., None], 3, axis=2), zoom) for i in frames]
    lower = _bodies(body, sequence, frames, zoom)
    image = np.concatenate([_row(upper), np.full((GAP, _row(upper).shape[1], 3), PAPER, np.uint8), _row(lower)])
    step = upper[0].shape[1] + GAP
    ids, verdict = sequence.arrays["frame_ids"], sequence.arrays["verdict"]
    labels = []
    for column, frame in enumerate(frames):
        text = f"frame {ids[frame]}"
        text += "" if one.residual_mm is None else f" · {one.residual_mm[frame]:.0f} mm"
        text += "" if verdict[frame] == ACCEPTED else f"\n{VERDICTS[verdict[frame]]}"
        labels.append((column * step + upper[0].shape[1] / 2, text))
    return _Block(_caption(one), image, labels)


def _caption(one: Shown) -> str:
    sequence = one.sequence
    counts = np.bincount(sequence.arrays["verdict"], minlength=len(VERDICTS))
    words = [f"view {sequence.key.view}", f"{len(sequence)} frames at {sequence.fps:g} fps"]
    words += [f"{counts[v]} {VERDICTS[v]}" for v in range(len(VERDICTS)) if counts[v]]
    if sequence.dropped:
        words.append(f"{len(sequence.dropped)} dropped")
    if one.residual_mm is not None:
        words.append(f"joint residual {np.mean(one.residual_mm):.0f} mm, worst frame {np.max(one.residual_mm):.0f} mm")
    return " · ".join(words)


def _bodies(body: Body, sequence: SequenceData, frames: list[int], zoom: int) -> list[ByteArray]:
    arrays = sequence.arrays
    params = BodyParams(sequence.betas, *(arrays[name][frames] for name in ("global_orient", "body_pose", "transl")))
    vertices = forward(body, params).vertices
    side, margin = arrays["silhouettes"].shape[1], _margin(arrays["silhouettes"].shape[1])
    size = ((side - 2 * margin) * zoom, side * zoom)
    pictures = []
    for mesh, frame in zip(vertices, frames, strict=True):
        # Silhouette pixel (u, v) covers zoom x zoom sheet pixels, so its centre moves by half a pixel less.
        enlarge = np.array([[zoom, 0, (0.5 - margin) * zoom - 0.5], [0, zoom, 0.5 * zoom - 0.5], [0, 0, 1.0]])
        window = np.vstack([arrays["windows"][frame].astype(np.float64), [0, 0, 1]])
        picture = shade(mesh, body.faces, enlarge @ window @ sequence.camera.intrinsics, size, background=CELL)
        depth = picture.depth
        rgb = np.ascontiguousarray(picture.rgb)
        pelvis_depth = _pelvis_depth(sequence, frame)
        if "markers" in arrays:
            labels = _to_sheet(arrays["markers"][frame], enlarge)
            metres = pelvis_depth + labels[:, 2] / arrays["scale"][frame]
            _draw_markers(rgb, labels, metres, depth, 0.6 * zoom)
        _draw_bones(rgb, _to_sheet(arrays["joints"][frame], enlarge), 0.65 * zoom)
        pictures.append(rgb)
    return pictures


def _pelvis_depth(sequence: SequenceData, frame: int) -> float:
    window, scale = sequence.arrays["windows"][frame], sequence.arrays["scale"][frame]
    return float(window[1, 1] * sequence.camera.intrinsics[1, 1] / scale)


def _to_sheet(labels: FloatArray, enlarge: FloatArray) -> FloatArray:
    """(P, 3) labels with u and v in pixels of the cell; d stays in silhouette pixels."""
    return np.column_stack([labels[:, :2] @ enlarge[:2, :2].T + enlarge[:2, 2], labels[:, 2]])


def _draw_markers(rgb: ByteArray, labels: FloatArray, metres: FloatArray, depth: FloatArray, radius: float) -> None:
    nearest = np.round(labels[:, :2]).astype(int).clip(0, np.array(depth.shape)[::-1] - 1)
    hidden = metres > depth[nearest[:, 1], nearest[:, 0]] + _HIDDEN_M
    for (u, v, _), behind in zip(labels, hidden, strict=True):
        _dot(rgb, u, v, radius, MARKER, hollow=bool(behind))


def _draw_bones(rgb: ByteArray, joints: FloatArray, radius: float) -> None:
    # Far ones first, so that the near leg crosses over the far one.
    for joint in np.argsort(-joints[:, 2]):
        parent = SMPL_PARENTS[joint]
        if parent >= 0:
            start, end = (_sixteenths(joints[i]) for i in (parent, joint))
            cv2.line(rgb, start, end, _side(int(joint)), max(1, round(0.75 * radius)), cv2.LINE_AA, 4)
    for joint in np.argsort(-joints[:, 2]):
        _dot(rgb, joints[joint, 0], joints[joint, 1], radius + 0.8, PAPER)
        _dot(rgb, joints[joint, 0], joints[joint, 1], radius, _side(int(joint)))


def _side(joint: int) -> tuple[int, int, int]:
    name = SMPL_JOINTS[joint]
    return LEFT if name.startswith("left_") else RIGHT if name.startswith("right_") else MIDDLE


def _dot(
    rgb: ByteArray, u: float, v: float, radius: float, colour: tuple[int, int, int], *, hollow: bool = False
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


def _sixteenths(point: Sequence[float] | FloatArray) -> tuple[int, int]:
    """Fixed-point coordinates as cv2 draws them with ``shift=4``."""
    return round(16 * float(point[0])), round(16 * float(point[1]))


def _margin(side: int) -> int:
    """Columns that the network's input lacks on each side: 10 of 64, as published."""
    return side // 64 * 10


def _cut(silhouette: ByteArray) -> ByteArray:
    margin = _margin(len(silhouette))
    return silhouette[:, margin : len(silhouette) - margin]


def _enlarge(image: NDArray[np.uint8], zoom: int) -> ByteArray:
    return np.repeat(np.repeat(image, zoom, axis=0), zoom, axis=1)


def _row(cells: Sequence[ByteArray]) -> ByteArray:
    gap = np.full((len(cells[0]), GAP, 3), PAPER, np.uint8)
    return np.concatenate([part for cell in cells for part in (cell, gap)][:-1], axis=1)


def _png(canvas: ByteArray, texts: Sequence[_Text]) -> bytes:
    """Write text (x, y of the baseline or top, pixels high, text, alignment) on a canvas, pixel for pixel."""
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


def _encode(rgb: ByteArray) -> bytes:
    return bytes(cv2.imencode(".png", rgb[..., ::-1])[1])
