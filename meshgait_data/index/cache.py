"""What captures held when they were last looked at, so that files which did not change are not read again.

One line a capture, written as soon as it was looked at: a run that was interrupted goes on where it stopped.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from meshgait_data import __version__
from meshgait_data.atomic import write_with, writing
from meshgait_data.index.look import Look
from meshgait_data.manifest import Manifest
from meshgait_data.strict import to_plain

SCHEMA = 2
"""Raised where equal files are looked at otherwise than before."""

FILE = "index.looks.jsonl"
"""Name in a work folder."""


def recipe(manifest: Manifest, root: Path) -> str:
    """Hash over everything but the files that a look follows from."""
    parts = (
        SCHEMA,
        __version__,
        str(root),
        manifest.name,
        to_plain(manifest.source),
        to_plain(manifest.layouts),
        manifest.aligned_size,
        to_plain(manifest.expected),
    )
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class LookCache:
    """Looks by capture, each of files of one state.

    Parameters
    ----------
    path
        File to read from and to add to; None to keep nothing.
    recipe
        Of :func:`recipe`; what was kept by another one is forgotten.
    """

    def __init__(self, path: Path | None, recipe: str) -> None:
        self._path, self._recipe = path, recipe.encode()
        self._lines: dict[str, tuple[bytes, bytes]] = {}
        self._length = 0
        self._used: set[str] = set()
        self._added = False
        self._file: IO[bytes] | None = None
        if path is not None and path.is_file():
            self._read(path)

    def _read(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                if file.readline() != self._recipe + b"\n":
                    return
                self._length = file.tell()
                for line in file:
                    state, key, text = line.split(b"\t", 2)
                    # A run that was killed may have left half a line.
                    if not text.endswith(b"\n"):
                        return
                    self._lines[key.decode()] = (state, text)
                    self._length += len(line)
        except (OSError, ValueError):
            # What cannot be read is looked at again.
            return

    def get(self, key: str, state: str) -> Look | None:
        """What was seen of a capture whose files are in this state."""
        kept = self._lines.get(key)
        if kept is None or kept[0] != state.encode():
            return None
        try:
            found = Look.of_line(kept[1])
        except (ValueError, TypeError):
            return None
        self._used.add(key)
        return found

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Let looks be added within the block; what was added stays, however the block ends.

        Raises
        ------
        EnvironmentLacks
            Where the file cannot be written to.
        """
        if self._path is None:
            yield
            return
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("r+b" if self._length else "wb")
        with self._file:
            # What stands behind the last whole line is overwritten.
            self._file.truncate(self._length)
            self._file.seek(self._length)
            if not self._length:
                self._file.write(self._recipe + b"\n")
            yield
            self._file.flush()

    def add(self, key: str, state: str, line: str) -> None:
        """Keep a line of a look."""
        if self._file is not None and self._path is not None:
            text = line.encode() + b"\n"
            with writing(self._path):
                self._file.write(b"\t".join((state.encode(), key.encode(), text)))
            self._lines[key] = (state.encode(), text)
            self._used.add(key)
            self._added = True

    def flush(self) -> None:
        """Put what was added to disk."""
        if self._file is not None and self._path is not None:
            with writing(self._path):
                self._file.flush()

    def finish(self) -> None:
        """Write the file in the order of the keys, without captures that are not there any more."""
        path, used = self._path, sorted(self._used)
        if path is None or (not self._added and len(used) == len(self._lines)):
            return

        def fill(file: IO[bytes]) -> None:
            file.write(self._recipe + b"\n")
            for key in used:
                state, text = self._lines[key]
                file.write(b"\t".join((state, key.encode(), text)))

        write_with(path, fill)

    def discard(self) -> None:
        """Remove the file, and the folder where nothing else is in it: nothing of what was seen can be used."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            with suppress(OSError):
                self._path.parent.rmdir()
