"""Build the joint regressors that ship for the free bodies, and the walking poses that they are measured on."""

from pathlib import Path

import numpy as np

from meshgait_data.body.files import load_body
from meshgait_data.body.free import FreeBodySettings
from meshgait_data.body.free_joints import (
    KEYPOINTS_ORIGIN,
    anny_keypoints,
    build_regressors,
    carry_regressors,
)
from meshgait_data.body.free_mesh import symmetric_mesh
from meshgait_data.body.free_source import Anny
from meshgait_data.body.free_walks import joint_rotations
from meshgait_data.body.joint_files import (
    joint_set_names,
    load_joint_set,
    load_skin_points,
    read_keypoints,
    save_keypoints,
    save_regressors,
)
from meshgait_data.body.model import Body, rest_joints
from meshgait_data.pipeline.free_body import TEST, shipped_walks
from meshgait_data.rotations import log
from meshgait_data.types import BodyParams, FloatArray

BODIES = ("free", "free-lite")
"""Bodies that regressors ship for; the first is the one that they are defined on."""
_EVERY = 40
_STEP = 60
"""Frame of the first test walk that pictures show."""


def walking_poses(body: Body, every: int = _EVERY) -> BodyParams:
    """Poses of shipped walks, for the mean shape."""
    rest = rest_joints(body)[0]
    rotations = np.concatenate([joint_rotations(walk, rest) for walk in shipped_walks(TEST, every)])
    return _params(rotations)


def walking_step(body: Body) -> BodyParams:
    """One pose in the middle of a walk, turned to face +z."""
    walk = shipped_walks(TEST[:1], _STEP)[0]
    rotations = joint_rotations(walk, rest_joints(body)[0])[1:2].copy()
    rotations[:, 0] = np.eye(3)
    return _params(rotations)


def _params(rotations: FloatArray) -> BodyParams:
    """From (F, 24, 3, 3)."""
    angles = log(rotations).reshape(len(rotations), -1).astype(np.float32)
    return BodyParams(np.zeros(1, np.float32), angles[:, :3], angles[:, 3:], np.zeros((len(angles), 3), np.float32))


def build_joint_files(folder: Path) -> list[Path]:
    """Write the regressors of the free bodies into a folder, from the definitions and ``keypoints.npz`` that ship."""
    sets = [load_joint_set(name) for name in joint_set_names()]
    bodies = [load_body(name) for name in BODIES]
    poses = walking_poses(bodies[0])
    built = build_regressors(bodies[0], sets, load_skin_points(), read_keypoints(), poses)
    files = {BODIES[0]: built}
    for body in bodies[1:]:
        files[body.name] = carry_regressors(built, bodies[0], body, sets, poses)
    written = []
    for body in bodies:
        path = folder / f"{body.name}.npz"
        save_regressors(path, body, files[body.name].regressors, files[body.name].errors_mm)
        written.append(path)
    return written


def build_keypoints(folder: Path) -> Path:
    """Write ``keypoints.npz``: Anny's keypoints on the free body's mesh. Needs Anny."""
    source = Anny()
    skin = source.skin()
    mesh = symmetric_mesh(skin.vertices, skin.faces, FreeBodySettings().half_faces)
    path = folder / "keypoints.npz"
    save_keypoints(path, anny_keypoints(source, mesh), {"origin": KEYPOINTS_ORIGIN})
    return path
