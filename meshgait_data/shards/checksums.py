"""Checksums of files and chunks, and ``MANIFEST.json``: size and crc32c of each file of a Zarr part.

A missing object of a Zarr array reads as zeros without an error, so a part is never read without this list.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import ShardError
from meshgait_data.findings import Finding, Severity

MANIFEST = "MANIFEST.json"

AGAIN = "run 'mgdata pack' again: it rewrites damaged parts only"
"""The way out of damage."""

_PIECE = 1 << 20
_BLOCK = 1 << 16
_WEIGHTS: NDArray[Any] = np.arange(_BLOCK, 0, -1, dtype=np.float64)
"""How often each word of a full block is in the running sum at its end."""


@dataclass(frozen=True, slots=True)
class PartManifest:
    """What a part's manifest says."""

    sequences: int
    frames: int
    files: dict[str, tuple[int, int]]
    """Path within the part to size in bytes and crc32c."""
    crc32c: int
    """Of the manifest file itself; the dataset's file repeats it."""


def fletcher32(data: bytes | NDArray[np.uint8]) -> int:
    """Checksum of HDF5's filter of that name.

    *HDF5 File Format Specification*, https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html: two sums
    modulo 65535 over big-endian words of 16 bits, the second over the running values of the first; an odd last byte is
    a word's high half.

    >>> hex(fletcher32(b"abcdef"))
    '0x50562a2d'
    """
    raw = np.frombuffer(data, np.uint8)
    first = second = 0
    for start in range(0, len(raw), 2 * _BLOCK):
        block = raw[start : start + 2 * _BLOCK]
        if len(block) % 2:
            block = np.append(block, np.uint8(0))
        # Products and sums stay below 2^53, so that doubles are exact, and fast.
        words = block.view(">u2").astype(np.float64)
        second += first * len(words) + int(_WEIGHTS[_BLOCK - len(words) :] @ words)
        first += int(words.sum())
    return _fold(second) << 16 | _fold(first)


def _fold(total: int) -> int:
    """Rest modulo 65535, as HDF5 leaves it by adding carries: 65535 in place of 0, unless there was nothing to add."""
    return (total - 1) % 65535 + 1 if total else 0


def crc32c_of(path: Path) -> tuple[int, int]:
    """Size and crc32c of a file, read piece by piece; raises OSError where it cannot be read."""
    size = crc = 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            size += len(piece)
            crc = google_crc32c.extend(crc, piece)
    return size, crc


def write_manifest(folder: Path, *, sequences: int, frames: int) -> None:
    """List all files of a part that is complete but for this list."""
    files = {name: crc32c_of(folder / name) for name in sorted(_names(folder))}
    text = json.dumps({"sequences": sequences, "frames": frames, "files": files}, indent=1)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> PartManifest:
    """Read the list of a part.

    Raises
    ------
    ShardError
        Where there is none or it is damaged.
    """
    try:
        data = (folder / MANIFEST).read_bytes()
    except OSError as error:
        what = "this part is missing" if not folder.is_dir() else f"cannot read {MANIFEST}: {error.strerror}"
        raise ShardError(what, where=str(folder), hint=AGAIN) from error
    return parse_manifest(data, str(folder))


def parse_manifest(data: bytes, where: str) -> PartManifest:
    """Read the content of a part's list.

    Parameters
    ----------
    data
        The whole file.
    where
        The part, for messages.

    Raises
    ------
    ShardError
        Where it is damaged.
    """
    try:
        plain = json.loads(data)
        files = {str(name): (int(size), int(crc)) for name, (size, crc) in plain["files"].items()}
        return PartManifest(int(plain["sequences"]), int(plain["frames"]), files, google_crc32c.value(data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ShardError(f"{MANIFEST} is damaged: {error}", where=where, hint=AGAIN) from error


def compare(folder: Path, manifest: PartManifest, *, deep: bool = False) -> Iterator[Finding]:
    """What is missing, of another size or, if ``deep``, of other content than the list says; and what it lacks."""
    for name, (size, crc) in manifest.files.items():
        path = folder / name
        if not path.is_file():
            yield _error("MG-SHARD-003", path, "the file is missing")
        elif path.stat().st_size != size:
            yield _error("MG-SHARD-004", path, f"{path.stat().st_size} bytes, expected {size}")
        elif deep and crc32c_of(path) != (size, crc):
            yield _error("MG-SHARD-005", path, "the content has changed since it was packed (crc32c differs)")
    if deep:
        for name in sorted(_names(folder) - set(manifest.files)):
            message = f"not listed in {MANIFEST}: not written by mgdata"
            yield Finding(Severity.WARNING, "MG-SHARD-006", str(folder / name), message, "delete it if it is not yours")


def _error(id: str, path: Path, message: str) -> Finding:
    return Finding(Severity.ERROR, id, str(path), message, AGAIN)


def _names(folder: Path) -> set[str]:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return names - {MANIFEST}
