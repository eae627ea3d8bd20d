"""How a rendered sequence is to look: alignment, degradations, and channels besides the silhouette."""

from dataclasses import dataclass
from zlib import crc32

from meshgait_data.errors import UsageError
from meshgait_data.render.align import NAMES, align
from meshgait_data.render.channels import check_channels
from meshgait_data.render.degrade import Step, degrade
from meshgait_data.types import Aligned, ByteArray, IntArray, SequenceKey


@dataclass(frozen=True, slots=True)
class Look:
    """What is made of the masks of a sequence."""

    alignment: str = "opengait"
    """Name of a pretreatment in ``align.NAMES``."""
    degradations: tuple[Step, ...] = ()
    """What spoils the masks before they are aligned; labels and channels stay those of the whole body."""
    seed: int = 0
    """Of the degradations, beside the key of the sequence."""
    channels: tuple[str, ...] = ()
    """Names in ``channels.CHANNELS``."""
    labels: bool = True
    """Whether to make labels too, which needs a perspective camera without distortion."""

    def __post_init__(self) -> None:
        if self.alignment not in NAMES:
            raise UsageError(f"no alignment is called {self.alignment!r}", hint=f"choose one of: {', '.join(NAMES)}")
        check_channels(self.channels)

    def degraded(self, masks: ByteArray, key: SequenceKey, frames: IntArray) -> ByteArray:
        """Spoil masks (F, H, W), which are frames (F,) of the sequence of a key."""
        return degrade(masks, self.degradations, seed=(self.seed, crc32(str(key).encode())), frames=frames)

    def finish(self, masks: ByteArray, key: SequenceKey, frames: IntArray, size: int) -> Aligned:
        """Aligned silhouettes of masks, spoiled first if that is wanted; parameters as for :meth:`degraded`."""
        return align(self.degraded(masks, key, frames) if self.degradations else masks, size, variant=self.alignment)
