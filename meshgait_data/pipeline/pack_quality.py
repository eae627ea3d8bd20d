"""How far a fit lies from what it was made of, frame by frame, in millimetres."""

from collections.abc import Iterator

import numpy as np

from meshgait_data.render.cameras import to_camera
from meshgait_data.types import Camera, Fit, FloatArray

UNKNOWN = -1.0
"""Error of a frame in which nothing was observed."""

_IN_METRES = ("joints", "markers", "params")
_SEEN_IN = {"keypoints": "keypoints", "masks": "mask_iou"}
"""Terms in pixels, and the measure of each view, such as ``mask_iou:090``, that says which views saw it."""


def fit_error_mm(fit: Fit, pelvis: FloatArray) -> FloatArray | None:
    """Mean distance of a fitted body from what was observed of it.

    Parameters
    ----------
    fit
        With residuals. Those in metres count before those in pixels, which are taken to millimetres at the depth of the
        pelvis; of several views the mean counts.
    pelvis
        (F, 3) metres, world frame.

    Returns
    -------
    (F,) float32, -1 in frames in which nothing was observed; None where nothing of the kind was measured.
    """
    found = [np.asarray(fit.residuals[name], np.float64) * 1000 for name in _IN_METRES if name in fit.residuals]
    for name in _SEEN_IN:
        views = list(_views_mm(fit, name, pelvis))
        if views:
            seen = np.isfinite(views)
            found.append(np.where(seen, views, 0).sum(0) / np.where(seen.any(0), seen.sum(0), np.nan))
    if not found:
        return None
    error = np.full(len(pelvis), np.nan)
    for values in found:
        error = np.where(np.isfinite(error), error, values)
    return np.where(np.isfinite(error), error, UNKNOWN).astype(np.float32)


def _views_mm(fit: Fit, term: str, pelvis: FloatArray) -> Iterator[FloatArray]:
    """(F,) millimetres of a term for each view that it was seen in."""
    for name in fit.residuals:
        kind, _, view = name.partition(":")
        # Outlines have one residual for all views.
        pixels = fit.residuals.get(name if kind == term else term)
        if kind == _SEEN_IN[term] and view in fit.cameras and pixels is not None:
            yield np.asarray(pixels, np.float64) * 1000 * metres_per_pixel(fit.cameras[view], pelvis)


def metres_per_pixel(camera: Camera, points: FloatArray) -> FloatArray:
    """Length that a pixel covers at the depth of points (F, 3) of the world: (F,), NaN behind the camera."""
    depth = to_camera(camera, points)[:, 2]
    focal = float(np.sqrt(camera.intrinsics[0, 0] * camera.intrinsics[1, 1]))
    if camera.model == "perspective":
        return np.where(depth > 0, depth, np.nan) / focal
    return np.full(len(points), (camera.reference_m or 1.0) / focal)
