"""Which clips make up each batch, as a pure function of the seed and the number of the batch.

A run that goes on after an interruption draws the batches that it would have drawn anyway, and all processes of a
distributed run draw the same ones without talking to each other. Samplers know numbers only, no files and no torch;
any of them is a ``sampler=`` of torch's ``DataLoader`` (with ``batch_size=None``) and of our loaders.

Shape letters: N sequences, B clips, T frames of a clip.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from itertools import count, pairwise
from typing import Any

import numpy as np

from meshgait_data.errors import InvalidData
from meshgait_data.types import IntArray
from meshgait_model.data.picks import Clip, Picks, cyclic_subsets, generator

SAMPLING, AUGMENTING, SHUFFLING, LABELLING = range(4)
"""Purposes of random numbers; see :func:`meshgait_model.data.picks.generator`."""


class BatchSampler(ABC):
    """Batches by their number; iterating gives those from ``first`` on.

    Parameters
    ----------
    batches
        How many there are; None is without end.
    rank, world
        Which of how many processes this is: each gets every ``world``-th clip of the same draw.
    """

    first: int = 0
    """Number of the batch that iterating begins with."""

    def __init__(self, batches: int | None, *, rank: int, world: int) -> None:
        if not 0 <= rank < world:
            raise InvalidData(f"rank={rank} of world={world} does not exist", hint="ranks count from 0")
        self.batches, self.rank, self.world = batches, rank, world

    @property
    @abstractmethod
    def capacity(self) -> tuple[int, int]:
        """Most clips, and most frames of all of them, that a batch has."""

    @abstractmethod
    def draw(self, step: int) -> Picks:
        """Batch number ``step``; the same numbers whenever and wherever it is called."""

    @abstractmethod
    def _settings(self) -> tuple[Any, ...]:
        """All that the draw depends on beside the step."""

    def __iter__(self) -> Iterator[Picks]:
        steps = count(self.first) if self.batches is None else range(self.first, self.batches)
        return map(self.draw, steps)

    def __len__(self) -> int:
        if self.batches is None:
            raise TypeError("this sampler draws batches without end")
        return max(self.batches - self.first, 0)

    def state_dict(self, after: int | None = None) -> dict[str, Any]:
        """What :meth:`load_state_dict` needs to go on.

        Parameters
        ----------
        after
            Number of the last batch that was used (``batch.step``), which only the one who uses them knows: loaders
            draw ahead. None is where iterating begins.
        """
        return {"next": self.first if after is None else after + 1, "settings": self._fingerprint}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let iterating begin after the last batch that was used.

        Raises
        ------
        InvalidData
            Where the state is of another sampler, seed or dataset: batches would be others.
        """
        if state.get("settings") != self._fingerprint:
            raise InvalidData(
                "the state of the sampler was saved with other settings, another seed or other data",
                hint="set the sampler up as it was, or start anew",
            )
        self.first = int(state["next"])

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256(type(self).__name__.encode())
        for value in self._settings():
            digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
        return digest.hexdigest()[:16]


