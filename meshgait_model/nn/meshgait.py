"""The Mesh-Gait network: silhouettes in, embeddings out, 3D heatmaps in between.

After arXiv 2510.10406: a 2D branch, a branch that predicts 3D heatmaps of joints and virtual markers, a 3D branch that
reads features off them, and their fusion. Coordinates and mesh are only computed where they are asked for, so that
recognition alone pays nothing for them.
Shape letters: B clips, T frames, J joints, K markers, S strips, E embedding, V vertices.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import InvalidData
from meshgait_data.render.labels import heatmap_grid, soft_argmax
from meshgait_data.types import FloatArray
from meshgait_model.config.network import NetworkConfig
from meshgait_model.nn.backbone import Backbone
from meshgait_model.nn.head import SeparateLinear, SeparateNeck, horizontal_pool, split_frames, temporal_max
from meshgait_model.nn.heatmap import HeatmapBranch, HeatmapFeatures


@dataclass(frozen=True, slots=True, eq=False)
class MeshGaitOutput:
    """What the network says about a batch of clips."""

    embeddings: Tensor
    """(B, S, E) one description for each horizontal strip; distances between them are Euclidean."""
    cosines: Tensor
    """(B, S, classes) similarity to each training identity."""
    joints: Tensor | None
    """(B, T, J, 3) u, v, d in pixels of the input window; None where coordinates were not asked for."""
    markers: Tensor | None
    """(B, T, K, 3) the same of virtual markers."""
    confidence: Tensor | None
    """(B, T, J + K) largest probability of a voxel for each point."""


class MeshGait(nn.Module):
    """See the module's description.

    Parameters
    ----------
    config
        Sizes of the parts.
    classes
        Identities to train on.
    window
        Rows and columns of the silhouettes.
    coefficients
        (V, K) signed coefficients of the marker set: ``vertices = coefficients @ markers``. K sets how many markers
        the heatmaps have. Only the 3D branch needs them.
    joints
        J of the joint set. Joints come first among the points of the heatmaps; markers follow.

    Raises
    ------
    InvalidData
        Where the feature map has no rows for the strips.
    """

    coefficients: Tensor

    def __init__(
        self,
        config: NetworkConfig,
        *,
        classes: int,
        window: tuple[int, int],
        coefficients: FloatArray | None,
        joints: int = len(SMPL_JOINTS),
    ) -> None:
        super().__init__()
        self.backbone = Backbone(config.backbone)
        with torch.no_grad():
            maps = [f.shape[1:] for f in self.backbone.eval()(torch.zeros(1, 1, *window))]
        _check_strips(config.bins, maps[-1])
        self.bins, self.stage = config.bins, config.heatmap.stage - 1
        channels = config.backbone.channels[-1]
        self.embed = SeparateLinear(config.bins, channels, config.embedding)
        self.neck = SeparateNeck(config.bins, config.embedding, classes)
        self.branch_3d, self.joints = config.branch_3d, joints
        if config.branch_3d:
            if coefficients is None:
                raise InvalidData("the 3D branch needs a marker set", hint="set network.branch_3d=false")
            points = joints + coefficients.shape[1]
            _, height, width = maps[self.stage]
            heatmap = config.heatmap
            self.heatmaps = HeatmapBranch(config.backbone.channels[self.stage], points, heatmap)
            self.read = HeatmapFeatures(points, round(height / maps[-1][1]), heatmap)
            fuse = nn.Conv2d(channels + heatmap.channels, channels, 1, bias=False)
            self.fuse = nn.Sequential(fuse, nn.BatchNorm2d(channels))
            sizes = (heatmap.depth_bins, height, width)
            self.grid = heatmap_grid(sizes, window, heatmap.depth_px, heatmap.margin_px)
            mesh = torch.from_numpy(np.array(coefficients, np.float32))
            self.register_buffer("coefficients", mesh, persistent=False)
        self.train()

    def forward(self, silhouettes: Tensor, *, points: bool) -> MeshGaitOutput:
        """Describe clips.

        Parameters
        ----------
        silhouettes
            (B, T, H, W) in [0, 1].
        points
            Whether to read coordinates off the heatmaps too.
        """
        frames = silhouettes.shape[1]
        features, heatmaps = self.frame_features(silhouettes)
        embeddings = self.pool(temporal_max(features, frames))
        joints = markers = confidence = None
        if points and heatmaps is not None:
            uvd = split_frames(soft_argmax(heatmaps, self.grid), frames)
            joints, markers = uvd[:, :, : self.joints], uvd[:, :, self.joints :]
            confidence = split_frames(heatmaps.detach().flatten(2).amax(-1), frames)
        return MeshGaitOutput(embeddings, self.neck(embeddings), joints, markers, confidence)

    def frame_features(self, silhouettes: Tensor) -> tuple[Tensor, Tensor | None]:
        """Fused feature maps (B T, C, H, W) and, with the 3D branch, heatmaps (B T, P, D, H, W) of clips."""
        frames = silhouettes.shape[1]
        images = silhouettes.flatten(0, 1)[:, None].contiguous(memory_format=torch.channels_last)
        maps = self.backbone(images)
        if not self.branch_3d:
            return maps[-1], None
        heatmaps = self.heatmaps(maps[self.stage], frames)
        both = torch.cat([maps[-1], self.read(heatmaps).to(maps[-1].dtype)], 1)
        # The 2D features keep a straight way to the head; what the heatmaps say is added to them.
        return functional.relu(maps[-1] + self.fuse(both)), heatmaps

    def pool(self, features: Tensor) -> Tensor:
        """Embeddings (B, S, E) of feature maps (B, C, H, W) that were pooled over time."""
        return self.embed(horizontal_pool(features, self.bins).float())

    def vertices(self, markers: Tensor, vertex_ids: Tensor | None = None) -> Tensor:
        """Mesh vertices (..., V or fewer, 3) that follow from markers (..., K, 3), in the same coordinates."""
        chosen = self.coefficients if vertex_ids is None else self.coefficients[vertex_ids]
        return chosen @ markers


def _check_strips(bins: int, size: torch.Size) -> None:
    _, height, width = size
    if height % bins:
        raise InvalidData(
            f"network.bins={bins} strips cannot be cut from a feature map of {height} x {width}",
            hint=f"choose network.bins={height} or a divisor of it, or other strides",
        )
