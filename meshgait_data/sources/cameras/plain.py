"""Our own calibration files: YAML for people, npz for programs; y up and metres unless the file says otherwise."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from meshgait_data.atomic import write_text
from meshgait_data.errors import ManifestError, SourceError, UsageError
from meshgait_data.sources.cameras.calibration import Calibration, RawCamera, matrix
from meshgait_data.sources.reading import joint_hash, read_npz
from meshgait_data.strict import build
from meshgait_data.types import Camera
from meshgait_data.untrusted import read_bytes
from meshgait_data.yaml_files import read_yaml

NAME, ABOUT = "meshgait", "cameras.yaml or .npz of meshgait"
_HINT = "see docs/formats/observations.md for the keys"
_ARRAYS = ("names", "intrinsics", "rotation", "translation", "size")


@dataclass(frozen=True, slots=True)
class _Entry:
    size: tuple[int, int]
    intrinsics: tuple[tuple[float, float, float], ...]
    rotation: tuple[tuple[float, float, float], ...]
    translation: tuple[float, float, float]
    distortion: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class _File:
    cameras: dict[str, _Entry]
    up: str = "y"
    metres: float = 1.0


def claims(path: Path) -> bool:
    """Whether a path is of this format."""
    if not path.is_file() or path.suffix.lower() not in (".yaml", ".yml", ".npz"):
        return False
    return not read_bytes(path).startswith(b"%YAML")


def read(path: Path) -> Calibration:
    """Cameras of the file; raises SourceError where a key or an array is lacking, unknown, or of another shape."""
    return _read_npz(path) if path.suffix.lower() == ".npz" else _read_yaml(path)


def _read_yaml(path: Path) -> Calibration:
    try:
        file = build(_File, read_yaml(str(path), "rigs")[0], str(path))
    except (ManifestError, UsageError) as error:
        raise SourceError(error.what, where=error.where or str(path), hint=error.hint or _HINT) from error
    cameras = tuple(
        RawCamera(
            name,
            matrix(entry.intrinsics, (3, 3), "intrinsics", f"{path}: {name}"),
            matrix(entry.rotation, (3, 3), "rotation", f"{path}: {name}"),
            np.array(entry.translation),
            entry.size,
            entry.distortion,
        )
        for name, entry in file.cameras.items()
    )
    return Calibration(cameras, joint_hash([path]), up=file.up, metres=file.metres)


def _read_npz(path: Path) -> Calibration:
    arrays = read_npz(path)
    lacking = [name for name in _ARRAYS if name not in arrays]
    if lacking:
        hint = f"arrays: {', '.join(_ARRAYS)}, distortion; first axis cameras"
        raise SourceError(f"no {', no '.join(lacking)}", where=str(path), hint=hint)
    names = tuple(map(str, arrays["names"].ravel()))
    shapes = {"intrinsics": (3, 3), "rotation": (3, 3), "translation": (3,), "size": (2,)}
    parts = {key: matrix(arrays[key], (len(names), *shape), key, str(path)) for key, shape in shapes.items()}
    lens = arrays.get("distortion", np.zeros((len(names), 0)))
    if lens.ndim != 2 or len(lens) != len(names):
        raise SourceError(f"distortion of shape {lens.shape}", where=str(path), hint="one row a camera")
    cameras = tuple(
        RawCamera(
            name,
            parts["intrinsics"][row],
            parts["rotation"][row],
            parts["translation"][row],
            (int(parts["size"][row, 0]), int(parts["size"][row, 1])),
            tuple(lens[row].tolist()),
        )
        for row, name in enumerate(names)
    )
    up, metres = str(arrays.get("up", "y")), float(arrays.get("metres", 1.0))
    return Calibration(cameras, joint_hash([path]), up=up, metres=metres)


def write_cameras(path: Path, cameras: dict[str, Camera]) -> None:
    """Write perspective cameras as YAML that :func:`read` reads.

    Raises
    ------
    UsageError
        Where a camera is not perspective: a calibration file has no place for another model.
    """
    other = [name for name, camera in cameras.items() if camera.model != "perspective"]
    if other:
        raise UsageError(f"{', '.join(other)}: not perspective", hint="calibration files hold perspective cameras only")
    entries = {
        name: {
            "size": list(camera.size),
            "intrinsics": np.asarray(camera.intrinsics).tolist(),
            "rotation": np.asarray(camera.rotation).tolist(),
            "translation": np.asarray(camera.translation).tolist(),
            "distortion": list(camera.distortion),
        }
        for name, camera in cameras.items()
    }
    write_text(path, yaml.safe_dump({"up": "y", "metres": 1.0, "cameras": entries}, sort_keys=False, width=200))
