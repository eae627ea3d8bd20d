"""The 2D branch's backbone: a residual network that sees clips, each frame alone or with its neighbours in time.

Shape letters: B clips, T frames, C channels, H, W rows and columns of a feature map.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshgait_model.config.network import BackboneConfig
from meshgait_model.nn.blocks import BLOCKS, ResidualBlock, conv3x3


class Backbone(nn.Module):
    """Stem and stages of residual blocks.

    With channels 64-128-256-512 and strides 1-2-2-1 it is, in form ``2d`` with one block a stage, the ResNet9 of
    GaitBase (Fan et al., *OpenGait*, CVPR 2023), and with blocks 1-1-1-1 or 1-4-4-1 the DeepGaitV2 (Fan et al., arXiv
    2303.03301) of that form, whose first stage sees single frames in each of them.
    """

    reach: int
    """Frames to each side that a frame's features depend on: 0 in form ``2d``."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.stem = conv3x3(1, config.stem_channels, config.stem_stride)
        self.stages = nn.ModuleList()
        self.reach = 0
        inputs = config.stem_channels
        for number, (channels, blocks, stride) in enumerate(
            zip(config.channels, config.blocks, config.strides, strict=True)
        ):
            block = BLOCKS[config.form] if number else ResidualBlock
            first = block(inputs, channels, stride)
            self.stages.append(nn.ModuleList([first, *(block(channels, channels) for _ in range(blocks - 1))]))
            self.reach += block.reach * blocks
            inputs = channels
        _initialise(self)

    def forward(self, clips: Tensor) -> list[Tensor]:
        """Feature maps (B T, C, H', W') after each stage of silhouettes (B, T, H, W) in [0, 1]."""
        frames = clips.shape[1]
        images = clips.flatten(0, 1)[:, None].contiguous(memory_format=torch.channels_last)
        x = functional.relu(self.stem(images), inplace=True)
        maps = []
        for stage in self.stages:
            assert isinstance(stage, nn.ModuleList)
            for block in stage:
                x = block(x, frames)
            maps.append(x)
        return maps


def _initialise(network: nn.Module) -> None:
    """Weights as OpenGait draws them: Glorot's uniform for convolutions, scales of normalisations about 1 +- 0.02."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.xavier_uniform_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
