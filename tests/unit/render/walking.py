"""A body that walks without any data: sine waves on hips, knees and shoulders."""

import numpy as np

from meshgait_data.body.model import Body
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.types import BodyParams, CaptureKey, Fit, MarkerSet


def walk(body: Body, *, frames: int = 30, seed: int = 0, length: float = 2.0, wild: float = 0.0) -> BodyParams:
    """Parameters of a walk along +z; ``wild`` adds random rotations (radians) to all joints."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.arange(frames) / 30 + rng.uniform(0, 2 * np.pi)
    swing = 0.45 * np.sin(phase)
    angles = {
        "left_hip": (-swing, 0, 0),
        "right_hip": (swing, 0, 0),
        "left_knee": (0.35 * (1 + np.sin(phase - 1)), 0, 0),
        "right_knee": (0.35 * (1 - np.sin(phase - 1)), 0, 0),
        "left_shoulder": (0, -swing, -1.2),
        "right_shoulder": (0, -swing, 1.2),
    }
    pose = wild * rng.normal(size=(frames, 24, 3))
    for name, axes in angles.items():
        for axis, values in enumerate(axes):
            pose[:, SMPL_JOINTS.index(name), axis] += values
    along = np.linspace(-length / 2, length / 2, frames)[:, None] * [0.0, 0.0, 1.0]
    return BodyParams(
        rng.normal(size=body.num_betas).astype(np.float32),
        (0.3 * wild * rng.normal(size=(frames, 3))).astype(np.float32),
        pose[:, 1:].reshape(frames, 69).astype(np.float32),
        (along + np.array([0.0, 1.1, 0.0])).astype(np.float32),
    )


def make_fit(body: Body, params: BodyParams, *, condition: str = "01", first_id: int = 12) -> Fit:
    """A fit of these parameters, all frames accepted, every fourth source frame."""
    frames = len(params)
    return Fit(
        key=CaptureKey("cmu_walk", "07", condition),
        params=params,
        frame_ids=first_id + 4 * np.arange(frames),
        fps=30.0,
        residuals={"joints": np.linspace(0.01, 0.03, frames)},
        verdict=np.zeros(frames, np.uint8),
        reasons=(),
        converged=True,
        body_name=body.name,
        body_sha256=body.sha256,
    )


def make_markers(body: Body, count: int = 40) -> MarkerSet:
    """Markers on vertices spread over the numbering; good enough to be seen."""
    ids = np.linspace(0, body.num_vertices - 1, count).astype(int)
    none = np.zeros((body.num_vertices, count), np.float32)
    return MarkerSet("spread", body.sha256, ids, np.arange(count), none, none)
