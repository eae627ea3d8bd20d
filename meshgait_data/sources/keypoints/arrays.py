"""Keypoints as arrays: our plain npz, MediaPipe runs with several walks a file, and OpenGait's pickled arrays."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.joint_files import joint_set_names, load_joint_set
from meshgait_data.errors import SourceError
from meshgait_data.sources.keypoints.detections import Detections, KeypointOptions
from meshgait_data.sources.keypoints.layouts import PointLayout, layout_of
from meshgait_data.sources.reading import Source, check_frames, read_pickled_array, which_take
from meshgait_data.types import FloatArray


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
        said = str(arrays.get("joint_set", ""))
        layout = _named(arrays, said or options.joint_set, points.shape[1], source.where)
        size = tuple(map(int, arrays.get("size", np.zeros(2)).ravel()))
        return _single(
            points, arrays.get("frame_ids"), layout, source, (size[0], size[1]) if len(size) == 2 else (0, 0)
        )


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
    """Pickled array of OpenGait's trees: (F, P, 3), or (F, 2 + 3 P) as its Gait3D and GREW poses are."""

    NAME, ABOUT = "opengait", "OpenGait's .pkl: one array (F, P, 3) or (F, 2 + 3 P)"

    @staticmethod
    def claims(source: Source) -> bool:
        """Whether the source is of this format."""
        return source.path.is_file() and source.path.suffix.lower() == ".pkl"

    @staticmethod
    def read(source: Source, options: KeypointOptions) -> Detections:
        """The person of the file; frames are counted from 0, as the format does not keep their numbers."""
        array = read_pickled_array(source.path)
        if array.ndim == 2 and array.shape[1] % 3 == 2:
            array = array[:, 2:]
        if array.ndim == 2 and array.shape[1] % 3 == 0:
            array = array.reshape(len(array), -1, 3)
        points = _points(array, None, source.where)
        return _single(points, None, layout_of(options.joint_set, points.shape[1], source.where), source, (0, 0))


def _points(points: NDArray[Any], confidence: NDArray[Any] | None, where: str) -> FloatArray:
    """(F, P, 3) of x, y, confidence."""
    if points.ndim != 3 or points.shape[2] not in (2, 3) or not points.size or points.dtype.kind not in "fiu":
        what = f"points of shape {points.shape} and type {points.dtype}"
        raise SourceError(what, where=where, hint="points are numbers (frames, points, 2 or 3)")
    values = points.astype(np.float64)
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
    return Detections(tuple(map(int, ids)), tuple(points[:, None]), layout, source.where, source.sha256, size=size)
