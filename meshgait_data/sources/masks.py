"""Silhouettes of one view of one walk: folders of images, packed bits, files of ``mgdata render`` and of OpenGait."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import SourceError, UsageError
from meshgait_data.findings import Finding, Severity
from meshgait_data.sources.frames import FileNames, TooLarge
from meshgait_data.sources.inert import stacked_frames, unpickled
from meshgait_data.sources.leaves import pickle_of
from meshgait_data.sources.pictures import ENDINGS, decoded
from meshgait_data.sources.reading import Source, check_frames, which_take
from meshgait_data.sources.track import Track, frames_text
from meshgait_data.types import BoolArray, ByteArray, IntArray, Masks
from meshgait_data.untrusted import MOST_BYTES

MASK_FORMATS = {
    "images": "a folder with one image a frame: 0 background, 255 person",
    "npz": "npz: masks (F, H, W), frame_ids",
    "packed": "npz of packed bits: mask0 (F, H, W / 8), frame0, mask1, ...",
    "render": "npz of 'mgdata render': aligned silhouettes and their windows",
    "opengait": "OpenGait's .pkl, or a folder with one a modality: an array (F, H, W)",
}
"""Formats by name, with a line about each."""

_NO_FRAME = r"(^|[^a-z])(gei|flow)$"
"""Pictures that datasets keep beside the frames: gait energy images, optical flow."""
_MODALITIES = ("aligned_sils", "sils_aligned", "sils", "sil", "silhouettes")
"""Names of silhouettes in OpenGait's trees, the first the first."""
_HALF = 127
_GREY = (48, 208)
"""Levels between which no pixel of a mask lies, except on its edges."""
_MOST_GREY, _MOST_BORDER = 0.25, 0.6
"""Share of grey pixels above which a picture is no mask, and of white border pixels above which it is inverted."""
_MOST_GREY_ALIGNED = 0.5
"""The same for silhouettes that were scaled to 64 or 128 pixels: up to a third of a thin body is grey edge."""
_ALIGNED_SIDES = (64, 128)
_MOST_MARGIN = 0.05
"""Share of rows above and below the body from which on silhouettes were not aligned; resizing leaves up to a row."""
_CUT = {64: 44, 128: 88}
"""Height of aligned silhouettes to the width that training leaves of it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pictures:
    """Grey pictures before they are judged."""

    images: ByteArray
    frame_ids: IntArray
    sha256: str
    findings: tuple[Finding, ...] = ()
    sizes: IntArray | None = None
    """(F, 2) width and height before they were padded, where they differ."""
    counted: bool = True
    """Whether the file says which frames these are."""
    file_frames: int | None = None
    """How many the file has, where some of them hold nothing; the ids are then their places."""


def read_masks(
    path: Path, view: str, *, format: str = "auto", take: str = "", names: FileNames | None = None
) -> Track[Masks]:
    """Silhouettes of one view.

    Parameters
    ----------
    path
        File or folder of the view.
    view
        Name of the camera.
    format
        Name in ``MASK_FORMATS``, or ``auto``: the one that the content looks like.
    take
        Which walk of a file that holds several, e.g. the ``2`` of ``mask2``.
    names
        Which files of a folder are frames.

    Returns
    -------
    Masks of 0 and 255, and what was noticed (ids MG-MASKS-...). Pixels are those of the picture as it was taken, except
    for OpenGait's files, whose windows nobody kept. Frames without a person are empty and not seen. Levels between
    black and white are kept beside, and the sizes of pictures that differ.

    Raises
    ------
    UsageError
        Where there is no such format.
    SourceError
        Where the file is missing, damaged, of no known format, holds no masks but photographs or inverted masks, or
        where all are empty.
    """
    if format not in ("auto", *MASK_FORMATS):
        hint = f"choose one of: auto, {', '.join(MASK_FORMATS)}"
        raise UsageError(f"no format of masks is called {format!r}", hint=hint)
    source = Source(path, names)
    found = _format_of(source, format)
    if not found or format not in ("auto", found):
        what = "not masks of a known format" if format == "auto" else f"not masks in format {format}"
        raise SourceError(what, where=str(path), hint=f"known: {'; '.join(MASK_FORMATS.values())}")
    pictures = _READERS[found](source, take)
    images, seen = _judged(pictures.images, source.where)
    grey = None if np.array_equal(images, pictures.images) else pictures.images
    rows = None if pictures.file_frames is None else pictures.frame_ids
    masks = Masks(view, images, seen, grey, pictures.sizes, rows, pictures.file_frames)
    noticed = (*pictures.findings, *_cut(images, source.where))
    track = Track(masks, pictures.frame_ids, noticed, pictures.sha256, counted=pictures.counted, view=view)
    return track if rows is None else replace(track, rows=rows, file_frames=pictures.file_frames)


def _format_of(source: Source, format: str) -> str:
    names = source.arrays.keys()
    pictures, leaf = source.has(*ENDINGS), source.has(".pkl")
    checks = {
        "opengait": source.suffix == ".pkl" or (leaf and (format == "opengait" or not pictures)),
        "images": pictures,
        "render": {"silhouettes", "windows", "meta"} <= names,
        "npz": "masks" in names,
        "packed": any(re.fullmatch(r"mask\d*", name) for name in names),
    }
    return next((name for name, fits in checks.items() if fits), "")


def _images(source: Source, take: str) -> _Pictures:
    budget = _Budget(source.where)
    read = source.frames(ENDINGS, budget.picture, skip=_NO_FRAME)
    pictures, findings, sizes = read.values, list(read.findings), None
    if len({picture.shape for picture in pictures}) > 1:
        sizes = np.array([picture.shape[::-1] for picture in pictures], dtype=np.int64)
        findings.append(_of_sizes(source.where))
    return _Pictures(_padded(pictures, source.where), read.ids, read.sha256, tuple(findings), sizes)


def _of_sizes(where: str) -> Finding:
    what = "frames have different sizes: crops, whose places in the film are not known; padded at right and bottom"
    hint = "fit them with a camera a frame (weak perspective)"
    return Finding(Severity.WARNING, "MG-MASKS-001", where, what, hint)


class _Budget:
    """Unpacks pictures until they are too many together."""

    def __init__(self, where: str) -> None:
        self.where, self.pixels = where, 0

    def picture(self, data: bytes, where: str) -> ByteArray:
        picture = decoded(data, where)
        self.pixels += picture.size
        _check_pixels(self.pixels, self.where)
        # Labels 0 and 1 are as good as 0 and 255.
        return picture * np.uint8(255) if picture.max() == 1 else picture


def _check_pixels(count: int, where: str) -> None:
    """Raise what no single frame's damage raises, so that nobody goes on."""
    if count > MOST_BYTES:
        what = f"pictures of {count / 2**30:.1f} GB together; the most of one walk is {MOST_BYTES >> 30} GB"
        raise TooLarge(what, where=where, hint="make the pictures smaller, or cut the walk into several")


