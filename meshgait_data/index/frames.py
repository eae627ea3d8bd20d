"""What is to be said of the frames of one view: which kind lacks which, what is empty, and what would be dropped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from meshgait_data.findings import Finding, Severity
from meshgait_data.manifest_source import Silhouettes, Source
from meshgait_data.render.align import FATES, OTHER_SIZE, TOO_NARROW, fates_of, keeps_empty
from meshgait_data.sources.track import Track, frames_text
from meshgait_data.types import BoolArray, ByteArray, GivenParams, Keypoints, Masks

LEAST_FRAMES = 5
"""The published pretreatment warns of sequences with fewer frames than this; OpenGait, ``datasets/pretreatment.py``."""

_EMPTY = 255
"""Stands for a mask without any white, whatever alignment makes of it."""

AnyTrack = Track[Any]


@dataclass(frozen=True, slots=True)
class FrameRules:
    """What a dataset says about the frames of its sequences."""

    every: dict[str, int]
    """Kind to the frames of the walk from one of its frames to the next."""
    alignment: str = "opengait"
    """Variant of :func:`~meshgait_data.render.align.align` for the masks; empty where they are aligned already."""
    size: int = 64
    """Side of the aligned silhouettes in pixels."""
    expected: tuple[int, int] | None = None
    """Least and largest number of frames of a sequence."""

    @classmethod
    def of(cls, source: Source, size: int, expected: tuple[int, int] | None) -> "FrameRules":
        """Of a manifest's source."""
        every = {kind: block.every for kind, block in source.kinds().items()}
        return cls(every, _alignment(source.silhouettes), size, expected)


def _alignment(block: Silhouettes | None) -> str:
    if block is None or block.format == "opengait" or block.path.lower().endswith(".pkl"):
        return ""
    return block.alignment or "opengait"


def check_frames(where: str, tracks: Sequence[AnyTrack], rules: FrameRules) -> list[Finding]:
    """Findings (ids MG-FRAMES-...) about the kinds of one view, whose frame ids are joined already."""
    if not tracks:
        return []
    findings = [*_missing(where, tracks, rules), *_gaps(where, tracks)]
    frames = len(reduce(np.union1d, [track.frame_ids for track in tracks[1:]], tracks[0].frame_ids))
    usable = frames
    for track in tracks:
        if isinstance(track.data, Masks):
            fates = _fates(track, rules)
            findings += [*_drops(where, track, fates, rules), *_repeats(where, track)]
            usable = int((fates == 0).sum())
        else:
            findings += _undetected(where, track)
    return [*findings, *_length(where, frames, usable, rules)]


def _missing(where: str, tracks: Sequence[AnyTrack], rules: FrameRules) -> Iterator[Finding]:
    """One finding for each kind that lacks frames which another one has."""
    if all(np.array_equal(track.frame_ids, tracks[0].frame_ids) for track in tracks[1:]):
        return
    for track in tracks:
        own = track.frame_ids
        if not len(own):
            continue
        others = {}
        for other in tracks:
            ids = other.frame_ids
            on_grid = ids[(ids - own[0]) % rules.every.get(track.kind, 1) == 0]
            lacking = np.setdiff1d(on_grid, own)
            if other is not track and len(lacking):
                others[other.kind] = lacking
        if others:
            kind = max(others, key=lambda name: len(others[name]))
            lacking = others[kind]
            of = f"{len(lacking)} of {len(own) + len(lacking)} frames"
            message = f"no {track.kind} in {of}, which are there as {kind}: "
            hint = "nothing is shifted: kinds are joined by the number of the frame"
            yield Finding(Severity.WARNING, "MG-FRAMES-001", where, message + frames_text(lacking), hint)


def _gaps(where: str, tracks: Sequence[AnyTrack]) -> Iterator[Finding]:
    counted = [track.frame_ids for track in tracks if track.counted]
    if not counted or all(int(ids[-1] - ids[0]) + 1 == len(ids) for ids in counted if len(ids)):
        return
    ids = np.unique(np.concatenate(counted))
    steps = np.diff(ids)
    if not len(steps) or (step := int(np.median(steps))) == int(steps.max()):
        return
    grid = np.arange(ids[0], ids[-1] + 1, step)
    missing = np.setdiff1d(grid, ids)
    if len(missing):
        message = f"{len(missing)} frames between {ids[0]} and {ids[-1]} are in no file: {frames_text(missing)}"
        yield Finding(Severity.INFO, "MG-FRAMES-003", where, message)


