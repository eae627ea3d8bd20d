"""Modalities of a source that ride along into shards as they are, joined to the frames of the silhouettes."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from meshgait_data.manifest import Manifest
from meshgait_data.sources.parts import read_also
from meshgait_data.sources.track import Track, frames_text
from meshgait_data.types import CaptureKey, IntArray, Masks

_PREFIX = "also."


@dataclass(frozen=True, slots=True, eq=False)
class Riding:
    """What the blocks ``also:`` of a manifest have of one walk."""

    tracks: tuple[Track[NDArray[Any]], ...] = ()
    lost: tuple[tuple[str, str, str], ...] = ()
    """Name, view and reason of what cannot be used."""

    @classmethod
    def of(cls, manifest: Manifest, root: Path, key: CaptureKey) -> Self:
        """Read it."""
        if not manifest.source.also:
            return cls()
        tracks, lost = read_also(manifest, root, key)
        told = tuple((one.kind.removeprefix(_PREFIX), one.view, one.error.what) for one in lost)
        return cls(tuple(tracks), told)

    def add(
        self, found: dict[str, NDArray[Any]], masks: Masks, frame_ids: IntArray, kinds: Collection[str]
    ) -> list[str]:
        """Add arrays over frames (F,) of one view by their names; gives what is missing, and why.

        What the index does not list among the kinds of the view is left out, such as arrays of another shape than all
        others.
        """
        missing = [f"{name}: {why}: left out" for name, view, why in self.lost if view in ("", masks.view)]
        for track in self.tracks:
            if track.view in ("", masks.view):
                name = track.kind.removeprefix(_PREFIX)
                rows, why = _by_ids(track, frame_ids) if track.counted else _by_place(track, masks)
                if rows is not None and track.kind not in kinds:
                    rows, why = None, "is not among what the index lists, see its findings: left out"
                if why:
                    missing.append(f"{name} {why}")
                if rows is not None:
                    found[name] = at_rows(track.data, rows)
        return missing


def _by_ids(track: Track[NDArray[Any]], frame_ids: IntArray) -> tuple[IntArray | None, str]:
    """(F,) place of each frame among the values of the track, -1 where it has none; and what is to be said."""
    place = np.searchsorted(track.frame_ids, frame_ids).clip(0, len(track.frame_ids) - 1)
    there = track.frame_ids[place] == frame_ids
    if not there.any():
        return None, "has none of these frames: left out"
    lacking = f"has no values for frames {frames_text(frame_ids[~there])}: zeros" if not there.all() else ""
    return np.where(there, place, -1), lacking


def _by_place(track: Track[NDArray[Any]], masks: Masks) -> tuple[IntArray | None, str]:
    """The same for values without ids: as many of them as the file of the silhouettes has frames."""
    # Observations say both.
    assert masks.rows is not None
    assert masks.file_frames is not None
    own, count = track.places()
    if count != masks.file_frames:
        return None, f"has {count} frames, the silhouettes {masks.file_frames}: left out"
    rows, why = _by_ids(replace(track, frame_ids=own), masks.rows)
    return rows, why.replace("for frames", "at places")


def at_rows(array: NDArray[Any], rows: IntArray) -> NDArray[Any]:
    """Rows (F,) of an array; zeros for -1."""
    result = np.zeros((len(rows), *array.shape[1:]), array.dtype)
    result[rows >= 0] = array[rows[rows >= 0]]
    return result
