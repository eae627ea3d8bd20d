"""Settings of the data: which shards, how batches are drawn from them, and how clips are changed at random."""

from dataclasses import dataclass, field
from typing import Literal

from meshgait_model.data.picks import Clip, Kind

MAX_PERSPECTIVE_PX = 20
"""Corners that move farther in would leave less than a third of a row."""


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
    perspective: float = 0.0
    """Probability of a change of perspective."""
    perspective_px: float = 10.0
    """How far each corner may move inwards along its row."""
    erase: float = 0.0
    """Probability of an erased rectangle, the same one in all frames of the clip; labels stay as they are."""
    erase_area: tuple[float, float] = (0.05, 0.2)
    """Smallest and largest share of the window that it takes."""

    def __post_init__(self) -> None:
        for name in ("flip", "affine", "perspective", "erase"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"augment.{name}={getattr(self, name)} is a probability: choose 0 to 1")
        if self.rotate_deg < 0 or self.shift_px < 0 or not 0 <= self.scale < 1:
            raise ValueError("augment.rotate_deg and shift_px must not be negative, augment.scale must be in [0, 1)")
        if not 0 <= self.perspective_px <= MAX_PERSPECTIVE_PX:
            raise ValueError(f"augment.perspective_px={self.perspective_px}: choose 0 to {MAX_PERSPECTIVE_PX}")
        low, high = self.erase_area
        if not 0 < low <= high <= 1:
            raise ValueError(f"augment.erase_area={list(self.erase_area)}: two rising shares of the window, 0 to 1")


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
    """T: frames of a clip."""
    frames_most: int = 0
    """Clips have ``frames`` to that many frames, each batch another number (OpenGait's ``unfixed`` sampling, which
    draws it for each clip); 0 keeps to ``frames``."""
    kind: Kind = "ordered"
    """How they are chosen: ``ordered``, ``unordered`` (OpenGait's ``fixed_ordered``, ``fixed_unordered``), ``sparse``:
    from anywhere in the sequence, in their order."""
    skip: int = 4
    """An ``ordered`` clip is T frames out of T + skip consecutive ones; the others do not use it."""
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
        if self.frames_most and self.frames_most < self.frames:
            raise ValueError(f"data.frames_most={self.frames_most} is less than data.frames={self.frames}")
        if self.cache_gib < 0 or self.workers < 0:
            raise ValueError("data.cache_gib and data.workers must not be negative")

    @property
    def clip(self) -> Clip:
        """How clips are cut out of sequences."""
        return Clip(self.frames, self.skip if self.kind == "ordered" else 0, self.kind, self.frames_most)
