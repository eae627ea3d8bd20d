"""Build the free body: Anny's CC0 shapes distilled into SMPL's file schema, with its measured errors.

Steps: decimate one half of the skin and mirror it; sum Anny's 104 bones onto SMPL's 24 joints; bring sampled adults
into the T-pose; ten shape components; joint regressor; pose correctives on walking poses. Errors are measured on
bodies, and on walks of people, that took no part.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body import free_card
from meshgait_data.body.free_landmarks import landmarks
from meshgait_data.body.free_mesh import Topology, symmetric_mesh
from meshgait_data.body.free_pose import correctives, joint_weights, pose_features, pose_source, unposed
from meshgait_data.body.free_shape import (
    Sample,
    ShapeSpace,
    joint_regressor,
    shape_space,
    symmetric_sample,
    t_pose,
)
from meshgait_data.body.free_source import VERSION, Anny, Skin, joint_of_bone
from meshgait_data.body.free_walks import Walk, joint_rotations
from meshgait_data.conventions import SMPL_PARENTS
from meshgait_data.rotations import exp
from meshgait_data.types import FloatArray

LICENCE = (
    "CC0 1.0 data: distilled from MakeHuman's assets, as adapted by MPFB2 and carried by Anny (code Apache-2.0, "
    "NAVER Corp.); the text is in LICENCE-free-body.txt"
)
"""What the file says about itself."""

_GRID = 2.0**20
"""Lengths are rounded to multiples of 1/2^20 m (1 micrometre): smaller files, and no noise in the last digits."""


@dataclass(frozen=True, slots=True)
class FreeBodySettings:
    """Everything that the free body depends on, besides Anny and the walks."""

    seed: int = 0
    half_faces: int = 6660
    """Triangles of one half. Gives 6658 vertices: below 6788, so that SMPL's own vertex numbers fail loudly."""
    adults: int = 700
    """Adults of each kind, plain and with local changes to limbs and girths, that the shape is learned on."""
    varied: float = 0.2
    """Standard deviation of the local changes, which range over [-1, 1]."""
    held_out: int = 150
    """Bodies of each kind that errors are measured on."""
    components: int = 10
    """Shape components."""
    most_joints: int = 4
    """Joints that may move one vertex."""
    jitter: float = 0.3
    """Radians (sd) of noise on half of the training poses, so that the correctives hold outside the walks."""
    ridge: float = 1e-4
    """Penalty of the correctives' regression."""
    batch: int = 20
    """Training poses per sampled body."""


@dataclass(frozen=True, slots=True, eq=False)
class Distilled:
    """What does not depend on pose, and the bodies to measure it on."""

    topology: Topology
    source_weights: FloatArray
    """(V, 24) the source's skinning, all of it."""
    weights: FloatArray
    """(V, 24) at most a few joints a vertex."""
    learned: Mapping[str, Sample]
    held_out: Mapping[str, Sample]
    """``plain``, ``varied`` and ``children``."""
    space: ShapeSpace
    regressor: FloatArray
    """(24, V)."""


def build_free_body(
    source: Anny, train: Sequence[Walk], test: Sequence[Walk], settings: FreeBodySettings
) -> dict[str, NDArray[Any]]:
    """Distil Anny.

    Parameters
    ----------
    source
        The model.
    train, test
        Walks to learn the correctives on, and walks of other people to measure them on.
    settings
        All choices; equal settings give equal arrays.

    Returns
    -------
    The arrays of the body file: SMPL's keys, and ``mirror``, ``vertex_names``, ``vertex_ids``, ``licence`` and
    ``card`` (JSON text: settings, what each shape component does, measured errors).
    """
    rng = np.random.default_rng(settings.seed)
    skin = source.skin()
    parts = _distil(source, skin, settings, rng)
    rest = parts.regressor @ parts.space.mean
    poses = np.concatenate([joint_rotations(walk, rest) for walk in train])
    posedirs = _learn_correctives(parts, poses, settings, rng)
    tests = np.concatenate([joint_rotations(walk, rest) for walk in test])
    arrays = _pack(parts, posedirs)
    names = landmarks(skin, parts.topology)
    card = {
        "source": f"anny {VERSION}",
        "settings": asdict(settings),
        "walks": {"train": [walk.name for walk in train], "test": [walk.name for walk in test]},
        "vertices": len(arrays["v_template"]),
        "faces": len(arrays["f"]),
        **free_card.population(parts.learned, parts.space),
        "components": free_card.components(parts.space, parts.topology.faces),
        "errors_mm": free_card.errors(parts, posedirs, tests),
    }
    return {
        **arrays,
        "vertex_names": np.array(list(names)),
        "vertex_ids": np.array(list(names.values()), np.int32),
        "licence": np.array(LICENCE),
        "card": np.array(json.dumps(card, sort_keys=True)),
    }


