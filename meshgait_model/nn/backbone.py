"""The 2D backbone: a small residual network that sees one frame at a time.

Shape letters: N frames, C channels, H, W rows and columns of a feature map.
"""

from torch import Tensor, nn
from torch.nn import functional

from meshgait_model.config.network import BackboneConfig


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut (He et al., CVPR 2016); (N, C, H, W) to (N, C', H', W')."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv3x3(inputs, outputs, stride)
        self.second = conv3x3(outputs, outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        inner = self.second(functional.relu(self.first(x), inplace=True))
        return functional.relu(inner + self.shortcut(x), inplace=True)


class Backbone(nn.Module):
    """Stem and stages of residual blocks.

    With channels 64-128-256-512, one block a stage and strides 1-2-2-1 it is the ResNet9 of GaitBase (Fan et al.,
    *OpenGait*, CVPR 2023).
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.stem = conv3x3(1, config.stem_channels, config.stem_stride)
        stages = []
        inputs = config.stem_channels
        for channels, blocks, stride in zip(config.channels, config.blocks, config.strides, strict=True):
            first = ResidualBlock(inputs, channels, stride)
            stages.append(nn.Sequential(first, *(ResidualBlock(channels, channels) for _ in range(blocks - 1))))
            inputs = channels
        self.stages = nn.ModuleList(stages)

    def forward(self, silhouettes: Tensor) -> list[Tensor]:
        """Feature maps after each stage of (N, 1, H, W) silhouettes in [0, 1]."""
        features = [functional.relu(self.stem(silhouettes), inplace=True)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features[1:]
