"""COCO's JSON (annotations and results) and AlphaPose's, which has the same records: one entry a person and picture."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding
from meshgait_data.sources.frames import frame_number
from meshgait_data.sources.keypoints.detections import Detections, KeypointOptions
from meshgait_data.sources.keypoints.layouts import layout_of
from meshgait_data.sources.reading import Source, numbers
from meshgait_data.types import FloatArray

NAME, ABOUT = "coco", "COCO annotations or results, AlphaPose results: one .json a view"
_HINT = "expected a list of {image_id, keypoints: [x, y, confidence, ...]} or COCO's {images, annotations}"
_TRACKERS = ("track_id", "idx", "instance_id")
"""Where programs write who a person is; AlphaPose writes ``idx`` as a number or as a list of it."""


def claims(source: Source) -> bool:
    """Whether the source is of this format."""
    data = source.json
    if isinstance(data, dict):
        return isinstance(data.get("annotations"), list)
    return isinstance(data, list) and bool(data) and isinstance(data[0], dict) and "keypoints" in data[0]


def read(source: Source, options: KeypointOptions) -> Detections:
    """Everybody in the file; raises SourceError where an entry cannot be read."""
    data = source.json
    images = _images(data, source.where) if isinstance(data, dict) else {}
    records = data.get("annotations") if isinstance(data, dict) else data
    if not isinstance(records, list) or not records:
        raise SourceError("nobody is in the file", where=source.where, hint=_HINT)
    found: dict[int, list[tuple[int | None, FloatArray]]] = {frame: [] for frame, _ in images.values()}
    for index, record in enumerate(records):
        place = f"{source.where}: entry {index}"
        if not isinstance(record, dict) or "keypoints" not in record:
            raise SourceError("no keypoints", where=place, hint=_HINT)
        frame = _frame(record, images, place)
        found.setdefault(frame, []).append((_tracked(record), triplets(record["keypoints"], place)))
    return collect(found, source, options, _one_size(images))


def collect(
    found: Mapping[int, Sequence[tuple[int | None, FloatArray]]],
    source: Source,
    options: KeypointOptions,
    size: tuple[int, int],
    *,
    sha256: str = "",
    findings: tuple[Finding, ...] = (),
) -> Detections:
    """Detections of what was found by frame: numbers of the tracker (None: it gave none) and points (P, 3)."""
    counts = {len(points) for people in found.values() for _, points in people}
    if len(counts) > 1:
        what = f"people with {' and '.join(map(str, sorted(counts)))} keypoints in one file"
        raise SourceError(what, where=source.where, hint="write the file again with one model")
    if not counts:
        raise SourceError("nobody is seen in any frame", where=source.where, hint="check that it is the right clip")
    frames = sorted(found)
    layout = layout_of(options.joint_set, counts.pop(), source.where)
    tracked = all(number is not None for people in found.values() for number, _ in people)
    return Detections(
        frame_ids=tuple(frames),
        people=tuple(_stack([points for _, points in found[frame]], layout.count) for frame in frames),
        layout=layout,
        where=source.where,
        sha256=sha256 or source.sha256,
        tracks=tuple(tuple(int(number or 0) for number, _ in found[frame]) for frame in frames) if tracked else (),
        size=size,
        findings=findings,
    )


def triplets(values: Any, where: str) -> FloatArray:
    """Points (P, 3) of x, y, confidence one after the other; raises SourceError."""
    array = numbers(values, "keypoints", where)
    if array.ndim == 2 and array.shape[1] == 3:
        return array
    if array.ndim != 1 or array.size % 3 or not array.size:
        shape = " x ".join(map(str, array.shape))
        raise SourceError(f"{shape} numbers are no triplets of x, y, confidence", where=where, hint=_HINT)
    return array.reshape(-1, 3)


def _stack(points: Sequence[FloatArray], count: int) -> FloatArray:
    return np.stack(points) if points else np.zeros((0, count, 3))


def _images(data: Mapping[str, Any], where: str) -> dict[Any, tuple[int, tuple[int, int]]]:
    """By id of a picture: the frame that it is, and its size."""
    images: dict[Any, tuple[int, tuple[int, int]]] = {}
    for image in data.get("images") or ():
        if not isinstance(image, dict) or "id" not in image:
            raise SourceError("an entry of images has no id", where=where, hint=_HINT)
        name = image.get("file_name")
        frame = frame_number(_stem(str(name)), where) if name else _integer(image["id"], where)
        if frame in (known for known, _ in images.values()):
            raise SourceError(f"two pictures are frame {frame}", where=where, hint="give one file a view of a walk")
        images[image["id"]] = frame, (int(image.get("width") or 0), int(image.get("height") or 0))
    return images


def _one_size(images: Mapping[Any, tuple[int, tuple[int, int]]]) -> tuple[int, int]:
    sizes = {size for _, size in images.values()}
    return sizes.pop() if len(sizes) == 1 else (0, 0)


def _frame(record: Mapping[str, Any], images: Mapping[Any, tuple[int, tuple[int, int]]], where: str) -> int:
    image = record.get("image_id")
    if images:
        try:
            return images[image][0]
        except (KeyError, TypeError):
            hint = "images and annotations must be those of one file"
            raise SourceError(f"image_id {json.dumps(image)} is not in images", where=where, hint=hint) from None
    if isinstance(image, str):
        return frame_number(_stem(image), where)
    return _integer(image, where)


def _integer(value: Any, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise SourceError(f"{json.dumps(value)} is no id of a picture", where=where, hint=_HINT)


def _stem(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _tracked(record: Mapping[str, Any]) -> int | None:
    for key in _TRACKERS:
        value = record.get(key)
        while isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
            return int(value)
    return None
