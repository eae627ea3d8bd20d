"""Joint sets on a body: each joint's row from its definition, with stand-ins where the body lacks a point."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from meshgait_data.body.joint_rows import SkinPoint, offset_row, skin_rows, symmetric_row
from meshgait_data.body.joints import Joint, JointRegressor, JointSet
from meshgait_data.body.model import Body
from meshgait_data.conventions import SMPL_JOINTS, mirror_names
from meshgait_data.errors import UsageError
from meshgait_data.types import FloatArray

SMPL_VERTICES = 6890
SMPL_NAMED = {
    "nose": 332, "reye": 6260, "leye": 2800, "rear": 4071, "lear": 583, "LBigToe": 3216, "LSmallToe": 3226,
    "LHeel": 3387, "RBigToe": 6617, "RSmallToe": 6624, "RHeel": 6787,
}  # fmt: skip
"""Vertices of SMPL's mesh that SMPLify-X and others use as OpenPose's points of face and feet."""

_STAND_INS = {
    "nose": "vertex.nose",
    "eye": "vertex.{}eye",
    "ear": "vertex.{}ear",
    "big_toe": "vertex.{}BigToe",
    "small_toe": "vertex.{}SmallToe",
    "heel": "vertex.{}Heel",
}
"""Keypoint, without its side, to the named vertex that takes its place; for the others it is the joint of the name."""


@dataclass(frozen=True, slots=True, eq=False)
class SkinPoints:
    """Rules for places on the skin, as the file has them."""

    origin: str
    stature_m: float
    """Height of the T-pose of the body that the shifts are for."""
    points: tuple[SkinPoint, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Rows (V + 24,) of points that a body has, by ``kind.name``; joints by their bare names."""

    rows: Mapping[str, FloatArray]
    own: bool
    """Whether the rules for the skin were made for this body."""

    def row(self, point: str) -> tuple[FloatArray, str]:
        """Row of a point or its stand-in, and how it was found; KeyError where there is neither."""
        if point in self.rows:
            kind, dot, _ = point.partition(".")
            return self.rows[point], _HOW[kind] if dot else _HOW["joint"]
        return self.rows[_stand_in(point)], _HOW["instead"]


_HOW = {
    "joint": "joint of the body",
    "coco": "Anny's keypoint",
    "skin": "rule on the skin",
    "vertex": "named vertex",
    "instead": "stand-in",
    "offset": "offset from a joint",
}


def _stand_in(point: str) -> str:
    kind, _, name = point.partition(".")
    if kind != "coco":
        return ""
    side, _, stem = name.rpartition("left_") if name.startswith("left_") else name.rpartition("right_")
    side = name[:1] if stem != name else ""
    pattern = _STAND_INS.get(stem)
    if pattern is None:
        return name
    return pattern.format(side.upper() if stem in ("big_toe", "small_toe", "heel") else side)


def points_of(
    body: Body, joint_set: JointSet, skin: SkinPoints, keypoints: Mapping[str, FloatArray], *, own: bool = False
) -> Points:
    """The points of a body that a joint set may need.

    Parameters
    ----------
    body, joint_set
        The body and the set.
    skin
        Rules for places on the skin.
    keypoints
        (V,) rows of annotated keypoints by name; empty where there are none for this body.
    own
        Whether the rules were made for this body.
    """
    count = body.num_vertices
    units = np.eye(len(SMPL_JOINTS), count + len(SMPL_JOINTS), count)
    rows: dict[str, FloatArray] = dict(zip(SMPL_JOINTS, units, strict=True))
    named = body.vertex_ids or (SMPL_NAMED if count == SMPL_VERTICES else {})
    for name, vertex in named.items():
        rows[f"vertex.{name}"] = np.eye(1, count + len(SMPL_JOINTS), vertex)[0]
    rows |= {f"coco.{name}": np.append(row, np.zeros(len(SMPL_JOINTS))) for name, row in keypoints.items()}
    scale = float(np.ptp(body.v_template[:, 1])) / skin.stature_m
    needed = {point.replace(".right_", ".left_") for joint in joint_set.joints for point in joint.at}
    places = tuple(p for p in skin.points if f"skin.{p.name}".replace(".right_", ".left_") in needed)
    rows |= {f"skin.{name}": row for name, row in skin_rows(body, places, scale, joint_set.off_skin_m).items()}
    return Points(rows, own)


def defined(body: Body, joint_set: JointSet, points: Points) -> JointRegressor:
    """Regressor of a set from its joints' definitions.

    Raises
    ------
    UsageError
        Where the body lacks a point and its stand-in.
    """
    from scipy.sparse import csr_array

    rows: list[FloatArray] = []
    how: list[str] = []
    lacking: list[str] = []
    for joint in joint_set.joints:
        try:
            row, words = _row(body, joint, points)
        except KeyError:
            lacking.append(joint.name)
            continue
        rows.append(row)
        how.append(words)
    if lacking:
        raise UsageError(
            f"joint set {joint_set.name!r} cannot be found on body {body.name!r}: it lacks {', '.join(lacking)}",
            hint="give a published regressor for this body: --regressor FILE (.npy, .npz, .txt or .yaml of vertices)",
        )
    matrix = np.stack(rows)
    if body.mirror is not None:
        _mirror_rows(body, joint_set, matrix)
    strange = {_HOW["skin"], _HOW["offset"]} if not points.own else set()
    approximate = any(part in strange | {_HOW["instead"]} for words in how for part in words.split(", "))
    return JointRegressor(
        joint_set.name, body.sha256, joint_set.names, csr_array(matrix), tuple(how), approximate, joint_set.origin
    )


def _row(body: Body, joint: Joint, points: Points) -> tuple[FloatArray, str]:
    found = [points.row(point) for point in joint.at]
    row = np.mean([part for part, _ in found], axis=0)
    words = list(dict.fromkeys(word for _, word in found))
    if any(joint.offset):
        moved = SMPL_JOINTS.index(joint.moves_with)
        beside = offset_row(body, moved, np.array(joint.offset))
        beside[body.num_vertices + moved] -= 1.0
        row, words = row + beside, [_HOW["offset"]]
    return row, ", ".join(words)


def _mirror_rows(body: Body, joint_set: JointSet, matrix: FloatArray) -> None:
    """Make right rows the mirror images of left ones and rows on the mid-line their own, exactly."""
    other = mirror_names(joint_set.names)
    columns = np.concatenate([np.asarray(body.mirror), body.num_vertices + mirror_names(SMPL_JOINTS)])
    for index, partner in enumerate(other):
        name = joint_set.names[index]
        if name.startswith("left_"):
            matrix[partner] = matrix[index, columns]
        elif partner == index and not any(".right_" in point for point in joint_set.joints[index].at):
            matrix[index] = symmetric_row(body, matrix[index])
