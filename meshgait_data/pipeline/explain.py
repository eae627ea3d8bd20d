"""What a fit is made of: every term and measure, its unit and size, its share of the cost, the frames it marked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from meshgait_data.conventions import VERDICTS
from meshgait_data.errors import UsageError
from meshgait_data.fit.quality import stand_out_limit
from meshgait_data.fits import fit_path, read_fit
from meshgait_data.index import read_index
from meshgait_data.manifest_fit import Thresholds, measure_of
from meshgait_data.types import CaptureKey, Fit


@dataclass(frozen=True, slots=True)
class Row:
    """One term of the energy, or one measure of the verdict."""

    name: str
    unit: str
    mean: float | None
    """Over the frames that have it; None where the file keeps no value a frame."""
    worst: float | None
    worst_frame: int | None
    """Id of that frame."""
    frames: int
    """Frames that it says something about."""
    flag: float | None
    """Value beyond which this walk's frames are flagged: the nearer of the fixed limit and of standing out."""
    flagged: int
    """Frames beyond it."""
    sigma: float | None = None
    """Standard deviation of the noise that the term was weighed by, in its unit."""
    share: float | None = None
    """Of the final cost."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that is known about one fit."""

    key: str
    frames: int
    fps: float
    body: str
    observed: tuple[str, ...]
    converged: bool
    iterations: int | None
    start: str
    """Kind of observation that the first guess came from; empty where the file does not say."""
    ambiguity: float | None
    """Near one: another hypothesis (yaw, phase, sides) explains the observations as well; None where none was tried."""
    depth_observed: bool
    verdicts: Mapping[str, int]
    """Frames of each verdict."""
    rows: tuple[Row, ...]
    reasons: tuple[str, ...]


def explain_key(work: Path, key: str) -> CaptureKey:
    """The capture that a text names: ``dataset/subject/condition``, or ``subject/condition`` of this work folder.

    Raises
    ------
    UsageError
        Where the index has no such capture.
    """
    index = read_index(work)
    name = index.manifest.name
    full = key if key.startswith(f"{name}/") else f"{name}/{key}"
    try:
        parsed = CaptureKey.parse(full)
    except ValueError as error:
        hint = f"a key is like {index.captures()[0]}" if index.rows else "the index is empty"
        raise UsageError(f"{key!r} is no key of a walk", hint=hint) from error
    return index.row(parsed).capture


def explain(work: Path, key: CaptureKey) -> Explanation:
    """Explain the fit of a capture; raises UsageError where there is none."""
    return explained(read_fit(fit_path(work, key)), read_index(work).manifest.fit.thresholds)


def explained(fit: Fit, thresholds: Thresholds) -> Explanation:
    """Explain a fit by what its file says."""
    made = fit.provenance
    terms: Mapping[str, Mapping[str, Any]] = made.get("terms", {})
    names = [*terms, *(name for name in fit.residuals if name not in terms)]
    return Explanation(
        key=str(fit.key),
        frames=len(fit.frame_ids),
        fps=fit.fps,
        body=fit.body_name,
        observed=tuple(made.get("observed", ())),
        converged=fit.converged,
        iterations=made.get("iterations"),
        start=str(made.get("start", "")),
        ambiguity=made.get("ambiguity"),
        depth_observed=bool(made.get("depth_observed", True)),
        verdicts={name: int((fit.verdict == code).sum()) for code, name in enumerate(VERDICTS)},
        rows=tuple(_row(fit, name, terms.get(name, {}), thresholds) for name in names),
        reasons=fit.reasons,
    )


def _row(fit: Fit, name: str, term: Mapping[str, Any], thresholds: Thresholds) -> Row:
    measure = measure_of(name)
    unit = str(term.get("unit") or measure.unit)
    told = {"sigma": term.get("sigma"), "share": term.get("share")}
    values = np.asarray(fit.residuals.get(name, np.full(len(fit.frame_ids), np.nan)), np.float64)
    there = np.isfinite(values)
    if not there.any():
        return Row(name, unit, None, None, None, 0, None, 0, **told)
    sign = -1.0 if measure.low_is_bad else 1.0
    worst = int(np.nanargmax(sign * values))
    limits = (thresholds.limits(name)[0], stand_out_limit(name, values, thresholds))
    known = [sign * limit for limit in limits if limit is not None]
    flag = sign * min(known) if known else None
    over = int((sign * values[there] > sign * flag).sum()) if flag is not None else 0
    mean, most, frame = float(values[there].mean()), float(values[worst]), int(fit.frame_ids[worst])
    return Row(name, unit, mean, most, frame, int(there.sum()), flag, over, **told)
