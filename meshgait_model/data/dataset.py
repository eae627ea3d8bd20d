"""Sequences of one side of the split, decoded into memory once, and batches gathered from them.

Shape letters: N sequences, M frames of all of them, B clips, T frames of a clip, S side, K markers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshgait_data.errors import InvalidData
from meshgait_data.shards.reader import Shards
from meshgait_data.shards.records import SequenceRecord
from meshgait_data.types import IntArray
from meshgait_model.data.sampler import Picks

LABELS = ("joints", "markers", "scale", "verdict", "windows", "global_orient", "body_pose", "transl")
"""Fields that 3D supervision needs beside silhouettes."""

VISIBILITY = ("joints_visible", "markers_visible")
"""Fields that come along where the shards have them. They are as packed: mirror images are not applied to them."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Clips as tensors; silhouettes stay bytes until they are on the device."""

    silhouettes: Tensor
    """(B, T, S, W) uint8, cut to the network's window."""
    identities: Tensor
    """(B,) class of each clip."""
    labels: Mapping[str, Tensor]
    """Field to (B, T, ...), ``betas`` (B, T, components), ``intrinsics`` (B, T, 3, 3); empty without supervision."""

    def to(self, device: torch.device) -> Self:
        """The same batch on a device."""
        labels = {name: value.to(device, non_blocking=True) for name, value in self.labels.items()}
        return type(self)(self.silhouettes.to(device), self.identities.to(device), labels)


@dataclass(frozen=True, slots=True, eq=False)
class GaitSet:
    """Sequences in memory."""

    records: tuple[SequenceRecord, ...]
    people: tuple[str, ...]
    """Identity of each class."""
    identities: IntArray
    """(N,) class of each sequence."""
    offsets: IntArray
    """(N + 1,) where each sequence starts among the frames."""
    arrays: Mapping[str, NDArray[Any]]
    """Field to (M, ...)."""
    cut: int
    """Columns that were left out on each side."""

    @property
    def lengths(self) -> IntArray:
        """(N,) frames of each sequence."""
        return np.diff(self.offsets)

    @property
    def window(self) -> tuple[int, int]:
        """Rows and columns of the network's input."""
        _, rows, columns = self.arrays["silhouettes"].shape
        return rows, columns

    def gather(self, picks: Picks) -> Batch:
        """Copy the picked frames out."""
        rows = self.offsets[picks.sequences][:, None] + picks.frames
        take = {name: torch.from_numpy(array[rows]) for name, array in self.arrays.items()}
        silhouettes = take.pop("silhouettes")
        if take:
            take |= self._per_sequence(picks)
        return Batch(silhouettes, torch.from_numpy(self.identities[picks.sequences]), take)

    def _per_sequence(self, picks: Picks) -> dict[str, Tensor]:
        count = picks.frames.shape[1]
        shapes = [self.records[s].betas for s in picks.sequences]
        # Fits may have estimated different numbers of components; the others are zero.
        betas = np.zeros((len(shapes), max(map(len, shapes))), np.float32)
        for row, shape in zip(betas, shapes, strict=True):
            row[: len(shape)] = shape
        intrinsics = np.stack([self.records[s].camera.intrinsics for s in picks.sequences])
        return {
            "betas": torch.from_numpy(betas)[:, None].expand(-1, count, -1),
            "intrinsics": torch.from_numpy(intrinsics.astype(np.float32))[:, None].expand(-1, count, -1, -1),
        }


def load_side(shards: Shards, side: Literal["train", "test"], *, labels: bool, cut: int) -> GaitSet:
    """Decode all sequences of one side of the split into memory.

    Parameters
    ----------
    labels
        Whether 3D labels are needed too.
    cut
        Columns to leave out on each side of the silhouettes; labels move with them.

    Raises
    ------
    InvalidData
        Where no sequence is on that side, or the labels that are needed were not packed.
    """
    records = [record for record in shards.sequences if record.side == side]
    if not records:
        raise InvalidData(
            f"no sequence is on the {side} side of the split",
            where=str(shards.path),
            hint="name identities in the manifest's split and run 'mgdata pack' again",
        )
    fields: tuple[str, ...] = ("silhouettes", *LABELS) if labels else ("silhouettes",)
    missing = [name for name in fields if name not in shards.fields]
    if missing:
        raise InvalidData(
            f"these shards have no {', '.join(missing)}",
            where=str(shards.path),
            hint="pack them with labels, or train without them: -o network.branch_3d=false",
        )
    fields += tuple(name for name in VISIBILITY if labels and name in shards.fields)
    arrays, offsets = _decode(shards, fields, records)
    people = tuple(sorted({record.identity for record in records}))
    identities = np.array([people.index(record.identity) for record in records])
    return GaitSet(tuple(records), people, identities, offsets, _cut(arrays, cut), cut)


def _decode(
    shards: Shards, fields: Sequence[str], records: Sequence[SequenceRecord]
) -> tuple[dict[str, NDArray[Any]], IntArray]:
    arrays: dict[str, NDArray[Any]] = {}
    offsets: IntArray = np.zeros(0, np.int64)
    for name in fields:
        arrays[name], offsets = shards.load(name, records)
    return arrays, offsets


def _cut(arrays: dict[str, NDArray[Any]], cut: int) -> dict[str, NDArray[Any]]:
    """Cut columns off the silhouettes and move everything that is measured in their pixels."""
    width = arrays["silhouettes"].shape[2]
    if 2 * cut >= width:
        raise InvalidData(f"data.cut={cut} leaves nothing of {width} columns", hint="choose a smaller data.cut")
    shifted = dict(arrays)
    shifted["silhouettes"] = np.ascontiguousarray(arrays["silhouettes"][:, :, cut : width - cut])
    for name in ("joints", "markers"):
        if name in arrays:
            shifted[name] = arrays[name] - np.array([cut, 0, 0], np.float32)
    if "windows" in arrays:
        shifted["windows"] = arrays["windows"] - np.array([[0, 0, cut], [0, 0, 0]], np.float32)
    return shifted
