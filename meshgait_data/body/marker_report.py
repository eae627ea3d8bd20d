"""How well virtual markers give the mesh back, and how they are spread over it.

Errors are on meshes that the markers were not learned from. Shape letters: N meshes, V vertices, K markers.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from meshgait_data.body.marker_names import vertex_parts
from meshgait_data.body.marker_sample import Sample
from meshgait_data.body.markers import place, reconstruct, vertex_areas
from meshgait_data.body.model import Body
from meshgait_data.types import BoolArray, FloatArray, MarkerSet

REGIONS = {
    "head": ("head", "neck"),
    "torso": ("hips", "belly", "chest", "shoulder"),
    "arms": ("upper_arm", "forearm"),
    "hands": ("hand",),
    "legs": ("thigh", "shank"),
    "feet": ("foot", "toes"),
}
"""Parts of the body (``marker_names.PARTS``) that errors are summed up over."""

VERSIONS = {
    "convex": (False, 0.0),
    "convex_noise10": (False, 10.0),
    "signed": (True, 0.0),
    "signed_noise10": (True, 10.0),
}
"""What is reported: whether coefficients are signed, and the noise in mm on each coordinate of each marker."""

COLUMNS = ("mean", "area_mean", "p95", *REGIONS)
"""Figures of each version: mean over vertices, mean over the area of the skin, 95 % of vertices, mean of regions."""

Table = dict[str, dict[str, float]]
"""Version to column to millimetres."""


def regions(body: Body) -> dict[str, BoolArray]:
    """(V,) mask of each of :data:`REGIONS`."""
    parts = np.array(vertex_parts(body))
    return {region: np.isin(parts, members) for region, members in REGIONS.items()}


def errors_mm(
    markers: MarkerSet, meshes: FloatArray, *, signed: bool, noise_mm: float = 0.0, seed: int = 0
) -> FloatArray:
    """Distances between meshes and their reconstruction from their own markers.

    Parameters
    ----------
    markers
        The set to judge.
    meshes
        (N, V, 3) metres, best of persons and walks that it was not learned from.
    signed
        Which coefficients.
    noise_mm
        Standard deviation of Gaussian noise added to each coordinate of each marker.
    seed
        Of the noise.

    Returns
    -------
    (N, V) millimetres.
    """
    points = place(markers, meshes)
    noise = np.random.default_rng(seed).normal(0.0, noise_mm / 1e3, points.shape)
    rebuilt = reconstruct(markers, (points + noise).astype(np.float32), signed)
    return 1e3 * np.linalg.norm(rebuilt - meshes, axis=-1)


def report(body: Body, markers: MarkerSet, meshes: FloatArray) -> Table:
    """Errors in mm: :data:`COLUMNS` of all :data:`VERSIONS`."""
    masks = regions(body)
    areas = vertex_areas(body.v_template, body.faces)
    table = {}
    for name, (signed, noise) in VERSIONS.items():
        errors = errors_mm(markers, meshes, signed=signed, noise_mm=noise)
        by_vertex = errors.mean(axis=0)
        row = {"mean": by_vertex.mean(), "area_mean": by_vertex @ areas / areas.sum(), "p95": np.percentile(errors, 95)}
        row |= {region: by_vertex[mask].mean() for region, mask in masks.items() if mask.any()}
        table[name] = {column: round(float(value), 3) for column, value in row.items()}
    return table


def spread(body: Body, markers: MarkerSet) -> dict[str, Any]:
    """How markers lie on the template.

    Returns
    -------
    ``least_distance_mm`` of two markers, how many are on the ``midline``, and how many on each part (``parts``).
    """
    points = body.v_template[markers.vertex_ids].astype(np.float64)
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    distances[np.diag_indices(len(points))] = np.inf
    names = vertex_parts(body)
    counts = Counter(names[vertex] for vertex in markers.vertex_ids)
    return {
        "least_distance_mm": round(1e3 * float(distances.min()), 1),
        "midline": int(np.sum(markers.mirror == np.arange(len(markers)))),
        "parts": {part: counts[part] for part in dict.fromkeys(names)},
    }


def judge(body: Body, markers: MarkerSet, held_out: Sample) -> dict[str, Any]:
    """What goes into a set's provenance: ``errors_mm`` on walks and wide poses, and ``spread``."""
    errors: Mapping[str, Table] = {
        "walks": report(body, markers, held_out.walks),
        "wide": report(body, markers, held_out.wide),
    }
    return {"errors_mm": errors, "spread": spread(body, markers)}
