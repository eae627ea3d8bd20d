"""Source files from disk: bytes to text to values, and the hash that provenance keeps."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from meshgait_data.errors import SourceError
from meshgait_data.sources.amc import parse_motion
from meshgait_data.sources.asf import parse_skeleton
from meshgait_data.sources.mocap import Motion, Skeleton
from meshgait_data.untrusted import MOST_TEXT_BYTES, read_bytes


@dataclass(frozen=True, slots=True)
class TextFile:
    """Content of a text file and its hash."""

    path: str
    text: str
    sha256: str


def read_text(path: Path) -> TextFile:
    """Read a text file.

    Raises
    ------
    SourceError
        Where the file cannot be read, is empty, or is binary.
    """
    data = read_bytes(path, MOST_TEXT_BYTES)
    if not data.strip():
        raise SourceError("the file is empty", where=str(path), hint="take the file from its source again")
    if b"\0" in data:
        hint = "is it still compressed? Otherwise take the file from its source again"
        raise SourceError("binary data where text was expected", where=str(path), hint=hint)
    # Every byte is a letter in Latin-1, so names in old comments cannot stop the reader.
    return TextFile(str(path), data.decode("latin-1"), hashlib.sha256(data).hexdigest())


def read_skeleton(path: Path) -> Skeleton:
    """Read an ASF file; raises SourceError like :func:`read_text` and :func:`parse_skeleton`."""
    return parse_skeleton(read_text(path).text, str(path))


def read_motion(path: Path, skeleton: Skeleton) -> Motion:
    """Read an AMC file; raises SourceError like :func:`read_text` and :func:`parse_motion`."""
    return parse_motion(read_text(path).text, skeleton, str(path))
