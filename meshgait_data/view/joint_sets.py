"""Pictures of a joint set on a body: T-pose and a step, head and foot near by, with names and lines between joints.

Shape letters: V vertices, P joints of the set.
"""

import numpy as np

from meshgait_data.body.joints import JointRegressor, JointSet, regress
from meshgait_data.body.model import Body, BodyOutput, forward
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.types import BodyParams, ByteArray, FloatArray
from meshgait_data.view.mesh import Cell, Dots, draw_mesh, montage
from meshgait_data.view.paint import side_colour

_HEIGHT = 540
"""Pixels of the row of whole bodies."""
_NEAR_WIDTH, _NEAR_HEIGHT = 280, 340
_ROOM = 1.08
_HEAD_M, _FOOT_M, _HAND_M = 0.30, 0.36, 0.30
"""Width of what the pictures from near by show, on a body of 1.7 m."""


def joint_set_picture(body: Body, joint_set: JointSet, regressor: JointRegressor, step: BodyParams) -> bytes:
    """Draw a joint set.

    Parameters
    ----------
    body, joint_set, regressor
        What to draw.
    step
        One walking pose.

    Returns
    -------
    PNG file. Left is blue, right is orange, the mid-line is grey; points inside the body are paler.
    """
    rest = forward(body, BodyParams(np.zeros(1), np.zeros((1, 3)), np.zeros((1, 69)), np.zeros((1, 3))))
    walking = forward(body, step)
    draw = _Drawing(body, joint_set, regressor)
    tall = _ROOM * float(np.ptp(body.v_template[:, 1]))
    whole: list[Cell] = [
        (draw(rest, 0, (540, _HEIGHT), tall, names=True), "T-pose, front"),
        (draw(rest, 90, (200, _HEIGHT), tall), "left side"),
        (draw(rest, 180, (540, _HEIGHT), tall), "back"),
    ]
    scale = float(np.ptp(body.v_template[:, 1])) / 1.7
    joints = {name: rest.joints[0, index] for index, name in enumerate(SMPL_JOINTS)}
    near: list[Cell] = [
        (draw(walking, 25, (200, _NEAR_HEIGHT), tall), "walking"),
        (draw(walking, 90, (240, _NEAR_HEIGHT), tall), "walking, left side"),
    ]
    for caption, joint, shift, azimuth, width in (
        ("head", "head", (0.0, 0.05, 0.04), 25, _HEAD_M),
        ("left hand", "left_hand", (-0.04, -0.01, 0.0), 25, _HAND_M),
        ("left foot", "left_foot", (0.0, 0.06, -0.05), 60, _FOOT_M),
    ):
        centre = joints[joint] + scale * np.array(shift)
        height = scale * width * _NEAR_HEIGHT / _NEAR_WIDTH
        picture = draw(rest, azimuth, (_NEAR_WIDTH, _NEAR_HEIGHT), height, centre, names=True)
        near.append((picture, caption))
    words = f"{joint_set.title}: {len(joint_set)} points on body {body.name}"
    return montage([whole, near], words + (" (approximate)" if regressor.approximate else ""))


class _Drawing:
    """Draws a posed body with the set's joints on it."""

    def __init__(self, body: Body, joint_set: JointSet, regressor: JointRegressor) -> None:
        self.body, self.joint_set, self.regressor = body, joint_set, regressor
        self.colours = np.array([side_colour(name) for name in joint_set.names], np.uint8)

    def __call__(
        self,
        posed: BodyOutput,
        azimuth_deg: float,
        size: tuple[int, int],
        height_m: float,
        centre: FloatArray | None = None,
        *,
        names: bool = False,
    ) -> ByteArray:
        points = regress(self.regressor, posed)[0]
        texts = self._texts(points, centre) if names else ()
        radius = 3.5 if centre is None else 5.0
        dots = Dots(points, self.colours, texts, self.joint_set.bones, radius=radius)
        return draw_mesh(
            posed.vertices[0],
            self.body.faces,
            size=size,
            azimuth_deg=azimuth_deg,
            elevation_deg=0.0 if centre is None else 15.0,
            height_m=height_m,
            centre=centre,
            dots=dots,
        )

    def _texts(self, points: FloatArray, centre: FloatArray | None) -> tuple[str, ...]:
        """Names on one side, for the other has the same; where all is drawn, none that would lie on another."""
        texts: list[str] = []
        for joint, point in zip(self.joint_set.joints, points, strict=True):
            taken = [p for p, text in zip(points, texts, strict=False) if text]
            covered = centre is None and any(abs(point[1] - p[1]) < 0.03 and abs(point[0] - p[0]) < 0.16 for p in taken)
            texts.append("" if joint.name.startswith("right_") or covered else joint.original)
        return tuple(texts)
