"""Build the free body from its source and the walks that ship: what ``mgdata body build`` does."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.arrays import body_from_arrays
from meshgait_data.body.free import FreeBodySettings, build_free_body
from meshgait_data.body.free_levels import NAMES, Level
from meshgait_data.body.free_source import Anny
from meshgait_data.body.free_walks import Walk, joint_rotations
from meshgait_data.body.model import rest_joints
from meshgait_data.rotations import log
from meshgait_data.shipped import ASSETS
from meshgait_data.sources.files import read_motion, read_skeleton
from meshgait_data.sources.kinematics import pose
from meshgait_data.types import BodyParams
from meshgait_data.view.free_body import components_picture, levels_picture, people_picture, walk_picture

TRAIN = ("05/05_01", "06/06_01", "07/07_01", "08/08_01", "10/10_04", "43/43_01")
"""Shipped CMU walks that the pose correctives are learned on: every 10th frame, 12 a second."""
TEST = ("02/02_01", "16/16_15", "35/35_01")
"""Walks of other people that the errors are measured on: every 40th frame."""
_DRAWN = slice(40, 180, 20)
"""Frames of the first test walk that are drawn: a walking cycle."""
_PEOPLE = ("child", "adolescent", "short", "light", "mean", "heavy", "tall")


def build_shipped(
    source: Anny, settings: FreeBodySettings, levels: Sequence[Level] = ("standard",)
) -> dict[Level, dict[str, NDArray[Any]]]:
    """Arrays of the free body's levels, distilled from its source with the shipped walks; on one thread."""
    from threadpoolctl import threadpool_limits

    # Several threads add in another order: the last digits of the joint regressor would depend on the machine's cores.
    with threadpool_limits(1):
        return build_free_body(source, shipped_walks(TRAIN, 10), shipped_walks(TEST, 40), settings, levels)


def shipped_walks(names: tuple[str, ...], every: int) -> list[Walk]:
    """Every n-th frame of walks that ship with meshgait, by their path below ``asfamc`` without its ending."""
    walks = []
    for name in names:
        path = ASSETS / "cmu_walk" / "asfamc" / f"{name}.amc"
        skeleton = read_skeleton(path.with_name(f"{path.parent.name}.asf"))
        posed = pose(skeleton, read_motion(path, skeleton))
        directions = {bone.name: bone.direction for bone in skeleton.bones}
        walks.append(Walk(path.stem, posed.names, posed.rotations[::every], directions))
    return walks


def draw_built(built: Mapping[Level, Mapping[str, NDArray[Any]]]) -> dict[str, bytes]:
    """Pictures (PNG) of built levels by file name: components, people, walking, levels of detail."""
    bodies = {level: body_from_arrays(arrays, NAMES[level], NAMES[level]) for level, arrays in built.items()}
    body = bodies.get("standard", next(iter(bodies.values())))
    examples = json.loads(str(next(iter(built.values()))["card"]))["examples"]
    walk = shipped_walks(TEST[:1], 1)[0]
    some = dataclasses.replace(walk, rotations=walk.rotations[_DRAWN])
    angles = log(joint_rotations(some, rest_joints(body)[0]))
    frames = len(angles)
    poses = BodyParams(np.zeros(1), angles[:, 0], angles[:, 1:].reshape(frames, -1), np.zeros((frames, 3)))
    walkers = [(name, body, examples[name]) for name in ("mean", "heavy", "child")]
    return {
        "free_body_components.png": components_picture(body),
        "free_body_people.png": people_picture(body, {name: examples[name] for name in _PEOPLE}),
        "free_body_walking.png": walk_picture(walkers, poses),
        "free_body_levels.png": levels_picture(list(bodies.values())),
    }
