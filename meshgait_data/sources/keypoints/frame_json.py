"""Folders with one plain JSON a frame: a list of points x, y, confidence, or a list of one such list of a person."""

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.keypoints.detections import Detections, KeypointOptions
from meshgait_data.sources.keypoints.layouts import layout_of
from meshgait_data.sources.reading import Source, numbers, parse_json
from meshgait_data.types import FloatArray

NAME, ABOUT = "frame_json", "a folder with one .json a frame: a list of points [x, y, confidence]"


def claims(source: Source) -> bool:
    """Whether the source is of this format."""
    data = source.first_json
    while isinstance(data, list) and data and isinstance(data[0], list):
        data = data[0]
    return isinstance(data, list) and len(data) == 3 and all(isinstance(one, int | float) for one in data)


def read(source: Source, options: KeypointOptions) -> Detections:
    """The people of the folder; raises SourceError where no file can be read."""
    frames = source.frames([".json"], _people, shape=lambda people: f"{people.shape[1]} points")
    return Detections(
        frame_ids=tuple(frames.ids.tolist()),
        people=tuple(frames.values),
        layout=layout_of(options.joint_set, frames.values[0].shape[1], source.where),
        where=source.where,
        sha256=frames.sha256,
        findings=frames.findings,
    )


def _people(data: bytes, where: str) -> FloatArray:
    """(N, P, 3) of one frame."""
    points = numbers(parse_json(data, where), "points", where)
    if points.ndim == 2:
        points = points[None]
    if points.ndim != 3 or points.shape[2] != 3 or not points.size:
        what = f"numbers of shape {points.shape}"
        raise SourceError(what, where=where, hint="expected a list of points [x, y, confidence]")
    return np.asarray(points)
