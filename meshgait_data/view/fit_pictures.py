"""Contact sheets of fits: bodies over what was observed of them, a row a walk.

Where cameras saw the walk, their masks and keypoints with the body drawn over them; otherwise the mesh with the
observed points as dots, bright where they miss. Shape letters: T frames, P points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from meshgait_data.body.model import Body, forward
from meshgait_data.conventions import VERDICTS
from meshgait_data.fit.quality import FrameErrors
from meshgait_data.render.raster import silhouettes
from meshgait_data.types import ByteArray, Camera, Fit, FloatArray, IntArray, Keypoints, Masks, Observations
from meshgait_data.view.mesh import Cell, Dots, colour_bar, draw_mesh, heat, montage
from meshgait_data.view.paint import dot

_SIZE = (190, 300)
"""Width and height of one picture."""
_FRAMES = 6
_TOP_MM, _TOP_PX = 60.0, 20.0
"""Misses from which on dots are brightest."""
_HEIGHT_M = 2.1
"""What pictures of meshes show vertically."""
_AZIMUTH = 60.0
_ONLY_SEEN, _ONLY_BODY, _BOTH, _NONE = (247, 103, 7), (28, 126, 214), (206, 212, 218), (33, 37, 41)
"""Colours of mask without body, body without mask, both, and neither."""
_ROOM = 1.25


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One walk on a sheet."""

    title: str
    """E.g. ``worst: cmu_walk/07/01``."""
    fit: Fit
    seen: Observations
    """At the frames of the fit."""
    errors: Mapping[str, FrameErrors]
    """Of points, see :func:`meshgait_data.fit.judging.point_errors`."""


def fit_sheet(body: Body, walks: Sequence[Shown], title: str) -> bytes:
    """Draw walks below each other, five even frames and the worst one of each; the bytes of a PNG file.

    Parameters
    ----------
    body
        That the fits were made with.
    walks
        At least one.
    title
        Above all.
    """
    return montage([_row(body, shown) for shown in walks], title)


def _row(body: Body, shown: Shown) -> list[Cell]:
    frames = _chosen(shown)
    view = _best_view(shown)
    cells = _image_cells(body, shown, view, frames) if view else _mesh_cells(body, shown, frames)
    captions = [_caption(shown, int(frame)) for frame in frames]
    # In the middle of the row, where a long title has room on both sides.
    middle = (len(captions) - 1) // 2
    captions[middle] = f"{shown.title}{f', view {view}' if view else ''}\n{captions[middle]}"
    captions = [caption if "\n" in caption else f"\n{caption}" for caption in captions]
    row: list[Cell] = list(zip(cells, captions, strict=True))
    if view and f"keypoints:{view}" not in shown.errors:
        return row
    unit, top = ("px", _TOP_PX) if view else ("mm", _TOP_MM)
    return [*row, (colour_bar(top, unit, _SIZE[1]), "")]


def _chosen(shown: Shown) -> IntArray:
    """Even frames, then the one that misses most."""
    count = len(shown.fit.frame_ids)
    even = np.linspace(0, count - 1, _FRAMES + 1)[1:-1] if count > _FRAMES else np.arange(count)[: _FRAMES - 1]
    misses = _main_errors(shown)
    worst = int(np.nanargmax(misses)) if np.isfinite(misses).any() else count - 1
    return np.append(np.round(even).astype(np.int64), worst)


def _main_errors(shown: Shown) -> FloatArray:
    """(T,) the error that walks of this kind are looked at for; overlaps count from 1 down."""
    residuals = shown.fit.residuals
    for name in ("joints", "markers", "params"):
        if name in residuals:
            return residuals[name]
    per_view = [values for name, values in residuals.items() if name.split(":")[0] == "keypoints"]
    per_view = per_view or [1 - values for name, values in residuals.items() if name.split(":")[0] == "mask_iou"]
    return np.max(per_view, axis=0) if per_view else np.zeros(len(shown.fit.frame_ids))


def _caption(shown: Shown, frame: int) -> str:
    verdict = VERDICTS[shown.fit.verdict[frame]]
    parts = []
    for name, factor, unit in (("joints", 1e3, "mm"), ("markers", 1e3, "mm"), ("mask_iou", 1.0, "IoU")):
        values = [a[frame] for key, a in shown.fit.residuals.items() if key.split(":")[0] == name]
        if values and np.isfinite(values).any():
            parts.append(f"{factor * np.nanmean(values):.{2 if unit == 'IoU' else 0}f} {unit}")
    return f"{shown.fit.frame_ids[frame]}: {', '.join([*parts, verdict])}"


def _best_view(shown: Shown) -> str:
    """The view that saw the walk in most frames; empty where none did, or nothing says where it stood."""
    counts = {masks.view: int(masks.seen.sum()) for masks in shown.seen.masks}
    for points in shown.seen.keypoints:
        counts[points.view] = max(counts.get(points.view, 0), int((points.confidence > 0).any(1).sum()))
    known = {view: count for view, count in counts.items() if view in shown.fit.cameras}
    return max(known, key=lambda view: known[view], default="")


