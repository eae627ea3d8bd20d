"""Pictures of bodies: what one looks like, where its measurements are taken, how far two are apart.

Shape letters: V vertices, P points. Bodies stand in their own frame (y up, facing +z), metres.
"""

from collections.abc import Iterable

import numpy as np

from meshgait_data.body.compare import Comparison
from meshgait_data.body.measure import Measurements
from meshgait_data.body.model import Body, forward, rest_joints
from meshgait_data.conventions import SMPL_JOINTS, SMPL_PARENTS
from meshgait_data.types import BodyParams, ByteArray, FloatArray, IntArray
from meshgait_data.view.mesh import Cell, Dots, colour_bar, draw_mesh, heat, montage
from meshgait_data.view.paint import side_colour
from meshgait_data.view.shade import SKIN

_SHOWN_COMPONENTS = 6
_SHOWN_SD = 2.0
_ARMS_DOWN = 1.1
"""Radians that the arms are lowered by where shapes stand side by side."""
_ROOM = 1.08
"""A picture shows this much more than the tallest body in it."""
_FLOOR = 0.03
"""Part of a picture below the feet."""
_TAPE = (12, 133, 110)
_TAPE_M, _TAPE_ABOVE_M = 0.009, 0.003
"""Width of a drawn tape, and how far above the skin it is drawn."""
_SIDES, _BONES = ("left", "right"), ("hip knee", "knee ankle", "shoulder elbow", "elbow wrist")


def info_picture(body: Body) -> bytes:
    """Draw a body from three sides with its joints, and what its first shape components do.

    Returns
    -------
    PNG file.
    """
    joints = rest_joints(body)[0]
    bones = tuple((parent, joint) for joint, parent in enumerate(SMPL_PARENTS) if parent >= 0)
    colours = np.array([side_colour(name) for name in SMPL_JOINTS], np.uint8)
    names = tuple(name.removeprefix("left_") if not name.startswith("right_") else "" for name in SMPL_JOINTS)
    views: list[Cell] = []
    room = _room(body.v_template)
    for caption, azimuth, width, shown in (
        ("front", 0, 620, names),
        ("left side", 90, 260, ()),
        ("back", 180, 620, ()),
    ):
        dots = Dots(joints, colours, shown, bones, radius=3.5)
        views.append((_stand(body.v_template, body.faces, azimuth, (width, 620), room, dots=dots), caption))
    rows = [views]
    units = [_SHOWN_SD * row for row in np.eye(min(_SHOWN_COMPONENTS, body.num_betas))]
    shapes = {sign: [_arms_down(body, sign * row) for row in units] for sign in (-1, 1)}
    tallest = _ROOM * max(float(np.ptp(shape[:, 1])) for row in shapes.values() for shape in row)
    for sign, row in shapes.items():
        pictures = [_stand(shape, body.faces, 20, (246, 400), tallest) for shape in row]
        rows.append([(picture, f"beta {axis}: {sign * _SHOWN_SD:+g} SD") for axis, picture in enumerate(pictures)])
    title = f"{body.name}: {body.num_vertices:,} vertices, {len(SMPL_JOINTS)} joints, {body.num_betas} shape components"
    return montage(rows, title)


def measure_picture(body: Body, betas: FloatArray, measured: Measurements) -> bytes:
    """Draw where the tapes and the lengths of one shape are taken.

    Parameters
    ----------
    body, betas
        The body and its (B',) shape.
    measured
        Of :func:`~meshgait_data.body.measure.measure` for this shape.

    Returns
    -------
    PNG file.
    """
    template, directions = rest_joints(body)
    joints = template + directions[..., : len(betas)] @ betas
    vertices = body.v_template + body.shapedirs[..., : len(betas)] @ betas
    room = _room(vertices)
    bands, band_faces = _ribbons(measured.loops.values())
    faces = np.concatenate([body.faces, band_faces + len(vertices)])
    colours = np.array([SKIN] * len(vertices) + [_TAPE] * len(bands), np.uint8)
    everything = np.concatenate([vertices, bands])
    row: list[Cell] = []
    for caption, azimuth, width in (("front", 0, 760), ("left side", 90, 330), ("back", 180, 760)):
        dots = _bones(joints, measured, named=azimuth == 0)
        row.append((_stand(everything, faces, azimuth, (width, 760), room, dots=dots, colours=colours), caption))
    said = [f"{measured[name]:.{digits}f} {unit}" for name, digits, unit in _SAID if name in measured.values]
    return montage([row], f"{body.name}: {', '.join(said)}")


_SAID = (("height", 3, "m"), ("mass", 1, "kg"), ("bmi", 1, "kg/m²"))


