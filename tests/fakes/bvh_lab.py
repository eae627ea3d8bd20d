"""A lab's motion capture in BVH files, in centimetres, with the names that most programs give to joints."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from fakes.plan import Fake, Planted
from fakes.walkers import fake_body, walk_params
from meshgait_data.body.model import rest_joints
from meshgait_data.conventions import SMPL_JOINTS, SMPL_PARENTS
from meshgait_data.types import BodyParams

FRAMES, RATE = 100, 60
NAMES = {
    "pelvis": "Hips",
    "spine1": "Spine",
    "spine2": "Spine1",
    "spine3": "Spine2",
    "neck": "Neck",
    "head": "Head",
    **{
        f"{side}_{joint}": f"{side.capitalize()}{name}"
        for side in ("left", "right")
        for joint, name in {
            "hip": "UpLeg",
            "knee": "Leg",
            "ankle": "Foot",
            "foot": "ToeBase",
            "collar": "Shoulder",
            "shoulder": "Arm",
            "elbow": "ForeArm",
            "wrist": "Hand",
        }.items()
    },
}
"""SMPL's joint to the name in the files."""
TAKES = {"anna/walk01": (0, 0), "anna/walk02": (0, 1), "boris/walk01": (2, 0), "boris/walk02": (2, 1)}
CUT = "boris/walk02"


def make(out: Path) -> Fake:
    """Write ``{person}/{take}.bvh``; one file breaks off in its last frames, one has half of a frame's numbers more."""
    truth = {}
    for name, (person, take) in TAKES.items():
        params = walk_params(person, take, frames=FRAMES, fps=RATE)
        text = bvh(params, RATE)
        path = out / f"{name}.bvh"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text[: text.rindex("\n", 0, len(text) - 900) + 40] if name == CUT else text)
        truth[name] = params
    (out / "anna" / "notes.txt").write_text("Shoes on.\n")
    (out / "boris" / "walk03.bvh").write_text("HIERARCHY\nROOT Hips\n{\n")
    return Fake("bvh_lab", out, PLANTED, {}, truth)


PLANTED = (
    Planted("a file that breaks off", "MG-SOURCE-001", "boris/walk02.bvh", "breaks off"),
    Planted("a hierarchy that breaks off", "MG-INDEX-001", "boris/walk03.bvh"),
)


def bvh(params: BodyParams, rate: float) -> str:
    """Text of a BVH file: the body's joints as they are at rest, and its rotations as Z, X, Y in degrees."""
    template, directions = rest_joints(fake_body())
    rest = 100 * (template + directions[..., : len(params.betas)] @ params.betas)
    order: list[int] = []
    lines = ["HIERARCHY", *_node(0, rest, order, 0), "MOTION", f"Frames: {len(params)}", f"Frame Time: {1 / rate:.7f}"]
    angles = np.concatenate([params.global_orient, params.body_pose], axis=1).reshape(-1, 24, 3)
    turns = Rotation.from_rotvec(angles[:, order].reshape(-1, 3)).as_euler("ZXY", degrees=True)
    places = 100 * params.transl + rest[0]
    rows = np.concatenate([places, turns.reshape(len(params), -1)], axis=1)
    lines += [" ".join(f"{value:.5f}" for value in row) for row in rows]
    return "\n".join(lines) + "\n"


def _node(joint: int, rest: np.ndarray, order: list[int], depth: int) -> list[str]:
    order.append(joint)
    name, parent = SMPL_JOINTS[joint], SMPL_PARENTS[joint]
    offset = rest[joint] if parent < 0 else rest[joint] - rest[parent]
    channels = "3 Zrotation Xrotation Yrotation"
    if parent < 0:
        channels = f"6 Xposition Yposition Zposition {channels[2:]}"
    pad = "  " * depth
    lines = [f"{pad}{'ROOT' if parent < 0 else 'JOINT'} {NAMES[name]}", f"{pad}{{"]
    lines += [f"{pad}  OFFSET {_three(offset)}", f"{pad}  CHANNELS {channels}"]
    children = [child for child, of in enumerate(SMPL_PARENTS) if of == joint]
    for child in children:
        if SMPL_JOINTS[child] in NAMES:
            lines += _node(child, rest, order, depth + 1)
        else:
            lines += _end(rest[child] - rest[joint], depth + 1)
    if not children:
        lines += _end(np.array([0.0, 5.0, 0.0]), depth + 1)
    return [*lines, f"{pad}}}"]


def _end(offset: np.ndarray, depth: int) -> list[str]:
    pad = "  " * depth
    return [f"{pad}End Site", f"{pad}{{", f"{pad}  OFFSET {_three(offset)}", f"{pad}}}"]


def _three(values: np.ndarray) -> str:
    return " ".join(f"{value:.5f}" for value in values)
