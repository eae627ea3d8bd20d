"""Contact sheets for people: aligned silhouettes, and below them the fitted body with its labels in the same window."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.joint_files import joint_set_names, load_joint_set
from meshgait_data.body.model import Body, forward
from meshgait_data.conventions import ACCEPTED, VERDICTS
from meshgait_data.errors import InvalidData
from meshgait_data.types import BodyParams, BoolArray, ByteArray, FloatArray, SequenceData
from meshgait_data.view.heatmaps import heatmap_pictures
from meshgait_data.view.paint import MARKER, PAPER, Text, dot, line, side_colour, write_png
from meshgait_data.view.shade import shade

CELL = (243, 244, 246)
"""Colour of the cells that bodies stand in."""

GAP, MARGIN, TITLE, CAPTION, FOOT = 6, 18, 42, 28, 22
"""Pixels between cells, around the sheet, and of its lines of text."""

_TEXT_WIDTH = 720
"""Pixels that captions and legend need."""

_PALE = 0.6
"""Share of paper in the colour of bones that end in a hidden joint."""


Skeleton = tuple[tuple[str, ...], tuple[int, ...]]
"""Names of joints, and for each the place of its parent among them, -1 where it has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One sequence on a sheet."""

    sequence: SequenceData
    residual_mm: Sequence[float] | None = None
    """(F,) mean distance of the fit to the observed joints, where it is known."""


def contact_sheet(
    body: Body, shown: Sequence[Shown], *, columns: int = 8, zoom: int = 4, heatmaps: bool = False
) -> bytes:
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
    heatmaps
        Also draw the joints as heatmap targets, from the front and from the side.

    Returns
    -------
    PNG file; equal input gives equal bytes.
    """
    blocks = [_block(body, one, columns, zoom, heatmaps=heatmaps) for one in shown]
    height = TITLE + sum(CAPTION + len(block.image) + GAP + CAPTION for block in blocks) + FOOT + MARGIN
    width = 2 * MARGIN + max(_TEXT_WIDTH, *(block.image.shape[1] for block in blocks))
    canvas = np.full((height, width, 3), PAPER, np.uint8)
    texts: list[Text] = [(MARGIN, 31.0, 18.0, shown[0].sequence.key.walk, "left")]
    top = TITLE
    for block in blocks:
        texts.append((MARGIN, top + CAPTION - 9, 12.0, block.caption, "left"))
        top += CAPTION
        canvas[top : top + len(block.image), MARGIN : MARGIN + block.image.shape[1]] = block.image
        top += len(block.image) + GAP
        texts += [(MARGIN + x, top + 7, 11.0, text, "center") for x, text in block.labels]
        top += CAPTION
    texts.append((MARGIN, top + FOOT - 6, 11.0, _LEGEND, "left"))
    return write_png(canvas, texts)


def strip(silhouettes: ByteArray, *, columns: int = 24, zoom: int = 2) -> bytes:
    """PNG of evenly spaced aligned silhouettes (F, S, S) in one row, nothing else."""
    cells = [_enlarge(_cut(silhouettes[i]), zoom) for i in evenly(len(silhouettes), columns)]
    return _encode(_row([np.repeat(cell[..., None], 3, axis=2) for cell in cells]))


