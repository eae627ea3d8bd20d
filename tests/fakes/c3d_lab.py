"""A lab's motion capture in C3D files: Plug-in Gait markers in millimetres, z up, and a static trial of everybody."""

import io
import warnings
from dataclasses import replace
from pathlib import Path

import c3d
import numpy as np

from fakes.plan import Fake, Planted
from fakes.walkers import betas_of, fake_body, walk_params
from meshgait_data.body.marker_names import vertex_normals
from meshgait_data.body.model import forward
from meshgait_data.body.placement_files import load_markers
from meshgait_data.types import BodyParams, FloatArray

FRAMES, RATE = 180, 100
TAKES = {
    "anna/walk01": (0, 0),
    "anna/walk02": (0, 1),
    "boris/walk01": (2, 0),
    "boris/walk02": (2, 1),
    "clara/walk01": (4, 0),
}
CUT, NO_STATIC, COPIED, HIDDEN = "boris/walk02", "clara", "anna/walk04", "anna/walk02"
_RADIUS_M = 0.0095
_TO_Z_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


def make(out: Path) -> Fake:
    """Write ``{person}/{take}.c3d`` and ``{person}/static.c3d``."""
    truth = {}
    for name, (person, take) in TAKES.items():
        params = walk_params(person, take, frames=FRAMES, fps=RATE)
        points = markers(params)
        if name == HIDDEN:
            # Behind the other leg.
            points[20:35, _LABELS.index("LKNE")] = np.nan
        path = out / f"{name}.c3d"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = written(points)
        path.write_bytes(content[: len(content) * 19 // 20] if name == CUT else content)
        truth[name] = params
        static = path.with_name("static.c3d")
        if path.parent.name != NO_STATIC and not static.exists():
            static.write_bytes(written(markers(_standing(person))))
    (out / f"{COPIED}.c3d").write_bytes((out / "anna/walk01.c3d").read_bytes())
    (out / "boris/walk03.c3d").write_bytes(written(markers(walk_params(2, 2, frames=24, fps=RATE)), unit="px"))
    (out / "boris/walk04.c3d").write_bytes(b"")
    return Fake("c3d_lab", out, PLANTED, {}, truth)


PLANTED = (
    Planted("a file that breaks off", "MG-SOURCE-001", "boris/walk02.c3d", "breaks off"),
    Planted("no static trial", "MG-SOURCE-020", "clara/static.c3d", "no static trial"),
    Planted("the same bytes under two names", "MG-INDEX-008", "anna/walk01", "anna/walk04"),
    Planted("a unit that is no length", "MG-INDEX-001", "boris/walk03.c3d", "px"),
    Planted("an empty file", "MG-INDEX-001", "boris/walk04.c3d"),
)

_PLACED = load_markers(fake_body(), "plug_in_gait")
_LABELS = [labels[0] for labels in _PLACED.labels]


def markers(params: BodyParams) -> FloatArray:
    """(F, M, 3) centres of markers on the skin, metres, y up."""
    body = fake_body()
    posed = forward(body, params)
    normals = np.stack([vertex_normals(vertices, body.faces) for vertices in posed.vertices])
    on_skin = _PLACED.rows[:, : body.num_vertices]
    points = on_skin @ posed.vertices + _PLACED.rows[:, body.num_vertices :] @ posed.joints
    away = on_skin @ normals
    return np.asarray(points + _RADIUS_M * away / np.linalg.norm(away, axis=-1, keepdims=True))


def _standing(person: int, frames: int = 20) -> BodyParams:
    """Arms out, as people stand for the static trial."""
    walk = walk_params(person, 0, frames=12, fps=RATE)
    still = np.zeros((frames, 69), np.float32)
    params = replace(walk.take(np.zeros(frames, int)), body_pose=still, betas=betas_of(person))
    lowest = forward(fake_body(), params).vertices[..., 1].min()
    return replace(params, transl=(params.transl - [0, lowest, 0]).astype(np.float32))


def written(points: FloatArray, *, unit: str = "mm") -> bytes:
    """Content of a file with points (F, M, 3) in metres, y up; NaN is not seen."""
    writer = c3d.Writer(point_rate=float(RATE), point_scale=-1.0, point_units=unit)
    rows = np.zeros((*points.shape[:2], 5), np.float32)
    seen = np.isfinite(points).all(axis=-1)
    rows[..., :3] = np.where(seen[..., None], 1000 * points @ _TO_Z_UP.T, 0)
    rows[..., 3] = np.where(seen, 0, -1)
    writer.add_frames([(row, np.zeros((0, 0))) for row in rows])
    writer.set_point_labels(_LABELS)
    writer.point_group.add_str("Y_SCREEN", "", "+Z", 2)
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writer.write(stream)
        return stream.getvalue()
