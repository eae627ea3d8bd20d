"""Keypoints as arrays: our plain npz, MediaPipe runs with several walks a file, and OpenGait's pickled arrays."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.joint_files import joint_set_names, load_joint_set
from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.sources.inert import stacked_frames, unpickled
from meshgait_data.sources.keypoints.detections import Detections, KeypointOptions
from meshgait_data.sources.keypoints.layouts import PointLayout, layout_of
from meshgait_data.sources.leaves import pickle_of
from meshgait_data.sources.reading import Source, check_frames, named_text, which_take
from meshgait_data.sources.track import frames_text
from meshgait_data.types import FloatArray

_MODALITIES = ("pose", "poses", "keypoints", "pose_2d", "pose2d", "kpts")
"""Names of keypoints in OpenGait's trees, the first the first."""
_MOST_SIZE = 1 << 16
"""Side of a picture, pixels."""


class Plain:
    """npz with ``points`` (F, P, 2 or 3), and perhaps ``confidence names joint_set frame_ids size``."""

    NAME, ABOUT = "npz", "npz: points (F, P, 2|3), confidence (F, P), names, joint_set, frame_ids, size"

    @staticmethod
    def claims(source: Source) -> bool:
        """Whether the source is of this format."""
        return "points" in source.arrays

    @staticmethod
    def read(source: Source, options: KeypointOptions) -> Detections:
        """The person of the file; raises SourceError where arrays are lacking or do not fit each other."""
        arrays = source.arrays
        points = _points(arrays["points"], arrays.get("confidence"), source.where)
        said = named_text(arrays, "joint_set")
        layout = _named(arrays, said or options.joint_set, points.shape[1], source.where)
        return _single(points, arrays.get("frame_ids"), layout, source, _size(arrays.get("size"), source.where))


class MediaPipe:
    """npz of MediaPipe Pose: ``kp0`` (F, 33, 3) x, y in pixels and visibility, ``frame0``; one number for each walk.

    MediaPipe gives shares of the picture; multiplied by its size, the left border of the picture is at 0, half a pixel
    left of the centre of pixel 0.
    """

    NAME, ABOUT = "mediapipe", "npz of MediaPipe Pose: kp0 (F, 33, 3), frame0, kp1, ..."

    @staticmethod
    def claims(source: Source) -> bool:
        """Whether the source is of this format."""
        return any(re.fullmatch(r"kp\d*", name) for name in source.arrays)

    @staticmethod
    def read(source: Source, options: KeypointOptions) -> Detections:
        """The walk ``take`` of the file; raises SourceError where there are several and none is named."""
        take = which_take(source, "kp", options.take)
        points = _points(source.arrays[f"kp{take}"], None, source.where) - np.array([0.5, 0.5, 0.0])
        layout = layout_of(options.joint_set or "blazepose33", points.shape[1], source.where)
        return _single(points, source.arrays.get(f"frame{take}"), layout, source, (0, 0))


class OpenGait:
    """Pickled array of OpenGait's trees: (F, P, 3), or (F, 2 + 3 P) with the header of Gait3D's and GREW's texts."""

    NAME, ABOUT = "opengait", "OpenGait's .pkl, or a folder with one a modality: (F, P, 3) or (F, 2 + 3 P)"

    @staticmethod
    def claims(source: Source) -> bool:
        """Whether the source is of this format."""
        return source.suffix == ".pkl" or source.has(".pkl")

    @staticmethod
    def read(source: Source, options: KeypointOptions) -> Detections:
        """The person of the file; frames are counted from 0, as the format does not keep their numbers."""
        file = Source(pickle_of(source, _MODALITIES))
        frames, lost = stacked_frames(unpickled(file.content, file.where), file.where)
        kept = [frame for frame in frames if frame is not None]
        rows = [_person(frame, file.where) for frame in kept]
        if len({row.shape for row in rows}) != 1:
            what = "frames with different numbers of points"
            raise SourceError(what, where=file.where, hint="write the file again with one detector")
        points = _points(np.stack(rows), None, file.where)
        layout = layout_of(options.joint_set, points.shape[1], file.where)
        ids = np.setdiff1d(np.arange(len(frames)), lost)
        found = _single(points, ids, layout, file, (0, 0))
        findings = (*_lost(lost, len(frames), file.where), *_headed(kept, file.where))
        return replace(found, counted=False, file_frames=len(frames), findings=findings)