def _fates(track: Track[Masks], rules: FrameRules) -> ByteArray:
    """(F,) what alignment makes of each mask, by number in ``FATES``; ``_EMPTY`` of those without any white."""
    masks, fates = track.data, np.zeros(len(track.frame_ids), np.uint8)
    levels = masks.images if masks.grey is None else masks.grey
    shown = levels.reshape(len(levels), -1).any(axis=1)
    if rules.alignment and shown.any():
        sizes = None if masks.sizes is None else masks.sizes[shown]
        # A copy of all pictures only where some are left out.
        pictures = levels if shown.all() else levels[shown]
        fates[shown] = fates_of(pictures, rules.size, variant=rules.alignment, sizes=sizes)
    fates[~shown] = _EMPTY
    return fates


def _drops(where: str, track: Track[Masks], fates: ByteArray, rules: FrameRules) -> Iterator[Finding]:
    for fate in np.unique(fates[fates > 0]).tolist():
        ids = track.frame_ids[fates == fate]
        of = f"{len(ids)} of {len(fates)} masks"
        if fate == _EMPTY:
            kept = not rules.alignment or keeps_empty(rules.alignment)
            packed = "are packed with valid = 0, as the published form has them" if kept else "are not packed"
            hint = f"nothing to do where nobody was in the picture; these frames {packed}"
            yield Finding(Severity.WARNING, "MG-FRAMES-004", where, f"{of} are empty: {frames_text(ids)}", hint)
        else:
            hint = "nothing to do: the published pretreatment leaves them out, and so does mgdata pack, from all kinds"
            if fate == OTHER_SIZE:
                hint = f"alignment: sustech1k scales aligned pictures to {rules.size} pixels; as_is needs them so"
            id = "MG-FRAMES-006" if fate == TOO_NARROW else "MG-FRAMES-005"
            yield Finding(Severity.WARNING, id, where, f"{of} {FATES[fate]}: {frames_text(ids)}", hint)


def _repeats(where: str, track: Track[Masks]) -> Iterator[Finding]:
    images = track.data.images
    # Equal pictures have equal sums; comparing those first spares most of the work.
    sums = np.array([np.count_nonzero(image) for image in images])
    doubtful = np.flatnonzero((sums[1:] == sums[:-1]) & (sums[1:] > 0)) + 1
    same = [frame for frame in doubtful.tolist() if np.array_equal(images[frame], images[frame - 1])]
    if same:
        ids = frames_text(track.frame_ids[same])
        message = f"{len(same)} of {len(images)} masks are those of the frame before: {ids}"
        yield Finding(Severity.INFO, "MG-FRAMES-014", where, message, "nothing to do, unless frames were filled in")


def _undetected(where: str, track: AnyTrack) -> Iterator[Finding]:
    """Frames in which files are there, but nobody in them."""
    seen: BoolArray | None = None
    if isinstance(track.data, Keypoints):
        seen = np.asarray((track.data.confidence > 0).any(axis=1))
    elif isinstance(track.data, GivenParams):
        seen = track.data.seen
    if seen is not None and not seen.all():
        lost = track.frame_ids[~seen]
        message = f"{track.kind} found nobody in {len(lost)} of {len(seen)} frames: {frames_text(lost)}"
        yield Finding(
            Severity.WARNING, "MG-FRAMES-012", where, message, "look at an overlay; these frames stay, without points"
        )


def _length(where: str, frames: int, usable: int, rules: FrameRules) -> Iterator[Finding]:
    low, high = rules.expected or (0, frames)
    if not low <= frames <= high:
        message = f"{frames} frames, where the dataset has {low} to {high} in a sequence"
        yield Finding(Severity.WARNING, "MG-FRAMES-008", where, message, "take the sequence from its source again")
    if usable < LEAST_FRAMES:
        message = f"only {usable} of {frames} frames can be used"
        yield Finding(
            Severity.WARNING, "MG-FRAMES-007", where, message, "too short for most networks: leave the sequence out"
        )
