"""Batches of clips from a packed dataset, for any trainer: torch's ``DataLoader``, the ring, or a plain loop.

Shape letters: N sequences, B clips, T frames of a clip, M frames of a batch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from meshgait_data.errors import InvalidData
from meshgait_data.shards.reader import Shards
from meshgait_data.shards.table import SequenceTable
from meshgait_data.types import IntArray
from meshgait_model.data.batch import Batch, Buffers, shaped, spread
from meshgait_model.data.budget import GIB, Cache, Plan, default_folder
from meshgait_model.data.cache import open_frames
from meshgait_model.data.cut import FrameSpec
from meshgait_model.data.picks import Picks
from meshgait_model.data.sources import ShardSource

BETAS, INTRINSICS = "betas", "intrinsics"
"""What a sequence has once: shape of the body (components,), camera (3, 3). Batches repeat them frame by frame."""


class ClipDataset(Dataset[Batch]):
    """Sequences of a packed dataset; ``dataset[picks]`` is the batch that a sampler picked.

    It may be sent to other processes, forked or spawned, as often as one likes: decoded frames are shared, never
    copied. Threads may read from it at the same time.

    Parameters
    ----------
    shards
        The packed dataset, see :func:`meshgait_data.shards.reader.open_shards`.
    side
        Side of the split; None takes all sequences.
    sequences
        Some of ``shards.sequences``, in place of a side.
    fields
        What batches are to have: fields of the shards by name, and ``betas`` and ``intrinsics``. Nothing else is read.
    cut
        Columns left out on each side of silhouettes of 64; labels move with them.
    cache
        How decoded frames are kept: ``ram``, ``mmap``, ``none``, or ``auto``, which takes the first there is room for.
    cache_gib
        GiB of memory that they may take; None is half of what is free.
    cache_folder
        Where ``mmap`` keeps its files; None is ``MESHGAIT_CACHE``, else ``~/.cache/meshgait``.

    Raises
    ------
    InvalidData
        Where there is no such sequence, or the shards lack a field.
    EnvironmentLacks
        Where there is no room for the cache that was asked for.
    """

    cache: Plan
    """How decoded frames are kept, and why."""
    people: tuple[str, ...]
    """Identity of each class."""
    identities: IntArray
    """(N,) class of each sequence."""
    lengths: IntArray
    """(N,) frames of each sequence."""

    def __init__(
        self,
        shards: Shards,
        side: Literal["train", "test", "unused"] | None = None,
        *,
        sequences: SequenceTable | None = None,
        fields: Sequence[str] = ("silhouettes",),
        cut: int = 10,
        cache: Cache = "auto",
        cache_gib: float | None = None,
        cache_folder: Path | str | None = None,
    ) -> None:
        chosen = shards.sequences if sequences is None else sequences
        if side is not None:
            chosen = chosen.where(side=side)
        if not len(chosen):
            hint = "name identities in the manifest's split and run 'mgdata pack' again"
            what = f"no sequence is on the {side} side of the split" if side else "no sequence was chosen"
            raise InvalidData(what, where=shards.url, hint=hint)
        self.sequences = chosen
        self.lengths = np.array(chosen.lengths, np.int64)
        self.identities, self.people = chosen.identity_codes()
        self._constants, self._known = _constants(shards, chosen, fields)
        source = ShardSource(shards, chosen, [name for name in fields if name not in self._constants], cut)
        folder = default_folder() if cache_folder is None else Path(cache_folder)
        budget = None if cache_gib is None else int(cache_gib * GIB)
        self.source, self.cache = open_frames(source, cache, budget=budget, folder=folder)

    def __len__(self) -> int:
        """Sequences."""
        return len(self.lengths)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of what batches have."""
        return (*self.source.specs, *self._constants)

    @property
    def window(self) -> tuple[int, int]:
        """Rows and columns of the silhouettes."""
        rows, columns = self.source.specs["silhouettes"].shape
        return rows, columns

    def __getitem__(self, picks: Picks) -> Batch:
        return self.fill(picks, self.buffers(len(picks.sequences), picks.frames.size))

    def buffers(self, clips: int, frames: int, *, pin: bool = False) -> Buffers:
        """Tensors for batches of at most that many clips, and frames of all of them."""
        constants = {name: FrameSpec(array.dtype, array.shape[1:]) for name, array in self._constants.items()}
        return Buffers(self.source.specs, constants, clips=clips, frames=frames, pin=pin)

    def fill(self, picks: Picks, buffers: Buffers) -> Batch:
        """Put a batch together in memory that is there already.

        Raises
        ------
        InvalidData
            Where a sequence or frame was picked that does not exist, or more of them than there is memory for.
        ShardError
            Where the shards turn out to be damaged.
        """
        self._check(picks, buffers)
        chosen, frames = picks.sequences, picks.frames
        flat = frames.ravel()
        arrays, present = {}, {}
        for name in self.source.specs:
            starts = self.source.starts[name]
            there = starts[chosen] >= 0
            self._read(name, picks.spread(starts), flat, buffers.array(name, len(flat)))
            arrays[name] = shaped(buffers.tensor(name, len(flat)), picks)
            present[name] = torch.from_numpy(there)
        for name, values in self._constants.items():
            np.take(values, chosen, axis=0, out=buffers.array(name, len(chosen)), mode="clip")
            arrays[name] = spread(buffers.tensor(name, len(chosen)), picks)
            present[name] = torch.from_numpy(self._known[name][chosen])
        return Batch(
            arrays,
            present,
            identities=torch.from_numpy(self.identities[chosen]),
            sequences=torch.from_numpy(chosen),
            frames=torch.from_numpy(frames),
            offsets=None if picks.offsets is None else torch.from_numpy(picks.offsets),
            step=picks.step,
            copies=buffers.copies,
        )

    def _check(self, picks: Picks, buffers: Buffers) -> None:
        chosen, frames, where = picks.sequences, picks.frames.ravel(), f"batch {picks.step}"
        if ((chosen < 0) | (chosen >= len(self))).any():
            raise InvalidData(f"a sequence was picked that is not one of these {len(self)}", where=where)
        limits = picks.spread(self.lengths)
        if len(frames) != len(limits) or ((frames < 0) | (frames >= limits)).any():
            raise InvalidData("a frame was picked that its sequence does not have", where=where)
        if len(chosen) > buffers.clips or len(frames) > buffers.frames:
            raise InvalidData(
                f"{len(chosen)} clips of {len(frames)} frames, but memory for {buffers.clips} of {buffers.frames}",
                where=where,
                hint="the sampler's capacity must name its largest batch",
            )

    def _read(self, name: str, starts: IntArray, frames: IntArray, out: NDArray[Any]) -> None:
        held = starts >= 0
        if held.all():
            self.source.read(name, starts + frames, out)
            return
        out[...] = 0
        if held.any():
            some = np.zeros((int(held.sum()), *out.shape[1:]), out.dtype)
            self.source.read(name, (starts + frames)[held], some)
            out[held] = some


def _constants(
    shards: Shards, sequences: SequenceTable, fields: Sequence[str]
) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, NDArray[np.bool_]]]:
    """What sequences have once: name to (N, ...), and to (N,) which of them have it."""
    values: dict[str, NDArray[Any]] = {}
    known: dict[str, NDArray[np.bool_]] = {}
    if not {BETAS, INTRINSICS} & set(fields):
        return values, known
    details = [shards.detail(record) for record in sequences]
    if BETAS in fields:
        # Fits may have estimated different numbers of components; the others are zero.
        values[BETAS] = np.zeros((len(details), max(len(detail.betas) for detail in details)), np.float32)
        for row, detail in zip(values[BETAS], details, strict=True):
            row[: len(detail.betas)] = detail.betas
        known[BETAS] = np.array([len(detail.betas) > 0 for detail in details])
    if INTRINSICS in fields:
        cameras = [detail.camera for detail in details]
        matrices = [np.zeros((3, 3)) if camera is None else camera.intrinsics for camera in cameras]
        values[INTRINSICS] = np.stack(matrices).astype(np.float32)
        known[INTRINSICS] = np.array([camera is not None for camera in cameras])
    return values, known
