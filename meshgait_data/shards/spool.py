"""Collect the frames of one array of a part in a file, chunk by chunk, holding one chunk in memory."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.shards.schema import ArraySpec

Encode = Callable[[NDArray[Any]], bytes]
"""Turns one chunk, (frames of a chunk, ...) C-contiguous, into the bytes that a container stores; a pure function."""


class ArraySpool:
    """Encoded chunks of one array, back to back in one file in the order of their frames."""

    def __init__(self, path: Path, spec: ArraySpec, encode: Encode, chunk_frames: int) -> None:
        """``path``: new file; raises OSError where it cannot be made, and so do the methods where they cannot write."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.spec = spec
        self.chunk_frames = chunk_frames
        self.frames = 0
        self.sizes: list[int] = []
        """Bytes of each chunk."""
        self._encode = encode
        self._chunk = np.zeros((chunk_frames, *spec.shape), np.dtype(spec.dtype).newbyteorder("<"))
        self._file = path.open("wb")

    def append(self, frames: NDArray[Any]) -> None:
        """Add frames at the end: (F, ...) of the array's shape and type."""
        frames = np.ascontiguousarray(frames, self._chunk.dtype)
        length = self.chunk_frames
        filled = self.frames % length
        begin = min(-filled % length, len(frames))
        self._chunk[filled : filled + begin] = frames[:begin]
        if begin and filled + begin == length:
            self._write(self._chunk)
        end = begin + (len(frames) - begin) // length * length
        for start in range(begin, end, length):
            self._write(frames[start : start + length])
        if end < len(frames):
            self._chunk[: len(frames) - end] = frames[end:]
        self.frames += len(frames)

    def finish(self) -> None:
        """Write the last chunk, filled up with zeros, and close the file."""
        filled = self.frames % self.chunk_frames
        if filled:
            self._chunk[filled:] = 0
            self._write(self._chunk)
        self._file.close()

    def abandon(self) -> None:
        """Close the file where it is not wanted any more; nothing happens where it is finished."""
        # What is buffered may not fit on a disk that is full, and nobody needs it.
        with suppress(OSError):
            self._file.close()

    def _write(self, chunk: NDArray[Any]) -> None:
        encoded = self._encode(chunk)
        self._file.write(encoded)
        self.sizes.append(len(encoded))
