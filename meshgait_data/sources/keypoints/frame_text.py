"""Gait3D's and GREW's folders with one text a frame: two numbers, then x, y, confidence of COCO's 17 points.

Coordinates are pixels of a crop that moves with the person, so that each frame has a camera of its own. GREW says that
the two numbers are height and width of the crop; Gait3D says nothing, and where they are not alike the points tell.
"""

import re

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.sources.keypoints.detections import Detections, KeypointOptions
from meshgait_data.sources.keypoints.layouts import layout_of
from meshgait_data.sources.reading import Source
from meshgait_data.types import FloatArray

NAME, ABOUT = "frame_text", "Gait3D, GREW: a folder with one text a frame (2 numbers, then triplets)"
_GREW, _GAIT3D = "_2d_pose.txt", ".txt"
_HEADER = 2
_MOST_WORDS = 10_000
"""Numbers of one frame: a person with face and hands has 401."""
_MOST_INSIDE = 0.98
"""Share of the points that lie in a picture of the right size; detectors put some outside."""
_MOST_SIZE = 1 << 16
"""Side of a picture, pixels."""


def claims(source: Source) -> bool:
    """Whether the source is of this format."""
    return source.has(_GAIT3D)


def read(source: Source, options: KeypointOptions) -> Detections:
    """The person of the folder; raises SourceError where no file can be read."""
    ending = _GREW if source.has(_GREW) else _GAIT3D
    # GREW keeps its 3D poses in the same folder.
    frames = source.frames(
        [ending],
        lambda data, where: frame_numbers(data, 3, where),
        skip=r"(_3d_pose|^mapping)$",
        shape=lambda row: f"{len(row[1])} points",
    )
    heads = np.array([head for head, _ in frames.values])
    points = np.stack([rows for _, rows in frames.values])
    size, findings = _size(heads, points, documented=ending == _GREW, where=source.where)
    return Detections(
        frame_ids=tuple(frames.ids.tolist()),
        people=tuple(points[:, None]),
        layout=layout_of(options.joint_set, points.shape[1], source.where),
        where=source.where,
        sha256=frames.sha256,
        size=size,
        findings=(*frames.findings, *findings),
    )


def _size(
    heads: FloatArray, points: FloatArray, *, documented: bool, where: str
) -> tuple[tuple[int, int], list[Finding]]:
    """Width and height of the crop, where it is the same in all frames and it is known which is which."""
    if not ((heads >= 1) & (heads <= _MOST_SIZE)).all():
        return (0, 0), []
    by_height = _inside(points, heads[:, ::-1])
    by_width = _inside(points, heads)
    findings = []
    if documented and by_width and not by_height:
        what = "the two leading numbers are width and height, and not height and width as GREW says: points tell"
        findings.append(Finding(Severity.WARNING, "MG-KEYPOINTS-007", where, what, "look at an overlay"))
    if not documented and by_height and not by_width:
        what = "the two leading numbers are height and width, and not width and height as usual: points tell"
        findings.append(Finding(Severity.INFO, "MG-KEYPOINTS-007", where, what))
    if (heads != heads[0]).any():
        what = "frames are crops of different sizes: where they lie in the film is not known"
        hint = "fit them with a camera a frame (weak perspective)"
        findings.append(Finding(Severity.INFO, "MG-KEYPOINTS-006", where, what, hint))
        return (0, 0), findings
    first, second = map(int, heads[0])
    if by_width and not by_height:
        return (first, second), findings
    # Both fit or neither does: only what is documented is known.
    return ((second, first) if documented or (by_height and not by_width) else (0, 0)), findings


def _inside(points: FloatArray, sizes: FloatArray) -> bool:
    """Whether points (F, P, 3) that were seen lie in pictures of sizes (F, 2) of width and height."""
    seen = np.isfinite(points).all(-1) & (points[..., 2] > 0)
    inside = np.asarray((points[..., :2] <= sizes[:, None]).all(-1))
    return bool(seen.any() and inside[seen].mean() >= _MOST_INSIDE)


def frame_numbers(data: bytes, width: int, where: str) -> tuple[FloatArray, FloatArray]:
    """The two leading numbers (2,) and the rows (P, width) of one frame's text; raises SourceError."""
    hint = f"expected two numbers, then {width} for each point, apart by commas"
    words = re.split(rb"[,\s]+", data.strip().strip(b","), maxsplit=_MOST_WORDS)
    if len(words) > _MOST_WORDS:
        raise SourceError(f"more than {_MOST_WORDS} numbers in one frame", where=where, hint=hint)
    try:
        values = np.array([float(word) for word in words])
    except ValueError as error:
        what = "the file is empty" if words == [b""] else f"not numbers: {str(error)[:80]}"
        raise SourceError(what, where=where, hint=hint) from error
    if len(values) <= _HEADER or (len(values) - _HEADER) % width:
        raise SourceError(f"{len(values)} numbers: the file breaks off or is damaged", where=where, hint=hint)
    return values[:_HEADER], values[_HEADER:].reshape(-1, width)