def _distil(source: Anny, skin: Skin, settings: FreeBodySettings, rng: np.random.Generator) -> Distilled:
    topology = symmetric_mesh(skin.vertices, skin.faces, settings.half_faces)
    joints = [joint_of_bone(bone) for bone in skin.bones]
    bone_weights = skin.bone_weights[topology.source]
    full = joint_weights(bone_weights, joints, topology.mirror, len(SMPL_PARENTS))

    def sample(count: int, **kind: Any) -> Sample:
        people = source.people(rng, count, topology.source, **kind)
        return symmetric_sample(people.vertices, t_pose(people.vertices, people.joints, full), topology.mirror)

    learned = {
        "plain": sample(settings.adults),
        "varied": sample(settings.adults, varied=settings.varied),
    }
    held_out = {
        "plain": sample(settings.held_out),
        "varied": sample(settings.held_out, varied=settings.varied),
        "children": sample(settings.held_out, children=True),
    }
    vertices = np.concatenate([part.vertices for part in learned.values()])
    some = slice(None, None, max(1, len(vertices) // 240))
    centres = np.concatenate([part.joints for part in learned.values()])
    return Distilled(
        topology=topology,
        source_weights=full,
        weights=joint_weights(bone_weights, joints, topology.mirror, settings.most_joints),
        learned=learned,
        held_out=held_out,
        space=shape_space(vertices, topology.faces, topology.mirror, settings.components),
        regressor=joint_regressor(vertices[some], centres[some], topology.mirror),
    )


def _learn_correctives(
    parts: Distilled, poses: FloatArray, settings: FreeBodySettings, rng: np.random.Generator
) -> FloatArray:
    """(V, 3, 207): every batch of poses is posed by the source with another of the plain adults."""
    poses = poses.copy()
    noise = rng.normal(0, settings.jitter, (*poses[1::2, 1:].shape[:2], 3))
    poses[1::2, 1:] = poses[1::2, 1:] @ exp(noise)
    sample = parts.learned["plain"]
    offsets = []
    for start in range(0, len(poses), settings.batch):
        batch = poses[start : start + settings.batch]
        who = int(rng.integers(len(sample.vertices)))
        wanted = pose_source(batch, sample.one(who), parts.source_weights)
        offsets.append(unposed(batch, sample.joints[who], parts.weights, wanted) - sample.vertices[who])
    features = pose_features(poses)
    return correctives(
        features, np.concatenate(offsets), parts.weights, parts.topology.mirror, settings.ridge * len(poses)
    )


def _pack(parts: Distilled, posedirs: FloatArray) -> dict[str, NDArray[Any]]:
    """SMPL's keys and ``mirror``, in the types that they have in the file."""
    parents = np.array(SMPL_PARENTS, np.int64).astype(np.uint32)
    return {
        "v_template": _rounded(parts.space.mean).astype(np.float32),
        "shapedirs": _rounded(parts.space.directions).astype(np.float32),
        "posedirs": _rounded(posedirs).astype(np.float16),
        "J_regressor": parts.regressor.astype(np.float32),
        "weights": parts.weights.astype(np.float32),
        "kintree_table": np.stack([parents, np.arange(len(parents), dtype=np.uint32)]),
        "f": parts.topology.faces.astype(np.uint32),
        "mirror": parts.topology.mirror.astype(np.int32),
    }


def _rounded(lengths: FloatArray) -> FloatArray:
    return np.round(lengths * _GRID) / _GRID
