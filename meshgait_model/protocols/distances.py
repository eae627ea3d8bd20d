"""Distances of probes to a gallery, a block of probes at a time, so that memory stays bounded.

Shape letters: N sequences, P probes, G gallery sequences, S strips, E embedding.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from meshgait_data.types import FloatArray
from meshgait_model.metrics import Integers, add_roots

_BLOCK_BYTES = 128 << 20
"""Memory of one block of distances."""
_TILE = 1024
"""Gallery sequences that are multiplied together: their float64 copy stays in the processor's cache."""
_TINY = 1e-12
"""Least length by which a vector is divided, as in torch.nn.functional.normalize."""

Metric = Literal["euclidean", "cosine"]


def blocks(
    embeddings: FloatArray, probes: Integers, gallery: Integers, metric: Metric, *, rows: int = 0
) -> Iterator[tuple[slice, FloatArray]]:
    """Distances in float64: the mean over strips of the distances of two sequences' strips.

    A cosine distance is 1 - cosine. Sequences of the gallery whose embeddings are equal get distances that are equal
    to the last bit, so that ties are ties whatever order the processor adds in.

    Parameters
    ----------
    embeddings
        (N, S, E).
    probes, gallery
        (P,) and (G,) which sequences.
    metric
        Distance of two strips.
    rows
        Probes in a block; 0: as many as fit.

    Yields
    ------
    tuple
        Which probes, and their distances (rows, G).
    """
    first, again = _distinct(embeddings, gallery, metric)
    repeated = len(first) < len(gallery)
    rows = rows or max(1, min(len(probes), _BLOCK_BYTES // (8 * max(len(gallery), 1))))
    for start in range(0, len(probes), rows):
        part = slice(start, min(start + rows, len(probes)))
        found = _block(embeddings, probes[part], gallery[first], metric)
        yield part, found[:, again] if repeated else found


def _block(embeddings: FloatArray, probes: Integers, gallery: Integers, metric: Metric) -> FloatArray:
    """(P, G) distances."""
    strips = embeddings.shape[1]
    total = np.zeros((len(probes), len(gallery)))
    ours = np.ascontiguousarray(_exact(embeddings[probes], metric).transpose(1, 0, 2))
    lengths = (ours**2).sum(2)

    def fill(columns: slice) -> None:
        theirs, out = _exact(embeddings[gallery[columns]], metric), total[:, columns]
        for strip in range(strips):
            dots = ours[strip] @ theirs[:, strip].T
            if metric == "cosine":
                out += dots
            else:
                add_roots(out, dots, lengths[strip], (theirs[:, strip] ** 2).sum(1))

    in_threads(fill, len(gallery), _TILE)
    total /= strips
    return 1 - total if metric == "cosine" else total


def _exact(embeddings: FloatArray, metric: Metric) -> NDArray[np.float64]:
    """(N, S, E) in float64; strips of length 1 where angles are measured."""
    exact = embeddings.astype(np.float64)
    if metric == "euclidean":
        return exact
    return exact / np.maximum(np.linalg.norm(exact, axis=2, keepdims=True), _TINY)


def _distinct(embeddings: FloatArray, gallery: Integers, metric: Metric) -> tuple[Integers, Integers]:
    """Places of the gallery that are different from all before them, and for each place its number among those."""
    numbers: dict[bytes, int] = {}
    first: list[int] = []
    again = np.zeros(len(gallery), np.int64)
    for place, sequence in enumerate(gallery):
        row = embeddings[sequence] if metric == "euclidean" else _exact(embeddings[sequence, None], metric)
        # Adding 0 gives -0.0, which equals 0.0, the same bytes.
        digest = hashlib.blake2b((row + 0).tobytes(), digest_size=16).digest()
        if digest not in numbers:
            numbers[digest] = len(first)
            first.append(place)
        again[place] = numbers[digest]
    return np.array(first, np.int64), again


def in_threads(work: Callable[[slice], None], size: int, step: int) -> None:
    """Call ``work``, which must release the interpreter's lock, for each slice of ``step`` out of ``size``."""
    slices = [slice(start, min(start + step, size)) for start in range(0, size, step)]
    if len(slices) <= 1:
        for only in slices:
            work(only)
        return
    with threadpool_limits(1), ThreadPoolExecutor(min(len(slices), os.cpu_count() or 1)) as pool:
        for _ in pool.map(work, slices):
            pass
