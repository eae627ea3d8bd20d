"""Write files so that they are complete or absent, whatever happens on the way."""

import errno
import os
import secrets
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import EnvironmentLacks


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file under a temporary name, sync it, then rename it into place."""
    write_with(path, lambda file: file.write(data))


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file; see :func:`write_bytes`."""
    write_bytes(path, text.encode())


def write_npz(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write a compressed npz that ``numpy.load(allow_pickle=False)`` reads; equal arrays give equal bytes."""

    def fill(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in arrays.items():
                # numpy's own writer stamps the time of day into the archive.
                info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(info, "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)

    write_with(path, fill)


def write_with(path: Path, fill: Callable[[IO[bytes]], Any]) -> None:
    """Let ``fill`` write to an open binary file that becomes ``path`` only if it returns.

    Raises
    ------
    EnvironmentLacks
        Where the folder cannot be written to or has no space left.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        # Where even the folder could not be made there is nothing to remove.
        with suppress(OSError):
            temporary.unlink()


def _cannot_write(path: Path, error: OSError) -> EnvironmentLacks:
    what = f"cannot write: {error.strerror or error}"
    return EnvironmentLacks(what, where=str(path), hint="free some space or choose another folder")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes ``path`` if the block ends without an error, and vanishes otherwise.

    Raises
    ------
    FileExistsError
        At the end, where ``path`` has appeared in the meantime (another writer was faster).
    EnvironmentLacks
        Where the folder cannot be made, synced or renamed.
    """
    with _hidden_folder(path) as temporary:
        yield temporary
        with writing(path):
            for item in (temporary, *temporary.rglob("*")):
                _sync(item)
            if path.exists():
                raise FileExistsError(str(path))
            _take_place(temporary, path)
            _sync(path.parent)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a file to write, in a temporary folder of its own; it becomes ``path`` if the block ends without an error.

    The folder is free for other files that are needed on the way; it vanishes in any case.

    Raises
    ------
    FileExistsError
        At the end, where ``path`` has appeared in the meantime (another writer was faster).
    EnvironmentLacks
        Where the file cannot be synced or moved.
    """
    with _hidden_folder(path) as temporary:
        yield temporary / path.name
        with writing(path):
            _sync(temporary / path.name)
            _link(temporary / path.name, path)
            _sync(path.parent)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses within the block into EnvironmentLacks about ``path``.

    FileExistsError, by which a slower writer knows that it has lost, passes through.
    """
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise _cannot_write(path, error) from error


@contextmanager
def _hidden_folder(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _take_place(temporary: Path, path: Path) -> None:
    """Rename a folder; FileExistsError where another writer's has appeared there after the last look."""
    try:
        os.rename(temporary, path)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise FileExistsError(str(path)) from error
        raise


def _link(temporary: Path, path: Path) -> None:
    """Give a file its name; FileExistsError where there is one of that name."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links. Renaming would replace what is there, so look first.
        if path.exists():
            raise FileExistsError(str(path)) from None
        os.rename(temporary, path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
