"""Which frames of which sequences make up a batch, and how clips are drawn from sequences.

Shape letters: N sequences, B clips, T frames of a clip, M frames of a batch.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from meshgait_data.types import IntArray

Kind = Literal["ordered", "unordered", "sparse"]
"""How the frames of a clip are chosen, see :class:`Clip`."""


@dataclass(frozen=True, slots=True, eq=False)
class Picks:
    """Frames of a batch."""

    sequences: NDArray[np.integer[Any]]
    """(B,) index of the sequence of each clip."""
    frames: NDArray[np.integer[Any]]
    """(B, T) frames within the sequences; where ``offsets`` are given (M,), clips of several lengths end to end."""
    offsets: IntArray | None = None
    """(B + 1,) where each clip begins among the M frames; None where all clips have T frames."""
    step: int = 0
    """Number of the batch."""

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values (N, ...) of sequences for each of the M frames."""
        chosen = values[self.sequences]
        if self.offsets is not None:
            return np.repeat(chosen, np.diff(self.offsets), axis=0)
        return np.repeat(chosen, self.frames.shape[1], axis=0)


@dataclass(frozen=True, slots=True)
class Clip:
    """How a clip is cut out of a sequence. Sequences that are too short start over until the clip is full.

    Kinds, with OpenGait's names: ``ordered`` (``fixed_ordered``) draws ``frames`` of ``frames + skip`` consecutive
    frames, in their order; without ``skip`` they are all of them. ``unordered`` (``fixed_unordered``) draws frames
    from anywhere in the sequence, in random order, and ``sparse`` the same in their order.
    """

    frames: int
    """T."""
    skip: int = 0
    """Frames left out of an ``ordered`` clip."""
    kind: Kind = "ordered"
    most: int = 0
    """Each batch has clips of another number of frames, ``frames`` to ``most``; 0 keeps to ``frames``."""

    def __post_init__(self) -> None:
        if self.frames < 1 or self.skip < 0:
            raise ValueError(f"a clip of frames={self.frames}, skip={self.skip}: frames at least 1, skip at least 0")
        if self.most and self.most < self.frames:
            raise ValueError(f"a clip of frames={self.frames} to most={self.most}: the other way round")
        if self.skip and self.kind != "ordered":
            raise ValueError(f"skip={self.skip} means nothing for {self.kind} clips")

    @property
    def longest(self) -> int:
        """Most frames that a clip has."""
        return max(self.frames, self.most)

    def draw(self, lengths: IntArray, rng: np.random.Generator) -> IntArray:
        """Frames (B, T) of clips of sequences of lengths (B,)."""
        frames = int(rng.integers(self.frames, self.most + 1)) if self.most else self.frames
        if self.kind == "ordered":
            return self._ordered(frames, lengths, rng)
        chosen = cyclic_subsets(lengths, frames, rng)
        return np.sort(chosen, axis=1) if self.kind == "sparse" else rng.permuted(chosen, axis=1)

    def _ordered(self, frames: int, lengths: IntArray, rng: np.random.Generator) -> IntArray:
        span = frames + self.skip
        starts = below(np.maximum(lengths - span, 0) + 1, rng)
        kept = np.arange(frames)[None]
        if self.skip:
            # Choosing the few that stay or the few that go is the same; the smaller choice is the faster one.
            few = subsets(np.full(len(lengths), span), min(frames, self.skip), rng)
            chosen = np.full((len(lengths), span), frames > self.skip)
            np.put_along_axis(chosen, few, frames <= self.skip, axis=1)
            kept = np.nonzero(chosen)[1].reshape(-1, frames)
        return (starts[:, None] + kept) % lengths[:, None]


def below(limits: IntArray, rng: np.random.Generator) -> IntArray:
    """One random number (B,) of each 0 .. limit - 1."""
    # A product that rounds up to the limit itself would be one too many; it happens once in 2^53 draws.
    return np.minimum((rng.random(len(limits)) * limits).astype(np.int64), limits - 1)


def subsets(sizes: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """Different numbers (B, count) of each 0 .. size - 1, every set of them equally likely, in no particular order.

    Robert Floyd's algorithm (Bentley & Floyd, *A sample of brilliance*, CACM 1987), for all rows at once.

    Parameters
    ----------
    sizes
        (B,) at least ``count``.
    """
    uniform = rng.random((count, len(sizes)))
    chosen = np.full((len(sizes), count), -1, np.int64)
    for place in range(count):
        largest = sizes - count + place
        candidate = np.minimum((uniform[place] * (largest + 1)).astype(np.int64), largest)
        taken = (chosen[:, :place] == candidate[:, None]).any(axis=1)
        chosen[:, place] = np.where(taken, largest, candidate)
    return chosen


def cyclic_subsets(sizes: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """The same where ``count`` may be more than there are: then each comes equally often, but for one time."""
    chosen = subsets(np.maximum(sizes, count), count, rng)
    # The turn chooses who comes once more; sets that are equally likely stay so.
    return (chosen + below(sizes, rng)[:, None]) % sizes[:, None]


def generator(seed: int, step: int, purpose: int) -> np.random.Generator:
    """Random numbers of one step; ``purpose`` keeps sampling and augmentation apart."""
    return np.random.default_rng([seed, step, purpose])
