"""What recognition needs of the network, and nothing else: silhouettes in, descriptions out.

Shape letters: B clips, T frames, L frames that are asked for, H, W rows and columns, S parts of the description
(strips, then those of 3D alone), E embedding.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import InvalidData
from meshgait_data.render.labels import heatmap_grid
from meshgait_model.config.network import NetworkConfig
from meshgait_model.nn.backbone import Backbone
from meshgait_model.nn.blocks import split_frames
from meshgait_model.nn.fusion import Fusion
from meshgait_model.nn.head import SeparateLinear, horizontal_pool
from meshgait_model.nn.heatmap import AnyHeatmaps, Context, HeatmapBranch, pass_gradient
from meshgait_model.nn.look import Look, Pooled


class Recognition(nn.Module):
    """Backbone, what is fused with it, and the layers that describe a walk.

    Parameters
    ----------
    config
        Sizes of the parts.
    window
        Rows and columns of the silhouettes.
    markers
        K virtual markers of the heatmaps.
    joints
        Names of the joint set. Joints come first among the points of the heatmaps; markers follow.
    heatmaps
        Whether there are heatmaps although nothing is fused with them: training wants them.

    Raises
    ------
    InvalidData
        Where the feature map has no rows for the strips, or the joint set cannot say where a body faces.
    """

    def __init__(
        self,
        config: NetworkConfig,
        *,
        window: tuple[int, int],
        markers: int,
        joints: Sequence[str] = SMPL_JOINTS,
        heatmaps: bool = False,
    ) -> None:
        super().__init__()
        self.config, self.window, self.joint_names = config, window, tuple(joints)
        self.backbone = Backbone(config.backbone)
        with torch.no_grad():
            maps = [features.shape[1:] for features in self.backbone.eval()(torch.zeros(1, 1, *window))]
        _check_strips(config.bins, maps[-1])
        self.bins, self.stage = config.bins, config.heatmap.stage - 1
        self.markers = markers if config.branch_3d else 0
        self.heatmaps: HeatmapBranch | None = None
        self.fuse: Fusion | None = None
        channels, self.parts = config.backbone.channels[-1], config.bins
        if config.branch_3d and (heatmaps or config.fusion):
            points, heatmap = len(joints) + markers, config.heatmap
            _, height, width = maps[self.stage]
            self.heatmaps = HeatmapBranch(config.backbone.channels[self.stage], points, heatmap)
            self.grid = heatmap_grid((heatmap.depth_bins, height, width), window, heatmap.depth_px, heatmap.margin_px)
            if config.fusion:
                stride = round(height / maps[-1][1])
                self.fuse = Fusion(config, points=points, stride=stride, joints=joints, grid=self.grid)
                channels, self.parts = self.fuse.outputs, config.bins + self.fuse.parts
        self.embed = SeparateLinear(config.bins, channels, config.embedding)
        self.train()

    @property
    def reach(self) -> int:
        """Frames to each side that what is said of a frame depends on."""
        reach = self.backbone.reach + (self.heatmaps.reach if self.heatmaps else 0)
        return reach + (self.fuse.reach if self.fuse else 0)

    def forward(self, silhouettes: Tensor) -> Tensor:
        """Descriptions (B, S, E) of clips (B, T, H, W) in [0, 1]; their distances are Euclidean, part by part."""
        return self.describe(self.look(silhouettes).pooled())

    def context(self, silhouettes: Tensor, keep: slice) -> Context | None:
        """What frames ``keep`` of clips (B, T, H, W) say together: whoever looks at a long clip in parts needs it.

        From parts with ``reach`` frames about them, joined by ``Context.join``, it is that of the whole clip. None is
        for networks that do not look at clips as a whole.
        """
        if self.heatmaps is None or self.heatmaps.share is None:
            return None
        return self.heatmaps.context_of(self.backbone(silhouettes)[self.stage], silhouettes.shape[1], keep)

    def look(
        self,
        silhouettes: Tensor,
        *,
        heatmaps: bool = False,
        labelled: Tensor | None = None,
        context: Context | None = None,
    ) -> Look:
        """What is seen in each frame of clips (B, T, H, W).

        Parameters
        ----------
        heatmaps
            Whether heatmaps are wanted where recognition does not need them.
        labelled
            (B, L) frames that heatmaps are wanted of; None is all of them.
        context
            Of the whole clips, where these are parts of them; see :meth:`context`.
        """
        frames = silhouettes.shape[1]
        maps = self.backbone(silhouettes)
        look = Look(split_frames(maps[-1], frames))
        if self.heatmaps is None or not (heatmaps or self.fuse):
            return look
        features = pass_gradient(maps[self.stage], self.config.labels_into_backbone)
        found: AnyHeatmaps = self.heatmaps(features, frames, None if self.fuse else labelled, context)
        if self.fuse:
            look = self.fuse(maps[-1], found.scaled_gradient(self.config.recognition_into_heatmaps), frames)
            if heatmaps and labelled is not None:
                found = found.frames(labelled)
        return replace(look, heatmaps=found) if heatmaps else look

    def describe(self, pooled: Pooled) -> Tensor:
        """Descriptions (B, S, E) of clips that were pooled over time."""
        strips = horizontal_pool(pooled.maps, self.bins).float()
        if not self.fuse:
            described: Tensor = self.embed(strips)
            return described
        return torch.cat([self.embed(self.fuse.turned(strips, pooled)), *self.fuse.parts_of(pooled)], 1)


def _check_strips(bins: int, size: torch.Size) -> None:
    _, height, width = size
    if height % bins:
        raise InvalidData(
            f"network.bins={bins} strips cannot be cut from a feature map of {height} x {width}",
            hint=f"choose network.bins={height} or a divisor of it, or other strides",
        )
