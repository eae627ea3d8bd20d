"""A batch of clips, and the tensors that it is put together in.

Shape letters: B clips, T frames of a clip, M frames of all clips, N sequences.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshgait_model.data.cut import FrameSpec
from meshgait_model.data.picks import Picks


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Clips as tensors, in the types that they are packed in: silhouettes stay bytes until they are on the device.

    Clips of T frames each are (B, T, ...). Whole sequences of several lengths are laid end to end, (M, ...), and
    ``offsets`` says where each begins.
    """

    arrays: Mapping[str, Tensor]
    """Field to (B, T, ...) or (M, ...); zeros where a clip lacks the field."""
    present: Mapping[str, Tensor]
    """Field to (B,) bool: whether each clip has it."""
    identities: Tensor
    """(B,) int64 class of each clip."""
    sequences: Tensor
    """(B,) int64 index of each clip's sequence."""
    frames: Tensor
    """(B, T) or (M,) int64 frames within the sequences."""
    offsets: Tensor | None = None
    """(B + 1,) int64 where each clip begins among M frames; None where all have T."""
    step: int = 0
    """Number of the batch."""
    copies: list[Any] | None = field(default=None, repr=False)
    """Where the memory is going to be used again: what has to end before."""

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def silhouettes(self) -> Tensor:
        """(B, T, S, W) or (M, S, W) uint8, 0 background to 255 body."""
        return self.arrays["silhouettes"]

    def has(self, *fields: str) -> Tensor:
        """(B,) bool: which clips have all of these fields."""
        return torch.stack([self.present[name] for name in fields]).all(0)

    def per_frame(self, values: Tensor) -> Tensor:
        """Values (B,) of clips for each of their frames: (B, T) or (M,)."""
        if self.offsets is None:
            return values[:, None].expand(self.frames.shape)
        return values.repeat_interleave(self.offsets.diff())

    def to(self, device: torch.device | str) -> Self:
        """The same batch on a device; from pinned memory the copy runs beside what the CPU does next."""
        device = torch.device(device)
        moved = self._each(lambda tensor: tensor.to(device, non_blocking=True))
        if device.type == "cuda" and self.copies is not None:
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(torch.cuda.current_stream(device))
            self.copies.append(event)
        return moved

    def clone(self) -> Self:
        """A copy that stays as it is, for those who keep batches of a ring."""
        return self._each(torch.clone)

    def pin_memory(self) -> Self:
        """A copy in memory that devices can read by themselves; torch's ``DataLoader`` calls it."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Any) -> Self:
        return replace(
            self,
            arrays={name: change(value) for name, value in self.arrays.items()},
            present={name: change(value) for name, value in self.present.items()},
            identities=change(self.identities),
            sequences=change(self.sequences),
            frames=change(self.frames),
            offsets=None if self.offsets is None else change(self.offsets),
            copies=None,
        )


def as_float(silhouettes: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Grey 0..255 as 0..1, on the device that they are on."""
    return silhouettes.to(dtype) / 255


class Buffers:
    """Tensors that batches are put together in, again and again.

    Parameters
    ----------
    specs
        Fields of frames.
    constants
        Fields with one value a sequence: name to the type and shape of that value.
    clips, frames
        Most clips, and most frames of all of them.
    pin
        Whether devices are to read them by themselves.
    """

    def __init__(
        self,
        specs: Mapping[str, FrameSpec],
        constants: Mapping[str, FrameSpec],
        *,
        clips: int,
        frames: int,
        pin: bool = False,
    ) -> None:
        self.clips, self.frames = clips, frames
        self.copies: list[Any] = []
        """What has to end before the tensors may change again."""
        shapes = {name: (frames, spec) for name, spec in specs.items()}
        shapes |= {name: (clips, spec) for name, spec in constants.items()}
        self._tensors = {name: _zeros((count, *spec.shape), spec.dtype, pin) for name, (count, spec) in shapes.items()}
        self._arrays = {name: tensor.numpy() for name, tensor in self._tensors.items()}

    def array(self, name: str, count: int) -> NDArray[Any]:
        """The first ``count`` frames or clips, to be written to."""
        return self._arrays[name][:count]

    def tensor(self, name: str, count: int) -> Tensor:
        """The same memory as a tensor."""
        return self._tensors[name][:count]

    def wait(self) -> None:
        """Wait until what was copied out of the tensors has arrived."""
        while self.copies:
            self.copies.pop().synchronize()


def shaped(values: Tensor, picks: Picks) -> Tensor:
    """Values (M, ...) of frames as (B, T, ...) where all clips have T frames."""
    return values if picks.offsets is not None else values.view(*picks.frames.shape, *values.shape[1:])


def spread(values: Tensor, picks: Picks) -> Tensor:
    """Values (B, ...) of clips for each of their frames: (B, T, ...) without copies, or (M, ...)."""
    if picks.offsets is not None:
        return values.repeat_interleave(torch.from_numpy(np.diff(picks.offsets)), 0)
    return values[:, None].expand(-1, picks.frames.shape[1], *values.shape[1:])


def _zeros(shape: tuple[int, ...], dtype: np.dtype[Any], pin: bool) -> Tensor:
    kind = torch.from_numpy(np.zeros(0, dtype)).dtype
    return torch.zeros(shape, dtype=kind, pin_memory=pin)