def _person(frame: NDArray[Any], where: str) -> NDArray[Any]:
    """Points (P, 3) of one frame."""
    shape = frame.shape
    if frame.ndim == 3 and shape[0] == 1 and shape[2] in (2, 3):
        frame = frame[0]
    if frame.ndim == 1 and frame.size in (72, 82, 85):
        hint = f"these are SMPL parameters, rows of {frame.size} numbers: name the file under smpl"
        raise SourceError(f"frames of shape {shape} are no keypoints", where=where, hint=hint)
    if frame.ndim == 2 and min(shape) > 3:
        hint = "these are pictures: name the file under silhouettes"
        raise SourceError(f"frames of shape {shape} are no keypoints", where=where, hint=hint)
    if frame.ndim == 1 and frame.size % 3 == 2:
        frame = frame[2:]
    return frame.reshape(-1, 3) if frame.ndim == 1 and frame.size % 3 == 0 else frame


def _headed(frames: list[NDArray[Any]], where: str) -> tuple[Finding, ...]:
    """Rows of which the published script forgot to take the two leading numbers away."""
    if not any(frame.ndim == 1 and frame.size % 3 == 2 for frame in frames):
        return ()
    what = "rows start with two further numbers, the size of the crop: set apart; OpenGait's own scripts take them for "
    what += "coordinates, and shift all points"
    hint = "nothing to do here; elsewhere make the file again without them"
    return (Finding(Severity.WARNING, "MG-KEYPOINTS-009", where, what, hint),)


def _lost(lost: tuple[int, ...], count: int, where: str) -> tuple[Finding, ...]:
    if not lost:
        return ()
    what = f"{len(lost)} of {count} frames hold no points: {frames_text(np.array(lost))}; missing"
    hint = "make the file again with a person in every frame"
    return (Finding(Severity.WARNING, "MG-KEYPOINTS-008", where, what, hint),)


def _size(size: NDArray[Any] | None, where: str) -> tuple[int, int]:
    """Width and height; 0 where the file does not say."""
    if size is None:
        return 0, 0
    if size.size != 2 or size.dtype.kind not in "fiu" or not ((size >= 0) & (size <= _MOST_SIZE)).all():
        hint = "size is width and height of the picture in pixels"
        raise SourceError(f"size is {size.dtype} of shape {size.shape}", where=where, hint=hint)
    return int(size.flat[0]), int(size.flat[1])


def _points(points: NDArray[Any], confidence: NDArray[Any] | None, where: str) -> FloatArray:
    """(F, P, 3) of x, y, confidence."""
    if points.ndim != 3 or points.shape[2] not in (2, 3) or not points.size or points.dtype.kind not in "fiu":
        what = f"points of shape {points.shape} and type {points.dtype}"
        raise SourceError(what, where=where, hint="points are numbers (frames, points, 2 or 3)")
    values = points.astype(np.float64)
    if confidence is not None and confidence.dtype.kind not in "fiub":
        raise SourceError(f"confidence is {confidence.dtype}", where=where, hint="confidence is numbers from 0 to 1")
    if confidence is None:
        score = values[..., 2] if points.shape[2] == 3 else np.asarray(~np.isnan(values[..., 0]), dtype=np.float64)
    else:
        score = np.asarray(confidence, dtype=np.float64)
    if score.shape != points.shape[:2]:
        what = f"confidence of shape {score.shape} does not belong to points of shape {points.shape}"
        raise SourceError(what, where=where, hint="confidence is (frames, points)")
    return np.concatenate([values[..., :2], score[..., None]], axis=-1)


def _named(arrays: dict[str, NDArray[Any]], joint_set: str, count: int, where: str) -> PointLayout:
    """Layout of a file that may name its points: any part of a joint set in any order."""
    if "names" not in arrays:
        return layout_of(joint_set, count, where)
    names = tuple(map(str, arrays["names"].ravel()))
    if not joint_set:
        raise SourceError("names without joint_set", where=where, hint="add the array joint_set, e.g. 'coco17'")
    if len(names) != count or len(set(names)) != count:
        what = f"{len(set(names))} different names for {count} points"
        raise SourceError(what, where=where, hint="give each point a name of its own")
    if joint_set not in joint_set_names():
        hint = f"choose one of: {', '.join(joint_set_names())}"
        raise SourceError(f"no joint set {joint_set!r}", where=where, hint=hint)
    known = load_joint_set(joint_set).names
    strange = [name for name in names if name not in known]
    if strange:
        hint = f"its joints: {', '.join(known)}"
        raise SourceError(f"{', '.join(strange)}: not in joint set {joint_set!r}", where=where, hint=hint)
    return PointLayout(joint_set, names, tuple(range(count)), count)


def _single(
    points: FloatArray, frames: NDArray[Any] | None, layout: PointLayout, source: Source, size: tuple[int, int]
) -> Detections:
    ids = np.arange(len(points)) if frames is None else frames
    check_frames(ids, len(points), source.where)
    return Detections(
        tuple(map(int, ids)),
        tuple(points[:, None]),
        layout,
        source.where,
        source.sha256,
        size=size,
        counted=frames is not None,
    )
