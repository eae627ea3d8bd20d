"""Scores from distances: cross-view ranks and mean average precision. Arrays in, numbers out.

Shape letters: P probes, G gallery sequences.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.types import BoolArray, FloatArray

Labels = NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class ViewRanks:
    """Rank-k of each pair of views, as the CASIA-B protocol reports it."""

    views: tuple[str, ...]
    """Views of the probes: rows, and of the gallery: columns."""
    ranks: tuple[int, ...]
    """The k of each table."""
    table: FloatArray
    """(len(ranks), probe views, gallery views) share of probes, 0..1; NaN where a pair is left out or empty."""
    chance: FloatArray
    """Of the same shape: what a random order of the gallery would give."""
    probes: NDArray[np.integer[Any]]
    """(probe views,) number of probes."""
    unscorable: int
    """Pairs of a probe and a gallery view that has no sequence of the probe's person; they do not count."""

    def per_probe_view(self) -> FloatArray:
        """(len(ranks), probe views) mean over gallery views."""
        return _mean(self.table, 2)

    def mean(self) -> FloatArray:
        """(len(ranks),) mean over gallery views, then over probe views."""
        return _mean(self.per_probe_view(), 1)

    def mean_chance(self) -> FloatArray:
        """(len(ranks),) the same of ``chance``."""
        return _mean(_mean(self.chance, 2), 1)


def part_distances(probes: FloatArray, gallery: FloatArray) -> FloatArray:
    """Mean over strips of Euclidean distances: (P, S, E) and (G, S, E) give (P, G)."""
    total = np.zeros((len(probes), len(gallery)))
    for strip in range(probes.shape[1]):
        a, b = probes[:, strip].astype(np.float64), gallery[:, strip].astype(np.float64)
        squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
        total += np.sqrt(np.clip(squared, 0, None))
    return total / probes.shape[1]


def cross_view_ranks(
    distances: FloatArray,
    probe: tuple[Labels, Labels],
    gallery: tuple[Labels, Labels],
    *,
    ranks: Sequence[int],
    exclude_identical_view: bool,
) -> ViewRanks:
    """Rank-k for every pair of a probe view and a gallery view.

    Parameters
    ----------
    distances
        (P, G).
    probe, gallery
        Identities and views of the probes, (P,) each, and of the gallery, (G,) each.
    ranks
        The k to report.
    exclude_identical_view
        Whether to leave out pairs of one and the same view.
    """
    views = tuple(sorted({*probe[1].tolist(), *gallery[1].tolist()}))
    table = np.full((len(ranks), len(views), len(views)), np.nan)
    chance = table.copy()
    unscorable = 0
    for row, probe_view in enumerate(views):
        for column, gallery_view in enumerate(views):
            if exclude_identical_view and row == column:
                continue
            rows, columns = probe[1] == probe_view, gallery[1] == gallery_view
            matches = probe[0][rows][:, None] == gallery[0][columns][None]
            scorable = matches.any(1)
            unscorable += int((~scorable).sum())
            if scorable.any():
                block = distances[np.ix_(rows, columns)][scorable]
                found = _first_match(block, matches[scorable])
                table[:, row, column] = [(found < k).mean() for k in ranks]
                chance[:, row, column] = [_chance(matches[scorable], k) for k in ranks]
    counts = np.array([(probe[1] == view).sum() for view in views])
    return ViewRanks(views, tuple(ranks), table, chance, counts, unscorable)


def mean_average_precision(distances: FloatArray, matches: BoolArray, allowed: BoolArray) -> float:
    """Mean over probes of the average precision of their whole allowed gallery; probes without a match do not count.

    Parameters
    ----------
    distances
        (P, G).
    matches
        (P, G) whether both are the same person.
    allowed
        (P, G) which gallery sequences a probe is compared with.
    """
    scores = []
    for distance, match, use in zip(distances, matches, allowed, strict=True):
        hits = match[use][np.argsort(distance[use], kind="stable")]
        if hits.any():
            precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
            scores.append(precision[hits].mean())
    return float(np.mean(scores)) if scores else float("nan")


def _first_match(distances: FloatArray, matches: BoolArray) -> NDArray[np.integer[Any]]:
    """(P,) how many sequences of other people come before the first one of the right person; ties count against."""
    nearest = np.where(matches, distances, np.inf).min(1)
    return (~matches & (distances <= nearest[:, None])).sum(1)


def _chance(matches: BoolArray, k: int) -> float:
    """Mean probability that k random sequences of the gallery hold the right person."""
    size = matches.shape[1]
    drawn = min(k, size)
    return float(np.mean([1 - comb(size - int(right), drawn) / comb(size, drawn) for right in matches.sum(1)]))


def _mean(values: FloatArray, axis: int) -> FloatArray:
    """Mean that leaves NaN out; NaN where nothing is left."""
    seen = np.isfinite(values)
    total = np.where(seen, values, 0).sum(axis)
    return np.where(seen.any(axis), total / np.maximum(seen.sum(axis), 1), np.nan)
