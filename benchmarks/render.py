"""Rendering: speed and accuracy of the rasteriser, of alignment, and of the whole way from a fit to packed frames.

``benchmarks/render_picture.py`` draws what full runs recorded.
"""

import cv2
import numpy as np
import torch
from common import Figures, cpu_seconds, main
from render_peers import against_pyrender, against_pytorch3d, backend_speeds, facing, gpu_speeds, iou

from meshgait_data.body.files import load_body
from meshgait_data.body.marker_files import load_markers
from meshgait_data.body.model import Body, forward
from meshgait_data.manifest import load_manifest
from meshgait_data.render.align import align
from meshgait_data.render.raster import silhouettes
from meshgait_data.render.sequence import pose_capture, render_sequence
from meshgait_data.render.soft import Topology, camera_matrices, coverage
from meshgait_data.types import BodyParams, ByteArray, CaptureKey, Fit, FloatArray

SIDE = 256
"""Side of the image that the rasteriser is measured with."""

SUPER = 8
"""Samples of a pixel along each axis in the reference."""


def strides(body: Body, frames: int, turn: float) -> BodyParams:
    """Legs and arms that swing along +z while the body turns by ``turn`` radians altogether."""
    swing = 0.45 * np.sin(2 * np.pi * np.arange(frames) / 30)
    pose = np.zeros((frames, 23, 3), np.float32)
    pose[:, 0, 0], pose[:, 1, 0] = -swing, swing
    pose[:, 3, 0], pose[:, 4, 0] = 0.45 + swing, 0.45 - swing
    pose[:, 15, 2], pose[:, 16, 2] = -1.2, 1.2
    orient = np.linspace(0, turn, frames)[:, None] * np.array([0.0, 1.0, 0.0])
    along = np.linspace(-1.5, 1.5, frames)[:, None] * np.array([0.0, 0.0, 1.0])
    betas = np.zeros(body.num_betas, np.float32)
    return BodyParams(betas, orient.astype(np.float32), pose.reshape(frames, 69), along.astype(np.float32))


def coverage_iou(masks: ByteArray, vertices: FloatArray, body: Body) -> float:
    """Mean intersection over union with pixels that are at least half covered, by 8 x 8 samples."""
    half = silhouettes(vertices, body.faces, facing(vertices, SIDE), closed=False, samples=SUPER) >= 128
    return float(np.mean([iou(mask > 0, fine) for mask, fine in zip(masks, half, strict=True)]))


def soft_ms(vertices: FloatArray, body: Body, repeat: int) -> float:
    """CPU milliseconds per image of a differentiable silhouette of 64 x 64 pixels, forwards and backwards."""
    topology = Topology.of(body.faces)
    matrices = camera_matrices(facing(vertices, 64))
    moving = torch.from_numpy(vertices).requires_grad_()

    def step() -> None:
        moving.grad = None
        coverage(moving, topology, matrices, (64, 64)).square().sum().backward()

    return 1e3 * cpu_seconds(step, repeat) / len(vertices)


def end_to_end(body: Body, repeat: int) -> Figures:
    """Frames a second and core from a fit to all fields of all views of the shipped manifest; one pose for all."""
    manifest = load_manifest("cmu_walk")
    markers = load_markers(body)
    params = strides(body, 90, 0.0)
    count = len(params)
    fit = Fit(
        CaptureKey("bench", "0", "0"), params, np.arange(count), 30.0, {"joints": np.zeros(count)},
        np.zeros(count, np.uint8), (), True, body.name, body.sha256,
    )  # fmt: skip

    def run() -> int:
        posed, cameras = pose_capture(body, fit, manifest.cameras)
        views = (render_sequence(body, markers, fit, camera, identity="0", posed=posed) for camera in cameras)
        return sum(len(view) for view in views)

    return {"end_to_end_fps": run() / cpu_seconds(run, repeat)}


def measure(quick: bool) -> Figures:
    """Figures of the shipped body."""
    repeat = 3 if quick else 15
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    body = load_body("free")
    params = strides(body, 32, 2 * np.pi)
    params.transl[:] = 0.0
    vertices = forward(body, params).vertices
    camera = facing(vertices, SIDE)
    masks = silhouettes(vertices, body.faces, camera)
    draw = cpu_seconds(lambda: silhouettes(vertices, body.faces, camera), repeat)
    both = cpu_seconds(lambda: silhouettes(vertices, body.faces, camera, closed=False), repeat)
    return {
        "fps_core_256": len(masks) / draw,
        "fps_core_256_any_mesh": len(masks) / both,
        "iou_reference": coverage_iou(masks, vertices, body),
        **backend_speeds(vertices, body.faces, repeat),
        **gpu_speeds(vertices, body.faces, repeat),
        **against_pyrender(vertices, body.faces, repeat),
        **against_pytorch3d(vertices, body.faces),
        "soft_ms_64": soft_ms(vertices, body, repeat),
        "align_ms": 1e3 * cpu_seconds(lambda: align(masks), repeat) / len(masks),
        **end_to_end(body, repeat),
    }


if __name__ == "__main__":
    main("render", measure, "Rendering: mesh to mask, mask to aligned silhouette, fit to labelled frames")
