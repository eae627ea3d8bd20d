"""Modalities that are not used but ride along: one array a view, frames first, from pickle, npy or npz."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import SourceError, UsageError
from meshgait_data.findings import Finding, Severity
from meshgait_data.sources.inert import stacked_frames, unpickled
from meshgait_data.sources.numpy_files import parse_npy
from meshgait_data.sources.reading import Source
from meshgait_data.sources.track import Track, frames_text
from meshgait_data.types import IntArray

RIDING_FORMATS = {
    "pickle": "a pickled array, frames first, or list of arrays of one shape",
    "npy": "an array, frames first",
    "npz": "one array of a file with several, frames first",
}
"""Formats by name, with a line about each."""
_BY_ENDING = {".pkl": "pickle", ".pickle": "pickle", ".npy": "npy", ".npz": "npz"}
_NONE = np.zeros(0, np.int64)
_MANY = 32
"""Numbers of a frame from which on two that are all the same are a copy."""


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Frames of a file, whatever they hold."""

    frames: int
    lost: IntArray = field(default_factory=lambda: _NONE)
    """Places of those that hold nothing at all."""
    empty: IntArray = field(default_factory=lambda: _NONE)
    """Places of those that hold an array of no values."""
    repeated: IntArray = field(default_factory=lambda: _NONE)
    """Places of those that are as the one before."""


def read_frames_of(path: Path, *, format: str = "auto", array: str = "") -> Track[NDArray[Any]]:
    """One array with a value for each frame.

    Parameters
    ----------
    path
        The file.
    format
        Name in ``RIDING_FORMATS``, or ``auto``: by the ending of the name.
    array
        Which array of an npz; may be left out where there is one.

    Returns
    -------
    Frames that hold no array (None) are missing, and said to be (MG-RIDING-001); three equal colour channels are said
    to be grey pictures (MG-RIDING-002). Which frames they are the file does not say.

    Raises
    ------
    UsageError
        Where there is no such format.
    SourceError
        Where the file is damaged, holds no numbers, or frames of different shapes, such as point clouds.
    """
    source = Source(path)
    chosen = _format_of(source, format)
    values, ids, findings, count = _pickled(source) if chosen == "pickle" else _whole(_saved(source, chosen, array))
    _check_numbers(values, str(path))
    if values.ndim == 4 and _is_grey(values):
        what = "all three colour channels are equal: grey pictures, perhaps the silhouettes themselves"
        hint = "the tool that made the file was given silhouettes in place of colour pictures"
        findings += (Finding(Severity.WARNING, "MG-RIDING-002", str(path), what, hint),)
    return Track(values, ids, findings, source.sha256, counted=False, rows=ids, file_frames=count)


def read_counted(path: Path, *, format: str = "auto", array: str = "") -> Counted:
    """How many frames a file has and which of them are empty or as the one before, in whatever shapes they are.

    Raises
    ------
    UsageError, SourceError
        As :func:`read_frames_of`, except that frames may be of different shapes.
    """
    source = Source(path)
    chosen = _format_of(source, format)
    if chosen != "pickle":
        return _counted(_saved(source, chosen, array), source.where)
    value = unpickled(source.content, source.where)
    if isinstance(value, np.ndarray):
        return _counted(value, source.where)
    frames, lost = stacked_frames([_known(item) for item in value] if isinstance(value, list) else value, source.where)
    empty = [place for place, frame in enumerate(frames) if frame is not None and not frame.size]
    return Counted(len(frames), np.array(lost, np.int64), np.array(empty, np.int64))


def _known(item: Any) -> Any:
    """A list without anything, as an array of nothing: a cloud without points."""
    return np.zeros(0) if isinstance(item, list) and not item else item


def _counted(values: NDArray[Any], where: str) -> Counted:
    _check_numbers(values, where)
    rows = values.reshape(len(values), -1)
    # A few numbers, such as the size of a picture, are often the same.
    alike = (rows[1:] == rows[:-1]).all(axis=1) & (rows.shape[1] >= _MANY)
    same = 1 + np.flatnonzero(alike)
    return Counted(len(values), repeated=same.astype(np.int64))


def _format_of(source: Source, format: str) -> str:
    if format not in ("auto", "", *RIDING_FORMATS):
        hint = f"choose one of: auto, {', '.join(RIDING_FORMATS)}"
        raise UsageError(f"no format of frames is called {format!r}", hint=hint)
    chosen = _BY_ENDING.get(source.suffix, "") if format in ("auto", "") else format
    if not chosen:
        known = "; ".join(RIDING_FORMATS.values())
        raise SourceError("not frames of a known format", where=source.where, hint=f"known: {known}")
    return chosen


def _check_numbers(values: NDArray[Any], where: str) -> None:
    if not values.ndim or not values.size or values.dtype.kind not in "biuf":
        what = f"{values.dtype} of shape {values.shape} is no value for each frame"
        raise SourceError(what, where=where, hint="it must be an array of numbers, frames first")


_Read = tuple[NDArray[Any], IntArray, tuple[Finding, ...], int]
"""Values, their places in the file, what was noticed, and how many places the file has."""


def _saved(source: Source, format: str, array: str) -> NDArray[Any]:
    if format == "npy":
        return parse_npy(source.content, source.where)
    names = sorted(source.arrays)
    chosen = array or (names[0] if len(names) == 1 else "")
    if chosen not in source.arrays:
        what = f"no array {chosen!r}" if chosen else f"{len(names)} arrays in one file"
        raise SourceError(what, where=source.where, hint=f"give array, one of: {', '.join(names[:12])}")
    return source.arrays[chosen]


def _whole(values: NDArray[Any]) -> _Read:
    count = len(values) if values.ndim else 0
    return values, np.arange(count, dtype=np.int64), (), count


def _pickled(source: Source) -> _Read:
    value = unpickled(source.content, source.where)
    if isinstance(value, np.ndarray):
        return _whole(value)
    frames, lost = stacked_frames(value, source.where)
    kept = [frame for frame in frames if frame is not None]
    shapes = {frame.shape for frame in kept}
    if len(shapes) > 1:
        what = f"frames of {len(shapes)} different shapes, such as point clouds, cannot ride along"
        raise SourceError(what, where=source.where, hint="leave it out, or make its frames alike")
    ids = np.setdiff1d(np.arange(len(frames)), lost).astype(np.int64)
    if not lost:
        return np.stack(kept), ids, (), len(frames)
    what = f"{len(lost)} of {len(frames)} frames hold nothing: {frames_text(np.array(lost))}; missing"
    return np.stack(kept), ids, (Finding(Severity.WARNING, "MG-RIDING-001", source.where, what),), len(frames)


def _is_grey(values: NDArray[Any]) -> bool:
    """Whether pictures (F, 3, H, W) or (F, H, W, 3) have three equal channels."""
    axis = 1 if values.shape[1] == 3 else 3
    if values.shape[axis] != 3:
        return False
    first, second, third = np.moveaxis(values, axis, 0)
    return bool(np.array_equal(first, second) and np.array_equal(first, third))
