"""Gait3D's and GREW's folders with one text a frame: two numbers, then x, y, confidence of COCO's 17 points.

Coordinates are pixels of a crop that moves with the person, so that each frame has a camera of its own. GREW says that
the two numbers are height and width of the crop. What they are in Gait3D nobody has said; they are not used there.
"""

import re
from pathlib import Path

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.sources.files import read_text
from meshgait_data.sources.keypoints.detections import Detections, KeypointOptions
from meshgait_data.sources.keypoints.layouts import layout_of
from meshgait_data.sources.reading import Source, joint_hash, numbered
from meshgait_data.types import FloatArray

NAME, ABOUT = "frame_text", "Gait3D, GREW: a folder with one text a frame (2 numbers, then triplets)"
_GREW, _GAIT3D = "_2d_pose.txt", ".txt"
_HEADER = 2


def claims(source: Source) -> bool:
    """Whether the source is of this format."""
    return source.has(_GAIT3D)


def read(source: Source, options: KeypointOptions) -> Detections:
    """The person of the folder; raises SourceError where a file cannot be read."""
    ending = _GREW if source.has(_GREW) else _GAIT3D
    # GREW keeps its 3D poses in the same folder.
    files = numbered(source.path, [ending], skip=r"_3d_pose\.txt$")
    rows = [frame_numbers(path, 3) for _, path in files]
    counts = {row.shape for _, row in rows}
    if len(counts) > 1:
        what = "frames with different numbers of points"
        raise SourceError(what, where=source.where, hint="one folder holds one sequence of one detector")
    heads = {tuple(map(int, head)) for head, _ in rows}
    size, findings = (0, 0), []
    if ending == _GREW and len(heads) == 1:
        height, width = heads.pop()
        size = width, height
    elif len(heads) > 1:
        what = "frames are crops of different sizes: where they lie in the film is not known"
        hint = "fit them with a camera a frame (weak perspective)"
        findings = [Finding(Severity.INFO, "MG-KEYPOINTS-006", source.where, what, hint)]
    return Detections(
        frame_ids=tuple(frame for frame, _ in files),
        people=tuple(row[None] for _, row in rows),
        layout=layout_of(options.joint_set, len(rows[0][1]), source.where),
        where=source.where,
        sha256=joint_hash(path for _, path in files),
        size=size,
        findings=tuple(findings),
    )


def frame_numbers(path: Path, width: int) -> tuple[FloatArray, FloatArray]:
    """The two leading numbers (2,) and the rows (P, width) of one frame's text; raises SourceError."""
    words = re.split(r"[,\s]+", read_text(path).text.strip().strip(","))
    hint = f"expected two numbers, then {width} for each point, apart by commas"
    try:
        values = np.array([float(word) for word in words])
    except ValueError as error:
        raise SourceError(str(error), where=str(path), hint=hint) from error
    if len(values) <= _HEADER or (len(values) - _HEADER) % width:
        raise SourceError(f"{len(values)} numbers: the file breaks off or is damaged", where=str(path), hint=hint)
    return values[:_HEADER], values[_HEADER:].reshape(-1, width)
