"""Frames of walks whose files are named by time: one line of moments for all kinds, and the frame of each file on it.

The moments of a walk are those of its first kind (silhouettes before keypoints), and those of the others that are of no
moment yet. Frames are counted from the first of them at the rate of the manifest, so that a gap in time is a gap in the
numbers. Only names are read.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.manifest_source import Files, Source
from meshgait_data.sources.frames import names_in
from meshgait_data.sources.places import Place
from meshgait_data.types import IntArray

_NANO = 10**9
_WHOLE_SECONDS = 10
"""Digits of the seconds since 1970 in names without a point, until the year 2286."""
_ORDER = ("silhouettes", "keypoints2d", "smpl", "joints3d", "mocap")


def nanoseconds(text: str) -> int:
    """Time as files write it, in whole nanoseconds.

    >>> nanoseconds("1657079013.9") - nanoseconds("1657079013"), nanoseconds("16570790139") % 10**9
    (900000000, 900000000)
    """
    whole, point, fraction = text.partition(".")
    if not point:
        whole, fraction = text[:_WHOLE_SECONDS], text[_WHOLE_SECONDS:]
    return int(whole) * _NANO + int(fraction[:9].ljust(9, "0"))


def matched(times: IntArray, moments: IntArray, tolerance: int) -> IntArray:
    """Moment (F,) of each time, -1 where none is near; of several times of one moment only the nearest has it.

    Parameters
    ----------
    times, moments
        (F,) and (M,) nanoseconds, moments increasing.
    tolerance
        Most nanoseconds between a time and its moment.
    """
    near, distance = _nearest(times, moments)
    found = np.where(distance <= tolerance, near, -1)
    order = np.lexsort((distance, found))
    again = np.zeros(len(times), bool)
    again[order[1:]] = found[order[1:]] == found[order[:-1]]
    return np.where(again, -1, found)


def _nearest(times: IntArray, moments: IntArray) -> tuple[IntArray, IntArray]:
    """Nearest moment (F,) of each time and how far it is; farther than anything where there are no moments."""
    if not len(moments):
        return np.full(len(times), -1), np.full(len(times), np.iinfo(np.int64).max)
    after = np.searchsorted(moments, times).clip(0, len(moments) - 1)
    before = (after - 1).clip(0)
    near = np.where(np.abs(moments[before] - times) <= np.abs(moments[after] - times), before, after)
    return near, np.abs(moments[near] - times)


def numbered(moments: IntArray, fps: float) -> IntArray:
    """Number (M,) of the frame at each moment: one on from the moment before, more where there is a gap in time."""
    steps = np.maximum(1, np.rint(np.diff(moments) / _NANO * fps)).astype(np.int64)
    return np.concatenate([[0], np.cumsum(steps)])[: len(moments)].astype(np.int64)


def moments_of(place: Place) -> IntArray:
    """(M,) nanoseconds of all frames of the kinds of a walk, increasing."""
    source = place.manifest.source
    moments = np.zeros(0, np.int64)
    for name in sorted(source.kinds(), key=_ORDER.index):
        block = source.kinds()[name]
        for view, path in place.files(block) if block.times else ():
            times = np.array(sorted(_times(place, block, view, path).values()), np.int64)
            # A time near to a moment that another file of the kind is nearer to is of no moment of its own.
            new = _nearest(times, moments)[1] > _tolerance(source)
            moments = np.union1d(moments, times[new])
    return moments


def frames_of(place: Place, block: Files, view: str) -> Mapping[str, int]:
    """Frame of the walk of each file of a block and view; files at whose time there is none are not in it.

    Raises
    ------
    SourceError
        Where a folder cannot be listed.
    """
    source, moments = place.manifest.source, moments_of(place)
    # Only times of a number make a manifest with times.
    assert source.fps != "file"
    numbers = numbered(moments, source.fps)
    found: dict[str, int] = {}
    for own, path in place.files(block):
        if own == view:
            times = _times(place, block, view, path)
            which = matched(np.array(list(times.values()), np.int64), moments, _tolerance(source))
            found |= {name: int(numbers[at]) for name, at in zip(times, which.tolist(), strict=True) if at >= 0}
    return found


def alone_of(place: Place, block: Files, view: str) -> tuple[list[str], int]:
    """Names of the files of a block and view at whose time the walk has no frame, and how many files there are."""
    known = frames_of(place, block, view)
    names = [name for own, path in place.files(block) if own == view for name in _times(place, block, view, path)]
    return sorted(name for name in names if name not in known), len(names)


def _tolerance(source: Source) -> int:
    return round(source.tolerance_s * _NANO)


def _times(place: Place, block: Files, view: str, path: Path) -> dict[str, int]:
    """Name of each file of a folder to its time in nanoseconds; misnamed ones are left out."""
    assert block.times is not None
    if not path.is_dir():
        hint = "times belong to folders with a file a frame"
        raise SourceError("not a folder", where=str(path), hint=hint)
    pattern, delay = place.file_pattern(block, view), round(block.times.delay_s * _NANO)
    named = ((name, pattern.fullmatch(name)) for name in names_in(path))
    return {name: nanoseconds(match["frame"]) + delay for name, match in named if match is not None}
