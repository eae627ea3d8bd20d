"""How what is seen in 3D reaches the description of a walk, see ``network.fusion``.

All forms are ours: the paper (arXiv 2510.10406) says that features of a 2D and a 3D branch are fused, not how.

- ``add``: what the heatmaps say is added to the 2D features. It starts at nothing, so that an untrained 3D branch
  cannot hurt.
- ``concat``: the separate layers of the head see 2D and 3D features side by side.
- ``gate``: the heatmaps say where to look: 2D features are multiplied by 0 to 2; it starts at 1.
- ``strips``: additional parts of the description, from strips of the 3D features alone.
- ``motion``: additional parts from the points' places in a frame of the body, see :mod:`meshgait_model.nn.motion`.
- ``view``: strips are scaled and shifted by where the body faces; it starts at nothing.

Shape letters: B clips, T frames, N = B T, C channels, H, W rows and columns, S strips.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshgait_data.render.labels import HeatmapGrid
from meshgait_model.config.network import NetworkConfig
from meshgait_model.nn.blocks import split_frames
from meshgait_model.nn.head import SeparateLinear, horizontal_pool
from meshgait_model.nn.heatmap import AnyHeatmaps, HeatmapFeatures
from meshgait_model.nn.look import Look, Pooled
from meshgait_model.nn.motion import BodyAxes, MotionBranch, facing, from_root


class AddFusion(nn.Module):
    """ReLU(2D + BN(1x1 convolution of 3D))."""

    def __init__(self, channels: int, channels_3d: int) -> None:
        super().__init__()
        self.outputs = channels
        self.convert = nn.Conv2d(channels_3d, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, maps: Tensor, maps_3d: Tensor) -> Tensor:
        """Fuse 2D features (N, C, H, W) with 3D features (N, C', H, W)."""
        return functional.relu(maps + self.norm(self.convert(maps_3d)))


class ConcatFusion(nn.Module):
    """2D and 3D features side by side."""

    def __init__(self, channels: int, channels_3d: int) -> None:
        super().__init__()
        self.outputs = channels + channels_3d

    def forward(self, maps: Tensor, maps_3d: Tensor) -> Tensor:
        """See :meth:`AddFusion.forward`; gives (N, C + C', H, W)."""
        return torch.cat([maps, maps_3d.to(maps.dtype)], 1)


class GateFusion(nn.Module):
    """2D features times 1 + tanh(1x1 convolution of 3D features)."""

    def __init__(self, channels: int, channels_3d: int) -> None:
        super().__init__()
        self.outputs = channels
        self.convert = nn.Conv2d(channels_3d, channels, 1)
        nn.init.zeros_(self.convert.weight)
        nn.init.zeros_(self.convert.bias)  # type: ignore[arg-type]  # there is one

    def forward(self, maps: Tensor, maps_3d: Tensor) -> Tensor:
        """See :meth:`AddFusion.forward`."""
        return maps * (1 + self.convert(maps_3d).tanh())


MAP_FUSIONS: dict[str, type[AddFusion | ConcatFusion | GateFusion]] = {
    "add": AddFusion,
    "concat": ConcatFusion,
    "gate": GateFusion,
}


class ViewFusion(nn.Module):
    """Scale and shift of each strip's channels as smooth functions of where the body faces.

    Parameters
    ----------
    bins, channels
        S and C.
    """

    def __init__(self, bins: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, _HARMONICS, bins, channels))

    def forward(self, strips: Tensor, heading: Tensor) -> Tensor:
        """Strips (B, S, C) of walks with mean facing directions (B, 2) of length up to one; see :func:`_harmonics`."""
        scale, shift = torch.einsum("bh,xhsc->xbsc", _harmonics(heading), self.weight)
        return strips * (1 + scale) + shift


_HARMONICS = 4


