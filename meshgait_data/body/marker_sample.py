"""Meshes that virtual markers are learned from and judged on: walks, and a wider range of poses, in random shapes.

Shape letters: F frames, N meshes, V vertices.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from meshgait_data.body.model import Body, forward
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.types import BodyParams, FloatArray

MAIN_BETAS = 10
"""Shape components that every mesh varies; every second mesh varies all that the body has."""

_STRETCH = (1.0, 3.0)
"""A wide pose lies this many times as far from the mean walking pose as the frame that it starts from."""

_FREE_CHAIN = 1 / 3
"""Share of wide poses in which a chain of joints takes any pose within its limits."""

_CHAINS = (
    ("spine1", "spine2", "spine3", "neck", "head"),
    *((f"{side}_hip", f"{side}_knee", f"{side}_ankle") for side in ("left", "right")),
    *((f"{side}_collar", f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist") for side in ("left", "right")),
)
"""Joints that leave the walk together: bent trunk, raised leg, raised arm."""

_LIMITS_DEG: Mapping[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "hip": ((-110, 25), (-35, 35), (-20, 40)),
    "knee": ((0, 125), (-10, 10), (-5, 5)),
    "ankle": ((-40, 30), (-20, 20), (-30, 10)),
    "foot": ((-45, 20), (-20, 20), (-5, 5)),
    "spine1": ((-15, 30), (-20, 20), (-15, 15)),
    "spine2": ((-10, 25), (-20, 20), (-15, 15)),
    "spine3": ((-10, 25), (-20, 20), (-15, 15)),
    "neck": ((-35, 35), (-30, 30), (-20, 20)),
    "head": ((-30, 55), (-30, 30), (-25, 25)),
    "collar": ((-5, 5), (-15, 10), (-10, 25)),
    "shoulder": ((-50, 70), (-90, 50), (-95, 70)),
    "elbow": ((-10, 10), (-120, 0), (-5, 70)),
    "wrist": ((-70, 70), (-50, 50), (-50, 50)),
    "hand": ((-10, 10), (-10, 10), (-20, 20)),
}
"""Least and greatest rotation vector (x, y, z) of a joint of the left side, degrees from a rest pose with level arms.

Roughly the ranges of motion of healthy adults, narrower where linear blend skinning breaks down, e.g. at hip and knee.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Posed bodies with their root rotation removed, metres."""

    walks: FloatArray
    """(N, V, 3) people walking."""
    wide: FloatArray
    """(N, V, 3) poses far from walking."""

    @property
    def all(self) -> FloatArray:
        """Both after each other."""
        return np.concatenate([self.walks, self.wide])


def joint_limits() -> FloatArray:
    """(2, 23, 3) least and greatest rotation vector of each SMPL joint but the root, radians."""
    limits = np.zeros((2, len(SMPL_JOINTS), 3))
    for joint, name in enumerate(SMPL_JOINTS[1:], 1):
        box = np.deg2rad(np.array(_LIMITS_DEG[name.removeprefix("left_").removeprefix("right_")])).T
        # A mirror image turns the other way about y and z.
        limits[:, joint] = box * [1, -1, -1] if name.startswith("right_") else box
    return np.sort(limits[:, 1:], axis=0)


def within_limits(body_pose: FloatArray) -> FloatArray:
    """(F, 69) poses whose joints stay within :func:`joint_limits`: captured hands sometimes spin."""
    low, high = joint_limits().reshape(2, 1, -1)
    return np.clip(body_pose, low, high).astype(np.float32)


def wide_poses(frames: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Poses far from walking: walks exaggerated, and trunk, arms or legs anywhere within their limits.

    Parameters
    ----------
    frames
        (F, 69) poses of walks.
    rng
        Draws how far each pose is stretched, and which chains leave the walk and where to.

    Returns
    -------
    (F, 69) float32.
    """
    mean = frames.mean(axis=0)
    stretch = rng.uniform(*_STRETCH, size=(len(frames), 1))
    poses = within_limits(mean + stretch * (frames - mean)).reshape(len(frames), -1, 3)
    low, high = joint_limits()
    for chain in _CHAINS:
        joints = [SMPL_JOINTS.index(name) - 1 for name in chain]
        chosen = rng.random(len(frames)) < _FREE_CHAIN
        anywhere = rng.uniform(low[joints], high[joints], size=(len(frames), len(joints), 3))
        poses[:, joints] = np.where(chosen[:, None, None], anywhere, poses[:, joints])
    return poses.reshape(len(frames), -1).astype(np.float32)


def draw_frames(people: Mapping[str, FloatArray], count: int, rng: np.random.Generator) -> FloatArray:
    """(count, 69) frames, as evenly from all people as possible; a frame comes twice only where there are too few."""
    names = sorted(people)
    shares = np.bincount(np.arange(count) % len(names), minlength=len(names))
    drawn = [
        people[name][rng.choice(len(people[name]), share, replace=share > len(people[name]))]
        for name, share in zip(names, shares, strict=True)
    ]
    return np.concatenate(drawn)


def draw_sample(
    body: Body, people: Mapping[str, FloatArray], sizes: tuple[int, int], rng: np.random.Generator
) -> Sample:
    """Meshes of random shape in poses of some people.

    Parameters
    ----------
    body
        The body to pose.
    people
        Person to (F, 69) poses of their walks.
    sizes
        Number of walking and of wide poses.
    rng
        Draws frames, wide poses and shapes.
    """
    walks = within_limits(draw_frames(people, sizes[0], rng))
    wide = wide_poses(draw_frames(people, sizes[1], rng), rng)
    return Sample(random_meshes(body, walks, rng), random_meshes(body, wide, rng))


def random_meshes(body: Body, body_pose: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Given poses, each on a body of random shape.

    Shapes are normally distributed. Every second one has the first :data:`MAIN_BETAS` components only, as fitted
    bodies do; the others have all.

    Parameters
    ----------
    body
        The body.
    body_pose
        (N, 69) poses without the root, which stays upright at the origin.
    rng
        Draws the shapes.

    Returns
    -------
    (N, V, 3) float32 metres.
    """
    still = np.zeros((1, 3), np.float32)
    meshes = np.zeros((len(body_pose), body.num_vertices, 3), np.float32)
    for index, pose in enumerate(body_pose):
        betas = rng.normal(size=body.num_betas)
        betas[MAIN_BETAS:] *= index % 2
        meshes[index] = forward(body, BodyParams(betas, still, pose[None], still)).vertices[0]
    return meshes
