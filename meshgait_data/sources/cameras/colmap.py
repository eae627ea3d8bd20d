"""COLMAP's text model, ``cameras.txt`` and ``images.txt``: no unit and no up, pixel centres at one half."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.cameras.calibration import FREE, Calibration, RawCamera, pinhole
from meshgait_data.sources.files import read_text
from meshgait_data.sources.reading import joint_hash
from meshgait_data.types import FloatArray

NAME, ABOUT = "colmap", "COLMAP's text model: a folder with cameras.txt and images.txt"
_LENSES, _POSES = "cameras.txt", "images.txt"
_HALF_PIXEL = 0.5
_Lens = tuple[FloatArray, tuple[int, int], tuple[float, ...]]

_MODELS: dict[str, tuple[int, Callable[[list[float]], tuple[float, ...]]]] = {
    "SIMPLE_PINHOLE": (3, lambda p: (p[0], p[0], p[1], p[2])),
    "PINHOLE": (4, lambda p: tuple(p)),
    "SIMPLE_RADIAL": (4, lambda p: (p[0], p[0], p[1], p[2], p[3], 0.0, 0.0, 0.0)),
    "RADIAL": (5, lambda p: (p[0], p[0], p[1], p[2], p[3], p[4], 0.0, 0.0)),
    "OPENCV": (8, lambda p: tuple(p)),
    "FULL_OPENCV": (12, lambda p: tuple(p)),
}
"""COLMAP's model: its number of parameters, and these as fx fy cx cy and OpenCV's coefficients."""


def claims(path: Path) -> bool:
    """Whether a path is of this format."""
    return (path / _LENSES).is_file() and (path / _POSES).is_file()


def read(path: Path) -> Calibration:
    """Cameras of the model, one a picture, named like the picture; raises SourceError where it is damaged."""
    lenses = {words[0]: _lens(words, f"{path / _LENSES}") for words in _lines(path / _LENSES)}
    # Every second line of images.txt lists the picture's points.
    poses = _lines(path / _POSES, every=2)
    cameras = tuple(_camera(words, lenses, f"{path / _POSES}") for words in poses)
    return Calibration(cameras, joint_hash([path / _LENSES, path / _POSES]), up=FREE)


def _lines(path: Path, every: int = 1) -> list[list[str]]:
    lines = [line for line in read_text(path).text.split("\n") if not line.startswith("#")]
    while lines and not lines[-1].strip():
        lines.pop()
    return [words for line in lines[::every] if (words := line.split())]


def _lens(words: list[str], where: str) -> _Lens:
    try:
        model, width, height, *values = words[1:]
        count, convert = _MODELS[model]
        numbers = [float(value) for value in values]
        if len(numbers) != count:
            raise ValueError(f"{model} has {count} parameters, not {len(numbers)}")
        fx, fy, cx, cy, *lens = convert(numbers)
        return pinhole((fx, fy), (cx - _HALF_PIXEL, cy - _HALF_PIXEL)), (int(width), int(height)), tuple(lens)
    except KeyError as error:
        hint = f"known models: {', '.join(_MODELS)}; undistort with COLMAP's image_undistorter"
        raise SourceError(f"camera model {error}", where=where, hint=hint) from error
    except ValueError as error:
        raise SourceError(f"a damaged line: {error}", where=where, hint="export the model as text again") from error


def _camera(words: list[str], lenses: dict[str, _Lens], where: str) -> RawCamera:
    try:
        w, x, y, z, *shift = (float(word) for word in words[1:8])
        intrinsics, size, lens = lenses[words[8]]
        name = " ".join(words[9:])
        if not name:
            raise ValueError("no name")
    except (ValueError, IndexError, KeyError) as error:
        what = f"a damaged line, or a camera that is not in {_LENSES}: {error}"
        raise SourceError(what, where=where, hint="export the model as text again") from error
    return RawCamera(Path(name).stem, intrinsics, _quaternion(w, x, y, z), np.array(shift), size, lens)


def _quaternion(w: float, x: float, y: float, z: float) -> FloatArray:
    """Rotation (3, 3) of a quaternion (Hamilton's convention, w first)."""
    w, x, y, z = np.array([w, x, y, z]) / np.linalg.norm([w, x, y, z])
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
