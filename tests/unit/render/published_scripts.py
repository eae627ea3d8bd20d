"""Published pretreatments, read slowly from their descriptions and written down a second time, with their faults.

Nothing here is shared with ``meshgait_data.render.align``. A picture gives a silhouette, a text that says why there is
none, or :class:`Breaks` where the published script ends with an error.
"""

from collections.abc import Callable

import cv2
import numpy as np

from meshgait_data.types import ByteArray

LITTLE, NO_CENTRE = "too little", "no centre"
HOLE = "hole"
"""CCPG's script puts None into the list."""


class Breaks(Exception):
    """The script ends here."""


def opengait(picture: ByteArray, size: int) -> ByteArray | str:
    """OpenGait, ``datasets/pretreatment.py``, for every dataset but GREW."""
    if sum(int(value) for value in picture.sum(axis=0, dtype=np.int64)) <= 10_000:
        return LITTLE
    found = _centred(picture, size, cv2.INTER_CUBIC)
    # The script asks "if not centre", which is true of 0 as well as of None.
    return NO_CENTRE if found is None or found[0] == 0 else found[1]


def ccpg(picture: ByteArray, size: int) -> ByteArray | str:
    """OpenGait, ``datasets/CCPG/organize_ccpg.py``."""
    found = _centred(picture, size, cv2.INTER_AREA)
    return HOLE if found is None else found[1]


def sustech1k(picture: ByteArray, size: int) -> ByteArray:
    """OpenGait, ``datasets/SUSTech1K/pretreatment_SUSTech1K.py``, of raw and of aligned silhouettes."""
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC))


def grew(picture: ByteArray, size: int) -> ByteArray:
    """OpenGait, ``datasets/pretreatment.py --dataset GREW``: whatever is there."""
    return picture.astype("uint8")


def _centred(picture: ByteArray, size: int, interpolation: int) -> tuple[int, ByteArray] | None:
    """Column of the centre and the silhouette around it; None where no column is the centre."""
    used = [row for row in range(picture.shape[0]) if picture[row].any()] or [0]
    body = picture[used[0] : used[-1] + 1, :]
    ratio = body.shape[1] / body.shape[0]
    try:
        body = cv2.resize(body, (int(size * ratio), size), interpolation=interpolation)
    except cv2.error as error:
        raise Breaks from error
    columns = body.sum(axis=0, dtype=np.int64).tolist()
    until, half = 0, sum(columns) / 2
    for centre, mass in enumerate(columns):
        until += mass
        if until > half:
            return centre, _window(body, centre, size)
    return None


def _window(body: ByteArray, centre: int, size: int) -> ByteArray:
    """Columns around the centre, with nothing beyond the ends of the picture."""
    window = np.zeros((size, size), np.uint8)
    for column in range(size):
        source = centre - size // 2 + column
        if 0 <= source < body.shape[1]:
            window[:, column] = body[:, source]
    return window


SCRIPTS: dict[str, Callable[[ByteArray, int], ByteArray | str]] = {
    "opengait": opengait,
    "ccpg": ccpg,
    "sustech1k": sustech1k,
    "as_is": grew,
}
"""Name of an alignment to the script that it follows."""
