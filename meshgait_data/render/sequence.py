"""One view of one fitted walk: silhouettes and every label of the same frames, through the same windows."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.model import Body, BodyOutput, forward
from meshgait_data.conventions import REJECTED, SMPL_SET
from meshgait_data.errors import InvalidData
from meshgait_data.findings import Finding, Severity
from meshgait_data.manifest import CameraRing, Manifest
from meshgait_data.render.cameras import project, require_plain
from meshgait_data.render.channels import channels
from meshgait_data.render.depth import depth_maps
from meshgait_data.render.labelling import check_body, make_labels
from meshgait_data.render.look import Look
from meshgait_data.render.raster import extents, silhouettes
from meshgait_data.render.rigs import ring_cameras
from meshgait_data.render.worn import Dressed, dress
from meshgait_data.types import (
    BoolArray,
    Camera,
    Fit,
    FloatArray,
    Labels,
    MarkerSet,
    SequenceData,
    SequenceKey,
)

if TYPE_CHECKING:
    from meshgait_data.body.joints import JointRegressor

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
    check_body(body, fit.body_sha256, f"fit of {fit.key}")
    usable = fit.verdict != REJECTED
    if not usable.any():
        raise InvalidData("every frame was rejected", where=str(fit.key), hint="; ".join(fit.reasons))
    posed = forward(body, fit.params)
    try:
        path, ground = posed.joints[usable, 0], float(posed.vertices[usable, :, 1].min())
        cameras = ring_cameras(ring, path, ground, capture=str(fit.key))
    except InvalidData as error:
        raise InvalidData(error.what, where=str(fit.key), hint=error.hint) from error
    return posed, cameras


def render_views(
    body: Body,
    markers: MarkerSet | None,
    fit: Fit,
    manifest: Manifest,
    views: Iterable[str],
    *,
    joints: "JointRegressor | None" = None,
    look: Look | None = None,
) -> tuple[list[SequenceData], dict[SequenceKey, InvalidData]]:
    """Render some views of one fitted capture, which is posed once; parameters as for :func:`render_sequence`.

    Returns
    -------
    The sequences, and for each view that shows no usable frame the reason.

    Raises
    ------
    InvalidData
        Where nothing can be rendered at all: another body, no accepted frame, no walking direction.
    """
    posed, cameras = pose_capture(body, fit, manifest.cameras)
    dressed = dressed_in(body, fit, posed)
    by_name = {camera.name: camera for camera in cameras}
    identity, size = manifest.identity(fit.key.subject), manifest.aligned_size
    sequences: list[SequenceData] = []
    failures: dict[SequenceKey, InvalidData] = {}
    for view in views:
        try:
            sequence = render_sequence(
                body,
                markers,
                fit,
                by_name[view],
                identity=identity,
                size=size,
                posed=posed,
                dressed=dressed,
                joints=joints,
                look=look,
            )
        except InvalidData as error:
            failures[fit.key.sequence(view)] = error
        else:
            sequences.append(sequence)
    return sequences, failures


def dressed_in(body: Body, fit: Fit, posed: BodyOutput) -> Dressed | None:
    """What a fit is rendered in, once for all views; None where nothing is worn."""
    return None if fit.worn is None else dress(body, fit.params, posed, fit.worn)


def render_sequence(
    body: Body,
    markers: MarkerSet | None,
    fit: Fit,
    camera: Camera,
    *,
    identity: str,
    size: int = 64,
    posed: BodyOutput | None = None,
    dressed: Dressed | None = None,
    joints: "JointRegressor | None" = None,
    look: Look | None = None,
) -> SequenceData:
    """Render, align and label one view. What is worn is drawn; labels and channels are of the body beneath.

    Frames that the fit rejected, that the image border cuts, that come nearer than 1 m or that the pretreatment
    leaves out are dropped from every field together; their ids are in ``dropped``.

    Parameters
    ----------
    body, markers
        The body that the fit was made with, and markers learned on it, which only labels need.
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
    dressed
        What is worn over them, where the caller has it.
    joints
        The joint set of the labels; None: the body's own 24.
    look
        Alignment, degradations, channels and whether there are labels; by default the published pretreatment, no
        degradations, no channels, labels.

    Returns
    -------
    All fields of the shard schema, less the labels where none are wanted, and the channels; body parameters are in
    the camera's frame.

    Raises
    ------
    InvalidData
        Where fit, markers and body do not belong together, no frame is left, or the camera has no labels.
    """
    key = fit.key.sequence(camera.name)
    check_body(body, fit.body_sha256, f"fit of {fit.key}")
    look = look or Look()
    if look.labels:
        require_plain(camera)
    if markers is not None:
        check_body(body, markers.body_sha256, f"markers {markers.name!r}")
    elif look.labels:
        raise InvalidData("there are no markers to make labels of", where=str(key))
    posed = posed or forward(body, fit.params)
    if len(posed.vertices) != len(fit.params):
        raise InvalidData(f"{len(posed.vertices)} posed frames for {len(fit.params)} fitted ones", where=str(key))
    dressed = dressed or dressed_in(body, fit, posed)
    frames = np.flatnonzero((fit.verdict != REJECTED) & _whole(posed, dressed, camera))
    chunks = []
    for start in range(0, len(frames), _CHUNK):
        chosen = frames[start : start + _CHUNK]
        part = BodyOutput(posed.vertices[chosen], posed.joints[chosen])
        # Without labels and channels nobody asks what the surface is behind a white pixel, at half the cost.
        depth = depth_maps(part.vertices, body.faces, camera) if look.labels or look.channels else None
        bare = depth.masks() if depth else silhouettes(part.vertices, body.faces, camera)
        masks = bare if dressed is None else dressed.take(chosen).over(bare, body.faces, camera)
        chunk, fates = look.fields(masks, key, chosen, size)
        some = fates == 0
        windows = chunk["windows"]
        if look.rendered:
            chunk["rendered_silhouettes"] = look.through(bare[some], windows, size)
        chosen, part = chosen[some], BodyOutput(part.vertices[some], part.joints[some])
        chunk |= {"frame_ids": fit.frame_ids[chosen].astype(np.int32), "verdict": fit.verdict[chosen]}
        if depth:
            depth = depth.take(some)
            chunk |= channels(look.channels, body, part.vertices, camera, depth, windows, size=size)
        if look.labels and markers is not None:
            params = fit.params.take(chosen)
            chunk |= label_fields(
                make_labels(body, markers, params, camera, windows, joints=joints, posed=part, depth=depth)
            )
        chunks.append(chunk)
    arrays = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in (chunks[0] if chunks else ())}
    if not len(arrays.get("frame_ids", ())):
        raise InvalidData(
            f"none of {len(fit.params)} frames is usable",
            where=str(key),
            hint="the walker is outside the image or too near: set cameras.distance_m or image_size in the manifest",
        )
    dropped = tuple(int(i) for i in np.setdiff1d(fit.frame_ids, arrays["frame_ids"]))
    betas, name = fit.params.betas.astype(np.float32), SMPL_SET if joints is None else joints.joint_set
    return SequenceData(key, identity, fit.fps, camera, betas, arrays, dropped, name)


def label_fields(labels: Labels) -> dict[str, NDArray[Any]]:
    """Labels as the fields of the shard schema."""
    return {
        "windows": labels.windows,
        "joints": labels.joints,
        "joints_visible": labels.joints_visible.astype(np.uint8),
        "markers": labels.markers,
        "markers_visible": labels.markers_visible.astype(np.uint8),
        "scale": labels.scale,
        "global_orient": labels.params.global_orient.astype(np.float32),
        "body_pose": labels.params.body_pose.astype(np.float32),
        "transl": labels.params.transl.astype(np.float32),
    }


def in_view(vertices: FloatArray, camera: Camera) -> BoolArray:
    """(F,) whether a moving mesh (F, V, 3) lies wholly inside the image and at least 1 m away from the camera."""
    left, right, top, bottom, nearest = extents(vertices, camera).T
    width, height = camera.size
    # A lens shows nothing of what is too far off its axis.
    shown = True if camera.plain else np.isfinite(project(camera, vertices)[0]).all(axis=(1, 2))
    return shown & (left >= 0) & (right <= width - 1) & (top >= 0) & (bottom <= height - 1) & (nearest >= NEAREST_M)


def _whole(posed: BodyOutput, dressed: Dressed | None, camera: Camera) -> BoolArray:
    """(F,) whether body and all that is worn are in view."""
    surfaces = (posed.vertices, *(() if dressed is None else dressed.surfaces()))
    return np.asarray(np.logical_and.reduce([in_view(surface, camera) for surface in surfaces]))


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