def _harmonics(heading: Tensor) -> Tensor:
    """(B, 4): cosine and sine of the angle and of twice the angle, less where the direction changes in the clip."""
    x, y = heading.unbind(-1)
    return torch.stack([x, y, x * x - y * y, 2 * x * y], -1)


class Fusion(nn.Module):
    """All that ``network.fusion`` names.

    Parameters
    ----------
    points
        P of the heatmaps.
    stride
        Rows of the heatmaps for one row of the 2D features.
    joints
        Names of the joint set.
    grid
        Of the heatmaps.

    Raises
    ------
    InvalidData
        Where the joint set cannot say where a body faces.
    """

    def __init__(
        self, config: NetworkConfig, *, points: int, stride: int, joints: Sequence[str], grid: HeatmapGrid
    ) -> None:
        super().__init__()
        chosen, heatmap = config.fusion, config.heatmap
        self.bins, self.grid = config.bins, grid
        self.outputs = config.backbone.channels[-1]
        """Channels of the fused 2D features."""
        self.parts = 0
        """Parts of the description beside those of the 2D strips."""
        self.read: HeatmapFeatures | None = None
        self.maps: AddFusion | ConcatFusion | GateFusion | None = None
        self.strips: SeparateLinear | None = None
        self.axes: BodyAxes | None = None
        self.motion: MotionBranch | None = None
        self.view: ViewFusion | None = None
        of_maps = [MAP_FUSIONS[name] for name in chosen if name in MAP_FUSIONS]
        if of_maps or "strips" in chosen:
            self.read = HeatmapFeatures(points, stride, heatmap)
        if of_maps:
            self.maps = of_maps[0](self.outputs, heatmap.channels)
            self.outputs = self.maps.outputs
        if "strips" in chosen:
            self.strips = SeparateLinear(config.bins, heatmap.channels, config.embedding)
            self.parts += config.bins
        if "motion" in chosen or "view" in chosen:
            self.axes = BodyAxes.of(joints)
        if "motion" in chosen:
            self.motion = MotionBranch(points, config.motion, config.embedding)
            self.parts += config.motion.parts
        if "view" in chosen:
            self.view = ViewFusion(config.bins, self.outputs)

    @property
    def reach(self) -> int:
        """Frames to each side that the result of a frame depends on."""
        return self.motion.reach if self.motion else 0

    def forward(self, maps: Tensor, heatmaps: AnyHeatmaps, frames: int) -> Look:
        """Fuse 2D features (B T, C, H, W) with the heatmaps of all frames."""
        maps_3d = motion = heading = places = None
        if self.read:
            maps_3d = self.read(heatmaps)
            maps = maps if self.maps is None else self.maps(maps, maps_3d)
        if self.axes:
            uvd = heatmaps.coordinates(self.grid)
            heading = facing(uvd, self.axes)
            if self.motion:
                places = from_root(uvd, self.axes) / (self.grid.high[1] - self.grid.low[1])
                motion = self.motion(places, heading, heatmaps.at(uvd, self.grid) if self.motion.confidence else None)
        return Look(
            maps=split_frames(maps, frames),
            maps_3d=split_frames(maps_3d, frames) if self.strips and maps_3d is not None else None,
            motion=motion,
            heading=heading,
            places=places,
        )

    def turned(self, strips: Tensor, pooled: Pooled) -> Tensor:
        """Strips (B, S, C) of the fused features, turned by the view where that is asked for."""
        if self.view is None or pooled.heading_sum is None:
            return strips
        turned: Tensor = self.view(strips, pooled.heading_sum / pooled.frames)
        return turned

    def parts_of(self, pooled: Pooled) -> list[Tensor]:
        """Parts (B, parts, E) of the description that come from 3D alone."""
        parts = []
        if self.strips and pooled.maps_3d is not None:
            parts.append(self.strips(horizontal_pool(pooled.maps_3d, self.bins).float()))
        if self.motion:
            parts.append(self.motion.describe(pooled))
        return parts
