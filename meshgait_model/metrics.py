"""From distances to ranks of matches: compiled, one row of distances at a time. Arrays in, numbers out.

Shape letters: P probes, G gallery sequences, V cameras of the gallery. A gallery is sorted by distance; sequences of
equal distance keep their order in the gallery. That is what a stable sort gives, and what column 0 of the results
says; columns 1 and 2 say what the luckiest and the unluckiest order of equal distances would have given.
"""

from functools import lru_cache
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.compiled import compiled
from meshgait_data.types import FloatArray

Integers = NDArray[np.int64]

STABLE, LUCKY, UNLUCKY = 0, 1, 2
"""Columns of the results."""

KEEP_ALL, NO_SAME_CAMERA, NO_SAME_PERSON_AND_CAMERA = 0, 1, 2
"""What of the gallery a probe is not compared with."""


@compiled
def add_roots(total: Any, dots: Any, probes: Any, gallery: Any) -> None:
    """Add Euclidean distances to ``total`` (P, G), from dot products (P, G) and squared lengths (P,) and (G,)."""
    for i in range(total.shape[0]):
        for g in range(total.shape[1]):
            total[i, g] += np.sqrt(max(probes[i] + gallery[g] - 2.0 * dots[i, g], 0.0))


@compiled
def first_matches(distances: Any, people: Any, gallery: Any, cameras: Any, before: Any, matches: Any) -> None:
    """Look for the nearest sequence of the right person among those of each camera.

    Parameters
    ----------
    distances
        (P, G) float64.
    people
        (P,) numbers of persons.
    gallery, cameras
        (G,) numbers of persons and of cameras.
    before
        (P, V, 3) int64 result: how many sequences of other people come first; -1 where the person is not there.
    matches
        (P, V) int64 result: sequences of the person.
    """
    size = before.shape[1]
    nearest, place = np.zeros(size), np.zeros(size, np.int64)
    for i in range(distances.shape[0]):
        nearest[:], place[:] = np.inf, -1
        for g in range(distances.shape[1]):
            if gallery[g] == people[i]:
                v = cameras[g]
                matches[i, v] += 1
                if place[v] < 0 or distances[i, g] < nearest[v]:
                    nearest[v], place[v] = distances[i, g], g
        for v in range(size):
            before[i, v, :] = 0 if place[v] >= 0 else -1
        for g in range(distances.shape[1]):
            v = cameras[g]
            if gallery[g] == people[i] or place[v] < 0 or distances[i, g] > nearest[v]:
                continue
            before[i, v, 2] += 1
            if distances[i, g] < nearest[v]:
                before[i, v, 1] += 1
                before[i, v, 0] += 1
            elif g < place[v]:
                before[i, v, 0] += 1


@compiled
def match_ranks(
    distances: Any, people: Any, cameras: Any, gallery: Any, gallery_cameras: Any, rule: int, result: Any, counts: Any
) -> None:
    """Ranks of all sequences of the right person in one sorted gallery.

    Parameters
    ----------
    distances
        (P, G) float64.
    people, cameras, gallery, gallery_cameras
        (P,) and (G,) numbers of persons and cameras.
    rule
        One of the rules above.
    result
        (P, 3, 3) float64 result: how many sequences come before the first match, average precision, and inverse
        negative penalty (matches per rank of the last one); each in three orders. NaN where there is no match.
    counts
        (P, 2) int64 result: matches and sequences that the probe is compared with.
    """
    left_out, places = np.zeros(distances.shape[1], np.bool_), np.zeros(distances.shape[1], np.int64)
    for i in range(distances.shape[0]):
        row, found = distances[i], 0
        for g in range(len(row)):
            same = gallery[g] == people[i]
            left_out[g] = rule != 0 and gallery_cameras[g] == cameras[i] and (rule == 1 or same)
            counts[i, 1] += not left_out[g]
            if same and not left_out[g]:
                places[found] = g
                found += 1
            left_out[g] |= same
        counts[i, 0] = found
        order = np.argsort(row[places[:found]], kind="mergesort")
        where = places[:found][order]
        _scores(_between(row, left_out, row[where], where), result[i])


@compiled
def _between(row: Any, left_out: Any, near: Any, where: Any) -> Any:
    """(3, M) in each order of equals, how many of the others come between a match and the match before it.

    ``near`` and ``where`` are distances and places of the M matches, nearest first.
    """
    found = len(near)
    between = np.zeros((3, found + 1), np.int64)
    for g in range(len(row)):
        if found == 0 or left_out[g] or row[g] > near[found - 1]:
            continue
        first = np.searchsorted(near, row[g])
        last = first
        while last < found and near[last] == row[g]:
            last += 1
        earlier = 0
        for j in range(first, last):
            earlier += where[j] < g
        between[0, first + earlier] += 1
        between[1, last] += 1
        between[2, first] += 1
    return between[:, :found]


@compiled
def _scores(between: Any, result: Any) -> None:
    """Scores (3, 3) of one probe; see :func:`match_ranks`."""
    found = between.shape[1]
    result[:] = np.nan
    for kind in range(3 if found else 0):
        others, precision = 0, 0.0
        result[0, kind] = between[kind, 0]
        for j in range(found):
            others += between[kind, j]
            precision += (j + 1) / (others + j + 1)
        result[1, kind] = precision / found
        result[2, kind] = found / (others + found)


@lru_cache(maxsize=100_000)
def chance_of_match(matches: int, size: int, k: int) -> float:
    """Probability that k sequences drawn from a gallery of ``size`` hold one of the ``matches``.

    >>> chance_of_match(1, 4, 1)
    0.25
    """
    drawn = min(k, size)
    return 1 - comb(size - matches, drawn) / comb(size, drawn)


def chance_of_precision(matches: FloatArray | Integers, sizes: FloatArray | Integers) -> FloatArray:
    """Average precision that a random order of the gallery gives on average, (P,) for (P,) numbers.

    With M of G it is (H + (M - 1) / (G - 1) (G - H)) / G, where H is the sum of 1/1 .. 1/G: place r holds a match with
    probability M/G, and then (M - 1) / (G - 1) of the r - 1 places before it do.
    """
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(np.max(sizes, initial=0)) + 1))])
    h = harmonic[np.asarray(sizes, np.int64)]
    others = np.maximum(np.asarray(sizes) - 1, 1)
    return (h + (np.asarray(matches) - 1) / others * (sizes - h)) / np.maximum(sizes, 1)
