"""Where the files of a packed dataset lie: a local folder, or a URL of anything that fsspec reads.

A store holds nothing that breaks threads or processes: local descriptors are only read by position and are left behind
when a store is sent to another process; remote connections belong to the process that made them.
"""

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from meshgait_data.errors import EnvironmentLacks, MissingExtra, ShardError, UsageError
from meshgait_data.shards.checksums import AGAIN

_MOST_OPEN = 256
"""Descriptors that a store keeps at most; systems allow a process 1,024 or more."""


class Store(ABC):
    """Files below one root. Paths are relative and have forward slashes.

    What is not there raises FileNotFoundError, and what the system refuses another OSError; a server that cannot be
    reached raises EnvironmentLacks.
    """

    is_local: bool

    @abstractmethod
    def __str__(self) -> str:
        """Path or URL of the root, without a slash at the end."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """All bytes of a file."""

    @abstractmethod
    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Bytes ``start`` to ``stop`` of a file; fewer where the file ends before."""

    @abstractmethod
    def size(self, path: str) -> int | None:
        """Bytes of a file; None where there is none."""

    @abstractmethod
    def names(self, folder: str = "") -> list[str] | None:
        """Names in a folder, sorted: none of a folder that is missing, None where this kind of store cannot list."""

    @abstractmethod
    def files(self, folder: str) -> list[str] | None:
        """Paths of all files below a folder, relative to it, sorted; None where the kind of store cannot list."""

    def where(self, path: str = "") -> str:
        """Full name of a file, for messages."""
        return f"{self}/{path}" if path else str(self)


class _Descriptor:
    """An open file, closed when the last one that reads from it lets it go."""

    __slots__ = ("number",)

    def __init__(self, path: str) -> None:
        self.number = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        # Opening may have failed.
        if hasattr(self, "number"):
            os.close(self.number)


