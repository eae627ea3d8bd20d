"""Speed of the raster backends beside one another, and against pyrender and pytorch3d where these are installed."""

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import Figures, cpu_seconds

from meshgait_data.render.backends import EXACT, lacks
from meshgait_data.render.cameras import look_at
from meshgait_data.render.raster import silhouettes
from meshgait_data.types import BoolArray, ByteArray, Camera, FloatArray, IntArray

SIDES = (64, 128, 256, 512)
"""Sides of the images that backends are compared at."""


def facing(vertices: FloatArray, side: int) -> Camera:
    """Camera 4 m in front of a body, which fills 70 % of the height of a square image."""
    low, high = vertices[..., 1].min(), vertices[..., 1].max()
    middle = np.array([0.0, (low + high) / 2, 0.0])
    position = middle + np.array([0.0, 0.0, 4.0])
    rotation = look_at(position, middle)
    focal, centre = 0.7 * side * 4.0 / (high - low), side / 2 - 0.5
    intrinsics = np.array([[focal, 0, centre], [0, focal, centre], [0, 0, 1]])
    return Camera("front", intrinsics, rotation, -rotation @ position, (side, side))


def iou(one: BoolArray, other: BoolArray) -> float:
    """Intersection over union."""
    return float(np.count_nonzero(one & other) / np.count_nonzero(one | other))


def backend_speeds(vertices: FloatArray, faces: IntArray, repeat: int) -> Figures:
    """Frames a second and core of each backend and size, and pixels in which any differs from the first."""
    figures: Figures = {}
    different = 0
    for side in SIDES:
        camera = facing(vertices, side)
        expected = silhouettes(vertices, faces, camera)
        for backend in EXACT:
            if not lacks(backend):
                seconds = _seconds(vertices, faces, camera, backend, repeat)
                figures[f"fps_{backend}_{side}"] = len(vertices) / seconds
                drawn = silhouettes(vertices, faces, camera, backend=backend)
                different += np.count_nonzero(drawn != expected)
    return {**figures, "backends_different_px": different}


def gpu_speeds(vertices: FloatArray, faces: IntArray, repeat: int) -> Figures:
    """Frames a second of wall time on a GPU, copies there and back included; nothing without one."""
    import torch

    if not torch.cuda.is_available():
        return {}
    many = np.tile(vertices, (16, 1, 1))
    figures: Figures = {}
    for backend in ("torch", "pytorch3d"):
        for side in SIDES if not lacks(backend) else ():
            camera = facing(vertices, side)
            times = []
            for _ in range(repeat + 1):
                begin = time.perf_counter()
                silhouettes(many, faces, camera, backend=backend, device="cuda")
                times.append(time.perf_counter() - begin)
            figures[f"fps_{backend}_gpu_{side}"] = len(many) / float(np.median(times[1:]))
    return figures


def against_pytorch3d(vertices: FloatArray, faces: IntArray) -> Figures:
    """Our speed over pytorch3d's on the CPU, one frame each; only in pytorch3d's own environment."""
    if lacks("pytorch3d"):
        return {}
    figures: Figures = {}
    for side in SIDES[:3]:
        camera = facing(vertices, side)
        begin = time.process_time()
        theirs = silhouettes(vertices[:1], faces, camera, backend="pytorch3d")
        figures[f"fps_pytorch3d_{side}"] = 1 / (time.process_time() - begin)
        ours = silhouettes(vertices[:1], faces, camera)
        figures[f"pytorch3d_iou_{side}"] = iou(theirs > 0, ours > 0)
    fps = len(vertices) / _seconds(vertices, faces, camera, "numba", 5)
    return {**figures, "vs_pytorch3d": fps / figures["fps_pytorch3d_256"]}


def against_pyrender(vertices: FloatArray, faces: IntArray, repeat: int) -> Figures:
    """Our speed over pyrender's (OSMesa, depth pass only); nothing where it is not installed."""
    # Before the first import, which chooses the platform.
    os.environ.setdefault("PYOPENGL_PLATFORM", "osmesa")
    try:
        import pyrender
    except ImportError:
        return {}
    figures: Figures = {}
    for side in SIDES:
        camera = facing(vertices, side)
        drawing = pyrender.OffscreenRenderer(side, side)
        try:
            seconds = cpu_seconds(_pyrender(drawing, vertices, faces, camera), repeat)
            masks = _pyrender(drawing, vertices, faces, camera)()
        finally:
            drawing.delete()
        ours = silhouettes(vertices, faces, camera)
        figures[f"fps_pyrender_{side}"] = len(vertices) / seconds
        figures[f"pyrender_iou_{side}"] = iou(masks > 0, ours > 0)
    ours_fps = len(vertices) / _seconds(vertices, faces, facing(vertices, 256), "numba", repeat)
    return {**figures, "vs_pyrender": ours_fps / figures["fps_pyrender_256"]}


def _pyrender(drawing: Any, vertices: FloatArray, faces: IntArray, camera: Camera) -> Callable[[], ByteArray]:
    """A function that draws all frames with pyrender: each a mesh of its own, in a scene that is kept."""
    import pyrender

    lens = camera.intrinsics
    pose = np.eye(4)
    # OpenGL's camera looks along -z with y up, and its pixel centres are at halves.
    pose[:3, :3] = camera.rotation.T @ np.diag([1.0, -1.0, -1.0])
    pose[:3, 3] = -camera.rotation.T @ camera.translation
    scene = pyrender.Scene()
    scene.add(pyrender.IntrinsicsCamera(lens[0, 0], lens[1, 1], lens[0, 2] + 0.5, lens[1, 2] + 0.5), pose=pose)

    def draw() -> ByteArray:
        masks = []
        for frame in vertices:
            node = scene.add(pyrender.Mesh([pyrender.Primitive(positions=frame, indices=faces, mode=4)]))
            depth = drawing.render(scene, flags=pyrender.RenderFlags.DEPTH_ONLY)
            scene.remove_node(node)
            masks.append((depth > 0) * np.uint8(255))
        return np.stack(masks)

    return draw


def _seconds(vertices: FloatArray, faces: IntArray, camera: Camera, backend: str, repeat: int) -> float:
    return cpu_seconds(lambda: silhouettes(vertices, faces, camera, backend=backend), repeat)