class PKSampler(BatchSampler):
    """P people and K clips of each in every batch, as metric learning needs them.

    Parameters
    ----------
    identities
        (N,) person of each sequence, any integers.
    lengths
        (N,) frames of each sequence.
    people, clips
        P and K, of the batch of all processes together. A person with fewer than K sequences gives some of them
        again, each equally often but for one.
    clip
        How clips are cut out of sequences.
    seed
        The only source of chance, with the number of the batch.
    batches
        How many there are; None is without end.
    rank, world
        Which of how many processes this is.

    Raises
    ------
    InvalidData
        Where there are fewer than P people, or the clips cannot be shared out evenly.
    """

    def __init__(
        self,
        identities: IntArray,
        lengths: IntArray,
        *,
        people: int,
        clips: int,
        clip: Clip,
        seed: int,
        batches: int | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(batches, rank=rank, world=world)
        self.people, self.clips, self.clip, self.seed = people, clips, clip, seed
        self.identities, self.lengths = np.asarray(identities), np.asarray(lengths, np.int64)
        self._order = np.argsort(self.identities, kind="stable")
        known, self._begin, self._own = np.unique(self.identities[self._order], return_index=True, return_counts=True)
        if len(known) < people:
            raise InvalidData(
                f"batches of {people} people, but there are only {len(known)} people to train on",
                hint=f"set data.people to at most {len(known)}",
            )
        _check_share(people * clips, world)

    @property
    def capacity(self) -> tuple[int, int]:
        """Clips of each batch, and most frames of all of them."""
        share = self.people * self.clips // self.world
        return share, share * self.clip.longest

    def draw(self, step: int) -> Picks:
        """Batch number ``step``: the clips of a person stand together."""
        rng = generator(self.seed, step, SAMPLING)
        person = rng.choice(len(self._own), self.people, replace=False)
        own = self._own[person]
        place = cyclic_subsets(own, self.clips, rng)
        sequences = self._order[self._begin[person][:, None] + place].ravel()
        frames = self.clip.draw(self.lengths[sequences], rng)
        mine = slice(self.rank, None, self.world)
        return Picks(sequences[mine], frames[mine], step=step)

    def _settings(self) -> tuple[Any, ...]:
        return self.seed, self.people, self.clips, self.clip, self.identities, self.lengths


class EpochSampler(BatchSampler):
    """One clip of every sequence in an epoch, in random order.

    Parameters
    ----------
    lengths
        (N,) frames of each sequence.
    batch
        Clips in a batch of all processes together.
    clip
        How clips are cut out of sequences.
    seed
        The only source of chance, with the number of the batch.
    epochs
        How often all sequences are passed through; None is without end.
    drop_last
        Whether an epoch leaves out the sequences that do not fill a batch; else the last batch is filled up with
        those that the epoch began with.
    rank, world
        Which of how many processes this is.

    Raises
    ------
    InvalidData
        Where an epoch would have no batch, or the clips cannot be shared out evenly.
    """

    def __init__(
        self,
        lengths: IntArray,
        *,
        batch: int,
        clip: Clip,
        seed: int,
        epochs: int | None = None,
        drop_last: bool = True,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.lengths, self.batch, self.clip, self.seed = np.asarray(lengths, np.int64), batch, clip, seed
        self.drop_last = drop_last
        self.epoch_batches = len(lengths) // batch if drop_last else -(-len(lengths) // batch)
        """Batches of one epoch."""
        if not self.epoch_batches:
            raise InvalidData(f"a batch of {batch} clips of only {len(lengths)} sequences", hint="use smaller batches")
        super().__init__(None if epochs is None else epochs * self.epoch_batches, rank=rank, world=world)
        _check_share(batch, world)
        self._shuffled = (-1, np.zeros(0, np.int64))

    @property
    def capacity(self) -> tuple[int, int]:
        """Clips of each batch, and most frames of all of them."""
        share = self.batch // self.world
        return share, share * self.clip.longest

    def draw(self, step: int) -> Picks:
        """Batch number ``step``, counted through all epochs."""
        epoch, place = divmod(step, self.epoch_batches)
        known, order = self._shuffled
        if known != epoch:
            # No lock: a thread that comes in between makes the same order again.
            order = generator(self.seed, epoch, SHUFFLING).permutation(len(self.lengths))
            self._shuffled = (epoch, order)
        sequences = order[np.arange(place * self.batch, (place + 1) * self.batch) % len(order)]
        frames = self.clip.draw(self.lengths[sequences], generator(self.seed, step, SAMPLING))
        mine = slice(self.rank, None, self.world)
        return Picks(sequences[mine], frames[mine], step=step)

    def _settings(self) -> tuple[Any, ...]:
        return self.seed, self.batch, self.clip, self.drop_last, self.lengths


class SequenceSampler(BatchSampler):
    """Every sequence once and whole, those of about the same length together, nothing padded: for evaluation.

    Parameters
    ----------
    lengths
        (N,) frames of each sequence.
    frames
        Most frames of a batch; a longer sequence is a batch of its own.
    limit
        Of longer sequences, only that many first frames; None takes all.
    rank, world
        Which of how many processes this is: each gets every ``world``-th batch.
    """

    def __init__(
        self, lengths: IntArray, *, frames: int = 4096, limit: int | None = None, rank: int = 0, world: int = 1
    ) -> None:
        taken = np.asarray(lengths, np.int64)
        self.lengths = taken if limit is None else np.minimum(taken, limit)
        self.frames = frames
        self._order = np.argsort(self.lengths, kind="stable")
        ends = np.cumsum(self.lengths[self._order])
        cuts = [0]
        while cuts[-1] < len(ends):
            before = ends[cuts[-1] - 1] if cuts[-1] else 0
            cuts.append(max(int(np.searchsorted(ends, before + frames, side="right")), cuts[-1] + 1))
        self._bounds = list(pairwise(cuts))[rank::world]
        super().__init__(len(self._bounds), rank=rank, world=world)

    @property
    def capacity(self) -> tuple[int, int]:
        """Most sequences and most frames of a batch."""
        totals = [int(self.lengths[self._order[a:b]].sum()) for a, b in self._bounds]
        return max((b - a for a, b in self._bounds), default=0), max(totals, default=0)

    def draw(self, step: int) -> Picks:
        """Batch number ``step``."""
        sequences = self._order[slice(*self._bounds[step])].copy()
        lengths = self.lengths[sequences]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        frames = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return Picks(sequences, frames, offsets, step)

    def _settings(self) -> tuple[Any, ...]:
        return self.frames, self.lengths, self.rank, self.world


def _check_share(clips: int, world: int) -> None:
    if clips % world:
        raise InvalidData(
            f"{clips} clips of a batch cannot be shared out evenly to {world} processes",
            hint=f"choose a multiple of {world}",
        )
