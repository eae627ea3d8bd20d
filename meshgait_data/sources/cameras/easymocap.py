"""EasyMocap's folder with ``intri.yml`` and ``extri.yml``: ``x_cam = R X + T`` in metres, OpenCV's camera frame."""

from pathlib import Path
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.cameras.calibration import Calibration, RawCamera, matrix, rotation_of
from meshgait_data.sources.cameras.opencv_files import read_storage
from meshgait_data.sources.reading import joint_hash

NAME, ABOUT = "easymocap", "EasyMocap: a folder with intri.yml and extri.yml"
_INNER, _OUTER = "intri.yml", "extri.yml"


def claims(path: Path) -> bool:
    """Whether a path is of this format: the folder, or one of the two files."""
    folder = path if path.is_dir() else path.parent
    return (path.is_dir() or path.name in (_INNER, _OUTER)) and (folder / _INNER).is_file()


def read(path: Path) -> Calibration:
    """Cameras of the folder; raises SourceError where one has no pose or no lens."""
    folder = path if path.is_dir() else path.parent
    if not (folder / _OUTER).is_file():
        raise SourceError(f"no {_OUTER} beside {_INNER}", where=str(folder), hint="calibrate the poses of the cameras")
    inner, outer = read_storage(folder / _INNER), read_storage(folder / _OUTER)
    names = inner.get("names")
    if not isinstance(names, list) or not names:
        raise SourceError("no list of names", where=str(folder / _INNER), hint="it starts with names: and the cameras")
    cameras = tuple(_camera(str(name), inner, outer, str(folder)) for name in names)
    return Calibration(cameras, joint_hash([folder / _INNER, folder / _OUTER]))


def _camera(name: str, inner: dict[str, Any], outer: dict[str, Any], where: str) -> RawCamera:
    place = f"{where}: {name}"
    # Rot_ is the matrix and R_ the vector of the same rotation.
    rotation = outer.get(f"Rot_{name}", outer.get(f"R_{name}"))
    if f"K_{name}" not in inner or rotation is None or f"T_{name}" not in outer:
        what = f"K_{name}, Rot_{name} (or R_{name}) or T_{name} is missing"
        raise SourceError(what, where=place, hint="the names of intri.yml and extri.yml must be the same")
    return RawCamera(
        name,
        matrix(inner[f"K_{name}"], (3, 3), "K", place),
        rotation_of(rotation, place),
        matrix(outer[f"T_{name}"], (3,), "T", place),
        (int(inner.get(f"W_{name}") or 0), int(inner.get(f"H_{name}") or 0)),
        tuple(np.ravel(inner.get(f"dist_{name}", inner.get(f"D_{name}", ())))),
    )
