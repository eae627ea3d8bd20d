"""OUMVLP-Pose in miniature: one OpenPose file a frame, beside the silhouettes of the same frames."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from fakes.oumvlp import FRAMES, first_frame, write_silhouettes
from fakes.plan import Fake, Planted
from fakes.walkers import View
from meshgait_data.types import FloatArray


def make(out: Path, *, frames: int = FRAMES) -> Fake:
    """Write ``openpose/{id}/{view}_{seq}/..{frame}.json`` and ``Silhouette_{view}-{seq}/{id}/{frame}.png``."""
    fake = write_silhouettes("oumvlp_pose", out, frames)
    for key, view in fake.truth.items():
        _write_poses(out, key, view)
    planted = (
        *fake.planted,
        Planted("another person comes first in the file", "MG-KEYPOINTS-001", "openpose/00002/000_00"),
        Planted("nobody was found", "MG-FRAMES-012", "00003/00/030", ": 5"),
    )
    return Fake("oumvlp_pose", out, planted, fake.silhouettes, fake.truth)


def _write_poses(out: Path, key: str, view: View) -> None:
    subject, sequence, name = key.split("/")
    folder = out / "openpose" / subject / f"{name}_{sequence}"
    folder.mkdir(parents=True)
    keypoints = view.keypoints("openpose18")
    points = np.concatenate([keypoints.points, keypoints.confidence[..., None]], axis=-1)
    for frame, joints in enumerate(points, first_frame(name)):
        people = [_person(joints)]
        if key == "00002/00/000" and frame == 4:
            # Somebody smaller, at the side, whom the detector named first.
            people.insert(0, _person(joints * [0.5, 0.5, 1] + [100, 100, 0]))
        if key == "00003/00/030" and frame == 5:
            people = []
        # As published, and read like all others.
        stem = f"{frame:04d}_keypoint" if subject == "00001" else f"{name}_{sequence}_{subject}_{frame:04d}"
        (folder / f"{stem}.json").write_text(json.dumps({"version": 1.0, "people": people}))


def _person(joints: FloatArray) -> dict[str, Any]:
    return {
        "pose_keypoints_2d": joints.ravel().round(3).tolist(),
        "face_keypoints_2d": [],
        "hand_left_keypoints_2d": [],
    }
