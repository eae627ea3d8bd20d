"""How well virtual markers give the mesh back: errors on meshes that they were not learned from.

Shape letters: N meshes, V vertices.
"""

import numpy as np

from meshgait_data.body.markers import place, reconstruct
from meshgait_data.body.model import Body
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.types import BoolArray, FloatArray, MarkerSet

REGIONS = {
    "head": ("neck", "head"),
    "arms_hands": ("collar", "shoulder", "elbow", "wrist", "hand"),
    "torso_legs": ("pelvis", "spine1", "spine2", "spine3", "hip", "knee", "ankle", "foot"),
}
"""Parts of the body by the joint that a vertex follows most, without left or right."""

VERSIONS = {
    "convex": (False, 0.0),
    "convex_noise10": (False, 10.0),
    "signed": (True, 0.0),
    "signed_noise10": (True, 10.0),
}
"""What is reported: whether coefficients are signed, and the noise in mm on each coordinate of each marker."""


def regions(body: Body) -> dict[str, BoolArray]:
    """(V,) mask of each of :data:`REGIONS`."""
    names = [name.removeprefix("left_").removeprefix("right_") for name in SMPL_JOINTS]
    joints = np.array(names)[np.argmax(body.weights, axis=1)]
    return {region: np.isin(joints, members) for region, members in REGIONS.items()}


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


def report(body: Body, markers: MarkerSet, meshes: FloatArray) -> dict[str, dict[str, float]]:
    """Errors of all :data:`VERSIONS`, in mm: ``mean``, ``p95`` over all vertices, and the mean in each region."""
    masks = regions(body)
    table = {}
    for name, (signed, noise) in VERSIONS.items():
        errors = errors_mm(markers, meshes, signed=signed, noise_mm=noise)
        row = {"mean": errors.mean(), "p95": np.percentile(errors, 95)}
        row |= {region: errors[:, mask].mean() for region, mask in masks.items() if mask.any()}
        table[name] = {column: round(float(value), 3) for column, value in row.items()}
    return table
