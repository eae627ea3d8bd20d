"""Hold an output folder against a second writer, and clear away what a killed one left half-written."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meshgait_data.errors import EnvironmentLacks, UsageError

PART_LEFTOVER = re.compile(r"\.part-\d{5,}\.(zarr|h5)\.\w+\.tmp")
"""Names of parts that were being written, or removed, when the writer was killed."""


@contextmanager
def claimed(out: Path, mark: str, leftover: re.Pattern[str] = PART_LEFTOVER) -> Iterator[None]:
    """Hold a folder for as long as the block runs; it is made where it is not there.

    Parameters
    ----------
    out
        The folder.
    mark
        Name of the file that says that a folder with content is one that may be continued.
    leftover
        Names of what a killed writer leaves in the folder.

    Raises
    ------
    UsageError
        Where it is a file, holds other files, or another process writes into it.
    EnvironmentLacks
        Where it cannot be written to.
    """
    if out.exists() and not out.is_dir():
        raise UsageError("this is a file, not a folder", where=str(out), hint="choose another folder")
    if out.exists() and not (out / mark).exists() and any(out.iterdir()):
        hint = "choose a new folder, or one that the same command wrote"
        raise UsageError("the folder holds other files", where=str(out), hint=hint)
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = os.open(out, os.O_RDONLY)
    except OSError as error:
        hint = "choose another folder"
        raise EnvironmentLacks(f"cannot write: {error.strerror}", where=str(out), hint=hint) from error
    try:
        _lock(folder, out)
        for path in out.iterdir():
            if leftover.fullmatch(path.name):
                _remove(path)
        yield
    finally:
        os.close(folder)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _lock(folder: int, out: Path) -> None:
    """Lock an open folder; the system drops the lock with the process, however that ends."""
    import fcntl

    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        hint = "wait for it, or choose another folder"
        raise UsageError("another mgdata is writing into this folder", where=str(out), hint=hint) from error
    except OSError:
        # A file system without locks. Each part still has one winner, by its rename.
        return
