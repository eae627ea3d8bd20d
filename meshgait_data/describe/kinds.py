"""What a file or folder holds, found by trying the readers of every kind; nothing in it is executed."""

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from meshgait_data.describe.moments import moments_in
from meshgait_data.describe.tree import kind_of_file
from meshgait_data.errors import MeshgaitError
from meshgait_data.manifest import load_joint_map
from meshgait_data.sources.frames import FileNames, names_in
from meshgait_data.sources.joints3d import JOINT_FORMATS, JointOptions, read_joints3d
from meshgait_data.sources.keypoints import KEYPOINT_FORMATS, KeypointOptions, read_keypoints
from meshgait_data.sources.masks import MASK_FORMATS, read_masks
from meshgait_data.sources.smpl_params import ReadOptions, read_params
from meshgait_data.types import Masks
from meshgait_data.yaml_files import shipped_names

ALIGNED = {64: "as_is", 128: "sustech1k"}
"""Sides of silhouettes as trainers take them, to the alignment that makes them 64 pixels high."""


@dataclass(frozen=True, slots=True)
class Holding:
    """One kind of observation that a file or folder holds."""

    kind: str
    """Block of a source; ``also`` for what only rides along."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the block but its path."""
    about: str = ""
    """What it is, for people."""
    size: tuple[int, int] = (0, 0)
    """Width and height of pictures; 0 where that is not known or they differ."""
    fps: float = 0.0
    """0 where the file does not say."""
    in_world: bool = False
    """Whether it is of the walk and not of one camera's view of it."""
    aligned: bool = False
    """Silhouettes that are scaled and centred already."""


def holdings(path: Path) -> list[Holding]:
    """All kinds that a path holds; several of a folder whose files are of several kinds."""
    ending = kind_of_file(path.name) if path.is_file() else ""
    if ending in _RECORDINGS:
        found = _RECORDINGS[ending](path)
        return [found] if found else []
    times = moments_in(_first(lambda: names_in(path)) or ()) if path.is_dir() else None
    names = times.names if times else None
    attempts = (_silhouettes, _keypoints, _joints3d, _smpl)
    tried = [one for attempt in attempts if (one := _safely(attempt, path, names)) is not None]
    if times is not None:
        return [
            replace(one, options={**one.options, "times": {"written": times.written}}, fps=times.fps) for one in tried
        ]
    return tried or ([one] if (one := _also(path)) is not None else [])


_Attempt = Callable[[Path, FileNames | None], Holding | None]


def _safely(attempt: _Attempt, path: Path, names: FileNames | None) -> Holding | None:
    try:
        return attempt(path, names)
    except MeshgaitError as error:
        logging.getLogger(__name__).debug("%s: %s", path, error)
        return None


def _silhouettes(path: Path, names: FileNames | None) -> Holding | None:
    for name in MASK_FORMATS:
        track = _first(lambda name=name: read_masks(path, "view", format=name, names=names))  # type: ignore[misc]  # a default
        if track is not None:
            masks: Masks = track.data
            height, width = masks.images.shape[1:]
            aligned = name == "opengait" or (masks.sizes is None and height == width and height in ALIGNED)
            options = {"format": name} | ({"alignment": ALIGNED[height]} if aligned and name == "images" else {})
            size = (0, 0) if masks.sizes is not None else (width, height)
            sizes = "crops of several sizes" if masks.sizes is not None else f"{width} x {height} pixels"
            about = f"masks, {len(masks.images)} frames, {sizes}" + (", aligned already" if aligned else "")
            return Holding("silhouettes", options, about, size, aligned=aligned)
    return None


def _keypoints(path: Path, names: FileNames | None) -> Holding | None:
    options = KeypointOptions(names=names)
    for name in KEYPOINT_FORMATS:
        track = _first(
            lambda name=name: read_keypoints(path, "view", format=name, options=options)  # type: ignore[misc]  # a default
        )
        if track is not None:
            points = track.data
            about = f"2D keypoints {points.joint_set}, {len(points.points)} frames"
            return Holding("keypoints2d", {"format": name, "joint_set": points.joint_set}, about, points.size)
    return None


def _joints3d(path: Path, names: FileNames | None) -> Holding | None:
    for name, joint_set in itertools.product(JOINT_FORMATS, ("", "smpl24", "grew14")):
        wanted = JointOptions(joint_set=joint_set, names=names)
        track = _first(lambda name=name, wanted=wanted: read_joints3d(path, format=name, options=wanted))  # type: ignore[misc]  # defaults
        if track is not None:
            about = f"3D joints {track.data.point_set}, {len(track.data.points)} frames"
            options = {"format": name, "joint_set": track.data.point_set}
            # Estimated picture by picture, each in the frame of its own camera.
            options |= {"frame": "camera"} if name == "oumvlp_mesh" else {}
            return Holding("joints3d", options, about)
    return None


def _smpl(path: Path, names: FileNames | None) -> Holding | None:
    file = _first(lambda: read_params(path, options=ReadOptions(names=names)))
    if file is None:
        return None
    about = f"SMPL parameters, {len(file)} frames"
    world = file.given.frame == "world"
    return Holding("smpl", {"format": file.given.layout}, about, fps=file.fps, in_world=world)


def _also(path: Path) -> Holding | None:
    from meshgait_data.sources.riding import read_frames_of

    if not path.is_file() or kind_of_file(path.name) not in ("pickle", "arrays"):
        return None
    track = _first(lambda: read_frames_of(path))
    if track is None:
        return None
    shape = " x ".join(map(str, np.shape(track.data)[1:])) or "one number"
    return Holding("also", {}, f"{len(track.data)} frames of {shape}")


def _first(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except MeshgaitError:
        return None


def _c3d(path: Path) -> Holding | None:
    from meshgait_data.sources.c3d import read_c3d

    take = _first(lambda: read_c3d(path))
    if take is None:
        return None
    return Holding("mocap", {"format": "c3d"}, f"{len(take.names)} markers", fps=take.fps, in_world=True)


def _bvh(path: Path) -> Holding | None:
    from meshgait_data.sources.bvh import read_bvh

    for name in shipped_names("skeletons"):
        take = _first(lambda name=name: read_bvh(path, load_joint_map(name)))  # type: ignore[misc]  # a default
        if take is not None:
            options = {"format": "bvh", "joint_map": name}
            return Holding("mocap", options, f"a skeleton of {len(take.names)} joints", fps=take.fps, in_world=True)
    return Holding("mocap", {"format": "bvh", "joint_map": "bvh"}, "a skeleton", in_world=True)


def _amc(path: Path) -> Holding | None:
    options = {"format": "asf_amc", "joint_map": "cmu"}
    return Holding("mocap", options, "a skeleton's angles", in_world=True)


_RECORDINGS: Mapping[str, Callable[[Path], Holding | None]] = {"c3d": _c3d, "bvh": _bvh, "amc": _amc}


def first_holdings(paths: Iterator[Path], tries: int = 4) -> list[Holding]:
    """What the first paths that can be read hold; of several attempts the one that tells most."""
    best: list[Holding] = []
    for path in itertools.islice(paths, tries):
        found = holdings(path)
        if len(found) > len(best) or (best and best[0].kind == "also" and found and found[0].kind != "also"):
            best = found
    return best
