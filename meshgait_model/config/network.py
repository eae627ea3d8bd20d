"""Settings of the network, and the weights of its losses."""

from dataclasses import dataclass

MAX_DEPTH_BINS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class BackboneConfig:
    """A small residual network that sees one frame at a time."""

    channels: tuple[int, ...]
    """Of each stage."""
    blocks: tuple[int, ...]
    """Residual blocks of each stage."""
    strides: tuple[int, ...]
    """Of each stage."""
    stem_channels: int
    stem_stride: int = 1

    def __post_init__(self) -> None:
        if not self.channels or not len(self.channels) == len(self.blocks) == len(self.strides):
            raise ValueError("network.backbone: channels, blocks and strides must have one value for each stage")


@dataclass(frozen=True, kw_only=True, slots=True)
class HeatmapConfig:
    """3D heatmaps of joints and markers, and the branch that reads features off them."""

    stage: int
    """Stage of the backbone that the heatmaps are computed from, counted from 1."""
    hidden: int
    """Channels between the backbone and the heatmaps."""
    depth_bins: int = 16
    """D: voxels in depth."""
    depth_px: float = 64.0
    """Depth that the volume spans, in window pixels, centred on the pelvis."""
    margin_px: float = 2.0
    """The centres of the outermost voxels lie this far outside the window, so that a mean can reach its edge."""
    temporal: int = 1
    """Frames that a heatmap looks at: an odd number; 1 is one frame by itself."""
    channels: int = 64
    """Of the 3D feature branch."""

    def __post_init__(self) -> None:
        if not 2 <= self.depth_bins <= MAX_DEPTH_BINS:
            raise ValueError(f"network.heatmap.depth_bins={self.depth_bins}: choose 2 to {MAX_DEPTH_BINS}")
        if self.temporal % 2 == 0 or self.temporal < 1:
            raise ValueError(f"network.heatmap.temporal={self.temporal}: choose an odd number of frames")


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """The Mesh-Gait network."""

    branch_3d: bool = True
    """False is the same network without heatmaps and 3D features: the ablation."""
    backbone: BackboneConfig
    heatmap: HeatmapConfig
    bins: int = 16
    """Horizontal strips of the pyramid pooling."""
    embedding: int = 256
    """Numbers that each strip is described by."""

    def __post_init__(self) -> None:
        stages = len(self.backbone.channels)
        if not 1 <= self.heatmap.stage <= stages:
            raise ValueError(f"network.heatmap.stage={self.heatmap.stage}: the backbone has stages 1 to {stages}")


@dataclass(frozen=True, kw_only=True, slots=True)
class LossConfig:
    """Weights of the parts of the loss; a part of weight 0 is not computed. All weights are our choice."""

    triplet: float = 1.0
    margin: float = 0.2
    """Of the triplet loss."""
    cross_entropy: float = 1.0
    smoothing: float = 0.1
    """Of the labels, for the cross entropy."""
    logit_scale: float = 16.0
    """Cosines are multiplied by it before the cross entropy."""
    joints: float = 10.0
    """Mean absolute error of joints; window units, i.e. pixels divided by the size of the window."""
    markers: float = 10.0
    """The same of virtual markers."""
    mesh: float = 5.0
    """The same of mesh vertices that follow from the markers."""
    mesh_vertices: int = 128
    """Vertices that the mesh loss looks at, spread evenly over the body."""

    def __post_init__(self) -> None:
        weights = (self.triplet, self.cross_entropy, self.joints, self.markers, self.mesh)
        if min(weights) < 0 or not any(weights):
            raise ValueError("loss: weights must not be negative, and one of them must be positive")
        if self.mesh and self.mesh_vertices < 2:
            raise ValueError("loss.mesh_vertices must be at least 2 where loss.mesh is positive")
