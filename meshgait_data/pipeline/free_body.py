"""Build the free body from its source and the walks that ship: what ``mgdata body build`` does."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from meshgait_data.body.free import FreeBodySettings, build_free_body
from meshgait_data.body.free_source import Anny
from meshgait_data.body.free_walks import Walk
from meshgait_data.sources.files import read_motion, read_skeleton
from meshgait_data.sources.kinematics import pose

TRAIN = ("05/05_01", "06/06_01", "07/07_01", "08/08_01", "10/10_04", "43/43_01")
"""Shipped CMU walks that the pose correctives are learned on: every 10th frame, 12 a second."""
TEST = ("02/02_01", "16/16_15", "35/35_01")
"""Walks of other people that the errors are measured on: every 40th frame."""


def build_shipped(source: Anny, settings: FreeBodySettings) -> dict[str, NDArray[Any]]:
    """Arrays of the free body, distilled from its source with the shipped walks."""
    return build_free_body(source, shipped_walks(TRAIN, 10), shipped_walks(TEST, 40), settings)


def shipped_walks(names: tuple[str, ...], every: int) -> list[Walk]:
    """Every n-th frame of walks that ship with meshgait, by their path below ``asfamc`` without its ending."""
    walks = []
    for name in names:
        path = Path(str(files("meshgait_data"))) / "assets" / "cmu_walk" / "asfamc" / f"{name}.amc"
        skeleton = read_skeleton(path.with_name(f"{path.parent.name}.asf"))
        posed = pose(skeleton, read_motion(path, skeleton))
        directions = {bone.name: bone.direction for bone in skeleton.bones}
        walks.append(Walk(path.stem, posed.names, posed.rotations[::every], directions))
    return walks
