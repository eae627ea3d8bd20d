"""What readers of sources give: a value over frames, the ids of these frames, and what was noticed."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding
from meshgait_data.types import IntArray, Keypoints, Masks

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Track(Generic[T]):
    """One kind of observation of one walk, with frames of its own."""

    data: T
    frame_ids: IntArray
    """(F,) ids of the frames in the source, increasing."""
    findings: tuple[Finding, ...] = ()
    """What was noticed although it can be used."""
    sha256: str = ""
    """Hash over the source files."""
    counted: bool = True
    """Whether the files, or the manifest, say which frames these are; otherwise they are 0, 1, 2 and so on."""
    kind: str = ""
    """Block of the manifest's source that they come from, e.g. ``silhouettes``."""
    view: str = ""
    """View that they are of; empty where they are of the whole walk."""
    fps: float = 0.0
    """Frames of the walk per second as the files say; 0 where they say nothing."""
    rows: IntArray | None = None
    """(F,) place of each frame in a file that counts no frames and of which some hold nothing; None: all are there."""
    file_frames: int | None = None
    """How many frames such a file has."""

    def places(self) -> tuple[IntArray, int]:
        """Place (F,) of each frame in the file, and how many places it has."""
        count = len(self.frame_ids)
        own = np.arange(count, dtype=np.int64) if self.rows is None else self.rows
        return own, count if self.file_frames is None else self.file_frames


def same_rate(first: float, second: float) -> bool:
    """Whether two rates are one but for rounding, as 29.97 and 30 are."""
    return abs(first - second) <= 0.01 * second


def all_frames(tracks: Iterable[Track[Any]]) -> IntArray:
    """Ids (F,) of the frames that any of the tracks has, increasing.

    Raises
    ------
    SourceError
        Where the tracks count their frames differently: no frame of one of them is a frame of another.
    """
    ids = [track.frame_ids for track in tracks]
    if not ids:
        return np.zeros(0, dtype=np.int64)
    for other in ids[1:]:
        if not np.isin(other, ids[0]).any():
            what = f"frames {_span(ids[0])} and {_span(other)} of one walk have none in common"
            raise SourceError(what, hint="number the files of all views and kinds by the same clock")
    return reduce(np.union1d, ids).astype(np.int64)


def keypoints_at(track: Track[Keypoints], frame_ids: IntArray) -> Keypoints:
    """The keypoints of frames (F,); not seen in frames that the track lacks."""
    points, confidence = track.data.points, track.data.confidence
    return replace(
        track.data,
        points=_placed(points, track.frame_ids, frame_ids, np.nan),
        confidence=_placed(confidence, track.frame_ids, frame_ids, 0.0),
    )


def masks_at(track: Track[Masks], frame_ids: IntArray) -> Masks:
    """The masks of frames (F,); empty and not seen in frames that the track lacks."""
    placed: dict[str, Any] = {}
    for name in ("images", "seen", "grey", "sizes"):
        values = getattr(track.data, name)
        placed[name] = None if values is None else _placed(values, track.frame_ids, frame_ids, 0)
    data, count = track.data, len(track.frame_ids)
    rows = np.arange(count) if data.rows is None else data.rows
    placed["rows"] = _placed(rows, track.frame_ids, frame_ids, -1)
    return replace(data, **placed, file_frames=count if data.file_frames is None else data.file_frames)


def joints_at(joints: NDArray[Any], own: IntArray, frame_ids: IntArray) -> NDArray[Any]:
    """Joints (F, J, 3) of frames ``own`` at other frames; NaN in frames that they lack."""
    return _placed(joints, own, frame_ids, np.nan)


def rescaled(keypoints: Keypoints, size: tuple[int, int]) -> Keypoints:
    """Keypoints in the pixels of the same picture at another size (width, height), e.g. that of its masks.

    Pixel centres lie at integers, so that the borders of the picture, not pixel centres, stay where they are.

    Raises
    ------
    SourceError
        Where the size of the picture that they are in is not known.
    """
    if not all(keypoints.size):
        what = f"the size of the picture of the keypoints of {keypoints.view!r} is not known"
        raise SourceError(what, hint="give size: [width, height] of the picture that they were found in")
    scale = np.array(size) / np.array(keypoints.size)
    points = ((keypoints.points + 0.5) * scale - 0.5).astype(np.float32)
    return replace(keypoints, points=points, size=size)


def _placed(values: NDArray[Any], own: IntArray, wanted: IntArray, empty: float) -> NDArray[Any]:
    result = np.full((len(wanted), *values.shape[1:]), empty, dtype=values.dtype)
    _, here, there = np.intersect1d(wanted, own, return_indices=True)
    result[here] = values[there]
    return result


def frames_text(ids: IntArray, most: int = 6) -> str:
    """Runs of ids (F,), which increase, as text.

    >>> frames_text(np.array([3, 4, 5, 9]))
    '3-5, 9'
    """
    if not len(ids):
        return "none"
    runs = np.split(ids, np.flatnonzero(np.diff(ids) != 1) + 1)
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more stretches" if len(texts) > most else "")


def _span(ids: IntArray) -> str:
    return f"{ids[0]}-{ids[-1]}" if len(ids) else "(none)"
