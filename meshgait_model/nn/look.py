"""What the network sees in each frame of clips, and what is left of it after pooling over time.

Pooling takes largest values and sums, so that a long clip can be seen in parts: the parts' results are joined exactly,
as long as each part was seen with the frames before and after it that it depends on.
Shape letters: B clips, T frames, C channels, H, W rows and columns, M channels of motion,
P points.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Self

import torch
from torch import Tensor

from meshgait_model.nn.heatmap import AnyHeatmaps


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """What is left of the frames of clips after pooling over time; None is what the network does not have."""

    maps: Tensor
    """(B, C, H, W) largest value of the (fused) features."""
    maps_3d: Tensor | None = None
    """(B, C', H, W) largest value of the 3D features."""
    motion: Tensor | None = None
    """(B, M) largest value of the motion features."""
    motion_sum: Tensor | None = None
    """(B, M) their sum."""
    heading_sum: Tensor | None = None
    """(B, 2) sum of where the body faces."""
    places_sum: Tensor | None = None
    """(B, P, 3) sum of the points' places."""
    squares_sum: Tensor | None = None
    """(B, P, 4) sum of u u, d d, u d and v v of the points' places."""
    frames: int = 1
    """How many they are of."""

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Of all frames together, from parts of the same clips."""

        def joined(name: str, join: Callable[[Tensor, Tensor], Tensor]) -> Any:
            return _joined([getattr(part, name) for part in parts], join)

        return cls(
            maps=joined("maps", torch.maximum),
            maps_3d=joined("maps_3d", torch.maximum),
            motion=joined("motion", torch.maximum),
            motion_sum=joined("motion_sum", torch.add),
            heading_sum=joined("heading_sum", torch.add),
            places_sum=joined("places_sum", torch.add),
            squares_sum=joined("squares_sum", torch.add),
            frames=sum(part.frames for part in parts),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the network sees in each frame of clips; None is what it does not have or was not asked for."""

    maps: Tensor
    """(B, T, C, H, W) features, fused."""
    maps_3d: Tensor | None = None
    """(B, T, C', H, W) 3D features, where parts of the description come from them."""
    motion: Tensor | None = None
    """(B, T, M)."""
    heading: Tensor | None = None
    """(B, T, 2) where the body faces."""
    places: Tensor | None = None
    """(B, T, P, 3) the points relative to the root, in units of the window."""
    heatmaps: AnyHeatmaps | None = None
    """Of the T frames, or of those that were asked for."""

    def __getitem__(self, frames: slice) -> Self:
        """Some of the frames."""
        tensors = {name: getattr(self, name) for name in ("maps", "maps_3d", "motion", "heading", "places")}
        cut = {name: value[:, frames] for name, value in tensors.items() if value is not None}
        return replace(self, **cut, heatmaps=None if self.heatmaps is None else self.heatmaps.frames(frames))

    def pooled(self) -> Pooled:
        """The frames pooled over time; parts of a long clip are pooled one after the other and joined."""
        return Pooled(
            maps=self.maps.amax(1),
            maps_3d=None if self.maps_3d is None else self.maps_3d.amax(1),
            motion=None if self.motion is None else self.motion.amax(1),
            motion_sum=None if self.motion is None else self.motion.float().sum(1),
            heading_sum=None if self.heading is None else self.heading.float().sum(1),
            places_sum=None if self.places is None else self.places.sum(1),
            squares_sum=None if self.places is None else _squares(self.places).sum(1),
            frames=self.maps.shape[1],
        )


def _joined(values: Sequence[Tensor | None], join: Callable[[Tensor, Tensor], Tensor]) -> Tensor | None:
    tensors = [value for value in values if value is not None]
    return reduce(join, tensors) if tensors else None


def _squares(places: Tensor) -> Tensor:
    u, v, d = places.unbind(-1)
    return torch.stack([u * u, d * d, u * d, v * v], -1)