def _padded(pictures: Sequence[ByteArray], where: str) -> ByteArray:
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    # One huge frame among small ones would make all of them huge.
    _check_pixels(len(pictures) * height * width, where)
    result = np.zeros((len(pictures), height, width), np.uint8)
    for frame, picture in enumerate(pictures):
        result[frame, : picture.shape[0], : picture.shape[1]] = picture
    return result


def _npz(source: Source, take: str) -> _Pictures:
    masks = source.arrays["masks"]
    return _of_arrays(masks, source.arrays.get("frame_ids"), source.where, source.sha256)


def _packed(source: Source, take: str) -> _Pictures:
    number = which_take(source, "mask", take)
    bits = source.arrays[f"mask{number}"]
    if bits.dtype != np.uint8 or bits.ndim != 3:
        what = f"mask{number} is {bits.dtype} of shape {bits.shape}"
        raise SourceError(what, where=source.where, hint="pack with numpy.packbits(masks, axis=-1)")
    _check_pixels(8 * bits.size, source.where)
    images = np.unpackbits(bits, axis=-1)
    return _of_arrays(images, source.arrays.get(f"frame{number}"), source.where, source.sha256)


def _opengait(source: Source, take: str) -> _Pictures:
    file = Source(pickle_of(source, _MODALITIES))
    frames, lost = stacked_frames(unpickled(file.content, file.where), file.where)
    kept = [_level(frame, file.where) for frame in frames if frame is not None]
    what = "aligned silhouettes: where they lay in the picture was not kept, nor were the numbers of frames"
    hint = "use the original silhouettes if you have them"
    findings = [Finding(Severity.INFO, "MG-MASKS-002", file.where, what, hint)]
    if lost:
        what = f"{len(lost)} of {len(frames)} frames hold no picture, e.g. None: {frames_text(np.array(lost))}; missing"
        hint = "their masks were empty when the file was made; make it again from good masks"
        findings.append(Finding(Severity.WARNING, "MG-MASKS-003", file.where, what, hint))
    sizes = None
    if len({frame.shape for frame in kept}) > 1:
        sizes = np.array([frame.shape[::-1] for frame in kept], dtype=np.int64)
        findings.append(_of_sizes(file.where))
    found = _of_arrays(_padded(kept, file.where), None, file.where, file.sha256)
    findings += _unaligned(found.images, file.where)
    ids = np.setdiff1d(np.arange(len(frames)), lost).astype(np.int64)
    return _Pictures(found.images, ids, found.sha256, tuple(findings), sizes, counted=False, file_frames=len(frames))


def _unaligned(images: ByteArray, where: str) -> list[Finding]:
    """Bodies of aligned silhouettes reach from the top row to the bottom row."""
    rows: BoolArray = np.asarray(images.any(axis=2))
    margins = (rows.argmax(axis=1) + rows[:, ::-1].argmax(axis=1))[rows.any(axis=1)]
    side = images.shape[1]
    if side not in _ALIGNED_SIDES or not len(margins) or np.median(margins) <= _MOST_MARGIN * side:
        return []
    what = "bodies do not reach from top to bottom: these are no aligned silhouettes, but perhaps the raw ones"
    hint = "align them again; networks that were trained on aligned ones are not at home with these"
    return [Finding(Severity.WARNING, "MG-MASKS-005", where, what, hint)]


