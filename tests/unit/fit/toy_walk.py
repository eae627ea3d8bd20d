"""Parameters of a synthetic walk."""

import numpy as np

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.types import BodyParams, CaptureKey

KEY = CaptureKey("toy", "01", "01")


def gait(frames: int, betas: np.ndarray | None = None) -> BodyParams:
    """A stride a second at 30 frames a second: legs and arms swing, elbows bend, the body moves forwards."""
    phase = 2 * np.pi * np.arange(frames) / 30
    pose = np.zeros((frames, 24, 3))
    for side, shift, sign in (("left", 0.0, 1.0), ("right", np.pi, -1.0)):
        swing = np.sin(phase + shift)
        pose[:, SMPL_JOINTS.index(f"{side}_hip"), 0] = -0.4 * swing
        pose[:, SMPL_JOINTS.index(f"{side}_knee"), 0] = 0.5 + 0.4 * np.cos(phase + shift)
        pose[:, SMPL_JOINTS.index(f"{side}_ankle"), 0] = -0.1 * swing
        pose[:, SMPL_JOINTS.index(f"{side}_shoulder"), 2] = -1.2 * sign
        pose[:, SMPL_JOINTS.index(f"{side}_shoulder"), 1] = 0.2 * swing * sign
        pose[:, SMPL_JOINTS.index(f"{side}_elbow"), 1] = -sign * (0.5 + 0.1 * swing)
    pose[:, 0, 1] = 0.1 * np.sin(phase)
    transl = np.stack([0.02 * np.sin(phase), 1.2 + 0.02 * np.cos(2 * phase), 1.2 * np.arange(frames) / 30], 1)
    shape = np.zeros(10) if betas is None else betas
    flat = pose.reshape(frames, 72).astype(np.float32)
    return BodyParams(shape.astype(np.float32), flat[:, :3], flat[:, 3:], transl.astype(np.float32))
