"""Columns that networks do not look at: they are cut off silhouettes, and labels move with the pixels.

Shape letters: M frames, H, W rows and columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import InvalidData
from meshgait_data.shards.schema import ArraySpec

COLUMNS: Mapping[str, int] = {"silhouettes": 1, "rendered_silhouettes": 1, "silhouettes_128": 2}
"""Fields that columns are cut off, and how many of theirs make up one column of ``silhouettes``."""

_U: Mapping[str, tuple[int, ...]] = {"joints": (0,), "markers": (0,), "windows": (0, 2)}
"""Fields measured in pixels of the window, and where in the last axes their u coordinate lies."""


@dataclass(frozen=True, slots=True)
class FrameSpec:
    """One frame of a field as batches have it."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Of one frame."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


def columns_of(name: str, cut: int) -> slice:
    """Columns of the last axis that stay."""
    out = COLUMNS.get(name, 0) * cut
    return slice(out, -out) if out else slice(None)


def cut_spec(spec: ArraySpec, cut: int) -> FrameSpec:
    """What a field is after the cut; raises InvalidData where nothing is left of it."""
    shape = spec.shape
    if spec.name in COLUMNS:
        width = shape[-1] - 2 * COLUMNS[spec.name] * cut
        if width <= 0:
            hint = "choose a smaller data.cut"
            raise InvalidData(f"data.cut={cut} leaves nothing of the {shape[-1]} columns of {spec.name}", hint=hint)
        shape = (*shape[:-1], width)
    return FrameSpec(np.dtype(spec.dtype), shape)


def move(name: str, values: NDArray[Any], cut: int) -> None:
    """Move the labels (M, ...) of a field, in place, into the window that is left."""
    if name in _U:
        index: Any = (..., *_U[name])
        values[index] -= cut
