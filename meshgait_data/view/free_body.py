"""Pictures of the free body: what its shape components do, whom it holds, how it walks, its levels of detail.

Bodies stand in their own frame (y up, facing +z), metres.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from meshgait_data.body.model import Body, forward
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.types import BodyParams, ByteArray, FloatArray
from meshgait_data.view.mesh import Cell, colour_bar, draw_mesh, heat, montage

_ARMS_DOWN = 1.2
"""Radians that the arms are lowered by from the T-pose."""
_SHOWN_SD = 2.0
_TOP_MM = 40.0
"""Move of the skin that gets the brightest colour."""
_LATER = (10, 11, 12, 13, 14)
"""Components after the first ten that are drawn too."""
_SIDE = 80.0
"""Azimuth of pictures from the side, degrees."""


def components_picture(body: Body) -> bytes:
    """Components 0 to 9 and some of the later ones at -2 and +2 SD; colour is how far the skin moves."""
    numbers = [*range(min(10, body.num_betas)), *(n for n in _LATER if n < body.num_betas)]
    rows: list[list[Cell]] = []
    for start in range(0, len(numbers), 5):
        row: list[Cell] = []
        for number in numbers[start : start + 5]:
            moved = 1000 * _SHOWN_SD * np.linalg.norm(body.shapedirs[..., number], axis=1)
            for sd in (-_SHOWN_SD, _SHOWN_SD):
                vertices = _standing(body, sd * np.eye(body.num_betas)[number])
                sides = [_draw(body, vertices, azimuth, (118, 270), heat(moved, _TOP_MM)) for azimuth in (0.0, _SIDE)]
                row.append((np.concatenate(sides, axis=1)[:, 10:-24], f"beta{number} = {sd:+.0f}"))
        row.append((colour_bar(_TOP_MM, "mm", 270), ""))
        rows.append(row)
    return montage(rows, "Shape components, 2 SD each way; colour: how far the skin moves")


def people_picture(body: Body, examples: Mapping[str, Sequence[float]]) -> bytes:
    """Bodies of the sampled population to one scale, from the front and from the side."""
    rows: list[list[Cell]] = [[], []]
    for name, betas in examples.items():
        vertices = _standing(body, np.array(betas))
        for row, azimuth in zip(rows, (0.0, _SIDE), strict=True):
            height = f"{np.ptp(vertices[:, 1]):.2f} m"
            row.append((_draw(body, vertices, azimuth, (190, 340)), f"{name}\n{height}" if azimuth else ""))
    return montage(rows, "People that the shape space holds")


def walk_picture(bodies: Sequence[tuple[str, Body, Sequence[float]]], poses: BodyParams) -> bytes:
    """Bodies in the same frames of a walk, from the side; one row each, the pelvis in the middle."""
    rows: list[list[Cell]] = []
    for name, body, betas in bodies:
        params = BodyParams(np.array(betas), poses.global_orient, poses.body_pose, np.zeros_like(poses.transl))
        output = forward(body, params)
        row: list[Cell] = []
        for number, (vertices, joints) in enumerate(zip(output.vertices, output.joints, strict=True)):
            towards = joints[SMPL_JOINTS.index("left_hip")] - joints[SMPL_JOINTS.index("right_hip")]
            azimuth = float(np.degrees(np.arctan2(towards[0], towards[2])))
            centre = joints[0] + np.array([0, -0.03, 0])
            image = draw_mesh(vertices, body.faces, size=(190, 340), azimuth_deg=azimuth, height_m=2.0, centre=centre)
            row.append((image, name if number == 0 else ""))
        rows.append(row)
    return montage(rows, "Walking, from the left side")


def levels_picture(bodies: Sequence[Body]) -> bytes:
    """The levels of detail as flat triangles: whole body, head, hand and lower leg."""
    rows: list[list[Cell]] = []
    for body in bodies:
        whole = _standing(body, np.zeros(1))
        rest = body.v_template
        hand, shank = (rest[body.weights[:, SMPL_JOINTS.index(joint)] > 0.3] for joint in ("left_hand", "left_knee"))
        head = rest[body.weights[:, SMPL_JOINTS.index("head")] > 0.5]
        places = ((head, 30.0, 0.0, 0.32), (hand, 0.0, 80.0, 0.28), (shank, 40.0, 0.0, 0.6))
        row: list[Cell] = [(_flat(body, whole, (240, 420), None, (20.0, 0.0, 1.9)), _caption(body))]
        for points, azimuth, elevation, height in places:
            row.append((_flat(body, rest, (320, 420), points.mean(axis=0), (azimuth, elevation, height)), ""))
        rows.append(row)
    return montage(rows, "Levels of detail: the same shapes and joints")


def _caption(body: Body) -> str:
    return f"{body.name}: {body.num_vertices:,} vertices"


def _flat(
    body: Body, vertices: FloatArray, size: tuple[int, int], centre: FloatArray | None, view: tuple[float, float, float]
) -> ByteArray:
    """Every triangle with corners of its own, so that each has one shade."""
    azimuth, elevation, height = view
    corners = vertices[body.faces].reshape(-1, 3)
    faces = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
    return draw_mesh(
        corners, faces, size=size, azimuth_deg=azimuth, elevation_deg=elevation, height_m=height, centre=centre
    )


def _standing(body: Body, betas: FloatArray) -> FloatArray:
    """(V, 3) with the arms lowered and the soles at y = 0."""
    pose = np.zeros((1, 23, 3))
    for side, sign in (("left", -1), ("right", 1)):
        pose[0, SMPL_JOINTS.index(f"{side}_shoulder") - 1, 2] = sign * _ARMS_DOWN
    zero = np.zeros((1, 3))
    vertices = forward(body, BodyParams(betas, zero, pose.reshape(1, -1), zero)).vertices[0]
    return vertices - [0, vertices[:, 1].min(), 0]


def _draw(
    body: Body, vertices: FloatArray, azimuth: float, size: tuple[int, int], colours: ByteArray | None = None
) -> ByteArray:
    """To one scale, the soles at the lower edge."""
    middle = np.array([0.0, 0.97, float(vertices[:, 2].mean())])
    return draw_mesh(
        vertices, body.faces, size=size, azimuth_deg=azimuth, height_m=2.02, centre=middle, colours=colours
    )
