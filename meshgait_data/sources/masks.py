"""Silhouettes of one view of one walk: folders of images, packed bits, files of ``mgdata render`` and of OpenGait."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import SourceError, UsageError
from meshgait_data.findings import Finding, Severity
from meshgait_data.sources.reading import Source, check_frames, joint_hash, numbered, read_pickled_array, which_take
from meshgait_data.sources.track import Track
from meshgait_data.types import BoolArray, ByteArray, IntArray, Masks

MASK_FORMATS = {
    "images": "a folder with one image a frame: 0 background, 255 person",
    "npz": "npz: masks (F, H, W), frame_ids",
    "packed": "npz of packed bits: mask0 (F, H, W / 8), frame0, mask1, ...",
    "render": "npz of 'mgdata render': aligned silhouettes and their windows",
    "opengait": "OpenGait's .pkl: one array (F, H, W)",
}
"""Formats by name, with a line about each."""

_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm")
_NO_FRAME = r"gei"
"""Pictures that datasets keep beside the frames: gait energy images."""
_HALF = 127
_GREY = (48, 208)
"""Levels between which no pixel of a mask lies, except on its edges."""
_MOST_GREY, _MOST_BORDER = 0.25, 0.6
"""Share of grey pixels above which a picture is no mask, and of white border pixels above which it is inverted."""
_MOST_GREY_ALIGNED = 0.5
"""The same for silhouettes that were scaled to 64 pixels: up to a third of a thin body is grey edge."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pictures:
    """Grey pictures before they are judged."""

    images: ByteArray
    frame_ids: IntArray
    sha256: str
    findings: tuple[Finding, ...] = ()


def read_masks(path: Path, view: str, *, format: str = "auto", take: str = "") -> Track[Masks]:
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

    Returns
    -------
    Masks of 0 and 255, and what was noticed (ids MG-MASKS-...). Pixels are those of the picture as it was taken, except
    for OpenGait's files, whose windows nobody kept. Frames without a person are empty and not seen.

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
    source = Source(path)
    found = _format_of(source)
    if not found or format not in ("auto", found):
        what = "not masks of a known format" if format == "auto" else f"not masks in format {format}"
        raise SourceError(what, where=str(path), hint=f"known: {'; '.join(MASK_FORMATS.values())}")
    pictures = _READERS[found](source, take)
    most_grey = _MOST_GREY_ALIGNED if found == "opengait" else _MOST_GREY
    images, seen = _judged(pictures.images, source.where, most_grey)
    return Track(Masks(view, images, seen), pictures.frame_ids, pictures.findings, pictures.sha256)


def _format_of(source: Source) -> str:
    names = source.arrays.keys()
    checks = {
        "images": source.path.is_dir() and any(source.has(ending) for ending in _ENDINGS),
        "render": {"silhouettes", "windows", "meta"} <= names,
        "npz": "masks" in names,
        "packed": any(re.fullmatch(r"mask\d*", name) for name in names),
        "opengait": source.path.is_file() and source.path.suffix.lower() == ".pkl",
    }
    return next((name for name, fits in checks.items() if fits), "")


def _images(source: Source, take: str) -> _Pictures:
    files = numbered(source.path, _ENDINGS, skip=_NO_FRAME)
    pictures = [_decoded(path) for _, path in files]
    findings: list[Finding] = []
    if len({picture.shape for picture in pictures}) > 1:
        what = "frames have different sizes: crops, whose places in the film are not known; padded at right and bottom"
        hint = "fit them with a camera a frame (weak perspective)"
        findings.append(Finding(Severity.WARNING, "MG-MASKS-001", source.where, what, hint))
    ids = np.array([frame for frame, _ in files], dtype=np.int64)
    return _Pictures(_padded(pictures), ids, joint_hash(path for _, path in files), tuple(findings))


