"""How a rendered sequence is to look: alignment, degradations, and channels besides the silhouette."""

from dataclasses import dataclass
from typing import Any
from zlib import crc32

from numpy.typing import NDArray

from meshgait_data.errors import UsageError
from meshgait_data.render.align import NAMES, align, doubled, reframe
from meshgait_data.render.channels import check_channels
from meshgait_data.render.degrade import Step, degrade
from meshgait_data.types import Aligned, ByteArray, FloatArray, IntArray, SequenceKey


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
    fine: bool = False
    """Whether to give 64 x 64 silhouettes in 128 x 128 pixels too, drawn anew in the same frame."""
    rendered: bool = False
    """Whether to give the body itself too, unspoilt, through the windows of the silhouettes."""

    def __post_init__(self) -> None:
        if self.alignment not in NAMES:
            raise UsageError(f"no alignment is called {self.alignment!r}", hint=f"choose one of: {', '.join(NAMES)}")
        check_channels(self.channels)

    def degraded(self, masks: ByteArray, key: SequenceKey, frames: IntArray) -> ByteArray:
        """Spoil masks (F, H, W), which are frames (F,) of the sequence of a key; the same without degradations."""
        if not self.degradations:
            return masks
        return degrade(masks, self.degradations, seed=(self.seed, crc32(str(key).encode())), frames=frames)

    def finish(self, masks: ByteArray, key: SequenceKey, frames: IntArray, size: int) -> Aligned:
        """Aligned silhouettes of masks, spoiled first if that is wanted; parameters as for :meth:`degraded`."""
        return align(self.degraded(masks, key, frames), size, variant=self.alignment)

    def fields(
        self, masks: ByteArray, key: SequenceKey, frames: IntArray, size: int, *, sizes: IntArray | None = None
    ) -> tuple[dict[str, NDArray[Any]], ByteArray]:
        """What a packed sequence has of masks: silhouettes, windows, and the finer silhouettes if they are wanted.

        Parameters
        ----------
        sizes
            (F, 2) width and height of each picture, where they do not fill the masks.

        Returns
        -------
        Name of the field to its array over the frames that survived; and the fates (F,) of all, see ``align.FATES``.
        """
        spoilt = self.degraded(masks, key, frames)
        aligned = align(spoilt, size, variant=self.alignment, sizes=sizes)
        found = {"silhouettes": aligned.silhouettes, "windows": aligned.windows}
        if self.fine:
            own = None if sizes is None else sizes[aligned.kept]
            found["silhouettes_128"] = reframe(
                spoilt[aligned.kept], doubled(aligned.windows), 128, variant=self.alignment, sizes=own
            )
        return found, aligned.fates

    def through(self, masks: ByteArray, windows: FloatArray, size: int) -> ByteArray:
        """Masks (F, H, W) through windows (F, 2, 3) that are known, as (F, size, size)."""
        return reframe(masks, windows, size, variant=self.alignment)
