"""From feature maps to embeddings: temporal pooling, horizontal pooling, separate layers, BNNeck.

The head of GaitBase (Fan et al., *OpenGait*, CVPR 2023). Shape letters: B clips, T frames, C channels, H, W rows and
columns, S strips, E embedding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshgait_model.nn.blocks import split_frames


def temporal_max(features: Tensor, frames: int) -> Tensor:
    """Largest value over time of (B T, C, H, W): (B, C, H, W)."""
    return split_frames(features, frames).max(1).values


def horizontal_pool(features: Tensor, bins: int | Sequence[int]) -> Tensor:
    """Mean plus maximum of each of S horizontal strips (Fu et al., AAAI 2019): (B, C, H, W) to (B, S, C).

    Parameters
    ----------
    bins
        Strips that the rows are cut into; several numbers are a pyramid, whose strips follow one another.
    """
    pooled = []
    for count in (bins,) if isinstance(bins, int) else bins:
        strips = features.reshape(*features.shape[:2], count, -1)
        pooled.append(strips.mean(-1) + strips.amax(-1))
    return torch.cat(pooled, -1).transpose(1, 2)


class SeparateLinear(nn.Module):
    """A linear layer for each strip: (B, S, C) to (B, S, E). In full precision also where the rest is not."""

    def __init__(self, bins: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(bins, inputs, outputs))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        with torch.autocast(x.device.type, enabled=False):
            return torch.einsum("bsc,sce->bse", x.to(self.weight.dtype), self.weight)


class SeparateNeck(nn.Module):
    """BNNeck for each strip (Luo et al., CVPRW 2019): embeddings (B, S, E) to cosines (B, S, classes).

    One batch normalisation over the S E numbers, then the cosine between the result and the direction of each class;
    in full precision.
    """

    def __init__(self, bins: int, inputs: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(bins * inputs)
        self.weight = nn.Parameter(torch.zeros(bins, inputs, classes))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        with torch.autocast(x.device.type, enabled=False):
            normed = functional.normalize(self.norm(x.to(self.weight.dtype).flatten(1)).reshape(x.shape), dim=-1)
            return torch.einsum("bse,sec->bsc", normed, functional.normalize(self.weight, dim=1))
