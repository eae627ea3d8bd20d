"""Cameras of every kind: points through them and back, and what renderers and labels need of them."""

import numpy as np

from meshgait_data.conventions import WORLD_UP
from meshgait_data.errors import InvalidData
from meshgait_data.render.lens import distort, undistort
from meshgait_data.types import Camera, FloatArray


def look_at(position: FloatArray, target: FloatArray) -> FloatArray:
    """Rotation (3, 3) from the world to an upright OpenCV camera at ``position`` that looks at ``target``."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, WORLD_UP)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


def to_camera(camera: Camera, points: FloatArray) -> FloatArray:
    """World points (..., 3) in the camera's frame, metres, float64."""
    return np.asarray(points, dtype=np.float64) @ camera.rotation.T + camera.translation


def project(camera: Camera, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Image positions and depths of world points, for every kind of camera: the one place that knows how.

    Parameters
    ----------
    camera
        Any model, with or without lens distortion.
    points
        (..., 3) metres, world frame.

    Returns
    -------
    pixels
        (..., 2) x and y in pixels, pixel centres at integers; NaN for points that have no image: those that are not
        in front of the camera, and those so far off its axis that the lens would fold them back.
    depth
        (...) metres along the optical axis.
    """
    in_camera = to_camera(camera, points)
    depth = in_camera[..., 2]
    safe = np.where(depth > 0, depth, np.nan)
    # What is behind an affine camera has no image either, although its position does not depend on depth.
    rays = distort(in_camera[..., :2] / _divisor(camera, safe)[..., None], camera.distortion)
    return rays @ camera.intrinsics[:2, :2].T + camera.intrinsics[:2, 2], depth


def _divisor(camera: Camera, depth: FloatArray) -> FloatArray:
    """What x and y of the camera frame are divided by at depths (...); NaN where the depth is."""
    if camera.model == "perspective":
        return depth
    return (1.0 if camera.model == "orthographic" else camera.reference_m) + 0 * depth


def unproject(camera: Camera, pixels: FloatArray, depth: FloatArray) -> FloatArray:
    """World points (..., 3) whose images are ``pixels`` (..., 2) at ``depth`` (...): the inverse of :func:`project`.

    Raises
    ------
    InvalidData
        Where a pixel lies outside what a distorting lens can show.
    """
    depth = np.asarray(depth, dtype=np.float64)
    rays = (np.asarray(pixels) - camera.intrinsics[:2, 2]) @ np.linalg.inv(camera.intrinsics[:2, :2]).T
    across = undistort(rays, camera.distortion) * _divisor(camera, depth)[..., None]
    in_camera = np.concatenate([across, depth[..., None]], axis=-1)
    return np.asarray((in_camera - camera.translation) @ camera.rotation)


def plain_scene(vertices: FloatArray, camera: Camera) -> tuple[FloatArray, Camera]:
    """A mesh and a plain pinhole camera that show what any camera shows of a mesh.

    Renderers draw for plain cameras only. For another one the vertices are projected here and put back at their
    depths on the rays of a camera without lens, so that image positions and depths of vertices are the same to
    1e-4 px. Between vertices edges are straight in the image, as they are for any renderer of triangles.

    Parameters
    ----------
    vertices
        (F, V, 3) metres, world frame.
    camera
        Any.

    Returns
    -------
    Vertices (F, V, 3) and camera; those given where the camera is plain already. Vertices without an image are NaN.
    """
    if camera.plain:
        return vertices, camera
    pixels, depth = project(camera, vertices)
    centre = camera.intrinsics[:2, 2]
    flat = np.concatenate([(pixels - centre) * depth[..., None], depth[..., None]], axis=-1).astype(np.float32)
    lens = np.array([[1.0, 0.0, centre[0]], [0.0, 1.0, centre[1]], [0.0, 0.0, 1.0]])
    return flat, Camera(camera.name, lens, np.eye(3), np.zeros(3), camera.size)


def require_plain(camera: Camera) -> None:
    """Raise InvalidData for a camera that labels cannot be made for.

    Labels say (u, v, d) through intrinsics and a window alone, and are turned back to metres by a trainer that knows
    no more than these.
    """
    if not camera.plain:
        kind = camera.model.replace("_", "-") + (" with lens distortion" if camera.distortion else "")
        raise InvalidData(
            f"labels need a perspective camera without distortion, and {camera.name!r} is {kind}",
            hint="render it without labels (mgdata render --format png or pkl), or undistort the images first",
        )
