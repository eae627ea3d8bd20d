"""The heatmap branch: 3D heatmaps of joints and markers from 2D features, and 3D features from heatmaps.

What heatmaps mean, and how coordinates are read off them, is defined in :mod:`meshgait_data.render.labels`.
Shape letters: B clips, T frames, N = B T, P points, C channels, D, H, W voxels in depth, rows, columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshgait_data.render.labels import HeatmapGrid, grid_axes, soft_argmax
from meshgait_model.config.network import HeatmapConfig
from meshgait_model.nn.blocks import conv3x3, split_frames

_ALL = slice(None)


@dataclass(frozen=True, slots=True, eq=False)
class Heatmaps:
    """Where the points of each frame may be: probabilities of the voxels of a grid."""

    volume: Tensor
    """(B, T, P, D, H, W) float32, one in sum for each point."""

    def frames(self, chosen: Tensor | slice) -> Self:
        """Those of some frames of each clip: a slice, or (B, L) numbers of frames."""
        return type(self)(take_frames(self.volume, chosen))

    def coordinates(self, grid: HeatmapGrid) -> Tensor:
        """Mean position (B, T, P, 3) of each point: u, v, d in window pixels."""
        return soft_argmax(self.volume, grid)

    def at(self, uvd: Tensor, grid: HeatmapGrid) -> Tensor:
        """Probability (B, T, P) of the voxels about places (B, T, P, 3), linear between their centres."""
        return read_linear(self.volume, voxels(uvd, grid).flip(-1))

    def scaled_gradient(self, share: float) -> Self:
        """The same heatmaps, through which a share of the gradient passes."""
        return type(self)(pass_gradient(self.volume, share))


@dataclass(frozen=True, slots=True, eq=False)
class FactoredHeatmaps:
    """Heatmaps as products of an image and a distribution of depth for each point: P (H W + D) instead of P H W D."""

    image: Tensor
    """(B, T, P, H, W) float32, one in sum for each point."""
    depth: Tensor
    """(B, T, P, D) float32, one in sum for each point."""

    @property
    def volume(self) -> Tensor:
        """(B, T, P, D, H, W) the product."""
        return self.depth[..., None, None] * self.image[..., None, :, :]

    def frames(self, chosen: Tensor | slice) -> Self:
        """See :meth:`Heatmaps.frames`."""
        return type(self)(take_frames(self.image, chosen), take_frames(self.depth, chosen))

    def coordinates(self, grid: HeatmapGrid) -> Tensor:
        """See :meth:`Heatmaps.coordinates`."""
        u, v, d = grid_axes(grid, self.image)
        columns, rows = (self.image.sum(-2) * u).sum(-1), (self.image.sum(-1) * v).sum(-1)
        return torch.stack([columns, rows, (self.depth * d).sum(-1)], -1)

    def at(self, uvd: Tensor, grid: HeatmapGrid) -> Tensor:
        """See :meth:`Heatmaps.at`."""
        where = voxels(uvd, grid).flip(-1)
        return read_linear(self.image, where[..., 1:]) * read_linear(self.depth, where[..., :1])

    def scaled_gradient(self, share: float) -> Self:
        """See :meth:`Heatmaps.scaled_gradient`."""
        return type(self)(pass_gradient(self.image, share), pass_gradient(self.depth, share))


AnyHeatmaps = Heatmaps | FactoredHeatmaps


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What the heatmaps of each frame of clips know of all their frames."""

    total: Tensor
    """(B, C, H, W) sum of hidden features over frames."""
    frames: int
    """How many they are."""

    @property
    def mean(self) -> Tensor:
        """(B, C, H, W)."""
        return self.total / self.frames

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Of all frames together, from parts of the same clips."""
        return cls(torch.stack([part.total for part in parts]).sum(0), sum(part.frames for part in parts))


class HeatmapBranch(nn.Module):
    """2D features to 3D heatmaps.

    Form ``volume``: each column of voxels is a set of channels of one feature cell, and a softmax over all voxels of a
    point makes probabilities of them, as in VirtualMarker (CVPR 2023). Form ``factored`` is ours: a softmax over cells
    says where in the image a point is; the features there, weighted by it, say by a layer of the point how deep.

    With ``context`` each frame sees the mean features of its clip too: from where the body is seen is the same for all
    frames, and makes too small a difference to read it off one of them.
    """

    def __init__(self, inputs: int, points: int, config: HeatmapConfig) -> None:
        super().__init__()
        self.points, self.depth, self.factored = points, config.depth_bins, config.form == "factored"
        self.reach = config.temporal // 2
        """Frames to each side that a heatmap depends on, beside those of the features."""
        self.hidden = conv3x3(inputs, config.hidden)
        self.share: nn.Module | None = nn.Conv2d(config.hidden, config.hidden, 1) if config.context else None
        self.mix: nn.Module = nn.Identity()
        if self.reach:
            # Each channel looks along time by itself; the layers before and after it mix channels.
            kernel, pad = (config.temporal, 1), (self.reach, 0)
            self.mix = nn.Conv2d(config.hidden, config.hidden, kernel, padding=pad, groups=config.hidden, bias=False)
        self.logits = nn.Conv2d(config.hidden, points * (1 if self.factored else config.depth_bins), 1)
        if self.factored:
            self.deep = nn.Parameter(torch.randn(points, config.hidden, config.depth_bins) * config.hidden**-0.5)
            self.deep_bias = nn.Parameter(torch.zeros(points, 1, config.depth_bins))

    def context_of(self, features: Tensor, frames: int, keep: slice = _ALL) -> Context:
        """What the frames ``keep`` of clips say together, of features (N, C, H, W)."""
        hidden = split_frames(functional.relu(self.hidden(features)), frames)[:, keep]
        return Context(hidden.float().sum(1), hidden.shape[1])

    def forward(
        self, features: Tensor, frames: int, chosen: Tensor | None = None, context: Context | None = None
    ) -> AnyHeatmaps:
        """Heatmaps of clips.

        Parameters
        ----------
        features, frames
            (N, C, H, W) of clips of so many frames.
        chosen
            (B, L) frames that heatmaps are wanted of; None is all of them.
        context
            What all frames say together, where these clips are parts of longer ones; None makes it of these.
        """
        x = functional.relu(self.hidden(features))
        if self.share is not None:
            known = split_frames(x, frames).mean(1) if context is None else context.mean.to(x.dtype)
            # Copied for each frame, channels last like x: a sum over two ways to count frames cannot be traced.
            shared = self.share(known).permute(0, 2, 3, 1)[:, None].expand(-1, frames, -1, -1, -1)
            x = functional.relu(x + shared.flatten(0, 1).permute(0, 3, 1, 2))
        if self.reach:
            # Rows become time and columns become cells, so that a 2D convolution looks along time.
            clips = split_frames(x, frames).flatten(3).transpose(1, 2)
            x = x + self.mix(clips).transpose(1, 2).reshape(x.shape)
        if chosen is not None:
            x, frames = take_frames(split_frames(x, frames), chosen).flatten(0, 1), chosen.shape[1]
        logits = self.logits(x)
        height, width = logits.shape[2:]
        # Probabilities need float32: a bfloat16 sum over thousands of voxels is not one.
        flat = logits.float().reshape(logits.shape[0], self.points, -1).softmax(-1)
        if not self.factored:
            volume = flat.reshape(flat.shape[0], self.points, self.depth, height, width)
            return Heatmaps(split_frames(volume, frames))
        image = split_frames(flat.reshape(flat.shape[0], self.points, height, width), frames)
        return FactoredHeatmaps(image, split_frames(self._depth(x, flat), frames))

    def _depth(self, x: Tensor, image: Tensor) -> Tensor:
        """Distributions of depth (N, P, D) of features (N, C, H, W) at the places that images (N, P, H W) say."""
        # Layouts without copies, and a softmax along an axis that is not the last: several times as fast on a CPU.
        there = image.to(x.dtype) @ x.flatten(2).transpose(1, 2)
        logits = torch.baddbmm(self.deep_bias.mT.to(there.dtype), self.deep.mT.to(there.dtype), there.permute(1, 2, 0))
        return logits.float().softmax(1).permute(2, 0, 1)


class HeatmapFeatures(nn.Module):
    """The 3D feature branch: reads features (N, C, H', W') off heatmaps.

    A learned projection sums over points and depth, then a convolution looks at neighbours.
    """

    def __init__(self, points: int, stride: int, config: HeatmapConfig) -> None:
        super().__init__()
        self.project = nn.Conv2d(points * config.depth_bins, config.channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(config.channels)
        self.look = conv3x3(config.channels, config.channels, stride)

    def forward(self, heatmaps: AnyHeatmaps) -> Tensor:
        """Features; probabilities are scaled so that a uniform heatmap is one everywhere."""
        return functional.relu(self.look(functional.relu(self.norm(self._projected(heatmaps)))))

    def _projected(self, heatmaps: AnyHeatmaps) -> Tensor:
        if isinstance(heatmaps, Heatmaps):
            # (P D) channels; the scale keeps them in the range of half precision.
            size = heatmaps.volume.shape[-3:].numel()
            return self.project(heatmaps.volume.flatten(0, 1).flatten(1, 2) * size)
        image, depth = heatmaps.image.flatten(0, 1), heatmaps.depth.flatten(0, 1)
        # The same sum, depth first: what each point adds to each channel, then where it does.
        weight = self.project.weight.reshape(-1, image.shape[1], depth.shape[-1])
        adds = torch.einsum("npd,cpd->ncp", depth * depth.shape[-1], weight)
        cells = image.flatten(2) * image.shape[-2:].numel()
        summed = (adds @ cells).reshape(*adds.shape[:2], *image.shape[-2:])
        return summed.contiguous(memory_format=torch.channels_last)


class _GradientShare(torch.autograd.Function):
    """Identity whose gradient is multiplied by a number."""

    @staticmethod
    def forward(context: Any, x: Tensor, share: float) -> Tensor:
        context.share = share
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * context.share, None


def pass_gradient(x: Tensor, share: float) -> Tensor:
    """The same values, through which a share of the gradient passes: 1 all of it, 0 nothing."""
    if share == 1 or not torch.is_grad_enabled():
        return x
    if not share:
        return x.detach()
    shared: Tensor = _GradientShare.apply(x, share)  # type: ignore[no-untyped-call]  # torch's own
    return shared


def take_frames(values: Tensor, chosen: Tensor | slice) -> Tensor:
    """Some frames of values (B, T, ...): a slice of time, or those with numbers (B, L)."""
    if isinstance(chosen, slice):
        return values[:, chosen]
    return values[torch.arange(len(chosen), device=chosen.device)[:, None], chosen]


def voxels(uvd: Tensor, grid: HeatmapGrid) -> Tensor:
    """Places (..., 3) in window pixels as places among the voxels: 0 is the centre of the first one."""
    return (uvd - uvd.new_tensor(grid.low)) / uvd.new_tensor(grid.steps)


def read_linear(values: Tensor, where: Tensor) -> Tensor:
    """Values (..., S1, S2, ...) at places (..., n) along their n last axes, linear between neighbours.

    Places outside are read at the border. The gradient goes to the values, not to the places.
    """
    sizes = values.shape[-where.shape[-1] :]
    last = torch.tensor(sizes, device=where.device) - 1
    place = where.detach().float().nan_to_num().clamp_min(0).minimum(last)
    low = place.floor().minimum(last - 1)
    share, low = place - low, low.long()
    flat = values.flatten(-len(sizes))
    result = torch.zeros_like(flat[..., 0])
    for corner in product((0, 1), repeat=len(sizes)):
        step = torch.tensor(corner, device=where.device)
        weight = torch.where(step > 0, share, 1 - share).prod(-1)
        index = torch.zeros_like(low[..., 0])
        for axis, size in enumerate(sizes):
            index = index * size + low[..., axis] + corner[axis]
        result = result + weight * flat.gather(-1, index[..., None])[..., 0]
    return result
