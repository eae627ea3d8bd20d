"""What calibration files give before anything is turned: cameras in a world of their own, and how to make it ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.sources.world import AXES, axis, smallest_turn
from meshgait_data.types import Camera, FloatArray

FREE = "cameras"
"""Up direction that no axis has, but the cameras' mean upright."""
_ORTHONORMAL = 1e-3
_FAR_M, _NEAR_M = 60.0, 0.05
"""Mean distance of the cameras from their middle that is none of cameras around a walker."""
_PLAIN_LENGTHS = (0, 4, 5, 8)


@dataclass(frozen=True, slots=True)
class CameraOptions:
    """What a file does not say itself."""

    up: str = ""
    """Axis of the file's world that points up, ``x y z -x -y -z``; ``cameras``: what the cameras' pictures have
    upwards on average; empty: what the format says, else the axis nearest to that."""
    metres: float = 0.0
    """Metres of one unit of the file; 0: what the format says, else 1."""
    size: tuple[int, int] = (0, 0)
    """Width and height of the pictures where the file does not say; 0: twice the principal point."""


@dataclass(frozen=True, slots=True, eq=False)
class RawCamera:
    """One camera as a file has it: ``x_cam = rotation @ x_world + translation`` in OpenCV's camera frame."""

    name: str
    intrinsics: FloatArray
    """(3, 3)"""
    rotation: FloatArray
    """(3, 3)"""
    translation: FloatArray
    """(3,) in units of the file."""
    size: tuple[int, int] = (0, 0)
    distortion: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Calibration:
    """Content of a calibration file."""

    cameras: tuple[RawCamera, ...]
    sha256: str
    up: str = ""
    """Axis that the format defines as up; empty where it does not."""
    metres: float = 0.0
    """Metres of one unit where the format defines that; 0 where it does not."""


def settle(
    found: Calibration, options: CameraOptions, where: str
) -> tuple[dict[str, Camera], FloatArray, tuple[Finding, ...]]:
    """Cameras in metres in a world with y up.

    Returns
    -------
    Cameras by name; the rotation (3, 3) from the file's world to ours (after scaling to metres); what was noticed.

    Raises
    ------
    SourceError
        Where there is no camera, two have one name, a number is not finite, a rotation is none, a focal length is not
        positive, or the number of distortion coefficients is not OpenCV's.
    """
    if not found.cameras:
        raise SourceError("no camera in the file", where=where, hint="check that it is the calibration")
    names = [camera.name for camera in found.cameras]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise SourceError(f"several cameras are called {', '.join(twice)}", where=where, hint="name each camera once")
    turn, how = _turn(found, options, where)
    metres = options.metres or found.metres or 1.0
    cameras: dict[str, Camera] = {}
    findings = [how]
    for raw in found.cameras:
        size, guess = _size(raw, options, where)
        findings += guess
        cameras[raw.name] = _checked(replace(raw, size=size), turn, metres, f"{where}: {raw.name}")
    findings += _distances(cameras, metres if options.metres or found.metres else 0.0, where)
    return cameras, turn, tuple(findings)


def _turn(found: Calibration, options: CameraOptions, where: str) -> tuple[FloatArray, Finding]:
    # Row 1 of a rotation is where the camera's y, which points down in the picture, lies in the world.
    upright = -np.mean([camera.rotation[1] for camera in found.cameras], axis=0)
    measured = max(AXES, key=lambda name: float(axis(name, where) @ upright))
    said = options.up or found.up or measured
    if said == FREE:
        if np.linalg.norm(upright) < 1e-6:
            raise SourceError("the cameras have no common upright", where=where, hint="give up as an axis, e.g. 'z'")
        what = "up is the mean upright of the cameras' pictures"
        return smallest_turn(upright), Finding(Severity.WARNING, "MG-CAMERAS-001", where, what, _UP_HINT)
    direction = axis(said, where)
    if direction @ upright < 0:
        what = f"{said} up turns the pictures of most cameras upside down; {measured} would keep them upright"
        return smallest_turn(direction), Finding(Severity.WARNING, "MG-CAMERAS-002", where, what, _UP_HINT)
    if options.up or found.up:
        what = f"{said} is up, as {'was asked for' if options.up else 'the format defines'}"
        return smallest_turn(direction), Finding(Severity.INFO, "MG-CAMERAS-001", where, what)
    what = f"the file does not say what is up; {said} is nearest to the upright of the cameras' pictures"
    return smallest_turn(direction), Finding(Severity.WARNING, "MG-CAMERAS-001", where, what, _UP_HINT)


