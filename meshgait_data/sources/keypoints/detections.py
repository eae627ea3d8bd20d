"""What a detector found in each frame: any number of people, before one of them is chosen."""

from dataclasses import dataclass

from meshgait_data.findings import Finding
from meshgait_data.sources.frames import FileNames
from meshgait_data.sources.keypoints.layouts import PointLayout
from meshgait_data.types import FloatArray


@dataclass(frozen=True, slots=True)
class KeypointOptions:
    """What a file does not say itself."""

    joint_set: str = ""
    """Order of the points, see ``layouts.layout_names``; empty: by their number."""
    size: tuple[int, int] = (0, 0)
    """Width and height of the picture; 0 where unknown. A file that says it wins."""
    take: str = ""
    """Which walk of a file that holds several, e.g. the ``2`` of ``kp2``."""
    names: FileNames | None = None
    """Which files of a folder are frames."""
    person: int | None = None
    """Number that the detector's tracker gave to the walker; None: the one seen longest and largest."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """People in frames, in the rows of the detector."""

    frame_ids: tuple[int, ...]
    """F ids, increasing."""
    people: tuple[FloatArray, ...]
    """For each frame (N, P, 3): x, y in pixels, confidence as the detector says it."""
    layout: PointLayout
    where: str
    """File or folder, for messages."""
    sha256: str
    tracks: tuple[tuple[int, ...], ...] = ()
    """For each frame the N numbers that the detector's own tracker gave; empty where it gave none."""
    size: tuple[int, int] = (0, 0)
    """Width and height of the picture; 0 where unknown."""
    findings: tuple[Finding, ...] = ()
    counted: bool = True
    """Whether the file says which frames these are."""
    file_frames: int | None = None
    """How many frames a file has that counts none; the ids are then places in it."""
