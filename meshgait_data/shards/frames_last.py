"""Put frames first that chunks hold last: eight frames by four columns at a time, as bytes of 64-bit words."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.compiled import compiled
from meshgait_data.types import IntArray

_EVEN, _LOW = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
_8, _16, _32 = np.uint64(8), np.uint64(16), np.uint64(32)


@compiled
def frames_first(
    held_HWG: NDArray[np.uint64], first_column: int, rows: IntArray, targets: IntArray, out_THQ: NDArray[Any]
) -> None:
    """Copy columns of some frames of a chunk of byte images.

    Parameters
    ----------
    held_HWG
        (rows, columns, frames / 8): the bytes of a word are eight frames, the first one lowest.
    first_column
        Where the wanted columns begin.
    rows, targets
        (M,) frames of the chunk, each once, and where in ``out_THQ`` each goes.
    out_THQ
        (T, rows, wanted columns / 4) uint32: the bytes of a word are four columns, the first one lowest.
    """
    places = np.full(8 * held_HWG.shape[2], -1)
    for i in range(len(rows)):
        places[rows[i]] = targets[i]
    for g in range(held_HWG.shape[2]):
        wanted = places[8 * g : 8 * g + 8]
        if wanted.max() < 0:
            continue
        for h in range(held_HWG.shape[0]):
            for q in range(out_THQ.shape[2]):
                w = first_column + 4 * q
                a, b = held_HWG[h, w, g], held_HWG[h, w + 1, g]
                c, d = held_HWG[h, w + 2, g], held_HWG[h, w + 3, g]
                # Pairs of columns, then fours: the words have frames 0 and 4, 1 and 5, 2 and 6, 3 and 7.
                even_ab, odd_ab = (a & _EVEN) | ((b & _EVEN) << _8), ((a >> _8) & _EVEN) | (b & ~_EVEN)
                even_cd, odd_cd = (c & _EVEN) | ((d & _EVEN) << _8), ((c >> _8) & _EVEN) | (d & ~_EVEN)
                words = (
                    (even_ab & _LOW) | ((even_cd & _LOW) << _16),
                    (odd_ab & _LOW) | ((odd_cd & _LOW) << _16),
                    ((even_ab >> _16) & _LOW) | (even_cd & ~_LOW),
                    ((odd_ab >> _16) & _LOW) | (odd_cd & ~_LOW),
                )
                for k in range(4):
                    if wanted[k] >= 0:
                        out_THQ[wanted[k], h, q] = words[k]
                    if wanted[k + 4] >= 0:
                        out_THQ[wanted[k + 4], h, q] = words[k] >> _32
