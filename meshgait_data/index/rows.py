"""Rows of the index: one view of one walk, who it shows, and the files that it comes from."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from meshgait_data.errors import UsageError
from meshgait_data.manifest import Manifest
from meshgait_data.types import CaptureKey, SequenceKey


@dataclass(frozen=True, order=True, slots=True)
class IndexRow:
    """One sequence that can be used."""

    dataset: str
    subject: str
    condition: str
    view: str
    identity: str
    """Person as the protocol counts them: subjects that may be one person share an identity."""
    side: str
    """Side of the split: ``train``, ``test`` or ``unused``."""
    path: str
    """File or folder that the layout names, below the root."""
    skeleton_path: str
    """Its skeleton file, below the root; empty where there is none."""
    frames: int
    """Frames that are observed of this view, after thinning; frames that are not finite count too."""
    fps: float
    """Frames per second after thinning."""
    sha256: str
    """Hash over the source files."""
    group: str = ""
    """Which of the walks of this subject and condition it is a view of, see :class:`CaptureKey`."""
    kinds: tuple[str, ...] = ()
    """Blocks of the manifest's source that it has, e.g. ``silhouettes``."""
    kind_frames: tuple[int, ...] = ()
    """Frames of each of them."""
    first_frame: int = 0
    """Id of the first frame that any of them has."""
    last_frame: int = -1
    """Id of the last one."""

    @property
    def key(self) -> SequenceKey:
        """Its identity as a value."""
        return SequenceKey(self.dataset, self.subject, self.condition, self.view)

    @property
    def capture(self) -> CaptureKey:
        """The walk that it is a view of."""
        return CaptureKey(self.dataset, self.subject, self.condition, self.group)


@dataclass(frozen=True)
class Index:
    """All sequences of one dataset that can be used, in the order of their keys."""

    manifest: Manifest
    root: Path
    """Folder that the rows' paths lie below."""
    rows: tuple[IndexRow, ...]

    @property
    def filmed(self) -> bool:
        """Whether the views are those of a dataset, and not of the manifest's ring of virtual cameras."""
        named = any(layout.names_view for layout in self.manifest.layouts)
        return named or any(kind in ("silhouettes", "keypoints2d") for row in self.rows for kind in row.kinds)

    def captures(self) -> list[CaptureKey]:
        """Walks, each once, sorted."""
        return sorted({row.capture for row in self.rows})

    def sequences(self) -> list[SequenceKey]:
        """Views of walks, sorted."""
        return sorted(row.key for row in self.rows)

    def rendered(self) -> tuple[IndexRow, ...]:
        """Views through which fits are rendered: those of the manifest's ring of virtual cameras.

        A dataset's own view is seen by the camera of the ring that bears its name; walks of whose views none has one
        are seen by the whole ring.
        """
        ring = self.manifest.cameras.azimuths_deg
        named = [row for row in self.rows if row.view in ring]
        covered = {row.capture for row in named}
        others = {row.capture: row for row in reversed(self.rows) if row.capture not in covered}
        return tuple(sorted([*named, *(replace(row, view=view) for row in others.values() for view in ring)]))

    def row(self, key: SequenceKey | CaptureKey) -> IndexRow:
        """Row of a sequence, or the first row of a capture.

        Raises
        ------
        UsageError
            Where the index has no such key.
        """
        found = self._by_key.get(key)
        if found is None:
            example = f"a key is like {self.rows[0].key}" if self.rows else "the index is empty"
            raise UsageError(f"no {key} in the index", hint=example)
        return found

    @cached_property
    def _by_key(self) -> dict[SequenceKey | CaptureKey, IndexRow]:
        by_key: dict[SequenceKey | CaptureKey, IndexRow] = {row.key: row for row in self.rows}
        for row in reversed(self.rows):
            by_key[row.capture] = row
        return by_key
