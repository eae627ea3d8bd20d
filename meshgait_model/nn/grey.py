"""Recognition on silhouettes as they lie in shards: grey, with the columns that the network does not look at.

Shape letters: B clips, T frames, A rows and columns of an aligned silhouette, S parts, E embedding.
"""

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from meshgait_model.nn.heatmap import Context
from meshgait_model.nn.look import Pooled
from meshgait_model.nn.recognition import Recognition


class GreyRecognition(nn.Module):
    """What is exported: cutting, scaling, recognition.

    Parameters
    ----------
    network
        Recognition; its window says how many columns are cut off.
    cut
        Columns left out on each side.
    """

    def __init__(self, network: Recognition, cut: int) -> None:
        super().__init__()
        self.network, self.cut = network, cut

    def forward(self, silhouettes: Tensor) -> Tensor:
        """Descriptions (B, S, E) of whole clips (B, T, A, A) of grey values 0..255."""
        described: Tensor = self.network(self.seen(silhouettes))
        return described

    def seen(self, silhouettes: Tensor) -> Tensor:
        """What the network sees of them: (B, T, H, W) in [0, 1]."""
        columns = slice(self.cut, silhouettes.shape[-1] - self.cut)
        return silhouettes[..., columns].to(torch.float32) / 255

    def in_parts(self, silhouettes: Tensor, frames: int) -> Tensor:
        """The same as a call, with ``frames`` frames at a time, so that memory does not grow with length.

        Each part is seen with as many frames before and after it as a frame's features depend on, and with what all
        frames say together where the network wants to know that.
        """
        reach, count = self.network.reach, silhouettes.shape[1]
        parts = [_Part.of(start, min(start + frames, count), reach) for start in range(0, count, frames)]
        context = None
        if len(parts) > 1:
            found = [self.network.context(self.seen(silhouettes[:, one.frames]), one.own) for one in parts]
            known = [one for one in found if one is not None]
            context = Context.join(known) if known else None
        pooled = []
        for one in parts:
            look = self.network.look(self.seen(silhouettes[:, one.frames]), context=context)
            pooled.append(look[one.own].pooled())
        return self.network.describe(Pooled.join(pooled))


class _Part(NamedTuple):
    """Frames of a walk that go through the network together."""

    frames: slice
    own: slice
    """Which of them count."""

    @classmethod
    def of(cls, start: int, stop: int, reach: int) -> Self:
        """Frames ``start`` to ``stop`` and those about them."""
        first = max(start - reach, 0)
        return cls(slice(first, stop + reach), slice(start - first, stop - first))
