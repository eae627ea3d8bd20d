"""Anny as the source of the free body: its skin, its skinning and sampled people, as arrays.

Anny (Brégier et al. 2025, https://github.com/naver/anny) animates MakeHuman's CC0 shapes. Everything here is turned
from its frame (z up, facing -y) to ours (y up, facing +z). Needs the ``anny`` extra; nothing else imports this.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from meshgait_data.body.free_fingers import relaxed
from meshgait_data.body.free_mesh import Topology
from meshgait_data.body.free_population import Kind, Traits, draw, solve
from meshgait_data.body.free_shape import stature
from meshgait_data.body.measure_sections import volume
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import EnvironmentLacks, MissingExtra
from meshgait_data.types import FloatArray, IntArray

VERSION = "0.6.2"
"""Version of Anny that the shipped body was made with."""

TO_OURS = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""Rotation from Anny's frame to ours."""

_GROUPS = {
    "root": "pelvis", "pelvis": "pelvis",
    "spine05": "spine1", "spine04": "spine1", "spine03": "spine2", "spine02": "spine3", "spine01": "spine3",
    "neck01": "neck", "neck02": "neck", "neck03": "head", "head": "head", "eye": "head",
    "upperleg": "hip", "lowerleg": "knee", "foot": "ankle", "toe": "foot",
    "clavicle": "collar", "shoulder": "collar", "upperarm": "shoulder", "lowerarm": "elbow",
    "wrist": "wrist", "metacarpal": "wrist", "finger": "hand",
}  # fmt: skip
"""Start of a bone's name to the SMPL joint that moves it, without its side."""

_HEADS = {
    "pelvis": ("root",), "spine1": ("spine04",), "spine2": ("spine03",), "spine3": ("spine02",),
    "neck": ("neck01",), "head": ("neck03",),
    "hip": ("upperleg01",), "knee": ("lowerleg01",), "ankle": ("foot",),
    "foot": tuple(f"toe{i}-1" for i in range(1, 6)), "hand": tuple(f"finger{i}-1" for i in range(2, 6)),
    "collar": ("clavicle",), "shoulder": ("upperarm01",), "elbow": ("lowerarm01",), "wrist": ("wrist",),
}  # fmt: skip
"""SMPL joint, without its side, to the bones whose heads' mean it is."""

_BODY_CHANGES = (
    "arm", "leg", "hip", "torso", "stomach", "pelvis", "buttocks", "neck", "foot", "hand", "measure",
)  # fmt: skip
_LATERAL = ("hip-trans-out", "torso-trans-out", "neck-trans-out")
"""Changes that shift the body sideways: a symmetric shape space cannot hold them."""
_BATCH = 50
"""Bodies that the source makes at once."""


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Sampled bodies in Anny's rest pose (arms half down), our frame, metres."""

    vertices: FloatArray
    """(N, V, 3) float32."""
    joints: FloatArray
    """(N, 24, 3) centres of SMPL's joints."""
    traits: Traits
    """What they were made of."""


@dataclass(frozen=True, slots=True, eq=False)
class Skin:
    """Anny's template mesh and skinning, our frame, metres."""

    vertices: FloatArray
    """(V, 3)."""
    faces: IntArray
    """(F, 3); several components: skin, eyes, tongue."""
    bone_weights: FloatArray
    """(V, number of bones); rows sum to one."""
    bones: tuple[str, ...]
    """Names of Anny's bones."""


def joint_of_bone(bone: str) -> int:
    """SMPL joint that moves a bone of Anny's rig, e.g. ``lowerarm02.L`` -> left elbow; raises KeyError otherwise."""
    stem, _, side = bone.partition(".")
    name = next((_GROUPS[start] for start in _GROUPS if stem.startswith(start)), None)
    if name is None:
        raise KeyError(f"bone {bone!r} belongs to no SMPL joint")
    return SMPL_JOINTS.index(name if name in SMPL_JOINTS else f"{_side(side)}_{name}")


def joint_centres(bones: tuple[str, ...]) -> FloatArray:
    """(24, number of bones) matrix that takes bone heads to SMPL's joints; rows sum to one."""
    matrix = np.zeros((len(SMPL_JOINTS), len(bones)))
    for index, joint in enumerate(SMPL_JOINTS):
        side, _, stem = joint.rpartition("_")
        heads = [f"{head}.{side[0].upper()}" if side else head for head in _HEADS[stem]]
        matrix[index, [bones.index(head) for head in heads]] = 1.0 / len(heads)
    return matrix


def _side(letter: str) -> str:
    return {"L": "left", "R": "right"}[letter]


