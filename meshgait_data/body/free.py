"""Build the free body: Anny's CC0 shapes distilled into SMPL's file schema, with its measured errors.

Steps: decimate one half of the skin and mirror it; sum Anny's 104 bones onto SMPL's 24 joints; bring sampled people
into the T-pose; shape components; joint regressor; pose correctives on walking poses; a coarser and a finer mesh over
the same shapes. Errors are measured on bodies, and on walks of people, that took no part.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body import free_card
from meshgait_data.body.free_coarse import coarse_mesh
from meshgait_data.body.free_landmarks import landmarks
from meshgait_data.body.free_levels import (
    NAMES,
    Lesson,
    Level,
    Mesh,
    coarse,
    learned_correctives,
    regressed_shapes,
    whole_skin,
    with_fine,
)
from meshgait_data.body.free_mesh import Topology, symmetric_mesh
from meshgait_data.body.free_population import Kind, Traits
from meshgait_data.body.free_pose import joint_weights
from meshgait_data.body.free_shape import (
    Sample,
    ShapeSpace,
    extended,
    joint_regressor,
    shape_space,
    symmetric_sample,
    t_pose,
)
from meshgait_data.body.free_source import VERSION, Anny, People, Skin, joint_of_bone
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
"""The template and correctives are rounded to multiples of 1/2^20 m (1 micrometre): no noise in the last digits."""
_SHAPE_GRID = 2.0**17
"""Shape directions are rounded to multiples of 1/2^17 m (8 micrometres) a standard deviation: smaller files."""
_ADULTS = ("plain", "varied")
_COMPARED = 6
"""Random bodies, each in another test pose, that levels are compared on."""


@dataclass(frozen=True, slots=True)
class FreeBodySettings:
    """Everything that the free body depends on, besides Anny and the walks."""

    seed: int = 0
    half_faces: int = 6660
    """Triangles of one half. Gives 6658 vertices: below 6788, so that SMPL's own vertex numbers fail loudly."""
    lite_vertices: int = 1722
    """Most vertices of the coarse mesh: below 1723, a quarter of SMPL's."""
    adults: int = 700
    """Adults of each kind, plain and with local changes to limbs and girths, that the shape is learned on."""
    others: int = 350
    """Children, and heavy adults, that the components after the first are learned on besides the adults."""
    varied: float = 0.2
    """Standard deviation of the local changes, which range over [-1, 1]."""
    held_out: int = 150
    """Bodies of each kind that errors are measured on."""
    components: int = 10
    """Shape components that adults give."""
    more_components: int = 20
    """Shape components that everyone gives, of what the first leave."""
    most_joints: int = 4
    """Joints that may move one vertex."""
    joint_ridge: float = 0.05
    """Penalty of the joint regressor's second step."""
    jitter: float = 0.3
    """Radians (sd) of noise on half of the training poses, so that the correctives hold outside the walks."""
    ridge: float = 1e-4
    """Penalty of the correctives' regression."""
    batch: int = 10
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
    """``plain``, ``varied``, ``elderly``, ``heavy`` and ``children``."""
    traits: Mapping[str, Traits]
    """Who the learned ones are."""
    space: ShapeSpace
    lite: Topology
    lite_ids: NDArray[np.integer[Any]]
    """Vertices that the coarse mesh has."""
    names: Mapping[str, int]
    """Named vertices."""
    regressor: FloatArray
    """(24, V)."""


