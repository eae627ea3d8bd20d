"""One walker among the people of a picture: link detections over time, take the one seen longest and largest."""

from dataclasses import dataclass, field

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.sources.keypoints.detections import Detections
from meshgait_data.types import BoolArray, FloatArray

_REACH, _REACH_PER_FRAME, _MOST_REACH = 0.15, 0.1, 0.7
"""How far a person may be from where they were last seen, in their own heights: a walker at 25 frames/s moves by 0.03
a frame; detectors jump by some tenths."""
_PATIENCE = 30
"""Frames that a person may be away and still be the same."""
_CLOSE_CALL = 0.6
"""Share of the chosen person's weight from which another one is worth a look."""


@dataclass(slots=True, eq=False)
class _Person:
    """Detections that are one person."""

    frames: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    points: FloatArray = field(default_factory=lambda: np.zeros((0, 3)))
    """Last seen."""
    weight: float = 0.0
    """Sum over frames of height in pixels times mean confidence."""

    def add(self, frame: int, row: int, points: FloatArray) -> None:
        self.frames.append(frame)
        self.rows.append(row)
        self.points = points
        self.weight += _height(points) * float(np.clip(points[:, 2], 0, 1).mean())


def choose_person(detections: Detections, person: int | None = None) -> tuple[FloatArray, list[Finding]]:
    """The walker of a view.

    Where the detector tracked people, its numbers say who is who. Otherwise a detection belongs to the person who was
    last seen nearest to it. Of all people the one with the greatest sum of height times confidence is taken. Where no
    frame shows two people, every detection is taken.

    Parameters
    ----------
    detections
        All people.
    person
        Number by the detector's tracker, instead.

    Returns
    -------
    Points (F, P, 3) in the rows of the detector, NaN where the walker was not seen; and what was noticed.

    Raises
    ------
    SourceError
        Where nobody is seen, or ``person`` is not among the numbers.
    """
    if not any(len(people) for people in detections.people):
        raise SourceError("nobody is seen in any frame", where=detections.where, hint="check that it is the right clip")
    people = _by_number(detections) if detections.tracks else {}
    if person is not None and person not in people:
        numbers = ", ".join(map(str, sorted(people))) or "none: the detector did not track"
        raise SourceError(f"no person {person}", where=detections.where, hint=f"numbers in the file: {numbers}")
    crowded = sum(len(found) > 1 for found in detections.people)
    ranked = sorted(people.values() if people else _link(detections), key=lambda one: -one.weight)
    chosen = ranked[0] if person is None else people[person]
    findings: list[Finding] = []
    if not crowded and person is None:
        findings += _jumps(detections, ranked)
        chosen = _everything(detections)
    elif person is None:
        findings.append(_crowd(detections, ranked, crowded))
    result = np.full((len(detections.people), detections.layout.count, 3), np.nan)
    for frame, row in zip(chosen.frames, chosen.rows, strict=True):
        result[frame] = detections.people[frame][row]
    return result, findings


def _by_number(detections: Detections) -> dict[int, _Person]:
    people: dict[int, _Person] = {}
    for frame, (found, numbers) in enumerate(zip(detections.people, detections.tracks, strict=True)):
        for row, number in enumerate(numbers):
            one = people.setdefault(number, _Person())
            if one.frames[-1:] == [frame]:
                what = f"person {number} is there twice in frame {detections.frame_ids[frame]}"
                raise SourceError(what, where=detections.where, hint="a tracker gives each person a number of its own")
            one.add(frame, row, found[row])
    return people


def _everything(detections: Detections) -> _Person:
    one = _Person()
    for frame, found in enumerate(detections.people):
        if len(found):
            one.add(frame, 0, found[0])
    return one


def _link(detections: Detections) -> list[_Person]:
    people: list[_Person] = []
    for frame, found in enumerate(detections.people):
        open_rows = list(range(len(found)))
        here = detections.frame_ids[frame]
        recent = [one for one in people if here - detections.frame_ids[one.frames[-1]] <= _PATIENCE]
        pairs = sorted(
            (_distance(one.points, found[row]) / _reach(here - detections.frame_ids[one.frames[-1]]), number, row)
            for number, one in enumerate(recent)
            for row in open_rows
        )
        taken: set[int] = set()
        for distance, number, row in pairs:
            if distance <= 1 and number not in taken and row in open_rows:
                recent[number].add(frame, row, found[row])
                taken.add(number)
                open_rows.remove(row)
        for row in open_rows:
            one = _Person()
            one.add(frame, row, found[row])
            people.append(one)
    return people


def _reach(frames: int) -> float:
    return min(_REACH + _REACH_PER_FRAME * frames, _MOST_REACH)


def _seen(points: FloatArray) -> BoolArray:
    return np.asarray((points[:, 2] > 0) & np.isfinite(points).all(axis=1))


def _height(points: FloatArray) -> float:
    """Larger side of the box around what was seen, in pixels."""
    seen = points[_seen(points), :2]
    return float(np.ptp(seen, axis=0).max()) if len(seen) else 0.0


def _distance(before: FloatArray, now: FloatArray) -> float:
    """Median distance of points seen both times, in heights of the person."""
    both = _seen(before) & _seen(now)
    height = max(_height(before), _height(now))
    if not both.any() or height == 0:
        return float("inf")
    return float(np.median(np.linalg.norm(before[both, :2] - now[both, :2], axis=1))) / height


def _crowd(detections: Detections, ranked: list[_Person], crowded: int) -> Finding:
    most = max(map(len, detections.people))
    what = f"{crowded} of {len(detections.people)} frames show several people (up to {most}); "
    what += f"the one seen longest and largest is taken, in {len(ranked[0].frames)} frames"
    close = len(ranked) > 1 and ranked[1].weight > _CLOSE_CALL * ranked[0].weight
    if close:
        what += f"; another one is nearly as long and large ({len(ranked[1].frames)} frames)"
    hint = "look at an overlay; name the walker by 'person' where the detector tracked, or cut the others out"
    return Finding(Severity.WARNING if close else Severity.INFO, "MG-KEYPOINTS-001", detections.where, what, hint)


def _jumps(detections: Detections, ranked: list[_Person]) -> list[Finding]:
    """Only one person a frame, but not near to where they were before."""
    starts = sorted(one.frames[0] for one in ranked)[1:]
    if not starts:
        return []
    ids = ", ".join(str(detections.frame_ids[frame]) for frame in starts[:5]) + (" ..." if len(starts) > 5 else "")
    what = f"the only person of a frame jumps in {len(starts)} frames ({ids}): perhaps someone else"
    return [Finding(Severity.WARNING, "MG-KEYPOINTS-002", detections.where, what, "look at an overlay of these frames")]
