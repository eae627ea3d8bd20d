"""The heatmap branch: 3D heatmaps of joints and markers from 2D features, and 3D features from heatmaps.

What heatmaps mean, and how coordinates are read off them, is defined in :mod:`meshgait_data.render.labels`.
Shape letters: N frames, P points, D, H, W voxels in depth, rows, columns.
"""

from torch import Tensor, nn
from torch.nn import functional

from meshgait_model.config.network import HeatmapConfig
from meshgait_model.nn.backbone import conv3x3
from meshgait_model.nn.head import split_frames


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
