"""Folders with a file a frame whose content nobody uses: how many there are, and which hold nothing."""

import re
from pathlib import Path

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.frames import FileNames, names_in
from meshgait_data.sources.riding import Counted
from meshgait_data.untrusted import MOST_FRAME_BYTES, read_bytes

_POINTS = re.compile(rb"^POINTS\s+(\d{1,12})\s*$", re.MULTILINE)
"""Line of a PCD file's header; the Point Cloud Library's documentation of the format."""
_HEADER_BYTES = 4096


def count_files(folder: Path, pattern: re.Pattern[str] | None, exclude: tuple[str, ...] = ()) -> Counted:
    """Count the files of a folder that bear the right names, in the order of their names.

    Files of no bytes, and clouds (``.pcd``) without a readable header, are lost; clouds of no points are empty.

    Raises
    ------
    SourceError
        Where the folder cannot be listed or has no such file.
    """
    names = FileNames(pattern, exclude).chosen(names_in(folder))
    if not names:
        raise SourceError("no file of a frame", where=str(folder), hint="correct file in the manifest")
    points = [_points(folder / name) for name in names]
    lost = [place for place, count in enumerate(points) if count is None]
    empty = [place for place, count in enumerate(points) if count == 0]
    return Counted(len(names), np.array(lost, np.int64), np.array(empty, np.int64))


def _points(path: Path) -> int | None:
    """Points of a cloud; 1 of any other file that is not empty, None where it holds nothing that can be read."""
    if path.suffix.lower() != ".pcd":
        return 1 if path.is_file() and path.stat().st_size else None
    try:
        match = _POINTS.search(read_bytes(path, MOST_FRAME_BYTES)[:_HEADER_BYTES])
    except SourceError:
        return None
    return None if match is None else int(match[1])
