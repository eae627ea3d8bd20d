"""Labelled markers that people wear elsewhere than the rules say, on walks whose truth is known: shape and mesh.

Markers are drawn from the placement's own spreads and move with the skin around them; 2 mm of noise, no static trial.
"""

from dataclasses import replace

import numpy as np
from common import Figures
from fit_truth import EVERY_COMPONENT, Truth, body, good, halves, height_mm, mesh_error_mm, truths

from meshgait_data.body.model import forward
from meshgait_data.body.placement import PlacedMarkers
from meshgait_data.body.placement_files import load_markers
from meshgait_data.fit import Known, fit_captures
from meshgait_data.fit.from_markers import MarkerSettings
from meshgait_data.types import FloatArray, Points3D

NOISE_M = 0.002
_PATCH = 60
"""Vertices around a marker, with which it moves."""
_DEFAULT = MarkerSettings()


def worn_figures(settings: MarkerSettings = _DEFAULT, *, seed: int = 5) -> Figures:
    """Errors where shape and placement are learned together.

    Parameters
    ----------
    settings
        Of the markers.
    seed
        Of where markers are worn, and of the noise.
    """
    placed, rng = load_markers(body(), "plug_in_gait"), np.random.default_rng(seed)
    mesh, heights = [], []
    for own, priors in halves(truths()):
        known = Known(priors.pose, priors.gait, placements={placed.placement: placed}, markers=settings)
        labels = tuple(labels[0] for labels in placed.labels)
        seen = [truth.observed(markers=Points3D(_worn(truth, placed, rng), labels, placed.placement)) for truth in own]
        for fit, truth in zip(good(fit_captures(body(), seen, known, EVERY_COMPONENT)), own, strict=True):
            mesh.append(mesh_error_mm(fit.params, truth.params))
            heights.append(height_mm(fit.params) - height_mm(truth.params))
    return {
        "worn_mesh_mm": float(np.mean(mesh)),
        "worn_worst_mesh_mm": max(mesh),
        "worn_height_rms_mm": float(np.sqrt(np.mean(np.square(heights)))),
    }


def _worn(truth: Truth, placed: PlacedMarkers, rng: np.random.Generator) -> FloatArray:
    """(F, M, 3) centres of markers, each somewhere near its place."""
    skin = placed.rows[:, : body().num_vertices]
    offsets = placed.offsets + np.einsum(
        "mij,mj->mi", np.linalg.cholesky(placed.spread), rng.normal(size=(len(placed), 3))
    )
    posed = forward(body(), truth.params).vertices.astype(np.float64)
    still = replace(truth.params.take(np.zeros(1, int)), global_orient=np.zeros((1, 3)), body_pose=np.zeros((1, 69)))
    rest = forward(body(), still).vertices[0].astype(np.float64)
    points = skin @ posed
    for marker, place in enumerate(skin @ body().v_template):
        near = np.linalg.norm(body().v_template - place, axis=1).argsort()[:_PATCH]
        points[:, marker] += _turns(rest[near], posed[:, near]) @ offsets[marker]
    return np.asarray(points + NOISE_M * rng.normal(size=points.shape))


def _turns(rest: FloatArray, posed: FloatArray) -> FloatArray:
    """(F, 3, 3) rotations that take a patch of skin (P, 3) nearest to what became of it (F, P, 3)."""
    moments = np.einsum("fpi,pj->fij", posed - posed.mean(axis=1, keepdims=True), rest - rest.mean(axis=0))
    left, _, right = np.linalg.svd(moments)
    left[:, :, 2] *= np.linalg.det(left @ right)[:, None]
    return np.asarray(left @ right)
