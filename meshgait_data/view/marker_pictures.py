"""Pictures of virtual markers: where they are on the body, how far the mesh that they give is off, error by number.

Shape letters: V vertices.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from meshgait_data.atomic import write_with
from meshgait_data.body.marker_names import vertex_normals
from meshgait_data.body.model import Body, forward
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.types import BodyParams, FloatArray, MarkerSet
from meshgait_data.view.mesh import Cell, Dots, colour_bar, draw_mesh, heat, montage
from meshgait_data.view.paint import side_colour

_VIEWS = {"front": 0.0, "left side": 90.0, "back": 180.0}
_ARMS_RAD = 1.05
"""Arms hang this far below the level: narrow pictures, and hands that do not hide the hips."""
_EDGE_ON = -0.2
"""A marker is drawn where its skin turns to the camera by at least this cosine: a little beyond the outline."""
_ROOM = 1.05
"""Pictures are this much higher than the body, all to one scale."""
_SIZES = {1: (540, 900), 2: (432, 720)}
_SMALL = (346, 576)

PUBLISHED_MM = {16: 46.8, 32: 20.1, 64: 11.0, 96: 9.9}
"""Mean vertex error by number of markers, Ma et al., *3D Human Mesh Estimation from Virtual Markers*, CVPR 2023."""


_CURVES = {
    "convex, walking": ("walks", "convex"),
    "signed, walking": ("walks", "signed"),
    "signed, walking, markers 10 mm off": ("walks", "signed_noise10"),
    "convex, wide poses": ("wide", "convex"),
    "signed, wide poses": ("wide", "signed"),
}


def standing(body: Body) -> tuple[FloatArray, FloatArray]:
    """Vertices (V, 3) and skin directions (V, 3) of the mean body with its arms half lowered."""
    pose = np.zeros((1, 23, 3), np.float32)
    for side, turn in (("left", -_ARMS_RAD), ("right", _ARMS_RAD)):
        pose[0, SMPL_JOINTS.index(f"{side}_shoulder") - 1, 2] = turn
    still = np.zeros((1, 3), np.float32)
    vertices = forward(body, BodyParams(np.zeros(0), still, pose.reshape(1, -1), still)).vertices[0]
    return vertices, vertex_normals(vertices, body.faces)


def draw_markers(body: Body, sets: Sequence[MarkerSet], title: str = "") -> bytes:
    """PNG with a row for each set: front, left side and back, markers with their numbers and the colour of their side.

    Parameters
    ----------
    body
        The body that all sets are for.
    sets
        Sets in the order of their rows.
    title
        Above all.
    """
    vertices, normals = standing(body)
    size, height = _SIZES.get(len(sets), _SMALL), _ROOM * float(np.ptp(vertices[:, 1]))
    rows: list[list[Cell]] = []
    for markers in sets:
        row: list[Cell] = []
        for view, azimuth in _VIEWS.items():
            angle = np.deg2rad(azimuth)
            facing = normals[markers.vertex_ids] @ np.array([np.sin(angle), 0.0, np.cos(angle)])
            shown = np.flatnonzero(facing > _EDGE_ON)
            dots = Dots(
                vertices[markers.vertex_ids[shown]],
                np.array([side_colour(markers.names[i]) for i in shown], np.uint8).reshape(-1, 3),
                tuple(str(i) for i in shown),
            )
            picture = draw_mesh(vertices, body.faces, size=size, azimuth_deg=azimuth, height_m=height, dots=dots)
            row.append((picture, f"{markers.name}, {view}"))
        rows.append(row)
    return montage(rows, title)


def draw_errors(body: Body, errors: Sequence[tuple[str, FloatArray]], title: str = "") -> bytes:
    """PNG with a row for each caption and its (V,) errors in mm: front, left side, back and the scale, one for all."""
    vertices, _ = standing(body)
    height = _ROOM * float(np.ptp(vertices[:, 1]))
    # A multiple of 4, as the scale has four steps.
    top = 4.0 * np.ceil(max(float(np.percentile(values, 99)) for _, values in errors) / 4.0)
    rows: list[list[Cell]] = []
    for caption, values in errors:
        colours = heat(values, top)
        row: list[Cell] = [
            (
                draw_mesh(vertices, body.faces, size=_SMALL, azimuth_deg=azimuth, height_m=height, colours=colours),
                f"{caption}, {view}",
            )
            for view, azimuth in _VIEWS.items()
        ]
        rows.append([*row, (colour_bar(top, "mm", _SMALL[1]), "")])
    return montage(rows, title)


def plot_error_curves(sets: Sequence[MarkerSet], path: Path) -> None:
    """Mean error by number of markers beside the published one; writes a PNG file.

    Parameters
    ----------
    sets
        Sets of one body, with errors in their provenance.
    path
        The file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    published: dict[str, Any] = {"color": "#868e96", "linestyle": "--", "marker": "s"}
    curves = {words: _curve(sets, *which) for words, which in _CURVES.items()}
    for name, curve in {**curves, "published (SMPL, other poses)": PUBLISHED_MM}.items():
        style = published if curve is PUBLISHED_MM else {"marker": "o"}
        panel.plot(list(curve), list(curve.values()), label=name, linewidth=1.6, markersize=4, **style)
    panel.set_xticks(list(PUBLISHED_MM))
    panel.set_ylim(bottom=0)
    panel.set_xlabel("virtual markers")
    panel.set_ylabel("mean vertex error in mm")
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False)
    write_with(path, lambda file: figure.savefig(file, format="png", metadata={"Software": None}))


def _curve(sets: Sequence[MarkerSet], poses: str, version: str) -> dict[int, float]:
    return {len(one): one.provenance["errors_mm"][poses][version]["mean"] for one in sets}