def _decoded(path: Path) -> ByteArray:
    import cv2

    picture = cv2.imdecode(np.frombuffer(path.read_bytes() or b"\0", np.uint8), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise SourceError("not a readable picture", where=str(path), hint="take the file from its source again")
    return np.asarray(picture, dtype=np.uint8)


def _padded(pictures: Sequence[ByteArray]) -> ByteArray:
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    result = np.zeros((len(pictures), height, width), np.uint8)
    for frame, picture in enumerate(pictures):
        result[frame, : picture.shape[0], : picture.shape[1]] = picture
    return result


def _npz(source: Source, take: str) -> _Pictures:
    masks = source.arrays["masks"]
    return _of_arrays(masks, source.arrays.get("frame_ids"), source)


def _packed(source: Source, take: str) -> _Pictures:
    number = which_take(source, "mask", take)
    bits = source.arrays[f"mask{number}"]
    if bits.dtype != np.uint8 or bits.ndim != 3:
        what = f"mask{number} is {bits.dtype} of shape {bits.shape}"
        raise SourceError(what, where=source.where, hint="pack with numpy.packbits(masks, axis=-1)")
    return _of_arrays(np.unpackbits(bits, axis=-1), source.arrays.get(f"frame{number}"), source)


def _opengait(source: Source, take: str) -> _Pictures:
    what = "aligned silhouettes: where they lay in the picture was not kept, nor were the numbers of frames"
    finding = Finding(
        Severity.INFO, "MG-MASKS-002", source.where, what, "use the original silhouettes if you have them"
    )
    pictures = _of_arrays(read_pickled_array(source.path), None, source)
    return _Pictures(pictures.images, pictures.frame_ids, pictures.sha256, (finding,))


def _of_arrays(masks: NDArray[Any], frames: NDArray[Any] | None, source: Source) -> _Pictures:
    if masks.ndim != 3 or not masks.size or masks.dtype.kind not in "bu":
        what = f"masks are {masks.dtype} of shape {masks.shape}"
        raise SourceError(what, where=source.where, hint="masks are bool or uint8 of shape (frames, height, width)")
    ids = np.arange(len(masks)) if frames is None else frames
    check_frames(ids, len(masks), source.where)
    top = masks.max()
    # Bits and labels 0/1 are as good as 0/255; anything else is grey.
    images = masks.astype(np.uint8) * (255 if top == 1 else 1)
    return _Pictures(images, ids.astype(np.int64), source.sha256)


def _render(source: Source, take: str) -> _Pictures:
    """Aligned silhouettes put back to where they were in the picture, at the sharpness that the alignment left."""
    import cv2

    arrays = source.arrays
    try:
        width, height = json.loads(str(arrays["meta"]))["camera"]["size"]
        windows, silhouettes, ids = arrays["windows"], arrays["silhouettes"], arrays["frame_ids"]
        images = np.zeros((len(ids), int(height), int(width)), np.uint8)
        for frame in range(len(ids)):
            # WARP_INVERSE_MAP: the window says where each pixel of the picture lies in the silhouette.
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            images[frame] = cv2.warpAffine(
                silhouettes[frame], windows[frame].astype(np.float64), (int(width), int(height)), flags=flags
            )
    except (KeyError, TypeError, ValueError, IndexError, cv2.error) as error:
        hint = "run 'mgdata render' on the work folder again"
        raise SourceError(f"not a rendered sequence: {error}", where=source.where, hint=hint) from error
    return _Pictures(images, ids.astype(np.int64), source.sha256)


def _judged(images: ByteArray, where: str, most_grey: float) -> tuple[ByteArray, BoolArray]:
    """Masks of 0 and 255, and which frames show a person; raises SourceError for pictures that are no masks."""
    sample = images[:: max(1, len(images) // 16)]
    person = sample > _HALF
    grey = ((sample > _GREY[0]) & (sample < _GREY[1])).sum() / max(1, (sample > _GREY[0]).sum())
    if grey > most_grey:
        what = f"{grey:.0%} of what is not black is grey: photographs, or probabilities"
        raise SourceError(what, where=where, hint="masks are 0 and 255; threshold probabilities at one half")
    border = np.concatenate([person[:, [0, -1]].ravel(), person[:, :, [0, -1]].ravel()]).mean()
    if border > _MOST_BORDER:
        what = f"{border:.0%} of the pictures' border is white: the masks are inverted"
        raise SourceError(what, where=where, hint="the person is white (255) on black")
    result = (images > _HALF).astype(np.uint8) * np.uint8(255)
    seen: BoolArray = np.array(result.any(axis=(1, 2)))
    if not seen.any():
        hint = "masks are 0 and 255, or 0 and 1 throughout the file"
        raise SourceError("every mask is empty", where=where, hint=hint)
    return result, seen


_READERS = {"images": _images, "npz": _npz, "packed": _packed, "render": _render, "opengait": _opengait}
