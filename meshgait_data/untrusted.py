"""How files that nobody vouches for are opened: regular files only, bounded in size, and below the dataset's folder.

Whoever reads a dataset reads what strangers have packed. All bounds of the readers stand here; each is checked before
memory is reserved.
"""

import errno
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

_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
"""Without O_NONBLOCK a pipe would wait for somebody to write to it."""
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
_NO_NAMES = ("", ".", "..")
"""Ends of paths that name no entry of the folder before."""

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
    token = _ROOT.set("" if links else os.path.normpath(_real_folder(_absolute(root))))
    try:
        yield
    finally:
        _ROOT.reset(token)


def check_inside(path: Path | str) -> None:
    """Raise SourceError where a path leads out of the folder of :func:`below`."""
    root, text = _ROOT.get(), _absolute(path)
    if not root:
        return
    folder, name = os.path.split(text)
    # Folders are the same for many files, and few files are links.
    plain = name not in _NO_NAMES and not os.path.islink(text)
    real = os.path.join(_real_folder(folder), name) if plain else os.path.realpath(text)
    if not _lies_in(os.path.normpath(real), root):
        hint = "if the link is meant to be, give the folder above both as --root, or set layout: links in the manifest"
        raise SourceError("it leads out of the folder of the dataset", where=str(path), hint=hint)


def _absolute(path: Path | str) -> str:
    """A path from the root of the file system on, with its '..' left in: behind a link they lead elsewhere."""
    text = os.fspath(path)
    return text if os.path.isabs(text) else os.path.join(os.getcwd(), text)


def _lies_in(real: str, root: str) -> bool:
    return real == root or real.startswith(root.rstrip(os.sep) + os.sep)


@lru_cache(maxsize=4096)
def _real_folder(folder: str) -> str:
    above, name = os.path.split(folder)
    if name in _NO_NAMES or os.path.islink(folder):
        return os.path.realpath(folder)
    return os.path.join(_real_folder(above), name)


@lru_cache(maxsize=256)
def _folder_inside(folder: str, root: str) -> bool:
    return _lies_in(os.path.normpath(_real_folder(folder)), root)


def read_bytes(path: Path | str, most: int = MOST_BYTES) -> bytes:
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
    try:
        descriptor = _opened(_absolute(path))
        try:
            return _content(descriptor, str(path), most)
        finally:
            os.close(descriptor)
    except SourceError:
        # It is a ValueError, too, and no path that cannot be one.
        raise
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise SourceError(what, where=str(path), hint="check that it is a file and its permissions") from error
    except ValueError as error:
        raise SourceError(f"no path of a file: {error}", where=repr(str(path)), hint=_AGAIN) from error


def _opened(path: str) -> int:
    """Descriptor of a file; links are followed only as far as :func:`check_inside` lets them lead."""
    root, (folder, name) = _ROOT.get(), os.path.split(path)
    if root and _NO_LINKS and name not in _NO_NAMES and _folder_inside(folder, root):
        try:
            # The common case: that it is no link is found out by opening it.
            return os.open(path, _READ | _NO_LINKS)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.EMLINK):
                raise
    check_inside(path)
    return os.open(path, _READ)


def _content(descriptor: int, where: str, most: int) -> bytes:
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise SourceError("not a regular file", where=where, hint="put the file itself there")
    size = status.st_size
    if size > most:
        what = f"holds {size / 2**20:.0f} MB, more than the {most / 2**20:.0f} MB of any such file"
        raise SourceError(what, where=where, hint=f"split it, or {_AGAIN}")
    # Not more than it has: a buffer of what is asked for is reserved at once.
    data = os.read(descriptor, size)
    # Systems may give less than was asked for, e.g. of two gigabytes.
    while len(data) < size and (more := os.read(descriptor, size - len(data))):
        data += more
    return data
