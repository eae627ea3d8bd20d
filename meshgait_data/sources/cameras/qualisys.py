"""Qualisys' calibration ``*.qca.txt``: XML in a world with z up, in millimetres.

Its traps, each checked against films of a calibrated scene: focal lengths and principal points are in 1/64 px; the
rotation is stored by column, from the camera to the world, and the camera looks along its -z with y up, so that it is
turned by half a turn about x. Distortion is divided by 64 as well, as Pose2Sim does; in the calibrations at hand it
is too weak to show in films.
"""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.cameras.calibration import Calibration, RawCamera, pinhole
from meshgait_data.sources.files import read_text

NAME, ABOUT = "qualisys", "Qualisys *.qca.txt"
_SUBPIXELS = 64.0
_HALF_TURN = np.diag([1.0, -1.0, -1.0])


def claims(path: Path) -> bool:
    """Whether a path is of this format."""
    return path.is_file() and path.name.lower().endswith((".qca.txt", ".qca.xml"))


def read(path: Path) -> Calibration:
    """Cameras of the file; raises SourceError where it is damaged."""
    file = read_text(path)
    if "<!DOCTYPE" in file.text or "<!ENTITY" in file.text:
        raise SourceError("XML with entities", where=str(path), hint="no calibration has them; take another file")
    try:
        root = ElementTree.fromstring(file.text.encode("latin-1"))
    except ElementTree.ParseError as error:
        what = f"not valid XML: {error}"
        raise SourceError(what, where=str(path), hint="export the calibration again") from error
    found = [_camera(node, f"{path}: camera {index}") for index, node in enumerate(root.iter("camera"))]
    return Calibration(tuple(camera for camera in found if camera), file.sha256, up="z", metres=0.001)


def _camera(node: ElementTree.Element, where: str) -> RawCamera | None:
    """One camera; None for one that was switched off."""
    if node.get("active") == "0":
        return None
    inner, outer, field = node.find("intrinsic"), node.find("transform"), node.find("fov_video")
    if inner is None or outer is None or field is None:
        hint = "export the calibration again"
        raise SourceError("no intrinsic, transform or fov_video", where=where, hint=hint)
    left, top, right, bottom = (_number(field, key, where) for key in ("left", "top", "right", "bottom"))
    focal = _small(inner, "focalLengthU", where), _small(inner, "focalLengthV", where)
    centre = _small(inner, "centerPointU", where) - left, _small(inner, "centerPointV", where) - top
    lens = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2")
    # Row by row r11 r12 r13 is a column of camera-to-world, hence a row of world-to-camera.
    stored = np.array([[_number(outer, f"r{row}{column}", where) for column in (1, 2, 3)] for row in (1, 2, 3)])
    position = np.array([_number(outer, key, where) for key in ("x", "y", "z")])
    rotation = _HALF_TURN @ stored
    return RawCamera(
        name=node.get("serial") or where.rsplit(" ", 1)[-1],
        intrinsics=pinhole(focal, centre),
        rotation=rotation,
        translation=-rotation @ position,
        size=(int(right - left) + 1, int(bottom - top) + 1),
        distortion=tuple(_small(inner, key, where) for key in lens),
    )


def _number(node: ElementTree.Element, key: str, where: str) -> float:
    try:
        return float(node.get(key, ""))
    except ValueError as error:
        what = f"{node.tag} has no number {key}"
        raise SourceError(what, where=where, hint="export the calibration again") from error


def _small(node: ElementTree.Element, key: str, where: str) -> float:
    return _number(node, key, where) / _SUBPIXELS
