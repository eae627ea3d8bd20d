"""Plain transcriptions of the published backbones, heads and losses: the measure that the package's own is held to.

Written down from the definitions (GaitBase: *OpenGait*, CVPR 2023; DeepGaitV2: arXiv 2303.03301) the straightforward
way: clips as volumes (B, C, T, H, W) in the default layout, one module after the other, all triplets at once.
Modules are made in the order of those of :mod:`meshgait_model`, so that weights can be handed over by their order.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshgait_model.config.network import BackboneConfig


class EachFrame(nn.Module):
    """A 2D module on each frame of a volume (B, C, T, H, W)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Fold frames into the batch, apply, unfold."""
        batch, channels, frames, height, width = x.shape
        images = x.transpose(1, 2).reshape(batch * frames, channels, height, width)
        y = self.module(images)
        return y.reshape(batch, frames, *y.shape[1:]).transpose(1, 2).contiguous()


def conv2d(inputs: int, outputs: int, kernel: int, stride: int = 1) -> EachFrame:
    """Convolution and normalisation of each frame."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return EachFrame(nn.Sequential(convolution, nn.BatchNorm2d(outputs)))


def conv3d(inputs: int, outputs: int, kernel: tuple[int, int, int], stride: int = 1) -> nn.Sequential:
    """Convolution and normalisation of a volume."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    convolution = nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm3d(outputs))


class PlainBlock(nn.Module):
    """The residual block of a form."""

    def __init__(self, form: str, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        if form == "3d":
            self.first: nn.Module = conv3d(inputs, outputs, (3, 3, 3), stride)
            self.second: nn.Module = conv3d(outputs, outputs, (3, 3, 3))
        else:
            self.first = conv2d(inputs, outputs, 3, stride)
            self.second = conv2d(outputs, outputs, 3)
        self.shortcut: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.shortcut = conv3d(inputs, outputs, (1, 1, 1), stride)
        self.time: nn.Module | None = conv3d(outputs, outputs, (3, 1, 1)) if form == "p3d" else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        y = functional.relu(self.first(x))
        if self.time is not None:
            y = functional.relu(y + self.time(y))
        y = self.second(y)
        return functional.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class PlainNetwork(nn.Module):
    """Backbone, maximum over time, pooling of strips, separate layers, BNNeck."""

    def __init__(self, config: BackboneConfig, *, bins: int, embedding: int, classes: int) -> None:
        super().__init__()
        self.stem = conv2d(1, config.stem_channels, 3, config.stem_stride)
        blocks = []
        inputs = config.stem_channels
        for stage, channels in enumerate(config.channels):
            for number in range(config.blocks[stage]):
                stride = config.strides[stage] if number == 0 else 1
                blocks.append(PlainBlock(config.form if stage else "2d", inputs, channels, stride))
                inputs = channels
        self.blocks = nn.Sequential(*blocks)
        self.bins = bins
        self.separate = nn.Parameter(nn.init.xavier_uniform_(torch.zeros(bins, inputs, embedding)))
        self.norm = nn.BatchNorm1d(bins * embedding)
        self.classes = nn.Parameter(nn.init.xavier_uniform_(torch.zeros(bins, embedding, classes)))

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (S, B, E) and cosines (S, B, classes) of silhouettes (B, T, H, W)."""
        volume = self.blocks(functional.relu(self.stem(clips[:, None])))
        image = volume.max(2).values
        batch, channels = image.shape[:2]
        strips = image.reshape(batch, channels, self.bins, -1)
        pooled = strips.mean(-1) + strips.max(-1).values
        embedded = pooled.permute(2, 0, 1).contiguous().matmul(self.separate)
        flat = embedded.transpose(0, 1).reshape(batch, -1)
        normed = self.norm(flat).reshape(batch, self.bins, -1).transpose(0, 1)
        directions = functional.normalize(self.classes, dim=1)
        return embedded, functional.normalize(normed, dim=-1).matmul(directions)


def triplet(embedded: Tensor, identities: Tensor, margin: float) -> Tensor:
    """Batch-all triplet loss of embeddings (S, B, E): each pair of the same against each pair of different people."""
    squares = embedded.square().sum(-1)
    distances = squares[:, :, None] + squares[:, None] - 2 * embedded.matmul(embedded.transpose(1, 2))
    distances = distances.relu().add(1e-12).sqrt()
    parts, count = distances.shape[:2]
    same = identities[:, None] == identities[None]
    near = distances[:, same & ~torch.eye(count, dtype=torch.bool)].reshape(parts, count, -1, 1)
    far = distances[:, ~same].reshape(parts, count, 1, -1)
    hinge = (near - far + margin).relu().flatten(1)
    return (hinge.sum(1) / (hinge > 0).sum(1).clamp_min(1)).mean()


def cross_entropy(cosines: Tensor, identities: Tensor, scale: float, smoothing: float) -> Tensor:
    """Smoothed cross entropy of cosines (S, B, classes), each strip by itself."""
    logits = cosines.float().permute(1, 2, 0) * scale
    labels = identities[:, None].repeat(1, logits.shape[2])
    return functional.cross_entropy(logits, labels, label_smoothing=smoothing)