class Anny:
    """The source model; constructing it takes minutes the first time (it fills its cache) and seconds later.

    Raises
    ------
    MissingExtra
        Where the ``anny`` package is not installed.
    EnvironmentLacks
        Where another version of it is.
    """

    def __init__(self) -> None:
        try:
            from importlib.metadata import version

            import anny
            import torch
        except ImportError as error:
            raise MissingExtra(
                f"building the free body needs Anny: {error}", hint="pip install 'meshgait[anny]'"
            ) from error
        if version("anny") != VERSION:
            raise EnvironmentLacks(
                f"anny {version('anny')} is installed, the free body is defined by anny {VERSION}",
                hint=f"pip install anny=={VERSION}",
            )
        self._torch = torch
        self._model = anny.Anny(skinning_method="lbs", phenotypes="all", local_changes="default").to(torch.float32)
        self.bones: tuple[str, ...] = tuple(self._model.bone_labels)
        self.bone_weights = _dense_weights(self._model, len(self.bones))
        """(vertices of the template, bones); rows sum to one."""
        labels = self._model.local_change_labels
        # One number for both sides of the body, so that what is sampled is symmetric.
        self._changes: dict[str, list[str]] = {}
        for label in labels:
            if any(word in label for word in _BODY_CHANGES) and not _excluded(label):
                self._changes.setdefault(label.removeprefix("l-").removeprefix("r-"), []).append(label)

    def skin(self) -> Skin:
        """The template."""
        model = self._model
        vertices = model.template_vertices.numpy().astype(np.float64) @ TO_OURS.T
        return Skin(vertices, model.get_triangular_faces().numpy(), self.bone_weights, self.bones)

    def people(
        self, rng: np.random.Generator, count: int, mesh: Topology, kind: Kind = "plain", *, varied: float = 0.0
    ) -> People:
        """Sample bodies.

        Parameters
        ----------
        rng
            Source of chance.
        count
            Number of bodies N.
        mesh
            The vertices to keep, and the triangles that body volume is measured with.
        kind
            Who; see :func:`draw`.
        varied
            Standard deviation of the local changes (limb lengths, girths), which range over [-1, 1].
        """

        def measure(traits: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
            parts = [(stature(p), volume(p, mesh.faces)) for p, _ in self._rests(traits, mesh.source)]
            return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

        traits, wanted = draw(rng, count, kind)
        if varied > 0:
            traits |= {name: np.clip(rng.normal(0, varied, count), -1, 1) for name in self._changes}
        return self.bodies(solve(traits, wanted, measure), mesh.source)

    def bodies(self, traits: Traits, vertices: IntArray) -> People:
        """Bodies of given numbers, fingers closed; the (V,) vertices of the template that are asked for."""
        weights = self.bone_weights[vertices]
        parts = [(relaxed(p, heads, self.bones, weights), heads) for p, heads in self._rests(traits, vertices)]
        centres = joint_centres(self.bones)
        return People(
            np.concatenate([points for points, _ in parts]),
            np.concatenate([centres @ heads for _, heads in parts]),
            traits,
        )

    def _rests(self, traits: Mapping[str, FloatArray], vertices: IntArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Vertices (n, V, 3) float32 and bone heads (n, bones, 3) of the source's rest pose, a batch at a time."""
        torch, model = self._torch, self._model
        changes = {label: traits[name] for name in self._changes if name in traits for label in self._changes[name]}
        phenotypes = {name: traits[name] for name in model.phenotype_labels}
        for start in range(0, len(traits["age"]), _BATCH):
            part = slice(start, start + _BATCH)
            given = [
                {name: torch.tensor(value[part], dtype=torch.float32) for name, value in group.items()}
                for group in (phenotypes, changes)
            ]
            with torch.no_grad():
                shape = model.get_phenotype_blendshape_coefficients(**given[0], local_changes=given[1])
                rest = model.get_rest_model(shape)
            points = rest["rest_vertices"].numpy()[:, vertices] @ TO_OURS.T
            yield points.astype(np.float32), rest["rest_bone_poses"][:, :, :3, 3].numpy() @ TO_OURS.T


def _excluded(label: str) -> bool:
    return label in _LATERAL or any(word in label for word in ("pregnant", "finger", "head", "nose", "mouth"))


def _dense_weights(model: Any, bones: int) -> FloatArray:
    count = len(model.template_vertices)
    weights = np.zeros((count, bones))
    for chosen, values in zip(model.vertex_bone_indices.numpy().T, model.vertex_bone_weights.numpy().T, strict=True):
        np.add.at(weights, (np.arange(count), chosen), values)
    return weights / weights.sum(axis=1, keepdims=True)
