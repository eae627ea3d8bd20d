"""Pictures from bytes: their size is read from the header and bounded before any pixel is unpacked."""

import re
import struct

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.types import ByteArray
from meshgait_data.untrusted import MOST_PIXELS

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm")
"""Of the names of pictures, in small letters."""
_AGAIN = "take the file from its source again"
_PNM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG's frame headers (ITU-T T.81, table B.1)."""
_MOST_TAGS = 4096


def picture_size(data: bytes) -> tuple[int, int]:
    """Width and height that a picture's header claims.

    Raises
    ------
    ValueError
        Where it is not one of PNG, JPEG, BMP, TIFF or PNM, or its header is damaged.
    """
    try:
        if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR":
            return struct.unpack(">II", data[16:24])
        if data[:2] == b"\xff\xd8":
            return _jpeg_size(data)
        if data[:2] == b"BM":
            width, height = struct.unpack("<ii", data[18:26])
            return width, abs(height)
        if data[:4] in (b"II*\0", b"MM\0*"):
            return _tiff_size(data)
        match = _PNM.match(data[:4096])
        if match:
            return int(match[1]), int(match[2])
    except struct.error as error:
        raise ValueError("its header breaks off") from error
    raise ValueError("neither PNG, JPEG, BMP, TIFF nor PNM")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in _JPEG_SIZES:
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return width, height
        place += 1 if marker == 0xFF else 2 + length
    raise ValueError("a JPEG without a size")


def _tiff_size(data: bytes) -> tuple[int, int]:
    order = "<" if data[:1] == b"I" else ">"
    (start,) = struct.unpack(f"{order}I", data[4:8])
    (count,) = struct.unpack(f"{order}H", data[start : start + 2])
    sizes = {}
    for entry in range(min(count, _MOST_TAGS)):
        tag, form, _ = struct.unpack(f"{order}HHI", data[start + 2 + 12 * entry : start + 10 + 12 * entry])
        value = data[start + 10 + 12 * entry : start + 14 + 12 * entry]
        if tag in (256, 257):
            (sizes[tag],) = struct.unpack(f"{order}H2x" if form == 3 else f"{order}I", value)
    if len(sizes) < 2:
        raise ValueError("a TIFF without a size")
    return sizes[256], sizes[257]


def decoded(data: bytes, where: str, most: int = MOST_PIXELS) -> ByteArray:
    """Grey picture (H, W) of a file's content.

    Raises
    ------
    SourceError
        Where it is damaged, no picture, or claims more than ``most`` pixels.
    """
    import cv2

    try:
        width, height = picture_size(data)
    except ValueError as error:
        raise SourceError(f"not a readable picture: {error}", where=where, hint=_AGAIN) from error
    if width < 1 or height < 1 or width * height > most:
        what = f"not a readable picture: {width} x {height} pixels; the most is {most}"
        raise SourceError(what, where=where, hint="make it smaller if it is really so large")
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error as error:
        raise SourceError(f"not a readable picture: {error.err}", where=where, hint=_AGAIN) from error
    if picture is None or picture.size > most:
        raise SourceError("not a readable picture", where=where, hint=_AGAIN)
    return np.asarray(picture, dtype=np.uint8)
