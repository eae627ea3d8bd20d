"""From feature maps to embeddings: temporal pooling, horizontal pooling, separate layers, BNNeck.

The head of GaitBase (Fan et al., *OpenGait*, CVPR 2023). Shape letters: B clips, T frames, C channels, H, W rows and
columns, S strips, E embedding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def split_frames(values: Tensor, frames: int) -> Tensor:
    """(B T, ...) to (B, T, ...)."""
    return values.reshape(-1, frames, *values.shape[1:])


def temporal_max(features: Tensor, frames: int) -> Tensor:
    """Largest value over time of (B T, C, H, W): (B, C, H, W)."""
    return split_frames(features, frames).max(1).values


def horizontal_pool(features: Tensor, bins: int) -> Tensor:
    """Mean plus maximum of each of S horizontal strips (Fu et al., AAAI 2019): (B, C, H, W) to (B, S, C)."""
    strips = features.reshape(*features.shape[:2], bins, -1)
    return (strips.mean(-1) + strips.max(-1).values).transpose(1, 2)


class SeparateLinear(nn.Module):
    """A linear layer for each strip: (B, S, C) to (B, S, E)."""

    def __init__(self, bins: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(bins, inputs, outputs))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        return torch.einsum("bsc,sce->bse", x, self.weight)


class SeparateNeck(nn.Module):
    """BNNeck for each strip (Luo et al., CVPRW 2019): embeddings (B, S, E) to cosines (B, S, classes)."""

    def __init__(self, bins: int, inputs: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(bins * inputs)
        self.weight = nn.Parameter(torch.zeros(bins, inputs, classes))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        normed = functional.normalize(self.norm(x.flatten(1)).reshape(x.shape), dim=-1)
        return torch.einsum("bse,sec->bsc", normed, functional.normalize(self.weight, dim=1))