def build_free_body(
    source: Anny,
    train: Sequence[Walk],
    test: Sequence[Walk],
    settings: FreeBodySettings,
    levels: Sequence[Level] = ("standard",),
) -> dict[Level, dict[str, NDArray[Any]]]:
    """Distil Anny.

    Parameters
    ----------
    source
        The model.
    train, test
        Walks to learn the correctives on, and walks of other people to measure them on.
    settings
        All choices; equal settings give equal arrays, whichever levels are asked for.
    levels
        Levels of detail.

    Returns
    -------
    The arrays of each level's file: SMPL's keys, and ``mirror``, ``vertex_names``, ``vertex_ids``, ``source_vertex``
    (the source's vertex that each vertex is), ``licence`` and ``card`` (JSON text: settings, who was sampled, what
    each shape component does, measured errors).
    """
    rng = np.random.default_rng(settings.seed)
    skin = source.skin()
    parts = _distil(source, skin, settings, rng)
    rest = parts.regressor @ parts.space.mean
    lessons = _lessons(np.concatenate([joint_rotations(walk, rest) for walk in train]), parts, settings, rng)
    posedirs = learned_correctives(
        lessons, parts.learned, parts.source_weights, parts.weights, parts.topology.mirror, settings.ridge
    )
    space = parts.space
    fine = Mesh(parts.topology, space.mean, space.directions, parts.weights, posedirs, parts.regressor)
    tests = np.concatenate([joint_rotations(walk, rest) for walk in test])
    card = {
        "source": f"anny {VERSION}",
        "settings": asdict(settings),
        "walks": {"train": [walk.name for walk in train], "test": [walk.name for walk in test]},
        "population": free_card.population(parts.learned, parts.traits, parts.topology.faces),
        "variance_kept": round(parts.space.kept, 4),
        "components": free_card.components(parts.space, parts.topology.faces),
        "examples": free_card.examples(parts),
        "errors_mm": free_card.errors(parts, posedirs, tests, _with_noise(tests, settings.jitter, rng)),
        "crossing_percent": free_card.crossings(parts, posedirs, tests),
    }
    meshes: dict[Level, Mesh] = {"standard": fine}
    if "lite" in levels:
        meshes["lite"] = coarse(fine, parts.lite, parts.lite_ids)
    if "full" in levels:
        meshes["full"] = with_fine(_whole(source, skin, parts, lessons, settings), fine)
    packed = {level: _pack(mesh, parts) for level, mesh in meshes.items()}
    some = tests[:: max(1, len(tests) // _COMPARED)]
    return {
        level: {**packed[level], "card": _card(level, packed[level], packed["standard"], card, some)}
        for level in levels
    }


def _distil(source: Anny, skin: Skin, settings: FreeBodySettings, rng: np.random.Generator) -> Distilled:
    topology = symmetric_mesh(skin.vertices, skin.faces, settings.half_faces)
    full, weights = _weights(skin, topology, settings.most_joints)
    traits: dict[str, Traits] = {}

    def sample(count: int, kind: Kind) -> Sample:
        people = source.people(rng, count, topology, kind, varied=settings.varied if kind == "varied" else 0.0)
        traits.setdefault(kind, people.traits)
        return _t_posed(people, full, topology)

    learned = {
        "plain": sample(settings.adults, "plain"),
        "varied": sample(settings.adults, "varied"),
        "children": sample(settings.others, "children"),
        "heavy": sample(settings.others, "heavy"),
    }
    kinds: tuple[Kind, ...] = ("plain", "varied", "elderly", "heavy", "children")
    held_out: dict[str, Sample] = {kind: sample(settings.held_out, kind) for kind in kinds}
    vertices = np.concatenate([learned[kind].vertices for kind in _ADULTS])
    space = shape_space(vertices, topology.faces, topology.mirror, settings.components)
    everyone = np.concatenate([part.vertices for part in learned.values()])
    space = extended(space, everyone, topology.mirror, settings.more_components)
    names = landmarks(skin, topology)
    lite, lite_ids = coarse_mesh(topology, space.mean, settings.lite_vertices, names.values())
    some = slice(None, None, max(1, len(everyone) // 280))
    centres = np.concatenate([part.joints for part in learned.values()])
    return Distilled(
        topology=topology,
        source_weights=full,
        weights=weights,
        learned=learned,
        held_out=held_out,
        traits={kind: traits[kind] for kind in learned},
        space=space,
        lite=lite,
        lite_ids=lite_ids,
        names=names,
        regressor=joint_regressor(everyone[some], centres[some], topology.mirror, lite_ids, ridge=settings.joint_ridge),
    )


def _weights(skin: Skin, mesh: Topology, most: int) -> tuple[FloatArray, FloatArray]:
    """(V, 24) skinning weights on SMPL's joints: all of the source's, and the largest few of each vertex."""
    joints = [joint_of_bone(bone) for bone in skin.bones]
    bones = skin.bone_weights[mesh.source]
    every = len(SMPL_PARENTS)
    return joint_weights(bones, joints, mesh.mirror, every), joint_weights(bones, joints, mesh.mirror, most)


def _t_posed(people: People, weights: FloatArray, mesh: Topology) -> Sample:
    return symmetric_sample(people.vertices, t_pose(people.vertices, people.joints, weights), mesh.mirror)


def _lessons(poses: FloatArray, parts: Distilled, settings: FreeBodySettings, rng: np.random.Generator) -> list[Lesson]:
    """Every batch of poses is taken by another adult; every second pose has noise on its joints."""
    poses = poses.copy()
    poses[1::2] = _with_noise(poses[1::2], settings.jitter, rng)
    lessons = []
    for number, start in enumerate(range(0, len(poses), settings.batch)):
        kind = _ADULTS[number % len(_ADULTS)]
        who = int(rng.integers(len(parts.learned[kind].vertices)))
        lessons.append(Lesson(kind, who, poses[start : start + settings.batch]))
    return lessons


def _with_noise(poses: FloatArray, radians: float, rng: np.random.Generator) -> FloatArray:
    noisy = poses.copy()
    noisy[:, 1:] = noisy[:, 1:] @ exp(rng.normal(0, radians, (*poses[:, 1:].shape[:2], 3)))
    return noisy


def _whole(source: Anny, skin: Skin, parts: Distilled, lessons: Sequence[Lesson], settings: FreeBodySettings) -> Mesh:
    """The source's whole skin over the same people; sampled again, a kind at a time, because it is large."""
    mesh = whole_skin(skin.vertices, skin.faces)
    full, weights = _weights(skin, mesh, settings.most_joints)

    def pairs(kinds: Sequence[str]) -> Iterator[tuple[FloatArray, FloatArray]]:
        for kind in kinds:
            there = _t_posed(source.bodies(parts.traits[kind], mesh.source), full, mesh)
            yield parts.learned[kind].vertices, there.vertices

    mean, directions = regressed_shapes(
        parts.space, settings.components, pairs(_ADULTS), pairs(list(parts.learned)), mesh.mirror
    )
    # Only who takes a lesson is needed in whole, and in the lesson's numbering.
    whole, numbered = {}, []
    for kind in _ADULTS:
        chosen = [lesson.who for lesson in lessons if lesson.kind == kind]
        some = {name: values[chosen] for name, values in parts.traits[kind].items()}
        whole[kind] = _t_posed(source.bodies(some, mesh.source), full, mesh)
        mine = [lesson for lesson in lessons if lesson.kind == kind]
        numbered += [Lesson(kind, number, lesson.rotations) for number, lesson in enumerate(mine)]
    posedirs = learned_correctives(numbered, whole, full, weights, mesh.mirror, settings.ridge)
    return Mesh(mesh, mean, directions, weights, posedirs, np.zeros((len(SMPL_PARENTS), len(mean))))


def _pack(mesh: Mesh, parts: Distilled) -> dict[str, NDArray[Any]]:
    """SMPL's keys and ours, in the types that they have in the file."""
    parents = np.array(SMPL_PARENTS, np.int64).astype(np.uint32)
    place = {int(vertex): number for number, vertex in enumerate(mesh.topology.source)}
    named = parts.topology.source[list(parts.names.values())]
    return {
        "v_template": _rounded(mesh.mean, _GRID).astype(np.float32),
        "shapedirs": _rounded(mesh.directions, _SHAPE_GRID).astype(np.float32),
        "posedirs": _rounded(mesh.posedirs, _GRID).astype(np.float16),
        "J_regressor": mesh.regressor.astype(np.float32),
        "weights": mesh.weights.astype(np.float32),
        "kintree_table": np.stack([parents, np.arange(len(parents), dtype=np.uint32)]),
        "f": mesh.topology.faces.astype(np.uint32),
        "mirror": mesh.topology.mirror.astype(np.int32),
        "source_vertex": mesh.topology.source.astype(np.int32),
        "vertex_names": np.array(list(parts.names)),
        "vertex_ids": np.array([place[int(vertex)] for vertex in named], np.int32),
        "licence": np.array(LICENCE),
    }


def _card(
    level: Level,
    arrays: Mapping[str, NDArray[Any]],
    standard: Mapping[str, NDArray[Any]],
    common: Mapping[str, Any],
    poses: FloatArray,
) -> NDArray[Any]:
    """JSON text of what is measured, of all levels and of this one."""
    card: dict[str, Any] = {
        **common,
        "name": NAMES[level],
        "vertices": len(arrays["v_template"]),
        "faces": len(arrays["f"]),
        "asymmetry": free_card.asymmetry(arrays),
    }
    if level != "standard":
        card["from_standard"] = free_card.between_levels(standard, arrays, poses)
    return np.array(json.dumps(card, sort_keys=True))


def _rounded(lengths: FloatArray, grid: float) -> FloatArray:
    return np.round(lengths * grid) / grid
