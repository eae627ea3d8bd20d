"""``MANIFEST.json`` of a part: size and crc32c of each of its files, and the comparison with what lies there.

A missing object of a Zarr array reads as zeros without an error, so a part is never read without this list.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import google_crc32c

from meshgait_data.errors import ShardError
from meshgait_data.findings import Finding, Severity

MANIFEST = "MANIFEST.json"

AGAIN = "run 'mgdata pack' again: it rewrites damaged parts only"
"""The way out of damage."""


@dataclass(frozen=True, slots=True)
class PartManifest:
    """What a part's manifest says."""

    sequences: int
    frames: int
    files: dict[str, tuple[int, int]]
    """Path within the part to size in bytes and crc32c."""
    crc32c: int
    """Of the manifest file itself; the dataset's file repeats it."""


def write_manifest(folder: Path, *, sequences: int, frames: int) -> None:
    """List all files of a part that is complete but for this list."""
    files = {name: _sum(folder / name) for name in sorted(_names(folder))}
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
        plain = json.loads(data)
        files = {str(name): (int(size), int(crc)) for name, (size, crc) in plain["files"].items()}
        return PartManifest(int(plain["sequences"]), int(plain["frames"]), files, google_crc32c.value(data))
    except OSError as error:
        what = "this part is missing" if not folder.is_dir() else f"cannot read {MANIFEST}: {error.strerror}"
        raise ShardError(what, where=str(folder), hint=AGAIN) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ShardError(f"{MANIFEST} is damaged: {error}", where=str(folder), hint=AGAIN) from error


def compare(folder: Path, manifest: PartManifest, *, deep: bool = False) -> Iterator[Finding]:
    """What is missing, of another size or, if ``deep``, of other content than the list says; and what it lacks."""
    for name, (size, crc) in manifest.files.items():
        path = folder / name
        if not path.is_file():
            yield _error("MG-SHARD-003", path, "the file is missing")
        elif path.stat().st_size != size:
            yield _error("MG-SHARD-004", path, f"{path.stat().st_size} bytes, expected {size}")
        elif deep and _sum(path) != (size, crc):
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


def _sum(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    return len(data), google_crc32c.value(data)
