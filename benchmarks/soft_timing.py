"""Speed of the differentiable silhouette; ``benchmarks/render.py`` takes its figures from here."""

import numpy as np
import torch
from common import Figures, cpu_seconds

from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body, forward
from meshgait_data.render.cameras import look_at
from meshgait_data.render.soft import Topology, camera_matrices, coverage
from meshgait_data.types import BodyParams, Camera, FloatArray

FRAMES = 32


def turning(body: Body) -> FloatArray:
    """(32, V, 3) a body with its arms down that strides and turns round once."""
    swing = 0.45 * np.sin(2 * np.pi * np.arange(FRAMES) / FRAMES)
    pose = np.zeros((FRAMES, 23, 3), np.float32)
    pose[:, 0, 0], pose[:, 1, 0] = -swing, swing
    pose[:, 15, 2], pose[:, 16, 2] = -1.2, 1.2
    orient = np.linspace(0, 2 * np.pi, FRAMES)[:, None] * np.array([0.0, 1.0, 0.0])
    params = BodyParams(
        np.zeros(10, np.float32),
        orient.astype(np.float32),
        pose.reshape(FRAMES, 69),
        np.zeros((FRAMES, 3), np.float32),
    )
    return forward(body, params).vertices


def facing(vertices: FloatArray, side: int) -> Camera:
    """Camera at 4 m whose image the body fills to 70 % of its height."""
    low, high = vertices[..., 1].min(), vertices[..., 1].max()
    middle = np.array([0.0, (low + high) / 2, 0.0])
    position = middle + np.array([0.0, 0.0, 4.0])
    rotation, focal, centre = look_at(position, middle), 0.7 * side * 4.0 / (high - low), (side - 1) / 2
    intrinsics = np.array([[focal, 0, centre], [0, focal, centre], [0, 0, 1]])
    return Camera("front", intrinsics, rotation, -rotation @ position, (side, side))


def soft_ms(body: Body, side: int, *, samples: int = 4, repeat: int = 15) -> float:
    """CPU milliseconds a frame on one thread: projection, coverage, its squared difference to a target, gradient."""
    posed = turning(body)
    camera, topology = facing(posed, side), Topology.of(body.faces)
    matrix = camera_matrices(camera)
    vertices = torch.tensor(posed, requires_grad=True)
    with torch.no_grad():
        target = coverage(vertices + torch.tensor([0.03, -0.02, 0.0]), topology, matrix, camera.size, samples=samples)

    def step() -> None:
        vertices.grad = None
        (coverage(vertices, topology, matrix, camera.size, samples=samples) - target).square().sum().backward()

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return 1e3 * cpu_seconds(step, repeat) / FRAMES
    finally:
        torch.set_num_threads(threads)


def soft_figures(body: Body, repeat: int = 15) -> Figures:
    """Milliseconds a frame, forwards and backwards, for a batch of 32."""
    return {f"soft_ms_{side}": soft_ms(body, side, repeat=repeat) for side in (64, 128)}


if __name__ == "__main__":
    print(soft_figures(load_body("free")))
