"""Small trees of files that look like datasets: ellipses that walk, and what detectors and fits write of them."""

import pickle
from pathlib import Path

import cv2
import numpy as np


def masks(frames=6, size=(40, 32), person=0):
    """(F, H, W) an ellipse that moves, 0 and 255."""
    height, width = size
    images = np.zeros((frames, height, width), np.uint8)
    for frame in range(frames):
        cv2.ellipse(images[frame], (10 + frame, height // 2), (4 + person, 12), 0, 0, 360, 255, -1)
    return images


def write_masks(folder: Path, *, first=1, name="{:04d}.png", **look):
    """One picture a frame."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(masks(**look)):
        (folder / name.format(first + number)).write_bytes(cv2.imencode(".png", image)[1].tobytes())


def write_pickle(path: Path, array):
    """As OpenGait's tools do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(array, protocol=4))


def aligned(frames=6, person=0):
    """(F, 64, 64) silhouettes that fill the height."""
    return np.stack([cv2.resize(image[8:33], (64, 64)) for image in masks(frames, person=person)])


def poses(frames=6):
    """(F, 17, 3) x, y, confidence."""
    points = np.random.default_rng(0).uniform(5, 30, (frames, 17, 3))
    points[..., 2] = 0.9
    return points


def amass(frames=120):
    """Members of an npz of AMASS."""
    rng = np.random.default_rng(0)
    turns = rng.normal(0, 0.05, (frames, 156))
    # The world's z points up, the rest body's y.
    turns[:, :3] = (np.pi / 2, 0, 0)
    return {
        "poses": turns,
        "trans": np.cumsum(np.full((frames, 3), 0.01), 0),
        "betas": rng.normal(0, 1, 16),
        "gender": "neutral",
        "mocap_framerate": 60.0,
    }
