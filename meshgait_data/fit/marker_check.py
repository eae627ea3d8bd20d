"""Markers that do not belong to the body that the others fit: mislabelled, exchanged, moved or fallen off."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meshgait_data.types import FloatArray, IntArray

_FAR_M = 0.030
"""Metres: markers that sit where they should are within a centimetre, see docs/mocap.md."""
_TIMES = 4.0
"""And so many times the usual distance of this marker."""
_CLOSER = 0.4
"""A marker carries another's label where this share of its distance is left under that label."""
_LEAST_SHARE = 0.02
"""Share of the frames that a marker must be wrong in."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A marker that is far from the body in some frames."""

    marker: int
    frames: int
    """How many."""
    first: int
    """Id of the first of them in the source."""
    last: int
    distance_m: float
    """Median over these frames."""
    other: int | None = None
    """Marker whose place on the body it is at."""


def suspects(observed: FloatArray, body: FloatArray, frame_ids: IntArray) -> tuple[Suspect, ...]:
    """Find markers that a robust fit left behind.

    Parameters
    ----------
    observed
        (F, P, 3) metres; NaN where unseen.
    body
        (F, P, 3) where the fitted body has them.
    frame_ids
        (F,) ids in the source.

    Returns
    -------
    One for each such marker, the farthest first.
    """
    distance = np.linalg.norm(observed - body, axis=-1)
    seen = np.isfinite(distance)
    usual = np.array(
        [np.median(column[there]) if there.any() else 0.0 for column, there in zip(distance.T, seen.T, strict=True)]
    )
    # A marker that is wrong most of the time has no usual distance of its own.
    usual = np.minimum(usual, 2 * np.median(usual[seen.any(0)])) if seen.any() else usual
    far = seen & (distance > np.maximum(_FAR_M, _TIMES * usual))
    found = []
    for marker in np.flatnonzero(far.sum(0) > _LEAST_SHARE * len(far)):
        frames = far[:, marker]
        ids = frame_ids[frames]
        off = float(np.median(distance[frames, marker]))
        other = _whose(observed[frames, marker], body[frames], int(marker), off)
        found.append(Suspect(int(marker), int(frames.sum()), int(ids[0]), int(ids[-1]), off, other))
    return tuple(sorted(found, key=lambda suspect: -suspect.distance_m))


def _whose(points: FloatArray, body: FloatArray, marker: int, off: float) -> int | None:
    """Marker that the points are nearest to, if they are much nearer to it than to their own."""
    distances = np.median(np.linalg.norm(points[:, None] - body, axis=-1), axis=0)
    nearest = int(np.argmin(distances))
    return nearest if nearest != marker and distances[nearest] < _CLOSER * off else None


def in_words(found: Sequence[Suspect], labels: Sequence[str]) -> tuple[str, ...]:
    """One sentence a suspect, for the reasons of a fit."""
    sentences, told = [], set[int]()
    pairs = {suspect.marker: suspect.other for suspect in found}
    for suspect in found:
        label, where = labels[suspect.marker], _frames(suspect)
        other = suspect.other
        if suspect.marker in told:
            continue
        if other is not None and pairs.get(other) == suspect.marker:
            told.add(other)
            sentences.append(f"markers: {label} and {labels[other]} are exchanged in {where}")
        elif other is not None:
            sentences.append(f"markers: {label} is where {labels[other]} should be in {where}")
        else:
            far = round(1000 * suspect.distance_m)
            sentences.append(f"markers: {label} is {far} mm off the body in {where}: mislabelled, moved or fallen off")
    return tuple(sentences)


def _frames(suspect: Suspect) -> str:
    if suspect.frames == suspect.last - suspect.first + 1:
        return f"frames {suspect.first}-{suspect.last}"
    return f"{suspect.frames} frames from {suspect.first} to {suspect.last}"
