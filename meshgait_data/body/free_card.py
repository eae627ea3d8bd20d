"""Figures of the free body: who it was learned from, what its components do, and how far it is from its source."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.body.compare_surface import surface_distances
from meshgait_data.body.free_crossings import crossing_triangles
from meshgait_data.body.free_population import Traits
from meshgait_data.body.free_pose import mirrored_correctives, pose_features, pose_source, pose_vertices
from meshgait_data.body.free_shape import Sample, ShapeSpace, mirrored, stature
from meshgait_data.body.measure_sections import volume
from meshgait_data.body.measure_ways import DENSITY
from meshgait_data.conventions import SMPL_JOINTS, SMPL_MIRROR
from meshgait_data.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from meshgait_data.body.free import Distilled

_POSED = 12
"""Held-out bodies of each kind that are posed; each takes every test pose."""
_CROSSED = 3
"""Every n-th test pose is searched for skin that cuts through skin."""
_BESIDE = 0.1
"""Skinning weight on both sides of a joint that makes a vertex lie beside it."""
_EXAMPLE_SD = 1.8
_REGIONS = {
    "hips": ("hip", ("pelvis", "spine1")), "knees": ("knee", ("hip",)), "ankles": ("ankle", ("knee",)),
    "shoulders": ("shoulder", ("collar", "spine3", "spine2")), "elbows": ("elbow", ("shoulder",)),
}  # fmt: skip
"""Region to the joint, without its side, and the joints on the other side of it."""


def population(samples: Mapping[str, Sample], traits: Mapping[str, Traits], faces: IntArray) -> dict[str, Any]:
    """Stature (m) and body mass index (kg/m²) of the sampled people, both sexes and each: means and spreads."""
    result: dict[str, Any] = {}
    for kind, sample in samples.items():
        heights = stature(sample.vertices).astype(np.float64)
        masses = DENSITY * np.concatenate([volume(some, faces) for some in np.array_split(sample.vertices, 8)])
        figures: dict[str, Any] = {"count": len(heights)}
        male = traits[kind]["gender"] < 0.5
        for name, chosen in (("all", np.ones(len(male), bool)), ("men", male), ("women", ~male)):
            if chosen.any():
                indices = masses[chosen] / heights[chosen] ** 2
                figures[name] = {
                    "height_m": _spread(heights[chosen], 3),
                    "bmi": _spread(indices, 1),
                    "bmi_range": [round(float(value), 1) for value in (indices.min(), indices.max())],
                }
        result[kind] = figures
    return result


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


def examples(parts: "Distilled") -> dict[str, list[float]]:
    """Betas of people to start from: means of sampled groups; an adult is ``mean`` with another height or girth."""
    count = parts.space.directions.shape[2]
    axes = np.eye(count)
    children, heavy = parts.learned["children"].vertices, parts.learned["heavy"].vertices
    heights = stature(children)
    found = {
        "child": parts.space.betas(children[(heights > 1.0) & (heights < 1.2)]).mean(axis=0),
        "adolescent": parts.space.betas(children[(heights > 1.4) & (heights < 1.6)]).mean(axis=0),
        "short": -_EXAMPLE_SD * axes[0],
        "light": -_EXAMPLE_SD * axes[1],
        "mean": np.zeros(count),
        "heavy": parts.space.betas(heavy).mean(axis=0),
        "tall": _EXAMPLE_SD * axes[0],
    }
    return {name: (np.round(betas, 2) + 0.0).tolist() for name, betas in found.items()}


def errors(parts: "Distilled", posedirs: FloatArray, poses: FloatArray, wild: FloatArray) -> dict[str, Any]:
    """Distances to the source in millimetres, on held-out bodies and poses.

    ``shape``: T-posed vertices against the nearest body of the first 10, 20 and 30 components. ``joints``: regressed
    from the true vertices, against the source's bone heads. ``skinning``: true shape and joints, posed by SMPL's
    skinning, against the source's own, by region, with and without correctives; ``_wild`` is the same in poses that
    noise was added to. ``total``: shape, joints and skinning together, walking.
    """
    shape, joints, total = {}, {}, {}
    for kind, sample in parts.held_out.items():
        shape[kind] = _shape_errors(parts.space, sample.vertices)
        apart = np.einsum("jv,nvk->njk", parts.regressor, sample.vertices) - sample.joints
        means = np.linalg.norm(apart, axis=-1).mean(axis=0)
        worst = int(means.argmax())
        joints[kind] = {**_summary(apart), "worst": SMPL_JOINTS[worst], "worst_mean": round(1000 * means[worst], 2)}
        total[kind] = {str(n): _summary(_total(parts, sample, posedirs, poses, n)) for n in _counts(parts.space)}
    return {
        "shape": shape,
        "joints": joints,
        **_skinning(parts, posedirs, poses, ""),
        **_skinning(parts, posedirs, wild, "_wild"),
        "total": total,
    }


def crossings(parts: "Distilled", posedirs: FloatArray, poses: FloatArray) -> dict[str, float]:
    """Per cent of the triangles that cut through others: the source at rest and walking, and ours walking.

    Ours are the held-out bodies with their true shape; ``added`` counts triangles that cut in ours and not in the
    source's. ``from_shapes`` is our walking bodies with the shape and joints of the space.
    """
    offsets = np.tensordot(pose_features(poses[::_CROSSED]), posedirs, axes=(1, 2))
    sample, faces = parts.held_out["plain"], parts.topology.faces
    counts: dict[str, list[BoolArray]] = {name: [] for name in ("source", "ours", "from_shapes")}
    near = parts.space.shapes(parts.space.betas(sample.vertices[:4]))
    for who, shape in enumerate(near):
        body = sample.one(who)
        some = poses[::_CROSSED]
        posed = {
            "source": pose_source(some, body, parts.source_weights),
            "ours": pose_vertices(some, body.joints, parts.weights, body.vertices + offsets),
            "from_shapes": pose_vertices(some, parts.regressor @ shape, parts.weights, shape + offsets),
        }
        for name, meshes in posed.items():
            counts[name] += [crossing_triangles(mesh, faces) for mesh in meshes]
    source, ours = np.array(counts["source"]), np.array(counts["ours"])
    figures = {
        "source_at_rest": crossing_triangles(parts.space.mean, faces),
        "source_walking": source,
        "ours_walking": ours,
        "added": ours & ~source,
        "taken_away": source & ~ours,
        "from_shapes_walking": np.array(counts["from_shapes"]),
    }
    return {name: round(100 * float(found.mean()), 3) for name, found in figures.items()}


def between_levels(
    standard: Mapping[str, NDArray[Any]], other: Mapping[str, NDArray[Any]], poses: FloatArray
) -> dict[str, Any]:
    """How far a level is from the standard one, as stored: joints, volume and surface, over random bodies walking.

    ``surface_mm`` is the distance of the finer mesh's vertices to the coarser mesh's surface.
    """
    count = standard["shapedirs"].shape[2]
    joints, volumes, apart = [], [], []
    for rotations, betas in zip(poses, np.random.default_rng(0).normal(size=(len(poses), count)), strict=True):
        (here, rest, size), (there, other_rest, other_size) = (
            _stored(arrays, betas, rotations) for arrays in (standard, other)
        )
        joints.append(np.abs(rest - other_rest).max())
        volumes.append(other_size / size)
        if len(here) > len(there):
            apart.append(surface_distances(here, there, other["f"]))
        else:
            apart.append(surface_distances(there, here, standard["f"]))
    return {
        "joints_mm": round(1000 * float(max(joints)), 5),
        "volume_ratio": round(float(np.mean(volumes)), 4),
        "surface_mm": _summary(np.concatenate(apart)[:, None]),
    }


def _stored(
    arrays: Mapping[str, NDArray[Any]], betas: FloatArray, rotations: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """Posed vertices, rest joints and rest volume of a body as its file has it."""
    shape = arrays["v_template"] + arrays["shapedirs"].astype(np.float64) @ betas
    rest = arrays["J_regressor"].astype(np.float64) @ shape
    offsets = arrays["posedirs"].astype(np.float64) @ pose_features(rotations[None])[0]
    posed = pose_vertices(rotations[None], rest, arrays["weights"].astype(np.float64), shape + offsets)[0]
    return posed, rest, float(volume(shape, arrays["f"]))


def asymmetry(arrays: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Largest difference of each stored array from its mirror image (metres, or weights)."""
    mirror, flip = arrays["mirror"], np.array([-1.0, 1.0, 1.0])
    weights, regressor = arrays["weights"], arrays["J_regressor"]
    shapes = np.moveaxis(arrays["shapedirs"], -1, 0)
    pairs = {
        "v_template": (arrays["v_template"], arrays["v_template"][mirror] * flip),
        "shapedirs": (shapes, mirrored(shapes, mirror)),
        "posedirs": (arrays["posedirs"], mirrored_correctives(arrays["posedirs"].astype(np.float32), mirror)),
        "weights": (weights, weights[mirror][:, SMPL_MIRROR]),
        "J_regressor": (regressor, regressor[SMPL_MIRROR][:, mirror]),
    }
    return {name: float(np.abs(here - there).max()) for name, (here, there) in pairs.items()}


