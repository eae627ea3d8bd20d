"""Calibrated cameras from the files that calibration programs write; one module a format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meshgait_data.errors import SourceError, UsageError
from meshgait_data.findings import Finding
from meshgait_data.sources.cameras import colmap, easymocap, opencv_files, plain, pose2sim, qualisys
from meshgait_data.sources.cameras.calibration import CameraOptions, settle
from meshgait_data.sources.cameras.plain import write_cameras
from meshgait_data.types import Camera, FloatArray

__all__ = ["CAMERA_FORMATS", "CameraOptions", "Cameras", "read_cameras", "write_cameras"]

_FORMATS: tuple[Any, ...] = (qualisys, easymocap, colmap, pose2sim, opencv_files, plain)
CAMERA_FORMATS: dict[str, str] = {format.NAME: format.ABOUT for format in _FORMATS}
"""Formats by name, with a line about each."""


@dataclass(frozen=True, slots=True, eq=False)
class Cameras:
    """Cameras of one scene: OpenCV's camera frame, a world in metres with y up."""

    cameras: dict[str, Camera]
    """By name."""
    turn: FloatArray
    """(3, 3) rotation from the file's world to this one: 3D data in the file's world are turned by it too."""
    findings: tuple[Finding, ...]
    """How up and sizes are known, and what looks wrong; ids MG-CAMERAS-..."""
    sha256: str
    """Hash over the source files."""


def read_cameras(path: Path, *, format: str = "auto", options: CameraOptions | None = None) -> Cameras:
    """Cameras of a calibration file or folder.

    Parameters
    ----------
    path
        File or folder.
    format
        Name in ``CAMERA_FORMATS``, or ``auto``: the one that the path looks like.
    options
        What the file does not say itself.

    Raises
    ------
    UsageError
        Where there is no such format.
    SourceError
        Where the file is missing, damaged or of no known format, or a camera cannot be one.
    """
    if format not in ("auto", *CAMERA_FORMATS):
        hint = f"choose one of: auto, {', '.join(CAMERA_FORMATS)}"
        raise UsageError(f"no format of cameras is called {format!r}", hint=hint)
    if not path.exists():
        raise SourceError("there is no such file or folder", where=str(path), hint="check the path in the manifest")
    allowed = [one for one in _FORMATS if format in ("auto", one.NAME)]
    chosen = next((one for one in allowed if format == one.NAME or one.claims(path)), None)
    if chosen is None:
        known = "; ".join(CAMERA_FORMATS.values())
        raise SourceError("not a calibration of a known format", where=str(path), hint=f"known: {known}")
    found = chosen.read(path)
    cameras, turn, findings = settle(found, options or CameraOptions(), str(path))
    return Cameras(cameras, turn, findings, found.sha256)
