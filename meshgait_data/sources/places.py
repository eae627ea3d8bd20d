"""Where the files of one walk lie, by the templates of a manifest and a key."""

import re
from dataclasses import dataclass
from pathlib import Path

from meshgait_data.errors import SourceError
from meshgait_data.manifest import Manifest
from meshgait_data.manifest_paths import Paths
from meshgait_data.manifest_source import Files
from meshgait_data.sources.frames import FileNames
from meshgait_data.templates import compiled_template, template_names
from meshgait_data.types import CaptureKey, SequenceKey

WRITTEN = {"decimal": r"\d{1,10}\.\d{1,9}", "digits": r"\d{11,19}"}
"""Way of writing a time to the expression of it: seconds, a point or not, and their fraction to the nanosecond."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of a walk are looked for."""

    manifest: Manifest
    root: Path
    key: CaptureKey

    def path(self, template: str) -> Path:
        """Path of a template of which there is one, whether it is there or not."""
        paths = self.manifest.paths_of(self.key, template)
        found = self._find(paths)
        return found[0][1] if found else self.root / (paths.exact or paths.template)

    def files(self, block: Files) -> list[tuple[str, Path]]:
        """What a block names that is there: (view, path), the view empty where the path names none.

        Raises
        ------
        SourceError
            Where a folder cannot be listed.
        """
        return self._find(self.manifest.paths_of(self.key, block.path))

    def file_names(self, block: Files, view: str) -> FileNames:
        """Which files of a folder of a view are frames."""
        if not block.file:
            return FileNames(exclude=block.exclude)
        pattern = self.file_pattern(block, view)
        if block.times is None:
            return FileNames(pattern, block.exclude)
        # Times of one kind mean something beside those of the others only.
        from meshgait_data.sources.clock import frames_of

        return FileNames(pattern, block.exclude, frames_of(self, block, view))

    def file_pattern(self, block: Files, view: str) -> re.Pattern[str]:
        """Expression that names of files of frames match wholly, where the manifest says how they are named."""
        paths = self._of_view(block.file, view)
        fixed = {name: re.escape(text) for name, text in paths.parts.items()}
        free = dict.fromkeys(template_names(paths.template), "[^/]*")
        frame = r"\d+" if block.times is None else WRITTEN[block.times.written]
        return compiled_template(paths.template, {**free, **paths.layout.patterns, "frame": frame, **fixed})

    def take(self, block: Files, view: str) -> str:
        """Which walk of a file that holds several; empty where the manifest does not say.

        Raises
        ------
        SourceError
            Where the template names a part that the key does not tell.
        """
        if not block.take:
            return ""
        taken = self._of_view(block.take, view).exact
        if taken is None:
            what = f"take: {block.take} names what the key {self.key} does not tell"
            raise SourceError(what, where=str(self.root), hint="name parts of layout: pattern in it")
        return taken

    def ids_file(self, block: Files, view: str) -> Path | None:
        """File with the ids of a block's frames; None where the manifest names none."""
        if not block.frame_ids:
            return None
        paths = self._of_view(block.frame_ids, view)
        found = self._find(paths)
        return found[0][1] if found else self.root / (paths.exact or paths.template)

    def _of_view(self, template: str, view: str) -> Paths:
        key: SequenceKey | CaptureKey = self.key
        sequence = self.key.sequence(view) if view else None
        if sequence is not None and self.manifest.layout_of(self.key).parts_of(sequence) is not None:
            key = sequence
        return self.manifest.paths_of(key, template)

    def _find(self, paths: Paths) -> list[tuple[str, Path]]:
        try:
            return paths.find(self.root)
        except OSError as error:
            what = f"cannot be looked for: {error.strerror or error}"
            raise SourceError(
                what, where=f"{self.root}/{paths.glob}", hint="check the permissions of folders"
            ) from error
