"""Settings of the data: which shards, how batches are drawn from them, and how clips are changed at random."""

from dataclasses import dataclass, field
from typing import Literal


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
