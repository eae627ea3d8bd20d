"""What a layout offers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from meshgait_data.sources.smpl_params.entries import Part
from meshgait_data.sources.smpl_params.records import Raw, ReadOptions


@dataclass(frozen=True, slots=True)
class Layout:
    """A way in which somebody writes SMPL parameters."""

    name: str
    known_by: str
    """Keys and shapes, in words."""
    claims: Callable[[Any], bool]
    """Whether the content of a file looks like it; no two layouts claim the same file."""
    read: Callable[[Sequence[Part], ReadOptions], Raw]
    """Content of one file, or of one file a frame, in order."""
