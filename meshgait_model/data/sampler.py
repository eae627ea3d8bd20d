"""Which clips make up a batch: P people times K clips, as a pure function of the seed and the step.

A run that goes on after an interruption draws the batches that it would have drawn anyway.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import InvalidData
from meshgait_data.types import IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Picks:
    """Frames of a batch."""

    sequences: NDArray[np.integer[Any]]
    """(B,) index of the sequence of each clip."""
    frames: NDArray[np.integer[Any]]
    """(B, T) frames within the sequence, increasing unless a short sequence starts over."""


def generator(seed: int, step: int, purpose: int) -> np.random.Generator:
    """Random numbers of one step; ``purpose`` keeps sampling and augmentation apart."""
    return np.random.default_rng([seed, step, purpose])


def sample(
    identities: IntArray, lengths: IntArray, rng: np.random.Generator, *, batch: tuple[int, int], clip: tuple[int, int]
) -> Picks:
    """Draw P people, K sequences of each and a clip of each sequence.

    Parameters
    ----------
    identities
        (N,) person of each sequence.
    lengths
        (N,) frames of each sequence.
    rng
        The only source of chance.
    batch
        P and K. A person with fewer than K sequences gives some of them twice.
    clip
        T frames, out of how many consecutive ones.

    Raises
    ------
    InvalidData
        Where there are fewer than P people.
    """
    people, clips = batch
    known = np.unique(identities)
    if len(known) < people:
        raise InvalidData(
            f"data.people={people}, but only {len(known)} people are on the training side",
            hint=f"set data.people to at most {len(known)}",
        )
    chosen = []
    for person in rng.permutation(known)[:people]:
        own = np.flatnonzero(identities == person)
        chosen.append(rng.choice(own, clips, replace=len(own) < clips))
    sequences = np.concatenate(chosen)
    return Picks(sequences, np.stack([clip_frames(int(lengths[s]), rng, *clip) for s in sequences]))


def clip_frames(length: int, rng: np.random.Generator, frames: int, span: int) -> NDArray[np.integer[Any]]:
    """Ordered frames of a clip: a random window of ``span`` frames and ``frames`` of these, as OpenGait draws them.

    A sequence shorter than the window starts over until the window is full.
    """
    start = int(rng.integers(max(length - span, 0) + 1))
    kept = np.sort(rng.choice(span, frames, replace=False))
    return (start + kept) % length
