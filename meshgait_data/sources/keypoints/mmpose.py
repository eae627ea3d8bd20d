"""Predictions of MMPose's inferencer: one JSON a film (``instance_info``), or a folder with one a picture."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.keypoints.coco import collect
from meshgait_data.sources.keypoints.detections import Detections, KeypointOptions
from meshgait_data.sources.reading import Source, numbers, parse_json
from meshgait_data.types import FloatArray

NAME, ABOUT = "mmpose", "MMPose predictions: one .json a film, or a folder with one a picture"
_HINT = "expected entries {frame_id, instances: [{keypoints: [[x, y], ...], keypoint_scores: [...]}]}"


def claims(source: Source) -> bool:
    """Whether the source is of this format."""
    return _entries(source.json) is not None


def _entries(data: Any) -> list[Any] | None:
    entries = data.get("instance_info") if isinstance(data, dict) else data
    if isinstance(entries, list) and entries and isinstance(entries[0], dict) and "instances" in entries[0]:
        return entries
    return None


def read(source: Source, options: KeypointOptions) -> Detections:
    """Everybody in the file; raises SourceError where an entry cannot be read."""
    entries = _entries(source.json)
    if entries is None:
        raise SourceError("no frames with instances", where=source.where, hint=_HINT)
    found: dict[int, list[tuple[int | None, FloatArray]]] = {}
    for index, entry in enumerate(entries):
        place = f"{source.where}: entry {index}"
        frame = entry.get("frame_id") if isinstance(entry, dict) else None
        if not isinstance(frame, int) or frame in found or not isinstance(entry.get("instances"), list):
            raise SourceError("no frame_id of its own, or no instances", where=place, hint=_HINT)
        found[frame] = [(_tracked(one), _points(one, place)) for one in entry["instances"]]
    return collect(found, source, options, (0, 0))


class Folder:
    """The same in a folder with a file for each picture, named by frame: a list of instances."""

    NAME, ABOUT = "mmpose_folder", "MMPose predictions: a folder with one .json a picture"

    @staticmethod
    def claims(source: Source) -> bool:
        """Whether the source is of this format."""
        data = source.first_json
        return isinstance(data, list) and all(isinstance(one, dict) and "keypoint_scores" in one for one in data)

    @staticmethod
    def read(source: Source, options: KeypointOptions) -> Detections:
        """Everybody in the folder; raises SourceError where a file cannot be read."""
        frames = source.frames([".json"], _instances)
        found = dict(zip(frames.ids.tolist(), frames.values, strict=True))
        return collect(found, source, options, (0, 0), sha256=frames.sha256, findings=frames.findings)


def _instances(data: bytes, where: str) -> list[tuple[int | None, FloatArray]]:
    people = parse_json(data, where)
    if not isinstance(people, list):
        raise SourceError("no list of instances", where=where, hint=_HINT)
    return [(_tracked(one), _points(one, where)) for one in people]


def _points(one: Any, where: str) -> FloatArray:
    if not isinstance(one, Mapping) or "keypoints" not in one or "keypoint_scores" not in one:
        raise SourceError("an instance lacks keypoints or keypoint_scores", where=where, hint=_HINT)
    points = numbers(one["keypoints"], "keypoints", where)
    scores = numbers(one["keypoint_scores"], "keypoint_scores", where)
    if points.ndim != 2 or points.shape[1] != 2 or scores.shape != points.shape[:1]:
        what = f"keypoints {points.shape} and scores {scores.shape} do not belong together"
        raise SourceError(what, where=where, hint=_HINT)
    return np.concatenate([points, scores[:, None]], axis=1)


def _tracked(one: Any) -> int | None:
    value = one.get("track_id") if isinstance(one, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
