"""Contact sheets of fits: 3D points on meshes, masks and keypoints under bodies, walks of few frames."""

import dataclasses

import cv2
import numpy as np
import pytest

from meshgait_data.body.files import load_body
from meshgait_data.body.model import forward
from meshgait_data.conventions import SMPL_JOINTS, SMPL_SET
from meshgait_data.fit.quality import FrameErrors
from meshgait_data.render.raster import silhouettes
from meshgait_data.types import BodyParams, Camera, CaptureKey, Fit, Keypoints, Masks, Observations
from meshgait_data.view.fit_pictures import Shown, fit_sheet

BODY = load_body("free-lite")
CAMERA = Camera(
    "090",
    np.array([[500.0, 0, 160], [0, 500, 120], [0, 0, 1]]),
    np.diag([1.0, -1, -1]),
    np.array([0, 0.2, 5.0]),
    (320, 240),
)


def shown(frames: int) -> Shown:
    params = BodyParams(
        np.zeros(10, np.float32),
        np.zeros((frames, 3), np.float32),
        np.zeros((frames, 69), np.float32),
        np.linspace([0, 0, 0], [0.5, 0, 0], frames).astype(np.float32),
    )
    joints = forward(BODY, params).joints
    key, ids = CaptureKey("a", "b", "c"), np.arange(frames)
    residuals = {"joints": np.linspace(0, 0.05, frames).astype(np.float32)}
    fit = Fit(key, params, ids, 30.0, residuals, np.zeros(frames, np.uint8), (), True, BODY.name, BODY.sha256)
    seen = Observations(key, joints, SMPL_JOINTS, SMPL_SET, ids, 30.0)
    return Shown("best: a/b/c", fit, seen, {"joints": FrameErrors(np.full((frames, 24), 0.03), SMPL_JOINTS)})


def in_view(walk: Shown) -> Shown:
    """The same walk, seen by a camera: masks of the body itself, moved by ten pixels, and two keypoints."""
    frames = len(walk.fit.frame_ids)
    images = np.roll(silhouettes(forward(BODY, walk.fit.params).vertices, BODY.faces, CAMERA), 10, axis=2)
    points = np.full((frames, 2, 2), 120.0)
    confidence = np.tile([1.0, 0.0], (frames, 1))
    keypoints = Keypoints("090", points, confidence, ("nose", "neck"), "coco17", CAMERA.size)
    seen = dataclasses.replace(walk.seen, masks=(Masks("090", images, np.ones(frames, bool)),), keypoints=(keypoints,))
    return dataclasses.replace(walk, seen=seen, fit=dataclasses.replace(walk.fit, cameras={"090": CAMERA}))


def decoded(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(picture.astype(int) - colour).max(-1) < 8).sum())


@pytest.mark.parametrize("frames", [1, 2, 12])
def test_points_in_space(frames):
    sheet = fit_sheet(BODY, [shown(frames)], "fits")
    assert sheet == fit_sheet(BODY, [shown(frames)], "fits"), "equal fits give equal bytes"
    picture = decoded(sheet)
    halfway = (33, 145, 140)  # viridis at 30 of 60 mm
    assert has(picture, halfway) > 10 * 24 * 0.5 * min(frames, 6)


def test_masks_and_keypoints_of_a_view():
    picture = decoded(fit_sheet(BODY, [in_view(shown(12)), shown(12)], "fits"))
    for colour in ((247, 103, 7), (28, 126, 214), (206, 212, 218)):
        assert has(picture, colour) > 500, "mask only, body only and both are there"
    seen = in_view(shown(12)).seen
    nothing = dataclasses.replace(seen.masks[0], seen=np.zeros(12, bool))
    bare = dataclasses.replace(in_view(shown(12)), seen=dataclasses.replace(seen, masks=(nothing,)))
    assert has(decoded(fit_sheet(BODY, [bare], "fits")), (247, 103, 7)) < 100