class LocalStore(Store):
    """A folder of this machine."""

    is_local = True

    def __init__(self, root: str | Path) -> None:
        self._root = os.path.abspath(root)
        self._open: dict[str, _Descriptor] = {}

    def __str__(self) -> str:
        return self._root

    def __reduce__(self) -> tuple[Any, ...]:
        return LocalStore, (self._root,)

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def read(self, path: str) -> bytes:
        """All bytes of a file."""
        with open(self._path(path), "rb") as file:
            return file.read()

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Bytes ``start`` to ``stop`` of a file; fewer where the file ends before."""
        descriptor = self._open.get(path) or self._descriptor(path)
        data = os.pread(descriptor.number, stop - start, start)
        if len(data) == stop - start:
            return data
        # A single call gives 2 GiB at most.
        pieces = [data]
        while data and (start := start + len(data)) < stop:
            data = os.pread(descriptor.number, stop - start, start)
            pieces.append(data)
        return b"".join(pieces)

    def _descriptor(self, path: str) -> _Descriptor:
        descriptor = _Descriptor(self._path(path))
        if len(self._open) >= _MOST_OPEN:
            # Readers in other threads hold on to theirs until they are done. No lock: a fork may find it locked.
            self._open = {}
        self._open[path] = descriptor
        return descriptor

    def size(self, path: str) -> int | None:
        """Bytes of a file; None where there is none."""
        try:
            found = os.stat(self._path(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def names(self, folder: str = "") -> list[str]:
        """Names of files and folders in a folder, sorted; none of a folder that is missing."""
        try:
            return sorted(os.listdir(self._path(folder)))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def files(self, folder: str) -> list[str]:
        """Paths of all files below a folder, relative to it, sorted."""
        root = Path(self._path(folder))
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


class RemoteStore(Store):
    """A URL that fsspec reads: object stores, web servers, archives, memory."""

    is_local = False

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._connection: tuple[int, Any, str] | None = None
        self._connect()

    def __str__(self) -> str:
        return self._url

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteStore, (self._url,)

    def _connect(self) -> tuple[Any, str]:
        """File system and path of the root, of this very process: connections do not survive a fork."""
        held, process = self._connection, os.getpid()
        if held is None or held[0] != process:
            held = (process, *_file_system(self._url))
            self._connection = held
        return held[1], held[2]

    def read(self, path: str) -> bytes:
        """All bytes of a file."""
        system, root = self._connect()
        with self._asking(path):
            return bytes(system.cat_file(f"{root}/{path}"))

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Bytes ``start`` to ``stop`` of a file; fewer where the file ends before."""
        system, root = self._connect()
        with self._asking(path):
            data = bytes(system.cat_file(f"{root}/{path}", start=start, end=stop))
        if len(data) > stop - start:
            raise EnvironmentLacks(
                "the server sends whole files where parts of them are asked for",
                where=self.where(path),
                hint="use a server that honours byte ranges, or copy the dataset to this machine",
            )
        return data

    def size(self, path: str) -> int | None:
        """Bytes of a file; None where there is none."""
        system, root = self._connect()
        try:
            with self._asking(path):
                found = system.info(f"{root}/{path}")
        except FileNotFoundError:
            return None
        return int(found["size"]) if found["type"] == "file" and found["size"] is not None else None

    def names(self, folder: str = "") -> list[str] | None:
        """Names of files and folders in a folder, sorted; None for web servers, which do not tell."""
        system, root = self._connect()
        if self._cannot_list():
            return None
        try:
            with self._asking(folder):
                found = system.ls(f"{root}/{folder}".rstrip("/"), detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(str(name).rstrip("/").rsplit("/", 1)[-1] for name in found)

    def files(self, folder: str) -> list[str] | None:
        """Paths of all files below a folder, relative to it, sorted; None for web servers, which do not tell."""
        system, root = self._connect()
        if self._cannot_list():
            return None
        with self._asking(folder):
            found = system.find(f"{root}/{folder}")
        # A file system may answer with more of the path in front than it was asked with.
        return sorted(str(name).rsplit(f"/{folder}/", 1)[-1] for name in found)

    def _cannot_list(self) -> bool:
        return self._url.startswith(("http://", "https://"))

    @contextmanager
    def _asking(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:
            # Each file system has errors of its own, which need not be OSErrors.
            what = f"cannot read: {str(error) or type(error).__name__}"
            hint = "check the address and your right to read it, then try again"
            raise EnvironmentLacks(what, where=self.where(path), hint=hint) from error


def open_store(path: str | Path) -> Store:
    """Store of a folder or URL; nothing is read yet.

    Parameters
    ----------
    path
        Folder, ``file://`` URL, or any URL that fsspec knows, e.g. ``s3://bucket/shards`` or ``https://host/shards``.

    Raises
    ------
    UsageError
        Where nobody knows this kind of URL.
    MissingExtra
        Where the package that reads this kind of URL is not installed.
    """
    text = str(path)
    if "://" not in text and "::" not in text:
        return LocalStore(text)
    return LocalStore(text.removeprefix("file://")) if text.startswith("file://") else RemoteStore(text)


@contextmanager
def reading(store: Store, path: str) -> Iterator[None]:
    """Turn what reading a file of a packed dataset raises into ShardError, which names the file and the way out."""
    try:
        yield
    except FileNotFoundError as error:
        raise ShardError("the file is missing", where=store.where(path), hint=AGAIN) from error
    except OSError as error:
        what = f"cannot read: {error.strerror or error}"
        raise ShardError(what, where=store.where(path), hint=AGAIN) from error


def _file_system(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        system, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        hint = "install the package that the message names with pip"
        raise MissingExtra(str(error), where=url, hint=hint) from error
    except ValueError as error:
        hint = "give a folder, or a URL such as https://host/shards or s3://bucket/shards"
        raise UsageError(str(error), where=url, hint=hint) from error
    return system, str(root).rstrip("/")
