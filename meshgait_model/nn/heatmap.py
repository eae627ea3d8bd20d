"""The heatmap branch: 3D heatmaps of joints and markers from 2D features, and their coordinates by soft-argmax.

Shape letters: N frames, P points, D, H, W voxels in depth, rows, columns.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshgait_model.config import HeatmapConfig
from meshgait_model.nn.backbone import conv3x3
from meshgait_model.nn.head import split_frames


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Where points are, read off their heatmaps."""

    uvd: Tensor
    """(N, P, 3) mean position in pixels of the network's input window; depth from the pelvis, in the same pixels."""
    confidence: Tensor
    """(N, P) largest probability of a voxel, 0..1."""


def voxel_centres(sizes: tuple[int, int, int], window: tuple[int, int], depth_px: float, margin_px: float) -> Tensor:
    """Positions (D H W, 3) of voxel centres as (u, v, d).

    Parameters
    ----------
    sizes
        D, H, W.
    window
        Rows and columns of the network's input in pixels.
    depth_px
        Span of the depth axis.
    margin_px
        How far outside the window the outermost centres lie.
    """
    depth, height, width = sizes
    rows, columns = window
    d = torch.linspace(-depth_px / 2, depth_px / 2, depth)
    v = torch.linspace(-margin_px, rows - 1 + margin_px, height)
    u = torch.linspace(-margin_px, columns - 1 + margin_px, width)
    grid = torch.meshgrid(d, v, u, indexing="ij")
    return torch.stack([grid[2], grid[1], grid[0]], -1).reshape(-1, 3)


def soft_argmax(heatmaps: Tensor, centres: Tensor) -> Points:
    """Mean position under each heatmap (Sun et al., *Integral Human Pose Regression*, ECCV 2018).

    Parameters
    ----------
    heatmaps
        (N, P, D, H, W) probabilities that sum to one for each point.
    centres
        (D H W, 3) from :func:`voxel_centres`.
    """
    flat = heatmaps.flatten(2)
    return Points(flat @ centres.to(flat.dtype), flat.detach().amax(-1))


class HeatmapBranch(nn.Module):
    """2D features to 3D heatmaps: each column of voxels is a set of channels of one feature cell."""

    def __init__(self, inputs: int, points: int, config: HeatmapConfig) -> None:
        super().__init__()
        self.points, self.depth, self.temporal = points, config.depth_bins, config.temporal
        self.hidden = conv3x3(inputs, config.hidden)
        self.mix: nn.Module = nn.Identity()
        if config.temporal > 1:
            kernel, pad = (config.temporal, 1), (config.temporal // 2, 0)
            self.mix = nn.Conv2d(config.hidden, config.hidden, kernel, padding=pad, bias=False)
        self.logits = nn.Conv2d(config.hidden, points * config.depth_bins, 1)

    def forward(self, features: Tensor, frames: int) -> Tensor:
        """Heatmaps (N, P, D, H, W) of features (N, C, H, W) of whole clips of ``frames`` frames."""
        x = functional.relu(self.hidden(features))
        if self.temporal > 1:
            # Rows become time and columns become cells, so that a 2D convolution looks along time.
            clips = split_frames(x, frames).flatten(3).transpose(1, 2)
            x = x + self.mix(clips).transpose(1, 2).reshape(x.shape)
        logits = self.logits(x)
        count, _, height, width = logits.shape
        # Probabilities need float32: a bfloat16 sum over thousands of voxels is not one.
        flat = logits.float().reshape(count, self.points, -1)
        return flat.softmax(-1).reshape(count, self.points, self.depth, height, width)


class HeatmapFeatures(nn.Module):
    """The 3D feature branch: reads features (N, C, H', W') off heatmaps (N, P, D, H, W).

    A learned projection sums over points and depth, then a convolution looks at neighbours.
    """

    def __init__(self, points: int, stride: int, config: HeatmapConfig) -> None:
        super().__init__()
        self.project = nn.Conv2d(points * config.depth_bins, config.channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(config.channels)
        self.look = conv3x3(config.channels, config.channels, stride)

    def forward(self, heatmaps: Tensor) -> Tensor:
        """Features; probabilities are scaled so that a uniform heatmap is one everywhere."""
        voxels = heatmaps[0, 0].numel()
        x = functional.relu(self.norm(self.project(heatmaps.flatten(1, 2) * voxels)))
        return functional.relu(self.look(x))
