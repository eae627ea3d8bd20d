"""Figures of the free body: what its shape components do, and how far it is from its source."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from meshgait_data.body.free_pose import pose_features, pose_source, pose_vertices
from meshgait_data.body.free_shape import Sample, ShapeSpace, stature, volume
from meshgait_data.types import FloatArray, IntArray

if TYPE_CHECKING:
    from meshgait_data.body.free import Distilled

_POSED = 20
"""Held-out bodies that are posed; each takes every test pose."""


def population(samples: Mapping[str, Sample], space: ShapeSpace) -> dict[str, Any]:
    """Stature of the bodies that were learned from, and the variance that the components keep."""
    heights = np.concatenate([stature(sample.vertices) for sample in samples.values()])
    return {
        "adult_height_m": {"mean": round(float(heights.mean()), 3), "sd": round(float(heights.std()), 3)},
        "variance_kept": round(space.kept, 4),
    }


def components(space: ShapeSpace, faces: IntArray) -> list[dict[str, float]]:
    """Change of height and volume, and root mean square move of the vertices, per standard deviation."""
    count = space.directions.shape[2]
    up, down = space.shapes(np.eye(count)), space.shapes(-np.eye(count))
    heights = 500.0 * (stature(up) - stature(down))
    litres = 500.0 * (volume(up, faces) - volume(down, faces))
    moves = 1000.0 * np.sqrt((space.directions**2).sum(axis=1).mean(axis=0))
    return [
        {"height_mm": round(float(h), 1), "volume_l": round(float(v), 2), "rms_mm": round(float(m), 1)}
        for h, v, m in zip(heights, litres, moves, strict=True)
    ]


def errors(parts: "Distilled", posedirs: FloatArray, poses: FloatArray) -> dict[str, Any]:
    """Distances to the source in millimetres, on held-out bodies and poses.

    ``shape``: T-posed vertices against the nearest body of the shape space. ``joints``: regressed from the true
    vertices, against the source's bone heads. ``skinning``: true shape and joints, posed by SMPL's skinning, against
    the source's own; with and without correctives. ``total``: shape, joints and skinning together.
    """
    shape, joints = {}, {}
    for kind, sample in parts.held_out.items():
        betas = parts.space.betas(sample.vertices)
        shape[kind] = _summary(parts.space.shapes(betas) - sample.vertices)
        shape[kind]["largest_beta"] = round(float(np.abs(betas).max()), 1)
        apart = np.einsum("jv,nvk->njk", parts.regressor, sample.vertices) - sample.joints
        joints[kind] = _summary(apart)
        joints[kind]["worst_joint_mean"] = round(1000 * float(np.linalg.norm(apart, axis=-1).mean(axis=0).max()), 2)
    return {"shape": shape, "joints": joints, **_posing(parts, posedirs, poses)}


def _posing(parts: "Distilled", posedirs: FloatArray, poses: FloatArray) -> dict[str, Any]:
    offsets = np.tensordot(pose_features(poses), posedirs, axes=(1, 2))
    bare, corrected, total = [], [], {}
    for kind in ("plain", "varied"):
        sample, whole = parts.held_out[kind], []
        near = parts.space.shapes(parts.space.betas(sample.vertices[:_POSED]))
        for who in range(min(_POSED, len(sample.vertices))):
            wanted = pose_source(poses, sample.one(who), parts.source_weights)
            if kind == "plain":
                rest, points = sample.joints[who], sample.vertices[who]
                bare.append(pose_vertices(poses, rest, parts.weights, points) - wanted)
                corrected.append(pose_vertices(poses, rest, parts.weights, points + offsets) - wanted)
            rest = parts.regressor @ near[who]
            whole.append(pose_vertices(poses, rest, parts.weights, near[who] + offsets) - wanted)
        total[kind] = _summary(np.stack(whole))
    return {
        "skinning_without_correctives": _summary(np.stack(bare)),
        "skinning": _summary(np.stack(corrected)),
        "total": total,
    }


def _summary(apart: FloatArray) -> dict[str, float]:
    distance = 1000.0 * np.linalg.norm(apart, axis=-1)
    figures = {"mean": distance.mean(), "p95": np.percentile(distance, 95), "max": distance.max()}
    return {name: round(float(value), 2) for name, value in figures.items()}
