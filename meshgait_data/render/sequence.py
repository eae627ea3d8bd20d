"""One view of one fitted walk: silhouettes and every label of the same frames, through the same windows."""

from collections.abc import Iterable

import numpy as np

from meshgait_data.body.model import Body, BodyOutput, forward, move
from meshgait_data.conventions import REJECTED
from meshgait_data.errors import InvalidData
from meshgait_data.findings import Finding, Severity
from meshgait_data.manifest import CameraRing, Manifest
from meshgait_data.render.align import align
from meshgait_data.render.cameras import ring_cameras
from meshgait_data.render.labels import to_window, window_scale
from meshgait_data.render.raster import extents, silhouettes
from meshgait_data.types import (
    Aligned,
    BoolArray,
    Camera,
    Fit,
    FloatArray,
    IntArray,
    MarkerSet,
    SequenceData,
    SequenceKey,
)

NEAREST_M = 1.0
"""A body that comes closer to the camera's plane than this is not rendered: perspective no longer is a walk's."""

_CHUNK = 64
"""Frames whose full images are in memory at one time."""


def pose_capture(body: Body, fit: Fit, ring: CameraRing) -> tuple[BodyOutput, list[Camera]]:
    """Pose a fitted body once for all views, and put the ring of cameras around it.

    Path and ground are those of the frames that were not rejected.

    Raises
    ------
    InvalidData
        Where the fit belongs to another body, no frame is left, or the walk has no direction.
    """
    _check_body(body, fit.body_sha256, f"fit of {fit.key}")
    usable = fit.verdict != REJECTED
    if not usable.any():
        raise InvalidData("every frame was rejected", where=str(fit.key), hint="; ".join(fit.reasons))
    posed = forward(body, fit.params)
    try:
        cameras = ring_cameras(ring, posed.joints[usable, 0], float(posed.vertices[usable, :, 1].min()))
    except InvalidData as error:
        raise InvalidData(error.what, where=str(fit.key), hint=error.hint) from error
    return posed, cameras


def render_views(
    body: Body, markers: MarkerSet, fit: Fit, manifest: Manifest, views: Iterable[str]
) -> tuple[list[SequenceData], dict[SequenceKey, InvalidData]]:
    """Render some views of one fitted capture, which is posed once.

    Returns
    -------
    The sequences, and for each view that shows no usable frame the reason.

    Raises
    ------
    InvalidData
        Where nothing can be rendered at all: another body, no accepted frame, no walking direction.
    """
    posed, cameras = pose_capture(body, fit, manifest.cameras)
    by_name = {camera.name: camera for camera in cameras}
    identity, size = manifest.identity(fit.key.subject), manifest.aligned_size
    sequences: list[SequenceData] = []
    failures: dict[SequenceKey, InvalidData] = {}
    for view in views:
        try:
            sequence = render_sequence(body, markers, fit, by_name[view], identity=identity, size=size, posed=posed)
        except InvalidData as error:
            failures[fit.key.sequence(view)] = error
        else:
            sequences.append(sequence)
    return sequences, failures


