"""The fit to masks: rendered walks of people that nothing was learned from, from a start that is off.

``python benchmarks/masks.py --picture FILE`` draws what happens to one walk instead.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from common import Figures, main

from meshgait_data import rotations
from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body, forward
from meshgait_data.fit import fit_joints
from meshgait_data.fit.masks import MaskSettings, refine_masks
from meshgait_data.index import scan
from meshgait_data.manifest import load_joint_map, load_manifest
from meshgait_data.render.cameras import look_at
from meshgait_data.render.raster import silhouettes
from meshgait_data.sources import observe
from meshgait_data.types import BodyParams, ByteArray, Camera, FloatArray
from meshgait_data.view.mesh import montage

SIDE = 256
"""Pixels of the images; the body fills about 60 % of their height."""
SHIFT_M, TURN_RAD = 0.03, 0.1
"""How far the start is off: the same for all frames of a walk, so that smoothing cannot mend it."""
BOTH, MISSED, TOO_MUCH, NOTHING = (150, 150, 150), (230, 130, 30), (50, 110, 200), (255, 255, 255)


def people(body: Body, frames: int) -> list[BodyParams]:
    """The first frames of the first walk of each test person, fitted to motion capture: the truth here."""
    manifest, joint_map = load_manifest("cmu_walk"), load_joint_map("cmu")
    root = manifest.default_root()
    assert root is not None
    first = {key.subject: key for key in reversed(scan(manifest, root)[0].captures())}
    keys = [first[subject] for subject in sorted(first) if manifest.side(subject) == "test"]
    return [fit_joints(body, observe(manifest, root, key), joint_map).params.take(slice(0, frames)) for key in keys]


def around(vertices: FloatArray, count: int) -> list[Camera]:
    """Cameras 5 m from the middle of a walk: front, left side, back, right side."""
    low, high = vertices.min(axis=(0, 1)), vertices.max(axis=(0, 1))
    middle, focal, centre = (low + high) / 2, 0.7 * SIDE * 4.0 / 1.8, (SIDE - 1) / 2
    intrinsics = np.array([[focal, 0, centre], [0, focal, centre], [0, 0, 1]])
    cameras = []
    for azimuth in (0, 90, 180, 270)[:count]:
        angle = np.deg2rad(azimuth)
        position = middle + 5.0 * np.array([np.sin(angle), 0.1, np.cos(angle)])
        rotation = look_at(position, middle)
        cameras.append(Camera(f"{azimuth:03d}", intrinsics, rotation, -rotation @ position, (SIDE, SIDE)))
    return cameras


def perturbed(truth: BodyParams, seed: int, *, shift_m: float = SHIFT_M, turn_rad: float = TURN_RAD) -> BodyParams:
    """Mean shape, all joints turned about random axes, and moved."""
    rng = np.random.default_rng(seed)
    axes, shift = rng.normal(size=(24, 3)), rng.normal(size=3)
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    angles = np.concatenate([truth.global_orient, truth.body_pose], axis=1).reshape(len(truth), 24, 3)
    turned = rotations.log(rotations.exp(angles.astype(float)) @ rotations.exp(turn_rad * axes)).astype(np.float32)
    moved = truth.transl + shift_m * shift / np.linalg.norm(shift)
    flat = turned.reshape(len(truth), -1)
    return BodyParams(np.zeros(10, np.float32), flat[:, :3], flat[:, 3:], moved.astype(np.float32))


def overlap(found: list[ByteArray], masks: list[ByteArray]) -> float:
    """Mean intersection over union of whole images."""
    pairs = [((a > 0) & (b > 0), (a > 0) | (b > 0)) for a, b in zip(found, masks, strict=True)]
    return float(np.mean([both.sum(axis=(1, 2)) / either.sum(axis=(1, 2)) for both, either in pairs]))


def joints_mm(body: Body, found: BodyParams, truth: BodyParams) -> float:
    """Mean distance of the 24 joints."""
    pair = [forward(body, params, np.array([0])).joints for params in (found, truth)]
    return 1e3 * float(np.linalg.norm(pair[0] - pair[1], axis=-1).mean())


def aligned_mm(body: Body, found: BodyParams, truth: BodyParams) -> float:
    """The same after each frame was scaled, turned and moved at best (Procrustes): one camera knows no depth."""
    errors = []
    for a, b in zip(*(forward(body, params, np.array([0])).joints for params in (found, truth)), strict=True):
        a, b = a - a.mean(axis=0), b - b.mean(axis=0)
        left, strength, right = np.linalg.svd(b.T @ a)
        signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
        scale = (strength * signs).sum() / np.square(a).sum()
        errors.append(np.linalg.norm(scale * a @ ((left * signs) @ right).T - b, axis=1).mean())
    return 1e3 * float(np.mean(errors))


def on_walks(walks: list[BodyParams], body: Body, small: Body, views: int) -> Figures:
    """Before and after, and CPU milliseconds a frame on one thread; ``small`` is moved, ``body`` is judged."""
    rows = []
    for seed, truth in enumerate(walks):
        vertices = forward(body, truth).vertices
        cameras = around(vertices, views)
        masks = [silhouettes(vertices, body.faces, camera) for camera in cameras]
        start = perturbed(truth, seed)
        clock = time.process_time()
        found, _ = refine_masks(small, start, masks, cameras)
        seconds = time.process_time() - clock
        drawn = [[silhouettes(forward(body, p).vertices, body.faces, c) for c in cameras] for p in (start, found)]
        rows.append([
            *(overlap(images, masks) for images in drawn),
            *(joints_mm(body, params, truth) for params in (start, found)),
            *(aligned_mm(body, params, truth) for params in (start, found)),
            1e3 * seconds / len(truth),
        ])  # fmt: skip
    names = ("start_iou", "iou", "start_mm", "mm", "start_pa_mm", "pa_mm", "ms_a_frame")
    return {f"masks{views}_{name}": float(value) for name, value in zip(names, np.mean(rows, axis=0), strict=True)}


def overlay(drawn: ByteArray, mask: ByteArray) -> ByteArray:
    """One image, enlarged: where body and mask agree, what the body misses, where it is too much."""
    picture = np.full((*mask.shape, 3), NOTHING, np.uint8)
    picture[(drawn > 0) & (mask > 0)] = BOTH
    picture[(drawn == 0) & (mask > 0)] = MISSED
    picture[(drawn > 0) & (mask == 0)] = TOO_MUCH
    return picture.repeat(2, axis=0).repeat(2, axis=1)


def picture() -> bytes:
    """Four views of one frame: the start, after the contour term, the result; from a start that is farther off."""
    body, small = load_body("free"), load_body("free-lite")
    truth = people(body, 20)[0]
    vertices = forward(body, truth).vertices
    cameras = around(vertices, 4)
    masks = [silhouettes(vertices, body.faces, camera) for camera in cameras]
    start = perturbed(truth, 0, shift_m=0.3, turn_rad=0.25)
    settings = MaskSettings(start_sd_m=0.3)
    stages = {"start": start}
    stages["contour term"] = refine_masks(small, start, masks, cameras, replace(settings, edge_iterations=0))[0]
    stages["contour, then outline"] = refine_masks(small, start, masks, cameras, settings)[0]
    seen = np.array(masks)[:, 10].any(axis=0)
    y, x = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
    box = slice(y[0] - 24, y[-1] + 12), slice(x[0] - 20, x[-1] + 20)
    rows = []
    for name, params in stages.items():
        drawn = [silhouettes(forward(body, params).vertices, body.faces, camera) for camera in cameras]
        caption = f"IoU {overlap(drawn, masks):.3f}, joints {joints_mm(body, params, truth):.0f} mm"
        cells = []
        for image, mask, camera in zip(drawn, masks, cameras, strict=True):
            text = f"{name}\n{caption}" if camera is cameras[0] else f"camera {camera.name}"
            cells.append((overlay(image[10][box], mask[10][box]), text))
        rows.append(cells)
    return montage(rows, "A body fitted to masks: grey fits, orange is missed, blue is too much")


def measure(quick: bool) -> Figures:
    """Figures of the shipped bodies."""
    torch.set_num_threads(1)
    body, small = load_body("free"), load_body("free-lite")
    walks = people(body, 20 if quick else 40)[: 2 if quick else None]
    return {**on_walks(walks, body, small, 4), **on_walks(walks, body, small, 1)}


if __name__ == "__main__":
    if "--picture" in sys.argv:
        torch.set_num_threads(1)
        Path(sys.argv[sys.argv.index("--picture") + 1]).write_bytes(picture())
    else:
        main("masks", measure, "Fit to masks: overlap, joints and time, from 4 cameras and from 1")