def _shape_errors(space: ShapeSpace, vertices: FloatArray) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for count in _counts(space):
        betas = space.betas(vertices, count)
        largest = round(float(np.abs(betas).max()), 1)
        result[str(count)] = {**_summary(space.shapes(betas) - vertices), "largest_beta": largest}
    return result


def _counts(space: ShapeSpace) -> list[int]:
    """Numbers of components that errors are given for."""
    return sorted({min(number, space.directions.shape[2]) for number in (10, 20, 30)})


def _total(parts: "Distilled", sample: Sample, posedirs: FloatArray, poses: FloatArray, components: int) -> FloatArray:
    offsets = np.tensordot(pose_features(poses), posedirs, axes=(1, 2))
    apart = []
    for who, near in enumerate(parts.space.shapes(parts.space.betas(sample.vertices[:_POSED], components))):
        wanted = pose_source(poses, sample.one(who), parts.source_weights)
        apart.append(pose_vertices(poses, parts.regressor @ near, parts.weights, near + offsets) - wanted)
    return np.stack(apart)


def _skinning(parts: "Distilled", posedirs: FloatArray, poses: FloatArray, suffix: str) -> dict[str, Any]:
    """Errors of skinning by region, without correctives and with them."""
    offsets = np.tensordot(pose_features(poses), posedirs, axes=(1, 2))
    sample = parts.held_out["varied"]
    apart: dict[str, list[FloatArray]] = {"skinning_without_correctives": [], "skinning": []}
    for who in range(min(_POSED, len(sample.vertices))):
        body = sample.one(who)
        wanted = pose_source(poses, body, parts.source_weights)
        for name, points in (("skinning_without_correctives", body.vertices), ("skinning", body.vertices + offsets)):
            posed = pose_vertices(poses, body.joints, parts.weights, points)
            apart[name].append((posed - wanted).astype(np.float32))
    return {name + suffix: _by_region(np.stack(values), regions(parts.weights)) for name, values in apart.items()}


