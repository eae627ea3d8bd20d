"""From counts to the numbers that a protocol reports, in per cent: cells, rounding, averages. NaN: nothing to score.

Shape letters: R ranks, V cameras.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.manifest_protocol import Protocol
from meshgait_data.types import BoolArray, FloatArray
from meshgait_model.metrics import STABLE, chance_of_match, chance_of_precision
from meshgait_model.protocols.counts import PairCounts, ProbeScores


@dataclass(frozen=True, slots=True, eq=False)
class PairTable:
    """Rank-k of pairs of views."""

    cells: FloatArray
    """(R, V, V) probe camera, gallery camera, identical ones too; rounded where the protocol says so."""
    rows: FloatArray
    """(R, V) mean over gallery cameras."""
    means: FloatArray
    """(R,) over probe cameras."""
    with_identical: FloatArray
    """(R,) the mean in which identical cameras take part."""


def pair_table(
    counts: PairCounts, protocol: Protocol, *, wrong: bool, rounded: bool = True, order: int = STABLE
) -> PairTable:
    """Table of pairs of views.

    Parameters
    ----------
    counts, protocol
        What was counted, and how it is averaged.
    wrong
        Whether a probe whose person the gallery camera has not seen counts as not recognised.
    rounded
        Whether cells are rounded as the protocol says.
    order
        Which order of equal distances.
    """
    return _averaged(counts.hits[order], counts, protocol, wrong, protocol.round_cells if rounded else None)


def pair_chance(counts: PairCounts, protocol: Protocol, *, wrong: bool) -> FloatArray:
    """(R,) means that random embeddings give on average."""
    return _averaged(counts.chance, counts, protocol, wrong, None).means


def _averaged(hits: FloatArray, counts: PairCounts, protocol: Protocol, wrong: bool, decimals: int | None) -> PairTable:
    size = len(counts.cameras)
    asked = np.repeat(counts.probes[:, None], size, axis=1) if wrong else counts.valid
    # Where a camera of the gallery has seen nobody there is no gallery that one could fail in.
    there = (asked > 0) & (counts.gallery > 0)
    cells = np.where(there, round_as_published(hits * 100 / np.where(there, asked, 1), decimals), np.nan)
    left_out = np.eye(size, dtype=np.bool_) & bool(protocol.exclude_identical_view)
    return PairTable(
        cells,
        np.array([[_mean(row, ~left_out[v]) for v, row in enumerate(table)] for table in cells]),
        np.array([_overall(table, ~left_out, protocol) for table in cells]),
        np.array([_overall(table, np.ones_like(left_out), protocol) for table in cells]),
    )


def _overall(table: FloatArray, used: BoolArray, protocol: Protocol) -> float:
    if protocol.average == "cells":
        return _mean(table, used)
    return fmean(_mean(row, use) for row, use in zip(table, used, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class GalleryTable:
    """Scores against one gallery: for all probes, or the mean over their cameras."""

    ranks: FloatArray
    """(R,)."""
    map: float
    minp: float
    ranks_by_camera: FloatArray
    """(R, V) of the probes of each camera."""
    map_by_camera: FloatArray
    """(V,)."""
    minp_by_camera: FloatArray
    """(V,)."""


def gallery_table(
    found: ProbeScores, protocol: Protocol, *, wrong: bool, rounded: bool = True, order: int = STABLE
) -> GalleryTable:
    """Ranks, mAP and mINP; parameters as of :func:`pair_table`. mAP and mINP are of probes with a match."""
    matched = found.matches > 0
    hits = [np.where(matched, found.scores[:, 0, order] < k, False) for k in protocol.ranks]
    values = [*hits, found.scores[:, 1, order], found.scores[:, 2, order]]
    asked = [np.ones_like(matched) if wrong else matched] * len(hits) + [matched] * 2
    return _by_camera(values, asked, found, protocol, protocol.round_cells if rounded else None)


def gallery_chance(found: ProbeScores, protocol: Protocol, *, wrong: bool) -> GalleryTable:
    """What random embeddings give on average; mINP is not known."""
    matched = found.matches > 0
    pairs = list(zip(found.matches.tolist(), found.sizes.tolist(), strict=True))
    hits = [np.array([chance_of_match(m, size, k) if m else 0.0 for m, size in pairs]) for k in protocol.ranks]
    values = [*hits, chance_of_precision(found.matches, found.sizes), np.full(len(matched), np.nan)]
    asked = [np.ones_like(matched) if wrong else matched] * len(hits) + [matched, np.zeros_like(matched)]
    return _by_camera(values, asked, found, protocol, None)


def _by_camera(
    values: Sequence[NDArray[Any]],
    asked: Sequence[BoolArray],
    found: ProbeScores,
    protocol: Protocol,
    decimals: int | None,
) -> GalleryTable:
    split = protocol.kind == "cross_view_gallery"
    masks = [found.camera == v for v in range(len(found.cameras))] if split else []
    whole = [_share(value, ask, decimals) for value, ask in zip(values, asked, strict=True)]
    parts = np.array([[_share(v, a & m, decimals) for m in masks] for v, a in zip(values, asked, strict=True)])
    means = np.array([fmean(row) for row in parts] if split else whole)
    return GalleryTable(means[:-2], float(means[-2]), float(means[-1]), parts[:-2], parts[-2], parts[-1])


def _share(values: NDArray[Any], asked: BoolArray, decimals: int | None) -> float:
    """Mean of some of the values in per cent; of hits a fraction of whole numbers."""
    chosen = values[asked]
    if not len(chosen):
        return float("nan")
    if chosen.dtype == np.bool_:
        return float(round_as_published(np.float64(chosen.sum()) * 100 / len(chosen), decimals))
    return float(round_as_published(np.float64(math.fsum(chosen) / len(chosen)) * 100, decimals))


def round_as_published(percent: FloatArray | np.float64, decimals: int | None) -> FloatArray | np.float64:
    """Round as ``numpy.round``, which the published evaluators call: halves of the product go to the even number."""
    return percent if decimals is None else np.round(percent, decimals)


def fmean(values: Iterable[float]) -> float:
    """Mean of what is not NaN, correctly rounded, so that it does not depend on an order; NaN where nothing is left."""
    there = [value for value in map(float, values) if not math.isnan(value)]
    return math.fsum(there) / len(there) if there else float("nan")


def _mean(values: FloatArray, used: BoolArray) -> float:
    return fmean(values[used])
