"""Residual blocks of the backbones, in 2D, pseudo-3D and 3D, on frames of clips that lie folded into one axis.

All blocks take and give (B T, C, H, W). Stored channels last, the same numbers are a volume (B, C, T, H, W) or an image
(B, C, T, H W) without a copy, so looking along time moves nothing in memory.
Shape letters: B clips, T frames, C channels, H, W rows and columns of a feature map.
"""

from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

Form = Literal["2d", "p3d", "3d"]
NetworkT = TypeVar("NetworkT", bound=nn.Module)


def split_frames(values: Tensor, frames: int) -> Tensor:
    """(B T, ...) to (B, T, ...)."""
    return values.reshape(-1, frames, *values.shape[1:])


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """What is added to the result of a block: its input, through a 1x1 convolution where the shapes differ."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (the basic block of He et al., CVPR 2016); no frame sees another."""

    reach = 0
    """Frames to each side that a frame's result depends on."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv3x3(inputs, outputs, stride)
        self.second = conv3x3(outputs, outputs)
        self.shortcut = shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """Apply the block to (B T, C, H, W), clips of ``frames`` frames."""
        inner = self.second(self.between(functional.relu(self.first(x), inplace=True), frames))
        return functional.relu(inner + self.shortcut(x), inplace=True)

    def between(self, x: Tensor, frames: int) -> Tensor:
        """What happens between the two convolutions: nothing here."""
        return x


class PseudoVolumeBlock(ResidualBlock):
    """A residual block with a look at both neighbours in time between its convolutions.

    The P3D block of DeepGaitV2 (Fan et al., *Exploring Deep Models for Practical Gait Recognition*, arXiv 2303.03301):
    with x after the first convolution, ReLU(x + BN(convolution of 3 x 1 x 1)) goes into the second one. Outside the
    clip frames are zeros.
    """

    reach = 1

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, stride)
        along_time = nn.Conv2d(outputs, outputs, (3, 1), padding=(1, 0), bias=False)
        self.along_time = nn.Sequential(along_time, nn.BatchNorm2d(outputs))

    def between(self, x: Tensor, frames: int) -> Tensor:
        """ReLU(x + BN(convolution along time))."""
        # Rows become time and columns become cells, so that a 2D convolution looks along time.
        clips = split_frames(x, frames).flatten(3).transpose(1, 2)
        looked = self.along_time(clips).transpose(1, 2).reshape(x.shape)
        return functional.relu(looked + x, inplace=True)


class VolumeConvolution(nn.Module):
    """Convolution of 3 x 3 x 3 on folded clips, batch normalisation; strides are of rows and columns only."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3, (1, stride, stride), 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """Apply it."""
        volumes = self.conv(split_frames(x, frames).transpose(1, 2))
        return self.norm(volumes.transpose(1, 2).flatten(0, 1))


class VolumeBlock(nn.Module):
    """Two convolutions of 3 x 3 x 3 and a shortcut: the 3D block of DeepGaitV2."""

    reach = 2

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = VolumeConvolution(inputs, outputs, stride)
        self.second = VolumeConvolution(outputs, outputs, 1)
        self.shortcut = shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """Apply the block to (B T, C, H, W), clips of ``frames`` frames."""
        inner = self.second(functional.relu(self.first(x, frames), inplace=True), frames)
        return functional.relu(inner + self.shortcut(x), inplace=True)


BLOCKS: dict[Form, type[ResidualBlock | VolumeBlock]] = {
    "2d": ResidualBlock,
    "p3d": PseudoVolumeBlock,
    "3d": VolumeBlock,
}


def channels_last(network: NetworkT) -> NetworkT:
    """Store the weights of all convolutions channels last, 2D and 3D alike, in place.

    About twice as fast on a CPU as the default layout, and what GPUs want in half precision; ``Module.to`` refuses a
    network that has both kinds.
    """
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for weight in network.parameters():
        if weight.dim() in formats:
            weight.data = weight.data.contiguous(memory_format=formats[weight.dim()])
    return network
