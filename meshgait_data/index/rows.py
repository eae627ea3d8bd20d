"""Rows of the index: one view of one walk, who it shows, and the files that it comes from."""

from dataclasses import dataclass
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
    """Capture's file, below the root."""
    skeleton_path: str
    """Its skeleton file, below the root."""
    frames: int
    """Frames that are observed, after thinning; frames that are not finite count too."""
    fps: float
    """Frames per second after thinning."""
    sha256: str
    """Hash over the source files."""

    @property
    def key(self) -> SequenceKey:
        """Its identity as a value."""
        return SequenceKey(self.dataset, self.subject, self.condition, self.view)

    @property
    def capture(self) -> CaptureKey:
        """The walk that it is a view of."""
        return CaptureKey(self.dataset, self.subject, self.condition)


@dataclass(frozen=True)
class Index:
    """All sequences of one dataset that can be used, in the order of their keys."""

    manifest: Manifest
    root: Path
    """Folder that the rows' paths lie below."""
    rows: tuple[IndexRow, ...]

    def captures(self) -> list[CaptureKey]:
        """Walks, each once, sorted."""
        return sorted({row.capture for row in self.rows})

    def sequences(self) -> list[SequenceKey]:
        """Views of walks, sorted."""
        return sorted(row.key for row in self.rows)

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
