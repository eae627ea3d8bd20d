"""AlphaPose's two older JSON layouts, by picture: ``{"0.jpg": {"bodies": [{"joints": ...}]}}`` or with ``people``.

Its usual layout has the records of COCO's results and is read as such.
"""

from typing import Any

from meshgait_data.errors import SourceError
from meshgait_data.sources.frames import frame_number
from meshgait_data.sources.keypoints.coco import collect, triplets
from meshgait_data.sources.keypoints.detections import Detections, KeypointOptions
from meshgait_data.sources.keypoints.openpose import people_of
from meshgait_data.sources.reading import Source
from meshgait_data.types import FloatArray

NAME, ABOUT = "alphapose", "AlphaPose with --format cmu or open: one .json, entries by picture"


def claims(source: Source) -> bool:
    """Whether the source is of this format."""
    data = source.json
    if not isinstance(data, dict) or not data:
        return False
    return all(isinstance(value, dict) and ("bodies" in value or "people" in value) for value in data.values())


def read(source: Source, options: KeypointOptions) -> Detections:
    """Everybody in the file; raises SourceError where an entry cannot be read."""
    found: dict[int, list[tuple[int | None, FloatArray]]] = {}
    for name, entry in source.json.items():
        place = f"{source.where}: {name}"
        frame = frame_number(name.rsplit(".", 1)[0], place)
        if frame in found:
            raise SourceError(f"two pictures are frame {frame}", where=place, hint="give one file a view of a walk")
        found[frame] = people_of(entry, place) if "people" in entry else _bodies(entry["bodies"], place)
    return collect(found, source, options, (0, 0))


def _bodies(bodies: Any, where: str) -> list[tuple[int | None, FloatArray]]:
    if not isinstance(bodies, list) or not all(isinstance(body, dict) and "joints" in body for body in bodies):
        raise SourceError("a body has no joints", where=where, hint="AlphaPose writes {bodies: [{joints: [...]}]}")
    return [(None, triplets(body["joints"], where)) for body in bodies]
