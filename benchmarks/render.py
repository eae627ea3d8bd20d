"""Rendering: speed and accuracy of the rasteriser, of alignment, and of the whole way from a fit to packed frames."""

import cv2
import numpy as np
from common import Figures, cpu_seconds, main

from meshgait_data.body.files import load_body
from meshgait_data.body.marker_files import load_markers
from meshgait_data.body.model import Body, forward
from meshgait_data.manifest import load_manifest
from meshgait_data.render.align import align
from meshgait_data.render.cameras import look_at, project
from meshgait_data.render.raster import silhouettes
from meshgait_data.render.sequence import pose_capture, render_sequence
from meshgait_data.types import BodyParams, ByteArray, Camera, CaptureKey, Fit, FloatArray

SIDE = 256
"""Side of the image that the rasteriser is measured with; the body fills 70 % of its height."""

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


def facing(vertices: FloatArray, scale: int) -> Camera:
    """Camera 4 m in front of the body, whose image is ``scale`` times 256 pixels wide and high."""
    low, high = vertices[..., 1].min(), vertices[..., 1].max()
    middle = np.array([0.0, (low + high) / 2, 0.0])
    position = middle + np.array([0.0, 0.0, 4.0])
    rotation = look_at(position, middle)
    focal = 0.7 * SIDE * 4.0 / (high - low)
    # Pixel centres are integers: centre c of a pixel becomes the middle of its samples, scale (c + 1/2) - 1/2.
    centre = scale * SIDE / 2 - 0.5
    intrinsics = np.array([[scale * focal, 0, centre], [0, scale * focal, centre], [0, 0, 1]])
    return Camera("front", intrinsics, rotation, -rotation @ position, (scale * SIDE, scale * SIDE))


def against_coverage(masks: ByteArray, vertices: FloatArray, body: Body) -> float:
    """Mean intersection over union with pixels that are at least half covered, by 8 x 8 samples."""
    scores = []
    for mask, frame in zip(masks > 0, vertices, strict=True):
        fine = silhouettes(frame[None], body.faces, facing(vertices, SUPER), closed=False)[0] > 0
        half = fine.reshape(SIDE, SUPER, SIDE, SUPER).mean(axis=(1, 3)) >= 0.5
        scores.append(np.count_nonzero(mask & half) / np.count_nonzero(mask | half))
    return float(np.mean(scores))


def against_opencv(masks: ByteArray, vertices: FloatArray, body: Body, repeat: int) -> Figures:
    """Speed against OpenCV's rasteriser and pixels that differ; nothing where OpenCV is older than 5."""
    if not hasattr(cv2, "triangleRasterizeDepth"):
        return {}
    cv2.setNumThreads(1)
    settings = cv2.TriangleRasterizeSettings()
    settings.setCullingMode(cv2.RASTERIZE_CULLING_NONE)
    camera = facing(vertices, 1)
    faces = body.faces.reshape(1, -1, 3).astype(np.int32)

    def draw() -> ByteArray:
        drawn = np.zeros_like(masks)
        pixels, _ = project(camera, vertices)
        for mask, (x, y) in zip(drawn, pixels.transpose(0, 2, 1) + 0.5, strict=True):
            # A camera of 90 degrees whose image plane carries the projected pixels.
            flat = np.stack([x - SIDE / 2, SIDE / 2 - y, np.full_like(x, -SIDE / 2)], axis=1).astype(np.float32)
            depth = np.full((SIDE, SIDE), 1e4, np.float32)
            eye = np.eye(4, dtype=np.float32)
            cv2.triangleRasterizeDepth(flat[None], faces, depth, eye, np.pi / 2, 1.0, 1e4, settings)
            mask[depth < 9e3] = 255
        return drawn

    ours = cpu_seconds(lambda: silhouettes(vertices, body.faces, camera), repeat)
    return {
        "vs_opencv": cpu_seconds(draw, repeat) / ours,
        "opencv_different_px": np.count_nonzero(draw() != masks) / len(masks),
    }


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
    body = load_body("free")
    params = strides(body, 32, 2 * np.pi)
    params.transl[:] = 0.0
    vertices = forward(body, params).vertices
    camera = facing(vertices, 1)
    masks = silhouettes(vertices, body.faces, camera)
    draw = cpu_seconds(lambda: silhouettes(vertices, body.faces, camera), repeat)
    both = cpu_seconds(lambda: silhouettes(vertices, body.faces, camera, closed=False), repeat)
    return {
        "fps_core_256": len(masks) / draw,
        "fps_core_256_any_mesh": len(masks) / both,
        "iou_reference": against_coverage(masks, vertices, body),
        **against_opencv(masks, vertices, body, repeat),
        "align_ms": 1e3 * cpu_seconds(lambda: align(masks), repeat) / len(masks),
        **end_to_end(body, repeat),
    }


if __name__ == "__main__":
    main("render", measure, "Rendering: mesh to mask, mask to aligned silhouette, fit to labelled frames")