def compare_picture(a: Body, b: Body, comparison: Comparison) -> bytes:
    """Draw on both bodies how far each vertex is from the other body.

    Returns
    -------
    PNG file: A above, B below, the scale at the right. Distances are the mean over shapes and walking poses where
    there were any, else of the mean shapes in the rest pose.
    """
    shapes, poses = comparison.samples
    distances = comparison.rest if comparison.walking is None else comparison.walking
    what = f"mean over {shapes} shapes in {poses} walking poses" if comparison.walking else "mean shapes in rest"
    millimetres = [1000 * side.vertices for side in distances]
    top = _round_up(max(float(np.percentile(side, 99)) for side in millimetres))
    room = max(_room(body.v_template) for body in (a, b))
    rows: list[list[Cell]] = []
    for body, other, values in ((a, b, millimetres[0]), (b, a, millimetres[1])):
        to = "the same vertex of" if comparison.same_mesh else "the surface of"
        row: list[Cell] = []
        for caption, azimuth in (("front", 0), ("back", 180)):
            picture = _stand(body.v_template, body.faces, azimuth, (560, 560), room, colours=heat(values, top))
            row.append((picture, f"{body.name}, {caption}: to {to} {other.name}"))
        rows.append([*row, (colour_bar(top, "mm", 560), "")])
    return montage(rows, f"{a.name} against {b.name}, {what}")


def _room(vertices: FloatArray) -> float:
    """Height in metres of a square picture that holds a T-pose, whose arms are as wide as it is high."""
    return _ROOM * float(np.ptp(vertices[:, :2], axis=0).max())


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 10, 20, 40... that is not smaller: a scale whose quarters are easy to read."""
    for exponent in range(-3, 4):
        for step in (1.0, 2.0, 4.0):
            if value <= step * 10.0**exponent:
                return step * 10.0**exponent
    return value


def _stand(
    vertices: FloatArray,
    faces: IntArray,
    azimuth_deg: float,
    size: tuple[int, int],
    height_m: float,
    *,
    dots: Dots | None = None,
    colours: ByteArray | None = None,
) -> ByteArray:
    """Draw on a floor near the lower edge of a picture that shows ``height_m``."""
    lowest = float(vertices[:, 1].min())
    centre = np.array([0.0, lowest + (0.5 - _FLOOR) * height_m, float(vertices[:, 2].mean())])
    return draw_mesh(
        vertices,
        faces,
        size=size,
        azimuth_deg=azimuth_deg,
        height_m=height_m,
        centre=centre,
        dots=dots,
        colours=colours,
    )


def _arms_down(body: Body, betas: FloatArray) -> FloatArray:
    """(V, 3) with lowered arms, so that shapes can stand side by side."""
    pose = np.zeros((1, len(SMPL_JOINTS), 3))
    pose[0, SMPL_JOINTS.index("left_shoulder"), 2] = -_ARMS_DOWN
    pose[0, SMPL_JOINTS.index("right_shoulder"), 2] = _ARMS_DOWN
    params = BodyParams(betas, pose[:, 0], pose[:, 1:].reshape(1, -1), np.zeros((1, 3)))
    return forward(body, params).vertices[0]


def _bones(joints: FloatArray, measured: Measurements, *, named: bool) -> Dots:
    """The measured bones, and where ``named`` a dot on each tape with its name and girth."""
    ends = [[SMPL_JOINTS.index(f"{side}_{stem}") for stem in bone.split()] for side in _SIDES for bone in _BONES]
    points, names = [joints], [""] * len(joints)
    colours = [side_colour(name) for name in SMPL_JOINTS]
    if named:
        for name, corners in measured.loops.items():
            if not name.startswith("right_"):
                stem = name.removeprefix("left_").removesuffix("_girth").replace("_", " ")
                points.append(corners[corners[:, 0].argmax()][None])
                names.append(f"{stem} {1000 * float(measured[name]):.0f} mm")
                colours.append(_TAPE)
    kept = sorted({index for pair in ends for index in pair}) + list(range(len(joints), len(names)))
    place = {index: position for position, index in enumerate(kept)}
    return Dots(
        np.concatenate(points)[kept],
        np.array(colours, np.uint8)[kept],
        tuple(names[index] for index in kept),
        tuple((place[start], place[end]) for start, end in ends),
        radius=3.0,
    )


def _ribbons(loops: Iterable[FloatArray]) -> tuple[FloatArray, IntArray]:
    """Tapes as narrow bands just above the skin, triangles facing outwards, so that what hides them does."""
    vertices: list[FloatArray] = [np.zeros((0, 3))]
    faces: list[IntArray] = [np.zeros((0, 3), np.int64)]
    start = 0
    for corners in loops:
        centre = corners.mean(axis=0)
        normal = np.linalg.svd(corners - centre)[2][2]
        turns = np.cross(corners - centre, np.roll(corners, -1, axis=0) - centre).sum(axis=0)
        normal = normal * np.sign(normal @ turns)
        outwards = (corners - centre) / np.maximum(np.linalg.norm(corners - centre, axis=1, keepdims=True), 1e-9)
        raised = corners + _TAPE_ABOVE_M * outwards
        count = len(corners)
        this, following = start + np.arange(count), start + (np.arange(count) + 1) % count
        vertices += [raised - 0.5 * _TAPE_M * normal, raised + 0.5 * _TAPE_M * normal]
        faces += [
            np.stack([this, following, following + count], 1),
            np.stack([this, following + count, this + count], 1),
        ]
        start += 2 * count
    return np.concatenate(vertices), np.concatenate(faces)
