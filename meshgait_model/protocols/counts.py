"""What is counted of each group of probes before anything is averaged: whole numbers, and scores of single probes.

Shape letters: P probes, G gallery sequences, R ranks, V cameras.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meshgait_data.errors import InvalidData
from meshgait_data.types import FloatArray
from meshgait_model.metrics import Integers, chance_of_match, first_matches, match_ranks
from meshgait_model.protocols.distances import Metric, blocks, in_threads

_MOST_CAMERAS = 400
_ROWS = 32
"""Probes that one thread looks at in one go."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Probes or gallery of one group."""

    places: Integers
    """(P,) or (G,) which of the embeddings."""
    people: Integers
    """Numbers of their persons."""
    cameras: Integers
    """Numbers of their cameras."""


@dataclass(frozen=True, slots=True, eq=False)
class PairCounts:
    """Each camera of the probes against each camera of the gallery."""

    cameras: tuple[str, ...]
    ranks: tuple[int, ...]
    hits: Integers
    """(3, R, V, V) probes of a camera (rows) that are recognised within the first k of a camera (columns): with the
    order of equals that is ours, the luckiest and the unluckiest."""
    valid: Integers
    """(V, V) probes whose person the gallery camera has seen."""
    probes: Integers
    """(V,) probes of each camera."""
    gallery: Integers
    """(V,) gallery sequences of each camera."""
    chance: FloatArray
    """(R, V, V) expected hits of a random order."""


@dataclass(frozen=True, slots=True, eq=False)
class ProbeScores:
    """Each probe against one gallery of all cameras."""

    cameras: tuple[str, ...]
    camera: Integers
    """(P,) number of the probe's camera."""
    scores: FloatArray
    """(P, 3, 3) others before the first match, average precision, INP; in three orders of equals. NaN: no match."""
    matches: Integers
    """(P,) sequences of the person that it is compared with."""
    sizes: Integers
    """(P,) sequences that it is compared with."""


def count(
    embeddings: FloatArray,
    probe: Side,
    gallery: Side,
    cameras: Sequence[str],
    *,
    metric: Metric,
    rule: int,
    ranks: Sequence[int] | None,
) -> tuple[PairCounts | None, ProbeScores]:
    """Compare all probes with the gallery, a block at a time.

    Parameters
    ----------
    embeddings
        (N, S, E).
    probe, gallery
        Who is compared; the order of the gallery decides between equal distances.
    cameras
        Names of the V cameras.
    metric
        Distance of two embeddings.
    rule
        What a probe's pooled gallery leaves out; see :mod:`meshgait_model.metrics`.
    ranks
        The k of pairs of views; None: pairs are not counted.

    Raises
    ------
    InvalidData
        Where there are so many cameras that they cannot be paired.
    """
    pairs = None if ranks is None else _Pairs(probe, gallery, cameras, ranks)
    scores, counts = np.zeros((len(probe.people), 3, 3)), np.zeros((len(probe.people), 2), np.int64)
    for part, distances in blocks(embeddings, probe.places, gallery.places, metric):
        people, seen_by = probe.people[part], probe.cameras[part]

        def rank(
            rows: slice,
            distances: FloatArray = distances,
            people: Integers = people,
            seen_by: Integers = seen_by,
            out: tuple[FloatArray, Integers] = (scores[part], counts[part]),
        ) -> None:
            facts = (people[rows], seen_by[rows], gallery.people, gallery.cameras)
            match_ranks(distances[rows], *facts, rule, out[0][rows], out[1][rows])

        in_threads(rank, len(people), _ROWS)
        if pairs is not None:
            pairs.add(distances, people, seen_by)
    pooled = ProbeScores(tuple(cameras), probe.cameras, scores, counts[:, 0], counts[:, 1])
    return pairs.result() if pairs else None, pooled


class _Pairs:
    """Adds up hits of pairs of views."""

    def __init__(self, probe: Side, gallery: Side, cameras: Sequence[str], ranks: Sequence[int]) -> None:
        size = len(cameras)
        if size > _MOST_CAMERAS:
            raise InvalidData(
                f"{size} views cannot be paired with one another",
                where="protocol",
                hint="say 'kind: retrieval', or 'camera: REGEX' to find fewer cameras in the names of views",
            )
        self.gallery, self.cameras, self.ranks = gallery, tuple(cameras), tuple(ranks)
        self.sizes = np.bincount(gallery.cameras, minlength=size)
        self.probes = np.bincount(probe.cameras, minlength=size)
        self.hits = np.zeros((3, len(ranks), size, size), np.int64)
        self.valid = np.zeros((size, size), np.int64)
        self.chance = np.zeros((len(ranks), size, size))

    def add(self, distances: FloatArray, people: Integers, cameras: Integers) -> None:
        """Count a block of probes."""
        before = np.zeros((len(people), len(self.cameras), 3), np.int64)
        matches = np.zeros(before.shape[:2], np.int64)

        def search(rows: slice) -> None:
            found = (self.gallery.people, self.gallery.cameras, before[rows], matches[rows])
            first_matches(distances[rows], people[rows], *found)

        in_threads(search, len(people), _ROWS)
        np.add.at(self.valid, cameras, matches > 0)
        for row, k in enumerate(self.ranks):
            for order in range(3):
                np.add.at(self.hits[order, row], cameras, (before[..., order] >= 0) & (before[..., order] < k))
            np.add.at(self.chance[row], cameras, self._chance(matches, k))

    def _chance(self, matches: Integers, k: int) -> FloatArray:
        """(P, V) probability of a hit by a random order."""
        found = np.zeros(matches.shape)
        for column, size in enumerate(self.sizes.tolist()):
            for number in np.unique(matches[:, column]).tolist():
                if number:
                    found[matches[:, column] == number, column] = chance_of_match(number, size, k)
        return found

    def result(self) -> PairCounts:
        """What has been counted."""
        return PairCounts(self.cameras, self.ranks, self.hits, self.valid, self.probes, self.sizes, self.chance)
