"""From the walker's raw points to keypoints: unseen is NaN, confidences are 0..1, frames are evenly spaced."""

from dataclasses import replace

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.sources.keypoints.detections import Detections, KeypointOptions
from meshgait_data.sources.keypoints.people import choose_person
from meshgait_data.sources.track import Track, frames_text, keypoints_at
from meshgait_data.types import BoolArray, FloatArray, IntArray, Keypoints

_MOST_HOLES = 10
"""Frames that may lack for each one that is there; above that the numbers are not those of frames."""
_FARTHEST = 1e7
"""Pixels from the picture's corner: whatever is further away was not seen, and is no float32 perhaps."""
_NORMALISED = 2.0
"""Coordinates that all lie below this are shares of the picture and not pixels."""
_NEGATIVE = 0.05
"""Share of negative ones above which they count from the middle of the picture: a detector seldom leaves it."""
_OUTSIDE = 0.5
"""Share of the points outside the picture from which the size of the picture is wrong."""


def to_track(detections: Detections, view: str, options: KeypointOptions) -> Track[Keypoints]:
    """Keypoints of the walker of a view.

    Raises
    ------
    SourceError
        Where nobody is seen, coordinates are shares of a picture of unknown size or lie outside the picture,
        confidences are negative, or frame numbers are not those of a film.
    """
    chosen, findings = choose_person(detections, options.person)
    rows = chosen[:, list(detections.layout.rows)]
    size = detections.size if all(detections.size) else options.size
    confidence, more = _confidence(rows[..., 2], detections.where)
    seen = np.isfinite(rows).all(axis=-1) & (confidence > 0) & (np.abs(rows[..., :2]) < _FARTHEST).all(axis=-1)
    if not seen.any():
        raise SourceError("no point was seen in any frame", where=detections.where, hint="check that it is a walk")
    points, further = _in_pixels(rows[..., :2], seen, size, detections.where)
    _check_inside(points[seen], size, detections.where)
    keypoints = Keypoints(
        view=view,
        points=np.where(seen[..., None], points, np.nan).astype(np.float32),
        confidence=np.where(seen, confidence, 0.0).astype(np.float32),
        names=detections.layout.names,
        joint_set=detections.layout.joint_set,
        size=size,
    )
    own = np.array(detections.frame_ids, dtype=np.int64)
    # Times tell of which frames of the walk there is no file; other files may leave out frames without anybody.
    timed = options.names is not None and options.names.numbers is not None
    ids, holes = (own, list[Finding]()) if timed else _evenly(own, detections.where)
    track = Track(
        keypoints,
        own,
        sha256=detections.sha256,
        counted=detections.counted,
        view=view,
    )
    noticed = (*detections.findings, *findings, *more, *further, *holes)
    places = None if detections.file_frames is None else ids
    data = keypoints_at(track, ids)
    return replace(track, data=data, frame_ids=ids, findings=noticed, rows=places, file_frames=detections.file_frames)


def _in_pixels(
    points: FloatArray, seen: BoolArray, size: tuple[int, int], where: str
) -> tuple[FloatArray, list[Finding]]:
    if np.abs(points[seen]).max() >= _NORMALISED:
        return points, []
    if (points[seen] < 0).mean() > _NEGATIVE:
        what = "coordinates between -1 and 1 are no pixels"
        raise SourceError(what, where=where, hint="let the detector write pixels of the picture")
    if not all(size):
        what = "coordinates between 0 and 1 are shares of a picture whose size is not known"
        raise SourceError(what, where=where, hint="give size: [width, height] of the picture")
    what = f"coordinates are shares of the picture; multiplied by {size[0]} x {size[1]}"
    # The left border of a picture is at 0 in shares and at -0.5 in pixels.
    return points * np.array(size) - 0.5, [Finding(Severity.INFO, "MG-KEYPOINTS-003", where, what)]


def _confidence(values: FloatArray, where: str) -> tuple[FloatArray, list[Finding]]:
    values = np.nan_to_num(values, nan=0.0)
    if values.min(initial=0.0) < 0:
        what = f"a confidence is {values.min():.3g}"
        raise SourceError(what, where=where, hint="confidences are 0 (not seen) to 1; leave out logarithms")
    if values.max(initial=0.0) == 2 and np.isin(values, (0, 1, 2)).all():
        what = "confidences 0, 1, 2 are COCO's flags (not labelled, hidden, visible); used as 0, 0.5, 1"
        return values / 2, [Finding(Severity.INFO, "MG-KEYPOINTS-004", where, what)]
    above = int((values > 1).sum())
    if not above:
        return values, []
    what = f"{above} confidences are above 1, up to {values.max():.3g}; used as 1"
    return np.minimum(values, 1.0), [Finding(Severity.INFO, "MG-KEYPOINTS-004", where, what)]


def _check_inside(points: FloatArray, size: tuple[int, int], where: str) -> None:
    if not all(size):
        return
    outside = float(((points < -0.5) | (points > np.array(size) - 0.5)).any(axis=-1).mean())
    if outside > _OUTSIDE:
        what = f"{outside:.0%} of the points lie outside a picture of {size[0]} x {size[1]}"
        raise SourceError(
            what, where=where, hint="was it scaled after the detection? Give the size that was detected in"
        )


def _evenly(ids: IntArray, where: str) -> tuple[IntArray, list[Finding]]:
    """All frames from the first to the last at the spacing of those that are there."""
    if len(ids) < 2:
        return ids, []
    step = int(np.gcd.reduce(np.diff(ids)))
    holes = int(ids[-1] - ids[0]) // step + 1 - len(ids)
    if holes > _MOST_HOLES * len(ids):
        what = f"{len(ids)} frames are spread over numbers {ids[0]} to {ids[-1]}: these are no frames of one film"
        raise SourceError(what, where=where, hint="give one file a walk, with numbers of frames as ids")
    if not holes:
        return ids, []
    full = np.arange(ids[0], ids[-1] + 1, step)
    lost = frames_text(np.setdiff1d(full, ids))
    what = f"{holes} of {len(full)} frames have nobody in them, for want of a file or of an entry: {lost}"
    return full, [Finding(Severity.INFO, "MG-KEYPOINTS-005", where, what)]
