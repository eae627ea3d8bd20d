"""Anny as the source of the free body: its skin, its skinning and a sampled adult population, as arrays.

Anny (Brégier et al. 2025, https://github.com/naver/anny) animates MakeHuman's CC0 shapes. Everything here is turned
from its frame (z up, facing -y) to ours (y up, facing +z). Needs the ``anny`` extra; nothing else imports this.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

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


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Sampled bodies in Anny's rest pose (arms half down), our frame, metres."""

    vertices: FloatArray
    """(N, V, 3) float32."""
    joints: FloatArray
    """(N, 24, 3) centres of SMPL's joints."""


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
        labels = self._model.local_change_labels
        # One number for both sides of the body, so that what is sampled is symmetric.
        self._changes: dict[str, list[str]] = {}
        for label in labels:
            if any(word in label for word in _BODY_CHANGES) and not _excluded(label):
                self._changes.setdefault(label.removeprefix("l-").removeprefix("r-"), []).append(label)

    def skin(self) -> Skin:
        """The template."""
        model = self._model
        count = len(model.template_vertices)
        weights = np.zeros((count, len(self.bones)))
        for bones, values in zip(model.vertex_bone_indices.numpy().T, model.vertex_bone_weights.numpy().T, strict=True):
            np.add.at(weights, (np.arange(count), bones), values)
        weights /= weights.sum(axis=1, keepdims=True)
        vertices = model.template_vertices.numpy().astype(np.float64) @ TO_OURS.T
        return Skin(vertices, model.get_triangular_faces().numpy(), weights, self.bones)

    def people(
        self, rng: np.random.Generator, count: int, vertices: IntArray, *, varied: float = 0.0, children: bool = False
    ) -> People:
        """Sample bodies.

        Parameters
        ----------
        rng
            Source of chance.
        count
            Number of bodies N.
        vertices
            (V,) indices of the template's vertices to keep.
        varied
            Standard deviation of the local changes (limb lengths, girths), which range over [-1, 1].
        children
            Take Anny's ages 0.25 to 0.6, children and adolescents of about 1.4 m, instead of adults.
        """
        centres = joint_centres(self.bones)
        all_vertices, all_joints = [], []
        for start in range(0, count, 50):
            size = min(50, count - start)
            with self._torch.no_grad():
                rest = self._model(
                    pose_parameters=None,
                    phenotype_kwargs=self._tensors(_phenotypes(rng, size, children)),
                    local_changes_kwargs=self._tensors(self._local_changes(rng, size, varied)),
                )
            points = rest["rest_vertices"].numpy()[:, vertices] @ TO_OURS.T
            heads = rest["rest_bone_poses"][:, :, :3, 3].numpy() @ TO_OURS.T
            all_vertices.append(points.astype(np.float32))
            all_joints.append(centres @ heads)
        return People(np.concatenate(all_vertices), np.concatenate(all_joints))

    def _local_changes(self, rng: np.random.Generator, size: int, varied: float) -> dict[str, FloatArray]:
        if varied == 0:
            return {}
        drawn = {name: np.clip(rng.normal(0, varied, size), -1, 1) for name in self._changes}
        return {label: drawn[name] for name, labels in self._changes.items() for label in labels}

    def _tensors(self, values: dict[str, FloatArray]) -> Any:
        if not values:
            return None
        return {name: self._torch.tensor(value, dtype=self._torch.float32) for name, value in values.items()}


def _excluded(label: str) -> bool:
    return label in _LATERAL or any(word in label for word in ("pregnant", "finger", "head", "nose", "mouth"))


def _phenotypes(rng: np.random.Generator, size: int, children: bool) -> dict[str, FloatArray]:
    """Anny's phenotypes, all in [0, 1]; ``height`` is calibrated so that adults are 1.69 +- 0.12 m, both sexes."""

    def around(mean: float | FloatArray, sd: float) -> FloatArray:
        return np.clip(rng.normal(mean, sd, size), 0, 1)

    gender = np.where(rng.random(size) < 0.5, 0.08, 0.92)
    values = {"gender": around(gender, 0.12)}
    values["age"] = rng.uniform(0.25, 0.6, size) if children else rng.uniform(0.55, 1.0, size)
    for name in ("muscle", "weight", "proportions"):
        values[name] = around(0.5, 0.2)
    values["height"] = around(0.4, 0.1) if children else around(0.38, 0.08)
    for name in ("cupsize", "firmness"):
        values[name] = around(0.5, 0.15)
    values["african"], values["asian"], values["caucasian"] = rng.dirichlet([1, 1, 1], size).T
    return values