def _mesh_cells(body: Body, shown: Shown, frames: IntArray) -> list[ByteArray]:
    """Meshes seen from the front left of the walk, with the observed points."""
    vertices = forward(body, shown.fit.params.take(frames)).vertices.astype(np.float64)
    turn = _to_walk(shown.fit.params.transl)
    observed, misses = _observed(shown, frames)
    cells = []
    for posed, points, miss in zip(vertices, observed, misses, strict=True):
        there = np.isfinite(points).all(-1)
        colours = heat(1e3 * np.nan_to_num(miss[there]), _TOP_MM)
        dots = Dots(points[there] @ turn.T, colours, radius=3.0, veil=0.0) if there.any() else None
        mesh = posed @ turn.T
        centre = 0.5 * (mesh.min(0) + mesh.max(0))
        cells.append(
            draw_mesh(mesh, body.faces, size=_SIZE, azimuth_deg=_AZIMUTH, height_m=_HEIGHT_M, centre=centre, dots=dots)
        )
    return cells


def _observed(shown: Shown, frames: IntArray) -> tuple[FloatArray, FloatArray]:
    """(F, P, 3) observed points in space and (F, P) how far they miss; NaN where that is not known."""
    seen = shown.seen
    points = [seen.joints[frames].astype(np.float64)]
    misses = [np.full(points[0].shape[:2], np.nan)]
    found = shown.errors.get("joints")
    if found is not None and found.names:
        columns = [seen.joint_names.index(name) for name in found.names]
        misses[0][:, columns] = found.values[frames]
        # Points without a weight in the map are not meant to fit.
        points[0][:, sorted(set(range(points[0].shape[1])) - set(columns))] = np.nan
    if seen.markers is not None:
        points.append(seen.markers.points[frames].astype(np.float64))
        own = shown.fit.residuals.get("markers", np.full(len(shown.fit.frame_ids), np.nan))[frames]
        misses.append(np.repeat(own[:, None], points[1].shape[1], 1))
    return np.concatenate(points, 1), np.concatenate(misses, 1)


def _to_walk(path: FloatArray) -> FloatArray:
    """(3, 3) turn about y after which a path leads along +z."""
    way = np.asarray(path[-1] - path[0], np.float64)
    length = np.hypot(way[0], way[2])
    sine, cosine = (way[0] / length, way[2] / length) if length > 0.3 else (0.0, 1.0)
    return np.array([[cosine, 0.0, -sine], [0.0, 1.0, 0.0], [sine, 0.0, cosine]])


def _image_cells(body: Body, shown: Shown, view: str, frames: IntArray) -> list[ByteArray]:
    """Mask, body and keypoints of one view, cut out around them."""
    camera = shown.fit.cameras[view]
    vertices = forward(body, shown.fit.params.take(frames)).vertices
    drawn = silhouettes(vertices, body.faces, camera)
    masks = next((one for one in shown.seen.masks if one.view == view), None)
    points = next((one for one in shown.seen.keypoints if one.view == view), None)
    return [
        _image_cell(
            body_mask, int(frame), camera, masks=masks, points=points, errors=shown.errors.get(f"keypoints:{view}")
        )
        for body_mask, frame in zip(drawn, frames, strict=True)
    ]


def _image_cell(
    body_mask: ByteArray,
    frame: int,
    camera: Camera,
    *,
    masks: Masks | None,
    points: Keypoints | None,
    errors: FrameErrors | None,
) -> ByteArray:
    there = body_mask > 0
    mask = there if masks is None or not masks.seen[frame] else masks.images[frame] > 127
    image = np.full((*there.shape, 3), _NONE, np.uint8)
    image[there & mask], image[mask & ~there], image[there & ~mask] = _BOTH, _ONLY_SEEN, _ONLY_BODY
    seen = np.zeros((0, 2)) if points is None else points.points[frame][points.confidence[frame] > 0].astype(np.float64)
    cut, scale, corner = _cut(image, there | mask, seen)
    if points is not None:
        _draw_points(cut, points, frame, errors, scale, corner)
    return cut


def _cut(image: ByteArray, person: ByteArray, points: FloatArray) -> tuple[ByteArray, float, FloatArray]:
    """The picture around the person in the size of a cell, its scale, and the corner that it was cut at."""
    places = np.argwhere(person)[:, ::-1].astype(np.float64)
    places = (
        np.concatenate([places, points]) if len(places) or len(points) else np.array([[0.0, 0.0], image.shape[1::-1]])
    )
    middle, reach = 0.5 * (places.min(0) + places.max(0)), np.ptp(places, axis=0)
    scale = min(_SIZE[0] / max(_ROOM * reach[0], 8.0), _SIZE[1] / max(_ROOM * reach[1], 8.0))
    corner = middle - np.array(_SIZE) / (2 * scale)
    matrix = np.array([[scale, 0, -scale * corner[0]], [0, scale, -scale * corner[1]]])
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    cut = cv2.warpAffine(image, matrix, _SIZE, flags=flags, borderValue=_NONE)
    return np.asarray(cut, np.uint8), float(scale), corner


def _draw_points(
    picture: ByteArray, points: Keypoints, frame: int, errors: FrameErrors | None, scale: float, corner: FloatArray
) -> None:
    for column, (name, confidence) in enumerate(zip(points.names, points.confidence[frame], strict=True)):
        if confidence <= 0:
            continue
        known = errors is not None and name in errors.names
        miss = errors.values[frame, errors.names.index(name)] if known and errors is not None else 0.0
        u, v = scale * (points.points[frame, column] - corner)
        dot(picture, float(u), float(v), 4.0, (255, 255, 255))
        dot(picture, float(u), float(v), 3.0, heat(np.array([miss]), _TOP_PX)[0])