def evenly(count: int, chosen: int) -> list[int]:
    """At most ``chosen`` indices of ``count`` frames, evenly spaced, first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, chosen)).round().astype(int)).tolist()


_LEGEND = (
    "bones and joints: left side blue, right side orange, middle grey · virtual markers: green · "
    "hidden ones are hollow, their bones pale"
)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    caption: str
    image: ByteArray
    labels: list[tuple[float, str]]  # horizontal centre and text below each column


def _block(body: Body, one: Shown, columns: int, zoom: int, *, heatmaps: bool) -> _Block:
    sequence = one.sequence
    frames = evenly(len(sequence), columns)
    upper = [_enlarge(np.repeat(_cut(sequence.arrays["silhouettes"][i])[..., None], 3, axis=2), zoom) for i in frames]
    rows = [_row(upper), _row(_bodies(body, sequence, frames, zoom))]
    rows += _heatmaps(sequence, frames, zoom) if heatmaps else []
    gap = np.full((GAP, rows[0].shape[1], 3), PAPER, np.uint8)
    image = np.concatenate([part for row in rows for part in (row, gap)][:-1])
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
    arrays, camera = sequence.arrays, sequence.camera
    if camera is None:
        raise InvalidData("nobody knows the camera that saw it", where=str(sequence.key))
    params = BodyParams(sequence.betas, *(arrays[name][frames] for name in ("global_orient", "body_pose", "transl")))
    vertices = forward(body, params).vertices
    side, margin = arrays["silhouettes"].shape[1], _margin(arrays["silhouettes"].shape[1])
    size = ((side - 2 * margin) * zoom, side * zoom)
    pictures = []
    for mesh, frame in zip(vertices, frames, strict=True):
        # Silhouette pixel (u, v) covers zoom x zoom sheet pixels, so its centre moves by half a pixel less.
        enlarge = np.array([[zoom, 0, (0.5 - margin) * zoom - 0.5], [0, zoom, 0.5 * zoom - 0.5], [0, 0, 1.0]])
        window = np.vstack([arrays["windows"][frame].astype(np.float64), [0, 0, 1]])
        picture = shade(mesh, body.faces, enlarge @ window @ camera.intrinsics, size, background=CELL)
        rgb = np.ascontiguousarray(picture.rgb)
        if "markers" in arrays:
            labels = _to_sheet(arrays["markers"][frame], enlarge)
            for (u, v, _), seen in zip(labels, _seen(sequence, "markers", frame), strict=True):
                dot(rgb, u, v, 0.6 * zoom, MARKER, hollow=not seen)
        joints = _to_sheet(arrays["joints"][frame], enlarge)
        draw_bones(rgb, joints, _seen(sequence, "joints", frame), _skeleton(sequence), radius=0.65 * zoom)
        pictures.append(rgb)
    return pictures


def _heatmaps(sequence: SequenceData, frames: list[int], zoom: int) -> list[ByteArray]:
    names, _ = _skeleton(sequence)
    colours = np.array([side_colour(name) for name in names], np.float64)
    pairs = []
    for frame in frames:
        silhouette = _cut(sequence.arrays["silhouettes"][frame])
        uvd = sequence.arrays["joints"][frame] - np.array([_margin(len(silhouette)), 0, 0])
        pairs.append(heatmap_pictures(uvd, colours, silhouette, zoom))
    return [_row(cells) for cells in zip(*pairs, strict=True)]


def _seen(sequence: SequenceData, name: str, frame: int) -> BoolArray:
    """(P,) which joints or markers are visible; all of them where the data do not say."""
    points = sequence.arrays[name][frame]
    found = sequence.arrays.get(f"{name}_visible")
    return np.ones(len(points), np.bool_) if found is None else found[frame] > 0


def _skeleton(sequence: SequenceData) -> Skeleton:
    return skeleton(sequence.joint_set, sequence.arrays["joints"].shape[1])


@lru_cache
def skeleton(joint_set: str, count: int) -> Skeleton:
    """Names and parents of the joints of a set; sets that do not ship are drawn without bones and sides."""
    if joint_set not in joint_set_names():
        return count * ("",), count * (-1,)
    found = load_joint_set(joint_set)
    return found.names, tuple(found.names.index(joint.parent) if joint.parent else -1 for joint in found.joints)


def _to_sheet(labels: FloatArray, enlarge: FloatArray) -> FloatArray:
    """(P, 3) labels with u and v in pixels of the cell; d stays in silhouette pixels."""
    return np.column_stack([labels[:, :2] @ enlarge[:2, :2].T + enlarge[:2, 2], labels[:, 2]])


def draw_bones(rgb: ByteArray, joints: FloatArray, seen: BoolArray, bones: Skeleton, *, radius: float) -> None:
    """Draw joints (J, 3) at u, v with depth d in pixels of a picture; those that are not ``seen`` (J,) are hollow."""
    names, parents = bones
    # Far ones first, so that the near leg crosses over the far one.
    far_first = np.argsort(-joints[:, 2]).tolist()
    for joint in far_first:
        parent = parents[joint]
        if parent >= 0:
            share = 0.0 if seen[joint] else _PALE
            colour = tuple(round((1 - share) * c + share * 255) for c in side_colour(names[joint]))
            line(rgb, joints[parent], joints[joint], colour, max(1, round(0.75 * radius)))
    for joint in far_first:
        u, v, _ = joints[joint]
        dot(rgb, u, v, radius + 0.8, PAPER)
        dot(rgb, u, v, radius, side_colour(names[joint]), hollow=not seen[joint])


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


def _encode(rgb: ByteArray) -> bytes:
    return bytes(cv2.imencode(".png", rgb[..., ::-1])[1])