def regions(weights: FloatArray) -> dict[str, BoolArray]:
    """(V,) masks of the vertices beside hips, knees, ankles, shoulders and elbows, and of all others."""
    masks = {name: np.zeros(len(weights), bool) for name in _REGIONS}
    for name, (joint, beyond) in _REGIONS.items():
        for side in ("left", "right"):
            columns = [SMPL_JOINTS.index(_sided(other, side)) for other in beyond]
            outer = weights[:, SMPL_JOINTS.index(_sided(joint, side))]
            masks[name] |= (outer >= _BESIDE) & (weights[:, columns].sum(axis=1) >= _BESIDE)
    masks["rest"] = ~np.any(list(masks.values()), axis=0)
    return masks


def _sided(joint: str, side: str) -> str:
    return joint if joint in SMPL_JOINTS else f"{side}_{joint}"


def _by_region(apart: FloatArray, masks: Mapping[str, BoolArray]) -> dict[str, Any]:
    return {"all": _summary(apart)} | {name: _summary(apart[..., mask, :]) for name, mask in masks.items()}


def _summary(apart: FloatArray) -> dict[str, float]:
    distance = 1000.0 * np.linalg.norm(apart, axis=-1)
    figures = {"mean": distance.mean(), "p95": np.percentile(distance, 95), "max": distance.max()}
    return {name: round(float(value), 2) for name, value in figures.items()}


def _spread(values: FloatArray, digits: int) -> dict[str, float]:
    return {"mean": round(float(values.mean()), digits), "sd": round(float(values.std()), digits)}
