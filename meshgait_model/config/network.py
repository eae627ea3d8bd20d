"""Settings of the network, and the weights of its losses."""

from dataclasses import dataclass, field
from typing import Literal

MAX_DEPTH_BINS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class BackboneConfig:
    """A residual network on clips: GaitBase's, DeepGaitV2's, or smaller ones of their kind."""

    form: Literal["2d", "p3d", "3d"] = "2d"
    """What the stages after the first see: single frames, or also their neighbours in time (pseudo-3D, 3D)."""
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
        if min(self.channels + self.blocks + self.strides + (self.stem_channels, self.stem_stride)) < 1:
            raise ValueError("network.backbone: channels, blocks and strides must be at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class HeatmapConfig:
    """3D heatmaps of joints and markers, and the branch that reads features off them."""

    stage: int = 0
    """Stage of the backbone that the heatmaps are computed from, counted from 1; 0 is the last."""
    hidden: int = 256
    """Channels between the backbone and the heatmaps."""
    form: Literal["factored", "volume"] = "factored"
    """``volume``: one probability for each voxel. ``factored``: an image of each point, and how deep it lies, read
    off where the image says that it is; the volume is their product."""
    depth_bins: int = 16
    """D: voxels in depth."""
    depth_px: float = 64.0
    """Depth that the volume spans, in window pixels, centred on the pelvis."""
    margin_px: float = 2.0
    """The centres of the outermost voxels lie this far outside the window, so that a mean can reach its edge."""
    temporal: int = 1
    """Frames that a heatmap looks at: an odd number; 1 is one frame by itself."""
    context: bool = True
    """Whether each frame also sees the mean of all frames of its clip."""
    channels: int = 64
    """Of the 3D feature branch."""

    def __post_init__(self) -> None:
        if not 2 <= self.depth_bins <= MAX_DEPTH_BINS:
            raise ValueError(f"network.heatmap.depth_bins={self.depth_bins}: choose 2 to {MAX_DEPTH_BINS}")
        if self.temporal % 2 == 0 or self.temporal < 1:
            raise ValueError(f"network.heatmap.temporal={self.temporal}: choose an odd number of frames")


@dataclass(frozen=True, kw_only=True, slots=True)
class MotionConfig:
    """What is read off the trajectories of the 3D points, for ``fusion`` with ``motion``."""

    statistics: bool = True
    """Whether means and standard deviations over time of the points in the frame of the body are looked at."""
    hidden: int = 128
    """Channels of what a small network says of each frame; 0 leaves it out."""
    temporal: int = 1
    """Frames that a frame's channels look at: an odd number."""
    parts: int = 2
    """Parts of the description that come from motion alone, beside those of the strips."""
    confidence: bool = True
    """Whether the confidence of each point is looked at beside its place."""

    def __post_init__(self) -> None:
        if self.temporal % 2 == 0 or self.temporal < 1:
            raise ValueError(f"network.motion.temporal={self.temporal}: choose an odd number of frames")
        if self.hidden < 0 or self.parts < 1 or not (self.hidden or self.statistics):
            raise ValueError("network.motion: parts must be at least 1, and hidden too unless there are statistics")


@dataclass(frozen=True, kw_only=True, slots=True)
class MeshConfig:
    """How the mesh follows from the virtual markers, see :mod:`meshgait_model.nn.mesh`. Recognition never needs it."""

    form: Literal["fixed", "learned", "adaptive"] = "fixed"
    """``fixed``: the marker set's signed coefficients. ``learned``: these after a learned linear correction of the
    markers. ``adaptive``: after a guess of the markers that depends on how sure the network is of each point."""
    rank: int = 32
    """Ways in which bodies differ that ``adaptive`` knows."""

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"network.mesh.rank={self.rank} must be at least 1")


Fusion = Literal["add", "concat", "gate", "strips", "motion", "view"]

_OF_MAPS = ("add", "concat", "gate")


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """The Mesh-Gait network."""

    branch_3d: bool = True
    """False is the same network without heatmaps and 3D features: the ablation."""
    backbone: BackboneConfig
    heatmap: HeatmapConfig = field(default_factory=HeatmapConfig)
    fusion: tuple[Fusion, ...] = ("add",)
    """How what is seen in 3D reaches the description, see :mod:`meshgait_model.nn.fusion`; without any the labels only
    help the backbone to learn, and recognition computes nothing in 3D.

    At most one of ``add``, ``concat`` and ``gate`` changes the 2D features; ``strips`` and ``motion`` add parts to the
    description that come from 3D alone; ``view`` turns the description by where the body faces."""
    motion: MotionConfig = field(default_factory=MotionConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    labels_into_backbone: float = 1.0
    """Share of the gradients of the labels that enters the backbone, 0 to 1. What recognition sends through the
    heatmaps into the backbone is cut by the same share."""
    recognition_into_heatmaps: float = 1.0
    """Share of the gradients of recognition that enters the heatmaps, 0 to 1."""
    bins: int = 16
    """Horizontal strips of the pyramid pooling."""
    embedding: int = 256
    """Numbers that each strip is described by."""

    def __post_init__(self) -> None:
        stages = len(self.backbone.channels)
        if not 0 <= self.heatmap.stage <= stages:
            raise ValueError(f"network.heatmap.stage={self.heatmap.stage}: the backbone has stages 1 to {stages}")
        if sum(name in _OF_MAPS for name in self.fusion) > 1 or len(set(self.fusion)) < len(self.fusion):
            raise ValueError(f"network.fusion={list(self.fusion)}: each once, and one of {', '.join(_OF_MAPS)} at most")
        for name in ("labels_into_backbone", "recognition_into_heatmaps"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"network.{name}={getattr(self, name)} is a share: choose 0 to 1")


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
    """Mean absolute error of joints; window units, i.e. pixels divided by the height of the window."""
    markers: float = 10.0
    """The same of virtual markers."""
    confidence: float = 0.0
    """-log probability of the true places of joints and markers."""
    mesh: float = 5.0
    """Mean absolute error of mesh vertices that follow from the markers; window units."""
    normals: float = 0.0
    """|cosine| between predicted edges and true normals of a coarse mesh through these vertices."""
    edges: float = 0.0
    """Mean absolute error of the lengths of its edges; window units."""
    edges_from: int = 0
    """Step from which on ``edges`` counts: lengths say little before vertices are about where they should be."""
    mesh_vertices: int = 128
    """Vertices that the mesh losses look at, spread evenly over the body."""
    labelled_frames: int = 0
    """Frames of each clip that are compared with labels, drawn anew in each step; 0 is all of them."""

    def __post_init__(self) -> None:
        weights = (self.triplet, self.cross_entropy, *(getattr(self, name) for name in LABEL_LOSSES))
        if min(weights) < 0 or not any(weights):
            raise ValueError("loss: weights must not be negative, and one of them must be positive")
        if self.needs_mesh and self.mesh_vertices < 2:
            raise ValueError("loss.mesh_vertices must be at least 2 where losses of the mesh have a weight")
        if self.labelled_frames < 0 or self.edges_from < 0:
            raise ValueError("loss.labelled_frames and loss.edges_from must not be negative")

    @property
    def of_labels(self) -> tuple[str, ...]:
        """Losses with a weight that compare with 3D labels."""
        return tuple(name for name in LABEL_LOSSES if getattr(self, name))

    @property
    def needs_mesh(self) -> bool:
        """Whether one of them compares meshes."""
        return any(getattr(self, name) for name in ("mesh", "normals", "edges"))


LABEL_LOSSES = ("joints", "markers", "confidence", "mesh", "normals", "edges")
