"""What readers of sources give: a value over frames, the ids of these frames, and what was noticed."""

from collections.abc import Iterable, Sequence
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
    return replace(
        track.data,
        images=_placed(track.data.images, track.frame_ids, frame_ids, 0),
        seen=_placed(track.data.seen, track.frame_ids, frame_ids, 0),
    )


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


def _span(ids: Sequence[int] | IntArray) -> str:
    return f"{ids[0]}-{ids[-1]}" if len(ids) else "(none)"
