"""OpenGait's pretreatment, written down plainly a second time: what fakes expect to find in the shards.

It shares nothing with ``meshgait_data.render.align`` but the description of the algorithm.
"""

import cv2
import numpy as np

from meshgait_data.types import ByteArray

LEAST_GREY = 10_000


def pretreated(mask: ByteArray, size: int = 64) -> ByteArray | None:
    """The aligned silhouette of one picture; None where the published script leaves the frame out, or dies."""
    if int(mask.astype(np.int64).sum()) <= LEAST_GREY:
        return None
    rows = np.flatnonzero(mask.sum(axis=1, dtype=np.int64))
    body = mask[rows[0] : rows[-1] + 1]
    width = int(size * body.shape[1] / body.shape[0])
    if width == 0:
        return None
    scaled = cv2.resize(body, (width, size), interpolation=cv2.INTER_CUBIC)
    mass = scaled.sum(axis=0, dtype=np.int64).cumsum()
    centre = int(np.argmax(mass > mass[-1] / 2))
    if centre == 0:
        return None
    half = size // 2
    padded = np.pad(scaled, ((0, 0), (half, half)))
    return padded[:, centre : centre + size]
