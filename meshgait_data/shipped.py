"""Files that ship with meshgait, by name: what stands under ``assets/``."""

from importlib.resources import files
from pathlib import Path

from meshgait_data.errors import UsageError

ASSETS = Path(str(files("meshgait_data"))) / "assets"
"""Folder of all of them; packages are installed unpacked."""


def shipped_files(folder: str) -> dict[str, Path]:
    """The .npz files of a folder by name, sorted."""
    return {path.stem: path for path in sorted((ASSETS / folder).glob("*.npz"))}


def shipped_or_path(folder: str, name_or_path: str | Path, *, command: str) -> Path:
    """Where a file lies: shipped names first, then paths.

    Parameters
    ----------
    folder
        Below the assets, which says what the files are, e.g. ``markers``.
    name_or_path
        Name without ending, or path.
    command
        What writes such files, for the way out.

    Raises
    ------
    UsageError
        Where there is neither.
    """
    shipped = shipped_files(folder)
    path = shipped.get(str(name_or_path), Path(name_or_path).expanduser())
    if not path.is_file():
        raise UsageError(
            f"no file of {folder} and no shipped {folder} {str(name_or_path)!r}",
            hint=f"give the path of a file that {command!r} wrote, or one of: {', '.join(shipped)}",
        )
    return path
