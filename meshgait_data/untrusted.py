"""How files that nobody vouches for are opened: regular files only, bounded in size, and below the dataset's folder.

Whoever reads a dataset reads what strangers have packed. All bounds of the readers stand here; each is checked before
memory is reserved.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from meshgait_data.errors import SourceError

MOST_BYTES = 2 << 30
"""Of one file, and of all that is unpacked from it; an hour of one person with meshes has less."""
MOST_TEXT_BYTES = 256 << 20
"""Of one text: JSON, AMC, BVH; becomes up to ten times as much in memory. COCO's own annotations have 240 MB."""
MOST_FRAME_BYTES = 64 << 20
"""Of one file that is one frame; an 8K picture has less."""
MOST_PIXELS = 1 << 26
"""Of one picture: twice an 8K frame."""
MOST_FILES = 200_000
"""In one folder of frames: two hours at 25 a second."""
_AGAIN = "take the file from its source again"

_ROOT: ContextVar[str] = ContextVar("root", default="")


@contextmanager
def below(root: Path, *, links: bool = False) -> Iterator[None]:
    """While this is open, :func:`read_bytes` refuses files that lie outside of a folder, wherever links lead.

    Parameters
    ----------
    root
        The folder.
    links
        Whether symbolic links may lead out of it all the same.
    """
    token = _ROOT.set("" if links else os.path.realpath(root))
    try:
        yield
    finally:
        _ROOT.reset(token)


def check_inside(path: Path) -> None:
    """Raise SourceError where a path leads out of the folder of :func:`below`."""
    root = _ROOT.get()
    if not root:
        return
    # Folders are the same for many files, and few files are links.
    real = os.path.realpath(path) if os.path.islink(path) else os.path.join(_real_folder(path.parent), path.name)
    real = os.path.normpath(real)
    if real != root and not real.startswith(root.rstrip(os.sep) + os.sep):
        hint = "if the link is meant to be, give the folder above both as --root, or set layout: links in the manifest"
        raise SourceError("it leads out of the folder of the dataset", where=str(path), hint=hint)


@lru_cache(maxsize=4096)
def _real_folder(folder: Path) -> str:
    if folder.name in ("", "..") or os.path.islink(folder):
        return os.path.realpath(folder)
    return os.path.join(_real_folder(folder.parent), folder.name)


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Content of a file.

    Parameters
    ----------
    path
        The file.
    most
        Bytes that it may have.

    Raises
    ------
    SourceError
        Where it cannot be read, is no regular file (a pipe would never end), is larger, or lies outside of the folder
        of :func:`below`.
    """
    check_inside(path)
    try:
        # Without O_NONBLOCK a pipe would wait for somebody to write to it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SourceError("not a regular file", where=str(path), hint="put the file itself there")
            if status.st_size > most:
                what = f"holds {status.st_size / 2**20:.0f} MB, more than the {most / 2**20:.0f} MB of any such file"
                raise SourceError(what, where=str(path), hint=f"split it, or {_AGAIN}")
            # Not more than it has: a buffer of what is asked for is reserved at once.
            return file.read(status.st_size + 1)
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise SourceError(what, where=str(path), hint="check that it is a file and its permissions") from error
    except ValueError as error:
        raise SourceError(f"no path of a file: {error}", where=repr(str(path)), hint=_AGAIN) from error
