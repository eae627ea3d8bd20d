"""Somebody's own recordings, of which keypoints are there: OpenPose's BODY_25, and COCO's with one JSON a view."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fakes.own_videos import CONDITIONS, SUBJECTS
from fakes.plan import Fake, Planted
from fakes.walkers import View, film
from meshgait_data.types import FloatArray

VIEWS = ("036", "090")
FRAMES = 30
NOISE_PX = 1.0
STRANGER, NOBODY, BROKEN, GAP = "p001/01/036", "p002/01/090", "p003/02/036", "p001/02/090"
OTHER_MODEL = "p004/02/036"

Points = dict[int, FloatArray | None]
"""Number of the frame to (P, 3) x, y, confidence; None where nobody was found."""


def make_openpose(out: Path) -> Fake:
    """Write ``{person}/{walk}/{view}/{frame}_keypoints.json``."""
    truth = {}
    for key, seen, found in _films("openpose25"):
        folder = out / key
        folder.mkdir(parents=True)
        for frame, points in found.items():
            people = [] if points is None else [_person(points)]
            if key == STRANGER and frame == 4 and points is not None:
                # Somebody smaller, at the side, whom the detector named first.
                people.insert(0, _person(points * [0.5, 0.5, 1] + [150, 100, 0]))
            text = json.dumps({"version": 1.3, "people": people})
            broken = key == BROKEN and frame == 6
            (folder / f"{frame:012d}_keypoints.json").write_text(text[: len(text) // 2] if broken else text)
        truth[key] = seen
    planted = (
        *PLANTED,
        Planted("another person comes first in the file", "MG-KEYPOINTS-001", STRANGER),
        Planted("half a file", "MG-SOURCE-030", BROKEN, ": 6"),
    )
    return Fake("own_openpose", out, planted, {}, truth)


def make_coco(out: Path) -> Fake:
    """Write ``{person}/{walk}/{view}.json``, images and annotations."""
    truth = {}
    for key, seen, found in _films("coco17"):
        path = out / f"{key}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(_annotations(found, drop=1 if key == OTHER_MODEL else 0))
        path.write_text(text[: len(text) // 2] if key == BROKEN else text)
        truth[key] = seen
    planted = (
        *PLANTED,
        Planted("half a file", "MG-INDEX-001", f"{BROKEN}.json", "JSON"),
        Planted("people with another number of points", "MG-INDEX-001", f"{OTHER_MODEL}.json", "keypoints"),
    )
    return Fake("own_coco", out, planted, {}, truth)


PLANTED = (
    Planted("nobody was found", "MG-FRAMES-012", NOBODY, ": 5"),
    Planted("gap in the numbers of frames", "MG-KEYPOINTS-005", GAP, ": 7-8"),
)
"""In either form."""


def _films(joint_set: str) -> Iterator[tuple[str, View, Points]]:
    spoil: dict[str, Callable[[Points], Points]] = {
        NOBODY: lambda points: {**points, 5: None},
        GAP: lambda points: {frame: one for frame, one in points.items() if frame not in (7, 8)},
    }
    for person, subject in enumerate(SUBJECTS):
        for take, condition in enumerate(CONDITIONS):
            walk = film(person, take, views=VIEWS, frames=FRAMES)
            for number, view in enumerate(VIEWS):
                key, seen = f"{subject}/{condition}/{view}", walk.views[view]
                found = seen.keypoints(joint_set, noise_px=NOISE_PX, seed=100 * person + 10 * take + number)
                rows = np.concatenate([found.points, found.confidence[..., None]], axis=-1).round(3)
                yield key, seen, spoil.get(key, lambda points: points)(dict(enumerate(rows)))


def _person(points: FloatArray) -> dict[str, Any]:
    return {"person_id": [-1], "pose_keypoints_2d": points.ravel().tolist(), "face_keypoints_2d": []}


def _annotations(found: Points, *, drop: int) -> dict[str, Any]:
    images = [
        {"id": 100 + frame, "file_name": f"frame_{frame:06d}.jpg", "width": 320, "height": 240} for frame in found
    ]
    people = [
        {
            "id": frame,
            "image_id": 100 + frame,
            "category_id": 1,
            "keypoints": points[: len(points) - drop].ravel().tolist(),
            "num_keypoints": len(points) - drop,
        }
        for frame, points in found.items()
        if points is not None
    ]
    return {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