def _level(frame: NDArray[Any], where: str) -> NDArray[Any]:
    """A frame of grey levels."""
    if frame.ndim == 2 and frame.size and frame.dtype.kind in "bu" and frame.dtype.itemsize == 1:
        return frame
    hint = "silhouettes are uint8 (frames, height, width)"
    if frame.shape in ((85,), (82,), (72,)):
        hint = f"these are SMPL parameters, rows of {frame.size} numbers: name the file under smpl"
    elif frame.ndim == 2 and frame.shape[1] in (2, 3):
        hint = "these are keypoints: name the file under keypoints2d"
    elif frame.ndim == 3 and 3 in (frame.shape[0], frame.shape[2]):
        hint = "these are colour pictures; they may ride along, see docs/packing.md"
    raise SourceError(f"masks are {frame.dtype} of shape (frames, {frame.shape})", where=where, hint=hint)


def _of_arrays(masks: NDArray[Any], frames: NDArray[Any] | None, where: str, sha256: str) -> _Pictures:
    if masks.ndim != 3 or not masks.size or masks.dtype.kind not in "bu" or masks.dtype.itemsize != 1:
        what = f"masks are {masks.dtype} of shape {masks.shape}"
        raise SourceError(what, where=where, hint="masks are bool or uint8 of shape (frames, height, width)")
    ids = np.arange(len(masks)) if frames is None else frames
    check_frames(ids, len(masks), where)
    top = masks.max()
    # Bits and labels 0/1 are as good as 0/255; anything else is grey.
    images = masks.astype(np.uint8) * np.uint8(255 if top == 1 else 1)
    return _Pictures(images, ids.astype(np.int64), sha256, counted=frames is not None)


def _render(source: Source, take: str) -> _Pictures:
    """Aligned silhouettes put back to where they were in the picture, at the sharpness that the alignment left."""
    import cv2

    arrays = source.arrays
    try:
        width, height = json.loads(str(arrays["meta"]))["camera"]["size"]
        windows, silhouettes, ids = arrays["windows"], arrays["silhouettes"], arrays["frame_ids"]
        check_frames(ids, len(silhouettes), source.where)
        _check_pixels(len(ids) * int(height) * int(width), source.where)
        images = np.zeros((len(ids), int(height), int(width)), np.uint8)
        for frame in range(len(ids)):
            # WARP_INVERSE_MAP: the window says where each pixel of the picture lies in the silhouette.
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            images[frame] = cv2.warpAffine(
                silhouettes[frame], windows[frame].astype(np.float64), (int(width), int(height)), flags=flags
            )
    except SourceError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, RecursionError, cv2.error) as error:
        hint = "run 'mgdata render' on the work folder again"
        raise SourceError(f"not a rendered sequence: {error}", where=source.where, hint=hint) from error
    return _Pictures(images, ids.astype(np.int64), source.sha256)


def _judged(images: ByteArray, where: str) -> tuple[ByteArray, BoolArray]:
    """Masks of 0 and 255, and which frames show a person; raises SourceError for pictures that are no masks."""
    most_grey = _MOST_GREY_ALIGNED if images.shape[1] in _ALIGNED_SIDES else _MOST_GREY
    sample = images[:: max(1, len(images) // 16)]
    person = sample > _HALF
    bright, white = int(np.count_nonzero(sample > _GREY[0])), int(np.count_nonzero(sample >= _GREY[1]))
    grey = (bright - white) / max(1, bright)
    if grey > most_grey:
        what = f"{grey:.0%} of what is not black is grey: photographs, or probabilities"
        raise SourceError(what, where=where, hint="masks are 0 and 255; threshold probabilities at one half")
    edges = person[:, 0], person[:, -1], person[:, :, 0], person[:, :, -1]
    border = sum(int(np.count_nonzero(edge)) for edge in edges) / sum(edge.size for edge in edges)
    if border > _MOST_BORDER:
        what = f"{border:.0%} of the pictures' border is white: the masks are inverted"
        raise SourceError(what, where=where, hint="the person is white (255) on black")
    result = (images > _HALF).view(np.uint8) * np.uint8(255)
    seen: BoolArray = np.array(result.reshape(len(result), -1).any(axis=1))
    if not seen.any():
        hint = "masks are 0 and 255, or 0 and 1 throughout the file"
        top = int(images.max())
        if top:
            hint += f"; these have levels up to {top}: labels of parts, which are to be 255 wherever they are not 0?"
        raise SourceError("every mask is empty", where=where, hint=hint)
    return result, seen


def _cut(images: ByteArray, where: str) -> tuple[Finding, ...]:
    if _CUT.get(images.shape[1]) != images.shape[2]:
        return ()
    what = f"silhouettes of {images.shape[1]} x {images.shape[2]}: columns were already cut off at both sides"
    hint = "trainers cut them once more; take the uncut ones where you have them"
    return (Finding(Severity.INFO, "MG-MASKS-004", where, what, hint),)


_READERS = {"images": _images, "npz": _npz, "packed": _packed, "render": _render, "opengait": _opengait}
