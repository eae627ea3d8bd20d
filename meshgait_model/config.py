"""The whole setting of one training run: strict, complete, written into the run folder, and valid input again.

The paper (arXiv 2510.10406) does not publish its hyper-parameters. Values here and in ``manifests/experiments/`` are
our choice; ``docs/network.md`` says which of them follow other work.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from meshgait_data.errors import UsageError
from meshgait_data.strict import build
from meshgait_data.yaml_files import read_yaml

MAX_DEPTH_BINS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentConfig:
    """Random changes of a clip, the same for its silhouettes and its labels."""

    flip: float = 0.5
    """Probability of a mirror image; left and right labels are exchanged with it."""
    affine: float = 0.5
    """Probability of a rotation, scale and shift of the whole clip."""
    rotate_deg: float = 6.0
    """Largest rotation about the centre of the window."""
    scale: float = 0.05
    """Largest relative change of size."""
    shift_px: float = 1.5
    """Largest shift of the window."""

    def __post_init__(self) -> None:
        for name in ("flip", "affine"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"augment.{name}={getattr(self, name)} is a probability: choose 0 to 1")
        if self.rotate_deg < 0 or self.shift_px < 0 or not 0 <= self.scale < 1:
            raise ValueError("augment.rotate_deg and shift_px must not be negative, augment.scale must be in [0, 1)")


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """Which shards, and how batches are drawn from them."""

    shards: str = ""
    """Folder of the packed dataset; ``--shards`` fills it in."""
    people: int
    """P: identities in a batch."""
    clips: int
    """K: clips of each of them."""
    frames: int
    """T: frames of a clip, in order."""
    skip: int = 4
    """A clip is T frames out of T + skip consecutive ones (OpenGait's ``fixed_ordered`` sampling)."""
    cut: int = 10
    """Columns left out on each side: 64x64 becomes 64x44."""
    cache: Literal["auto", "ram", "mmap", "none"] = "auto"
    """Where decoded frames are kept: in memory, in files that are mapped, or nowhere; ``auto``: the first that fits."""
    cache_gib: float = 0.0
    """GiB of memory that they may take; 0 is half of what is free."""
    cache_folder: str = ""
    """Where ``mmap`` keeps its files; by default ``MESHGAIT_CACHE``, else ``~/.cache/meshgait``."""
    loader: Literal["ring", "processes"] = "ring"
    """What puts batches together ahead of time: threads, or worker processes."""
    workers: int = 1
    """How many threads or processes; 0 puts each batch together when it is needed. Batches are the same."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        if self.people < 2 or self.clips < 2:
            raise ValueError(f"data.people={self.people} and data.clips={self.clips}: the triplet loss needs 2 of both")
        if self.frames < 1 or self.skip < 0 or self.cut < 0:
            raise ValueError("data.frames must be at least 1, data.skip and data.cut at least 0")
        if self.cache_gib < 0 or self.workers < 0:
            raise ValueError("data.cache_gib and data.workers must not be negative")


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


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimConfig:
    """How the weights are updated."""

    kind: Literal["sgd", "adamw"]
    lr: float
    """Learning rate after the warm-up."""
    weight_decay: float = 5e-4
    momentum: float = 0.9
    """Of ``sgd``."""
    schedule: Literal["multistep", "cosine"] = "cosine"
    milestones: tuple[int, ...] = ()
    """Steps at which ``multistep`` multiplies the rate by ``gamma``."""
    gamma: float = 0.1
    warmup: int = 0
    """Steps during which the rate rises linearly."""
    clip_norm: float = 0.0
    """Largest norm of the gradient; 0 does not clip."""

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ValueError(f"optim.lr={self.lr} must be positive")
        if self.schedule == "multistep" and not self.milestones:
            raise ValueError("optim.schedule=multistep needs optim.milestones")


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """How long and on what."""

    steps: int
    log_every: int = 10
    checkpoint_every: int = 100
    device: str = "auto"
    """``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:1``."""
    amp: bool = True
    """bfloat16 where the device is a GPU; never on a CPU."""
    threads: int = 0
    """CPU threads; 0 keeps torch's choice."""

    def __post_init__(self) -> None:
        if min(self.steps, self.log_every, self.checkpoint_every) < 1:
            raise ValueError("run.steps, run.log_every and run.checkpoint_every must be at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalConfig:
    """How test sequences are scored."""

    frames_limit: int = 720
    """Longest sequence that is looked at in full (OpenGait's limit); of longer ones, the first frames."""
    chunk: int = 256
    """Frames that go through the network together."""
    mesh_every: int = 5
    """Mesh errors are measured on every n-th frame; 0 leaves them out."""

    def __post_init__(self) -> None:
        if self.frames_limit < 1 or self.chunk < 1 or self.mesh_every < 0:
            raise ValueError("eval.frames_limit and eval.chunk must be at least 1, eval.mesh_every at least 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentConfig:
    """One training run."""

    seed: int
    data: DataConfig
    network: NetworkConfig
    loss: LossConfig
    optim: OptimConfig
    run: RunConfig
    eval: EvalConfig = field(default_factory=EvalConfig)

    def __post_init__(self) -> None:
        if any(step >= self.run.steps for step in self.optim.milestones):
            raise ValueError(f"optim.milestones={list(self.optim.milestones)} lie beyond run.steps={self.run.steps}")
        if self.network.heatmap.temporal > self.data.frames:
            raise ValueError("network.heatmap.temporal is larger than data.frames")

    @property
    def supervised(self) -> bool:
        """Whether 3D labels are part of the loss."""
        return self.network.branch_3d and any((self.loss.joints, self.loss.markers, self.loss.mesh))


def load_config(name_or_path: str, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Read an experiment by its shipped name (``demo``) or by path, and change single values.

    Parameters
    ----------
    overrides
        ``dotted.key=value``, each value in YAML, e.g. ``optim.lr=1e-3``.

    Raises
    ------
    UsageError
        Where there is no such experiment, or an override is not ``key=value``.
    ManifestError
        Where a key is unknown, a value of another type, or values contradict each other.
    """
    data, where = read_yaml(name_or_path, "experiments")
    for text in overrides:
        _override(data, text)
    return build(ExperimentConfig, data, where)


def _override(data: Any, text: str) -> None:
    dotted, equals, value = text.partition("=")
    *path, last = dotted.strip().split(".")
    for key in path:
        data = data.setdefault(key, {}) if isinstance(data, dict) else None
    if not equals or not last or not isinstance(data, dict):
        raise UsageError(f"override {text!r} is not key=value", hint="write it like -o optim.lr=1e-3")
    data[last] = _parse(value)


def _parse(text: str) -> Any:
    try:
        # YAML 1.1 reads 1e-3 as text, people mean the number.
        return float(text) if "e" in text.lower() else yaml.safe_load(text)
    except ValueError:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"override value {text!r} is not valid YAML", hint="quote it, or write [1, 2]") from error
