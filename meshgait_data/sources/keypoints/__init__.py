"""2D keypoints of one view of one walk, from the files that detectors and datasets write; one module a format."""

from pathlib import Path
from typing import Any

from meshgait_data.errors import SourceError, UsageError
from meshgait_data.sources.keypoints import alphapose, coco, frame_json, frame_text, mmpose, openpose
from meshgait_data.sources.keypoints.arrays import MediaPipe, OpenGait, Plain
from meshgait_data.sources.keypoints.detections import KeypointOptions
from meshgait_data.sources.keypoints.finish import to_track
from meshgait_data.sources.keypoints.layouts import layout_names
from meshgait_data.sources.reading import Source
from meshgait_data.sources.track import Track
from meshgait_data.types import Keypoints

__all__ = ["KEYPOINT_FORMATS", "KeypointOptions", "layout_names", "read_keypoints"]

_FORMATS: tuple[Any, ...] = (
    openpose,
    mmpose,
    mmpose.Folder,
    coco,
    alphapose,
    frame_text,
    frame_json,
    Plain,
    MediaPipe,
    OpenGait,
)
KEYPOINT_FORMATS: dict[str, str] = {format.NAME: format.ABOUT for format in _FORMATS}
"""Formats by name, with a line about each."""


def read_keypoints(
    path: Path, view: str, *, format: str = "auto", options: KeypointOptions | None = None
) -> Track[Keypoints]:
    """Keypoints of the walker of one view.

    Parameters
    ----------
    path
        File or folder of the view.
    view
        Name of the camera.
    format
        Name in ``KEYPOINT_FORMATS``, or ``auto``: the one that the content looks like.
    options
        What the file does not say itself.

    Returns
    -------
    Keypoints in pixels of the picture as it was taken, NaN with confidence 0 where not seen; frames from the first to
    the last that the file names, and what was noticed (ids MG-KEYPOINTS-...).

    Raises
    ------
    UsageError
        Where there is no such format.
    SourceError
        Where the file is missing, damaged, of no known format, or shows nobody.
    """
    if format not in ("auto", *KEYPOINT_FORMATS):
        hint = f"choose one of: auto, {', '.join(KEYPOINT_FORMATS)}"
        raise UsageError(f"no format of keypoints is called {format!r}", hint=hint)
    options = options or KeypointOptions()
    source = Source(path, options.names)
    allowed = [one for one in _FORMATS if format in ("auto", one.NAME)]
    chosen = next((one for one in allowed if one.claims(source)), None)
    if chosen is None:
        what = "not keypoints of a known format" if format == "auto" else f"not keypoints in format {format}"
        raise SourceError(what, where=str(path), hint=f"known: {'; '.join(KEYPOINT_FORMATS.values())}")
    return to_track(chosen.read(source, options), view, options)
