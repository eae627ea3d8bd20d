"""Calibrations as TOML, as Pose2Sim, aniposelib and FreeMoCap write them: rotation vectors, OpenCV's frame, metres."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.cameras.calibration import Calibration, RawCamera, matrix, rotation_of
from meshgait_data.sources.files import read_text

NAME, ABOUT = "toml", "TOML of Pose2Sim, aniposelib, FreeMoCap"


def claims(path: Path) -> bool:
    """Whether a path is of this format."""
    return path.is_file() and path.suffix.lower() == ".toml"


def read(path: Path) -> Calibration:
    """Cameras of the file; raises SourceError where it is damaged or a lens is a fisheye."""
    file = read_text(path)
    try:
        content = tomllib.loads(file.text.encode("latin-1").decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        what = f"not valid TOML: {error}"
        raise SourceError(what, where=str(path), hint="export the calibration again") from error
    tables = {key: table for key, table in content.items() if isinstance(table, dict) and "matrix" in table}
    return Calibration(tuple(_camera(key, table, f"{path}: {key}") for key, table in tables.items()), file.sha256)


def _camera(key: str, table: dict[str, Any], where: str) -> RawCamera:
    lacking = [name for name in ("rotation", "translation") if name not in table]
    if lacking:
        raise SourceError(f"no {' and no '.join(lacking)}", where=where, hint="calibrate the poses of the cameras")
    if table.get("fisheye"):
        raise SourceError("a fisheye lens", where=where, hint="undistort pictures and keypoints first")
    size = matrix(table.get("size", (0, 0)), (2,), "size", where)
    return RawCamera(
        str(table.get("name", key)),
        matrix(table["matrix"], (3, 3), "matrix", where),
        rotation_of(table["rotation"], where),
        matrix(table["translation"], (3,), "translation", where),
        (int(size[0]), int(size[1])),
        tuple(np.ravel(np.array(table.get("distortions", ()), dtype=np.float64))),
    )
