"""Checks of 2D keypoints before anything is fitted: unit, and frames in which the person is out of the picture."""

from dataclasses import replace

import numpy as np

from meshgait_data.errors import FitError
from meshgait_data.findings import Finding, Severity
from meshgait_data.fit.sanity import ranges
from meshgait_data.types import IntArray, Keypoints

_OUTSIDE = 0.25
"""Share of the image's size beyond its border that a keypoint may be guessed at."""
_GONE = 0.75
"""Share of the points out of the picture from which on the person has left."""


def check_view(view: Keypoints, where: str, frame_ids: IntArray) -> tuple[Keypoints, tuple[Finding, ...]]:
    """Look at one view.

    Parameters
    ----------
    view
        Its keypoints.
    where
        Key of the capture, for messages.
    frame_ids
        (F,) ids in the source.

    Returns
    -------
    The keypoints with zero confidence for what cannot have been seen, and what was noticed.

    Raises
    ------
    FitError
        Where the numbers are no pixels.
    """
    findings: list[Finding] = []
    where = f"{where}/{view.view}"
    points = view.points.astype(np.float64)
    seen = np.isfinite(points).all(-1) & (view.confidence > 0)
    if not seen.any():
        findings.append(Finding(Severity.WARNING, "MG-FIT-020", where, "this view never saw the person"))
        return view, tuple(findings)
    if len(view.names) > 3 and points[seen].min() >= 0 and points[seen].max() <= 1.0:
        what = "all keypoints lie between 0 and 1: shares of the image, no pixels"
        raise FitError(what, where=where, hint="multiply them by the width and height of the image")
    width, height = view.size
    outside = np.zeros_like(seen)
    if width and height:
        size = np.array([width, height], np.float64)
        outside = seen & ((points < -_OUTSIDE * size) | (points > (1 + _OUTSIDE) * size)).any(-1)
        if outside.any():
            message = f"{int(outside.sum())} keypoints are far outside the image: taken as unseen"
            hint = "is it another camera's size, or were the keypoints found in a scaled image?"
            findings.append(Finding(Severity.WARNING, "MG-FIT-021", where, message, hint))
    missing = ~seen | outside
    gone = missing.mean(1) >= _GONE
    if gone.all():
        what = "the person is out of the picture in all frames"
        raise FitError(what, where=where, hint="check the image's size and the order of the coordinates (x, then y)")
    if gone.any():
        message = f"the person is out of the picture in {int(gone.sum())} of {len(gone)} frames: "
        findings.append(Finding(Severity.INFO, "MG-FIT-022", where, message + ranges(frame_ids[gone])))
    return replace(view, confidence=np.where(missing, 0.0, view.confidence)), tuple(findings)
