"""Matrices from OpenCV's FileStorage (YAML, XML, JSON), and the calibrations that are written with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.cameras.calibration import Calibration, RawCamera, matrix, rotation_of
from meshgait_data.sources.reading import joint_hash
from meshgait_data.untrusted import MOST_TEXT_BYTES, read_bytes

NAME, ABOUT = "opencv", "OpenCV FileStorage (.yml, .yaml, .xml): one camera a file, a folder of them, or a stereo pair"
_SUFFIXES = (".yml", ".yaml", ".xml")
_INTRINSICS = ("camera_matrix", "cameraMatrix", "Camera_Matrix", "intrinsics", "intrinsic", "K", "M", "mtx")
_DISTORTION = ("distortion_coefficients", "Distortion_Coefficients", "distCoeffs", "dist_coeffs", "dist", "D")
_ROTATION = ("R", "rotation", "Rotation", "rvec", "rot")
_TRANSLATION = ("T", "t", "translation", "Translation", "tvec")
_WIDTH, _HEIGHT = ("image_width", "image_Width", "width"), ("image_height", "image_Height", "height")
_HINT = f"expected {_INTRINSICS[0]}, {_DISTORTION[0]}, R, T, image_width, image_height"


def claims(path: Path) -> bool:
    """Whether a path is of this format: FileStorage's mark stands at its start."""
    files = [path] if path.is_file() else _files(path)
    return bool(files) and all(_marked(file) for file in files)


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES) if folder.is_dir() else []


def _marked(path: Path) -> bool:
    if path.suffix.lower() not in _SUFFIXES:
        return False
    start = read_bytes(path, MOST_TEXT_BYTES)[:4096]
    return start.startswith(b"%YAML") or b"<opencv_storage" in start


def read(path: Path) -> Calibration:
    """Cameras of a file or of a folder's files; raises SourceError where a matrix is lacking."""
    files = [path] if path.is_file() else _files(path)
    cameras: list[RawCamera] = []
    for file in files:
        content = read_storage(file)
        pair = all(key in content for key in ("M1", "M2", "R", "T"))
        cameras += _pair(content, str(file)) if pair else [_single(content, file.stem, str(file))]
    return Calibration(tuple(cameras), joint_hash(files))


def _single(content: Mapping[str, Any], name: str, where: str) -> RawCamera:
    rotation, translation = _first(content, _ROTATION), _first(content, _TRANSLATION)
    if rotation is None or translation is None:
        hint = "add R and T from the world to the camera (cv2.solvePnP gives rvec and tvec)"
        raise SourceError("no rotation and translation", where=where, hint=hint)
    inner = _first(content, _INTRINSICS)
    if inner is None:
        raise SourceError("no camera matrix", where=where, hint=_HINT)
    lens, width, height = _first(content, _DISTORTION), _first(content, _WIDTH), _first(content, _HEIGHT)
    return RawCamera(
        name,
        matrix(inner, (3, 3), "camera matrix", where),
        rotation_of(rotation, where),
        matrix(translation, (3,), "translation", where),
        (int(width or 0), int(height or 0)),
        () if lens is None else tuple(np.ravel(lens)),
    )


def _pair(content: Mapping[str, Any], where: str) -> list[RawCamera]:
    """OpenCV's stereo calibration: the world is the first camera."""
    size = int(_first(content, _WIDTH) or 0), int(_first(content, _HEIGHT) or 0)
    outer = [(np.eye(3), np.zeros(3)), (rotation_of(content["R"], where), matrix(content["T"], (3,), "T", where))]
    return [
        RawCamera(
            str(number),
            matrix(content[f"M{number}"], (3, 3), f"M{number}", where),
            *outer[number - 1],
            size,
            tuple(np.ravel(content.get(f"D{number}", ()))),
        )
        for number in (1, 2)
    ]


def _first(content: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((content[name] for name in names if name in content), None)


def read_storage(path: Path) -> dict[str, Any]:
    """Top level of a FileStorage: matrices as arrays, numbers, texts, and lists of these; raises SourceError."""
    import cv2

    text = read_bytes(path, MOST_TEXT_BYTES).decode("utf-8", "replace")
    try:
        storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        root = storage.root()
        keys = list(root.keys())
        content = {key: _value(root.getNode(key)) for key in keys}
        storage.release()
    except (cv2.error, SystemError, UnicodeError) as error:
        what = "not a file that OpenCV can read: " + str(error).strip().splitlines()[-1]
        raise SourceError(what, where=str(path), hint="write it again with cv2.FileStorage") from error
    if not content:
        raise SourceError("nothing is in the file", where=str(path), hint="write it again with cv2.FileStorage")
    return content


def _value(node: Any) -> Any:
    if node.isMap():
        return node.mat()
    if node.isSeq():
        return [_value(node.at(index)) for index in range(node.size())]
    return node.string() if node.isString() else node.real()
