"""Modalities that are not used but ride along: one array a view, frames first, from pickle, npy or npz."""

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

RIDING_FORMATS = {
    "pickle": "a pickled array, frames first, or list of arrays of one shape",
    "npy": "an array, frames first",
    "npz": "one array of a file with several, frames first",
}
"""Formats by name, with a line about each."""
_BY_ENDING = {".pkl": "pickle", ".pickle": "pickle", ".npy": "npy", ".npz": "npz"}


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
    if format not in ("auto", "", *RIDING_FORMATS):
        hint = f"choose one of: auto, {', '.join(RIDING_FORMATS)}"
        raise UsageError(f"no format of frames is called {format!r}", hint=hint)
    source = Source(path)
    chosen = _BY_ENDING.get(source.suffix, "") if format in ("auto", "") else format
    if not chosen:
        known = "; ".join(RIDING_FORMATS.values())
        raise SourceError("not frames of a known format", where=str(path), hint=f"known: {known}")
    values, ids, findings = _pickled(source) if chosen == "pickle" else _saved(source, chosen, array)
    if not values.ndim or not values.size or values.dtype.kind not in "biuf":
        what = f"{values.dtype} of shape {values.shape} is no value for each frame"
        raise SourceError(what, where=str(path), hint="it must be an array of numbers, frames first")
    if values.ndim == 4 and _is_grey(values):
        what = "all three colour channels are equal: grey pictures, perhaps the silhouettes themselves"
        hint = "the tool that made the file was given silhouettes in place of colour pictures"
        findings += (Finding(Severity.WARNING, "MG-RIDING-002", str(path), what, hint),)
    return Track(values, ids, findings, source.sha256, counted=False)


def _saved(source: Source, format: str, array: str) -> tuple[NDArray[Any], NDArray[np.int64], tuple[Finding, ...]]:
    if format == "npy":
        values = parse_npy(source.content, source.where)
    else:
        names = sorted(source.arrays)
        chosen = array or (names[0] if len(names) == 1 else "")
        if chosen not in source.arrays:
            what = f"no array {chosen!r}" if chosen else f"{len(names)} arrays in one file"
            raise SourceError(what, where=source.where, hint=f"give array, one of: {', '.join(names[:12])}")
        values = source.arrays[chosen]
    return values, np.arange(len(values) if values.ndim else 0, dtype=np.int64), ()


def _pickled(source: Source) -> tuple[NDArray[Any], NDArray[np.int64], tuple[Finding, ...]]:
    value = unpickled(source.content, source.where)
    if isinstance(value, np.ndarray):
        return value, np.arange(len(value) if value.ndim else 0, dtype=np.int64), ()
    frames, lost = stacked_frames(value, source.where)
    kept = [frame for frame in frames if frame is not None]
    shapes = {frame.shape for frame in kept}
    if len(shapes) > 1:
        what = f"frames of {len(shapes)} different shapes, such as point clouds, cannot ride along"
        raise SourceError(what, where=source.where, hint="leave it out, or make its frames alike")
    ids = np.setdiff1d(np.arange(len(frames)), lost).astype(np.int64)
    if not lost:
        return np.stack(kept), ids, ()
    what = f"{len(lost)} of {len(frames)} frames hold nothing: {frames_text(np.array(lost))}; missing"
    return np.stack(kept), ids, (Finding(Severity.WARNING, "MG-RIDING-001", source.where, what),)


def _is_grey(values: NDArray[Any]) -> bool:
    """Whether pictures (F, 3, H, W) or (F, H, W, 3) have three equal channels."""
    axis = 1 if values.shape[1] == 3 else 3
    if values.shape[axis] != 3:
        return False
    first, second, third = np.moveaxis(values, axis, 0)
    return bool(np.array_equal(first, second) and np.array_equal(first, third))
