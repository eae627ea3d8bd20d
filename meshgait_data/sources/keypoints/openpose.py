"""OpenPose's folder with one ``*_keypoints.json`` a frame (BODY_25 or COCO's 18 points).

OUMVLP-Pose has the same content, by OpenPose and AlphaPose, in files ``0021.json`` and ``0021_keypoint.json``.
"""

from typing import Any

from meshgait_data.errors import SourceError
from meshgait_data.sources.keypoints.coco import collect, triplets
from meshgait_data.sources.keypoints.detections import Detections, KeypointOptions
from meshgait_data.sources.reading import Source, parse_json
from meshgait_data.types import FloatArray

NAME, ABOUT = "openpose", "OpenPose, OUMVLP-Pose: a folder with one *_keypoints.json or .json a frame, key people"
_ENDINGS = ("_keypoints.json", "_keypoint.json", ".json")
_KEYS = ("pose_keypoints_2d", "pose_keypoints")
"""Name since version 1.3, and before."""


def claims(source: Source) -> bool:
    """Whether the source is of this format."""
    return source.has(_ENDINGS[0]) or (isinstance(source.first_json, dict) and "people" in source.first_json)


def read(source: Source, options: KeypointOptions) -> Detections:
    """Everybody in the folder; raises SourceError where a file cannot be read."""
    frames = source.frames(_ENDINGS, lambda data, where: people_of(parse_json(data, where), where))
    found = dict(zip(frames.ids.tolist(), frames.values, strict=True))
    return collect(found, source, options, (0, 0), sha256=frames.sha256, findings=frames.findings)


def people_of(data: Any, where: str) -> list[tuple[int | None, FloatArray]]:
    """People of one frame with their numbers; raises SourceError."""
    people = data.get("people") if isinstance(data, dict) else None
    if not isinstance(people, list):
        raise SourceError("no list of people", where=where, hint="OpenPose writes {version, people: [...]}")
    found: list[tuple[int | None, FloatArray]] = []
    for person in people:
        key = next((key for key in _KEYS if isinstance(person, dict) and key in person), "")
        if not key:
            hint = "run OpenPose with --write_json and the body model"
            raise SourceError(f"a person has no {_KEYS[0]}", where=where, hint=hint)
        found.append((_tracked(person.get("person_id")), triplets(person[key], where)))
    return found


def _tracked(value: Any) -> int | None:
    """Number by OpenPose's experimental tracker; it writes -1 where it did not run."""
    number = value[0] if isinstance(value, list) and len(value) == 1 else value
    return number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else None
