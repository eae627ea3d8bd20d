"""Ids of frames from a file of their own, for formats that count no frames."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import SourceError
from meshgait_data.sources.inert import unpickled
from meshgait_data.sources.numpy_files import parse_npy
from meshgait_data.sources.track import Track
from meshgait_data.types import GivenParams, IntArray
from meshgait_data.untrusted import MOST_FILES, MOST_FRAME_BYTES, read_bytes

T = TypeVar("T")
_HINT = "expected one whole number a frame: pickled or saved by numpy, or a text with one in each line"
_MOST_DIGITS = 18
_OVER_FRAMES = ("points", "confidence", "images", "seen", "grey", "sizes", "rows")
"""Arrays of observations whose first axis is frames."""


def read_ids(path: Path) -> IntArray:
    """Ids (F,) of frames in the order of another file's frames.

    Of a text the last number of the last word of each line counts: ``17``, ``3 17`` and ``3 001-nm-01-090-017.png`` are
    all frame 17.

    Raises
    ------
    SourceError
        Where the file is damaged, or an id is there twice.
    """
    data = read_bytes(path, MOST_FRAME_BYTES)
    if path.suffix.lower() in (".pkl", ".npy"):
        value = unpickled(data, str(path)) if path.suffix.lower() == ".pkl" else parse_npy(data, str(path))
        found = np.asarray(value) if isinstance(value, list | np.ndarray) else np.zeros(0)
    else:
        found = _of_text(data, str(path))
    whole = found.ndim == 1 and found.size and found.dtype.kind in "iu"
    if not whole or len(found) > MOST_FILES or len(np.unique(found)) != len(found):
        what = f"ids of frames are {found.dtype} of shape {found.shape}, or not all different"
        raise SourceError(what, where=str(path), hint=_HINT)
    if found.max() >= 10**_MOST_DIGITS or found.min() < 0:
        raise SourceError(f"ids of frames from {found.min()} to {found.max()}", where=str(path), hint=_HINT)
    return found.astype(np.int64)


def _of_text(data: bytes, where: str) -> NDArray[Any]:
    numbers = []
    for number, line in enumerate(data.decode("latin-1").splitlines(), start=1):
        words = re.split(r"[\s,;]+", line.split("#", 1)[0].strip())
        if words == [""]:
            continue
        digits = re.findall(r"\d+", words[-1])
        if not digits or len(digits[-1]) > _MOST_DIGITS:
            raise SourceError(f"{line[:60]!r} has no number of a frame", where=f"{where}:{number}", hint=_HINT)
        numbers.append(int(digits[-1]))
    return np.array(numbers, dtype=np.int64)


def with_ids(track: Track[T], path: Path) -> Track[T]:
    """A track whose frames were counted 0, 1, 2 with the ids of a file, in the order of these.

    Raises
    ------
    SourceError
        Where the file has another number of ids than the track has frames.
    """
    if track.counted:
        return track
    ids = read_ids(path)
    rows, count = track.places()
    if len(ids) != count:
        what = f"{len(ids)} ids for {count} frames"
        raise SourceError(what, where=str(path), hint="take both files from the same version of the dataset")
    own = ids[rows]
    order = np.argsort(own)
    return replace(track, data=_taken(track.data, order), frame_ids=own[order], counted=True)


def _taken(data: Any, order: IntArray) -> Any:
    """Frames of a value in another order."""
    if isinstance(data, np.ndarray):
        return data[order]
    if isinstance(data, GivenParams):
        return replace(data, params=data.params.take(order), seen=data.seen[order])
    over_frames = [name for name in _OVER_FRAMES if getattr(data, name, None) is not None]
    return replace(data, **{name: getattr(data, name)[order] for name in over_frames})