def render_sequence(
    body: Body,
    markers: MarkerSet,
    fit: Fit,
    camera: Camera,
    *,
    identity: str,
    size: int = 64,
    posed: BodyOutput | None = None,
) -> SequenceData:
    """Render, align and label one view.

    Frames that the fit rejected, that the image border cuts, that come nearer than 1 m or that the pretreatment
    leaves out are dropped from every field together; their ids are in ``dropped``.

    Parameters
    ----------
    body, markers
        The body that the fit was made with, and markers learned on it.
    fit
        In the world frame.
    camera
        Its name becomes the view of the key.
    identity
        Person as the protocol counts them.
    size
        Side of the aligned silhouettes in pixels.
    posed
        All vertices and joints of all frames of the fit where the caller has them (11 views share one pose).

    Returns
    -------
    All fields of the shard schema; body parameters are in the camera's frame.

    Raises
    ------
    InvalidData
        Where fit, markers and body do not belong together, or no frame is left.
    """
    key = fit.key.sequence(camera.name)
    _check_body(body, fit.body_sha256, f"fit of {fit.key}")
    _check_body(body, markers.body_sha256, f"markers {markers.name!r}")
    posed = posed or forward(body, fit.params)
    if len(posed.vertices) != len(fit.params):
        raise InvalidData(f"{len(posed.vertices)} posed frames for {len(fit.params)} fitted ones", where=str(key))
    frames = np.flatnonzero((fit.verdict != REJECTED) & in_view(posed.vertices, camera))
    aligned = _render(posed.vertices, body.faces, camera, frames, size)
    frames = frames[aligned.kept]
    if not len(frames):
        raise InvalidData(
            f"none of {len(fit.params)} frames is usable",
            where=str(key),
            hint="the walker is outside the image or too near: set cameras.distance_m or image_size in the manifest",
        )
    pelvis = posed.joints[frames, 0]
    moved = move(body, fit.params.take(frames), camera.rotation, camera.translation)
    arrays = {
        "silhouettes": aligned.silhouettes,
        "windows": aligned.windows,
        "frame_ids": fit.frame_ids[frames].astype(np.int32),
        "joints": to_window(posed.joints[frames], pelvis, camera, aligned.windows),
        "markers": to_window(posed.vertices[np.ix_(frames, markers.vertex_ids)], pelvis, camera, aligned.windows),
        "scale": window_scale(pelvis, camera, aligned.windows),
        "global_orient": moved.global_orient.astype(np.float32),
        "body_pose": moved.body_pose.astype(np.float32),
        "transl": moved.transl.astype(np.float32),
        "verdict": fit.verdict[frames].astype(np.uint8),
    }
    dropped = tuple(int(i) for i in np.setdiff1d(fit.frame_ids, fit.frame_ids[frames]))
    return SequenceData(key, identity, fit.fps, camera, fit.params.betas.astype(np.float32), arrays, dropped)


def in_view(vertices: FloatArray, camera: Camera) -> BoolArray:
    """(F,) whether a moving mesh (F, V, 3) lies wholly inside the image and at least 1 m away from the camera."""
    left, right, top, bottom, nearest = extents(vertices, camera).T
    width, height = camera.size
    return (left >= 0) & (right <= width - 1) & (top >= 0) & (bottom <= height - 1) & (nearest >= NEAREST_M)


def drop_findings(sequence: SequenceData, fit: Fit) -> list[Finding]:
    """Say which frames of a view were dropped and why; empty where none were."""
    rejected = set(fit.frame_ids[fit.verdict == REJECTED].tolist())
    lost = {
        ("MG-RENDER-001", "rejected by the fit"): [i for i in sequence.dropped if i in rejected],
        ("MG-RENDER-002", "cut by the image border or too near"): [i for i in sequence.dropped if i not in rejected],
    }
    return [
        Finding(
            Severity.WARNING, id, str(sequence.key), f"{len(ids)} of {len(fit.params)} frames {why}: {_ranges(ids)}"
        )
        for (id, why), ids in lost.items()
        if ids
    ]


def _ranges(ids: list[int]) -> str:
    return f"frame {ids[0]}" if len(ids) == 1 else f"frames {ids[0]} to {ids[-1]}"


def _render(vertices: FloatArray, faces: IntArray, camera: Camera, frames: IntArray, size: int) -> Aligned:
    """Align the chosen frames; a few full images at a time."""
    parts = []
    for start in range(0, max(len(frames), 1), _CHUNK):
        chosen = frames[start : start + _CHUNK]
        parts.append(align(silhouettes(vertices[chosen], faces, camera), size))
    return Aligned(
        np.concatenate([part.silhouettes for part in parts]),
        np.concatenate([part.windows for part in parts]),
        np.concatenate([part.kept for part in parts]),
    )


def _check_body(body: Body, sha256: str, what: str) -> None:
    if sha256 != body.sha256:
        raise InvalidData(
            f"{what} was made with another body than {body.name!r} ({sha256[:12]} is not {body.sha256[:12]})",
            hint="name the body that it was made with (--body or MESHGAIT_BODY), or make it again",
        )