_UP_HINT = "give up: x, y, z, -x, -y or -z of the file's world"


def _size(raw: RawCamera, options: CameraOptions, where: str) -> tuple[tuple[int, int], list[Finding]]:
    if all(raw.size):
        return raw.size, []
    if all(options.size):
        return options.size, []
    width, height = (round(2 * float(centre)) + 1 for centre in raw.intrinsics[:2, 2])
    what = f"{raw.name} does not say how large its pictures are; {width} x {height} follow from the principal point"
    return (width, height), [Finding(Severity.WARNING, "MG-CAMERAS-003", where, what, "give size: [width, height]")]


def _checked(raw: RawCamera, turn: FloatArray, metres: float, where: str) -> Camera:
    numbers = [raw.intrinsics, raw.rotation, raw.translation, np.array(raw.distortion)]
    if not all(np.isfinite(part).all() for part in numbers):
        raise SourceError("a number is not finite", where=where, hint="calibrate again")
    rotation = np.asarray(raw.rotation, dtype=np.float64)
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > _ORTHONORMAL or np.linalg.det(rotation) < 0:
        raise SourceError("the rotation is no rotation", where=where, hint="is it the right matrix, and not mirrored?")
    if raw.intrinsics[0, 0] <= 0 or raw.intrinsics[1, 1] <= 0:
        what = f"focal lengths {raw.intrinsics[0, 0]:.4g} and {raw.intrinsics[1, 1]:.4g} px"
        raise SourceError(what, where=where, hint="they are positive; is the axis convention OpenCV's?")
    # Printed with few digits, a rotation is off by some 1e-4: the nearest true one is taken.
    left, _, right = np.linalg.svd(rotation)
    return Camera(
        name=raw.name,
        intrinsics=np.asarray(raw.intrinsics, dtype=np.float64),
        rotation=left @ right @ turn.T,
        translation=np.asarray(raw.translation, dtype=np.float64) * metres,
        size=raw.size,
        distortion=_coefficients(raw.distortion, where),
    )


def _coefficients(values: Sequence[float], where: str) -> tuple[float, ...]:
    """Coefficients without zeros at the end, in a number that OpenCV knows."""
    used = max((index + 1 for index, value in enumerate(values) if value), default=0)
    length = next((length for length in _PLAIN_LENGTHS if length >= used), 0)
    if used > _PLAIN_LENGTHS[-1]:
        what = f"{len(values)} distortion coefficients"
        raise SourceError(what, where=where, hint="thin-prism and tilted lenses are not known: use at most 8")
    return (*map(float, values[:length]), *((length - len(values)) * (0.0,)))


def _distances(cameras: Mapping[str, Camera], metres: float, where: str) -> list[Finding]:
    """Whether the cameras stand around a walker; a factor of 1000 off is the usual mistake."""
    positions = np.array([-camera.rotation.T @ camera.translation for camera in cameras.values()])
    spread = float(np.linalg.norm(positions - positions.mean(axis=0), axis=1).mean())
    if len(cameras) < 2 or _NEAR_M < spread < _FAR_M:
        return []
    what = f"the cameras stand {spread:.4g} m from their middle" + (
        "" if metres else "; the file does not say its unit"
    )
    hint = "give metres: 0.001 for millimetres, 0.01 for centimetres"
    return [Finding(Severity.WARNING, "MG-CAMERAS-004", where, what, hint)]


def matrix(value: Any, shape: tuple[int, ...], what: str, where: str) -> FloatArray:
    """Numbers in a shape; raises SourceError where they are none or too few or many."""
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SourceError(f"{what} are no numbers", where=where, hint="calibrate again") from error
    if array.size != np.prod(shape):
        sizes = " x ".join(map(str, shape))
        raise SourceError(f"{what} has {array.size} numbers, not {sizes}", where=where, hint="is the file complete?")
    return array.reshape(shape)


def rotation_of(value: Any, where: str) -> FloatArray:
    """Rotation (3, 3) from a matrix or from a rotation vector (Rodrigues)."""
    from meshgait_data.rotations import exp

    array = np.array(value, dtype=np.float64)
    if array.size == 3:
        return np.asarray(exp(array.reshape(1, 3))[0])
    return matrix(value, (3, 3), "rotation", where)


def pinhole(focal: tuple[float, float], centre: tuple[float, float]) -> FloatArray:
    """Intrinsics (3, 3)."""
    return np.array([[focal[0], 0.0, centre[0]], [0.0, focal[1], centre[1]], [0.0, 0.0, 1.0]])
