"""Fits refined to masks that lie in files: the npz of ``mgdata render``, or one's own in the same form."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body
from meshgait_data.errors import BodyNotFound, SourceError
from meshgait_data.fit.chain import State
from meshgait_data.fit.mask_views import MaskViews
from meshgait_data.fit.masks import MaskSettings, refine_views
from meshgait_data.fit.observed import map_observations
from meshgait_data.fit.problem import make_problem
from meshgait_data.fit.quality import judge
from meshgait_data.fit.residuals import evaluate
from meshgait_data.fit.settings import FitSettings
from meshgait_data.manifest import JointMap
from meshgait_data.pipeline.render_files import read_render
from meshgait_data.rotations import exp
from meshgait_data.types import CaptureKey, Fit, Observations, SequenceData

_NEEDED = ("frame_ids", "silhouettes", "windows")


def mask_files(folder: Path, key: CaptureKey) -> list[Path]:
    """Files with the masks of one walk, one a view: ``FOLDER/<subject>/<condition>/<view>.npz``."""
    return sorted((folder / key.subject / key.condition).glob("*.npz"))


def masks_sha256(folder: Path, key: CaptureKey) -> str:
    """Hash over the mask files of one walk."""
    parts = [path.name.encode() + hashlib.sha256(path.read_bytes()).digest() for path in mask_files(folder, key)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def refine_fit(
    body: Body, fit: Fit, observations: Observations, *, joint_map: JointMap, settings: FitSettings, folder: Path
) -> Fit:
    """Refine a fit to the masks of its walk and judge it anew.

    Parameters
    ----------
    body
        That the fit was made with.
    fit, observations, joint_map, settings
        The fit to joints, and what it was made from.
    folder
        See :func:`mask_files`. Silhouettes, windows and cameras are those of rendered sequences; the cameras stand in
        the world frame of the fit. Frames are matched by their ids; those that a view lacks say nothing there.

    Returns
    -------
    The refined fit. Its residuals are those at the new parameters, and ``mask_iou``: the mean over views, NaN where
    none saw the frame.

    Raises
    ------
    SourceError
        Where the walk has no masks, or files do not hold masks of this walk.
    InvalidData
        Where a file is damaged or a camera has lens distortion.
    """
    sequences = [_checked(path, fit.key) for path in mask_files(folder, fit.key)]
    if not sequences:
        raise SourceError(
            f"no masks of this walk in {folder}",
            where=str(fit.key),
            hint=f"expected {fit.key.subject}/{fit.key.condition}/<view>.npz as 'mgdata render' writes them; "
            "or leave the walk out with --select",
        )
    views = MaskViews.of_aligned(
        [_matched(sequence, fit, "silhouettes") for sequence in sequences],
        [_matched(sequence, fit, "windows") for sequence in sequences],
        [sequence.camera for sequence in sequences],
    )
    count = len(fit.params.betas)
    wanted = MaskSettings(num_betas=count, fit=settings)
    params, report = refine_views(_draft(body), fit.params, views, wanted, fps=fit.fps)
    mapped = map_observations(observations, joint_map, settings)
    problem = make_problem(body, mapped, settings, fps=observations.fps)
    angles = np.concatenate([params.global_orient, params.body_pose], axis=1).reshape(len(params), -1, 3)
    arrays = exp(angles.astype(np.float64)), params.betas.astype(np.float64), params.transl.astype(np.float64)
    at = evaluate(problem, State(*(torch.as_tensor(array) for array in arrays)))
    judged = judge(
        problem,
        at,
        betas=params.betas,
        frame_ids=fit.frame_ids,
        converged=fit.converged,
        settings=settings,
    )
    seen = np.isfinite(report.iou)
    iou = np.where(seen, report.iou, 0).sum(axis=1) / np.where(seen.any(axis=1), seen.sum(axis=1), np.nan)
    return replace(
        fit,
        params=params,
        residuals={**judged.residuals, "mask_iou": iou.astype(np.float32)},
        verdict=judged.verdict,
        reasons=(*(reason for reason in fit.reasons if reason.startswith("dropped")), *judged.reasons),
        provenance={**fit.provenance, "mask_iterations": report.iterations},
    )


def _checked(path: Path, key: CaptureKey) -> SequenceData:
    sequence = read_render(path)
    lacking = [name for name in _NEEDED if name not in sequence.arrays]
    if lacking or sequence.key.capture != key:
        raise SourceError(
            f"no {' and no '.join(lacking)}" if lacking else f"these are masks of {sequence.key}, not of {key}",
            where=str(path),
            hint="masks are npz files as 'mgdata render --format npz' writes them",
        )
    return sequence


def _matched(sequence: SequenceData, fit: Fit, name: str) -> np.ndarray:
    """An array of the sequence with the fit's frames; zeros in those that it lacks."""
    source = sequence.arrays[name]
    rows = {int(number): row for row, number in enumerate(sequence.arrays["frame_ids"])}
    result = np.zeros((len(fit.frame_ids), *source.shape[1:]), source.dtype)
    for frame, number in enumerate(fit.frame_ids.tolist()):
        if number in rows:
            result[frame] = source[rows[number]]
    return result


def _draft(body: Body) -> Body:
    """A smaller body whose shape and pose mean the same, where there is one: a third of the time."""
    try:
        return load_body("free-lite") if body.sha256 == load_body("free").sha256 else body
    except BodyNotFound:
        return body
