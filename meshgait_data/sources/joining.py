"""Kinds of observations of one walk on the same frames: by the ids of frames, and never by position alone.

Some files count no frames: their values are the first, second, third of something. Places of which the file says that
they hold nothing count. Where there are as many places as frames of the others they are joined, and left out of the
walk otherwise: which frames they lack nobody can tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from meshgait_data.findings import Finding, Severity
from meshgait_data.sources.parts import Parts
from meshgait_data.sources.track import Track, frames_text
from meshgait_data.types import CaptureKey, IntArray

AnyTrack = Track[Any]

_PRIORITY = ("silhouettes", "keypoints2d", "smpl", "joints3d", "mocap")
"""What stays where two kinds cannot be joined: what comes first here."""


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Parts whose frame ids are those of the walk."""

    parts: Parts
    """Without what cannot be joined."""
    findings: tuple[Finding, ...]
    """What was left out, or could only be joined in order."""
    also: tuple[AnyTrack, ...] = ()
    """What rides along, likewise."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Kind and view of what cannot be joined."""


def view_of(track: AnyTrack) -> str:
    """View that a track is of; empty where it is of the whole walk."""
    return track.view or getattr(track.data, "view", "")


def joined(key: CaptureKey, parts: Parts, also: Sequence[AnyTrack] = ()) -> Joined:
    """Put everything that belongs to one view, and then everything of the walk, on the same ids.

    Findings are MG-FRAMES-002 (lengths disagree), -009 (no frame in common) and -013 (joined in order).
    """
    placed: dict[int, AnyTrack | None] = {}
    findings: list[Finding] = []
    by_view: dict[str, list[AnyTrack]] = {}
    every = [*parts.tracks(), *also]
    for track in every:
        by_view.setdefault(view_of(track), []).append(track)
    for view, tracks in by_view.items():
        if view:
            _join_view(key.sequence(view), tracks, placed, findings)
    _join_walk(key, parts, by_view.get("", []), placed, findings)
    if not placed:
        return Joined(parts, tuple(findings), tuple(also))
    riding = tuple(kept for track in also if (kept := placed.get(id(track), track)) is not None)
    lost = tuple((track.kind, view_of(track)) for track in every if placed.get(id(track), track) is None)
    return Joined(_replaced(parts, placed), tuple(findings), riding, lost)


def _join_view(key: Any, tracks: Sequence[AnyTrack], placed: dict[int, AnyTrack | None], found: list[Finding]) -> None:
    """Join the kinds of one view onto the first of them; ``placed`` gets what changes, None for what is left out."""
    first, *others = sorted(tracks, key=_priority)
    lead = first
    for other in others:
        if lead.counted and other.counted:
            if not np.isin(other.frame_ids, lead.frame_ids).any():
                placed[id(other)] = None
                found.append(_disjoint(str(key), lead, other))
        elif _places(lead) != _places(other):
            placed[id(other)] = None
            found.append(_unequal(str(key), lead, other))
        elif lead.counted != other.counted:
            counted, without = (lead, other) if lead.counted else (other, lead)
            moved = _moved(without, counted.frame_ids)
            placed[id(first if without is lead else other)] = moved
            lead = moved if without is lead else lead
            found.append(_in_order(str(key), counted, without))


def _join_walk(
    key: CaptureKey, parts: Parts, tracks: Sequence[AnyTrack], placed: dict[int, AnyTrack | None], found: list[Finding]
) -> None:
    """What is of the whole walk and counts no frames starts at frame 0, unless it is as long as all the others."""
    rest = [placed.get(id(track), track) for track in parts.tracks() if track.counted or id(track) in placed]
    counted = [track for track in rest if track is not None]
    loose = [track for track in tracks if not track.counted]
    if not counted or not loose:
        return
    ids = reduce(np.union1d, [track.frame_ids for track in counted])
    for track in loose:
        if np.array_equal(track.frame_ids, ids):
            continue
        if _places(track) == len(ids):
            placed[id(track)] = _moved(track, ids)
            found.append(_in_order(str(key), counted[0], track))
        else:
            message = f"{track.kind} counts no frames and has {_places(track)}, the others {len(ids)}: "
            hint = f"say {track.kind}: first_frame in the manifest, or write the ids of frames into the files"
            where = f"{message}taken to start at frame 0"
            found.append(Finding(Severity.WARNING, "MG-FRAMES-013", str(key), where, hint))


def _places(track: AnyTrack) -> int:
    """Frames of a track; of a file that counts none also those that hold nothing."""
    return len(track.frame_ids) if track.counted else track.places()[1]


def _moved(track: AnyTrack, ids: IntArray) -> AnyTrack:
    """A track that counts no frames at the frames of another one, of which there are as many as places."""
    return replace(track, frame_ids=ids[track.places()[0]], counted=True)


def _priority(track: AnyTrack) -> tuple[int, str]:
    kind = track.kind
    return (_PRIORITY.index(kind) if kind in _PRIORITY else len(_PRIORITY), kind)


def _replaced(parts: Parts, placed: dict[int, AnyTrack | None]) -> Parts:
    def now(track: AnyTrack | None) -> Any:
        return None if track is None else placed.get(id(track), track)

    changes: dict[str, Any] = {name: now(getattr(parts, name)) for name in ("joints", "markers", "given")}
    for name in ("keypoints", "masks"):
        changes[name] = tuple(kept for track in getattr(parts, name) if (kept := now(track)) is not None)
    return replace(parts, **changes)


def _unequal(where: str, lead: AnyTrack, other: AnyTrack) -> Finding:
    silent = other if not other.counted else lead
    message = (
        f"{other.kind} has {_places(other)} frames, {lead.kind} {_places(lead)}, and {silent.kind} does "
        f"not say which frames they are: {other.kind} is left out"
    )
    hint = f"make {other.kind} again from the same frames, or give its ids (frame_ids, first_frame) in the manifest"
    return Finding(Severity.ERROR, "MG-FRAMES-002", where, message, hint)


def _disjoint(where: str, lead: AnyTrack, other: AnyTrack) -> Finding:
    message = (
        f"{lead.kind} (frames {frames_text(lead.frame_ids)}) and {other.kind} (frames {frames_text(other.frame_ids)}) "
        f"have no frame in common: {other.kind} is left out"
    )
    hint = "number the files of all kinds by the same clock, or say first_frame in the manifest"
    return Finding(Severity.ERROR, "MG-FRAMES-009", where, message, hint)


def _in_order(where: str, counted: AnyTrack, other: AnyTrack) -> Finding:
    message = f"{other.kind} counts no frames and has as many as {counted.kind}: joined in order"
    return Finding(Severity.INFO, "MG-FRAMES-013", where, message, "look at an overlay of both")
