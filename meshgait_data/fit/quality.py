"""From the errors of every frame to a verdict: accepted, flagged or rejected, and why.

A frame is judged twice: against fixed limits (a mean distance of 5 cm is too much for anybody), and against the quiet
frames of its own walk (what stands out of them was seen wrongly, even where it is small). Shape letters: T frames,
P points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from meshgait_data.conventions import ACCEPTED, FLAGGED, REJECTED, VERDICTS
from meshgait_data.manifest_fit import Thresholds, measure_of
from meshgait_data.types import BoolArray, ByteArray, FloatArray, IntArray

_QUIET = (0.05, 0.25)
"""Quantiles of a walk's frames between which the quiet ones lie: up to half of the frames may be bad."""
_QUIET_SD = 0.97
"""Distance of these two quantiles of a normal distribution, in standard deviations."""
_FEWEST = 8
"""Frames that a walk needs before any can stand out."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameErrors:
    """How far off the frames of a walk are in one respect."""

    values: FloatArray
    """(T,) or, for points that can miss each by its own, (T, P); NaN where there is nothing to compare with."""
    names: tuple[str, ...] = ()
    """P names of the points."""
    judged: bool = True
    """Whether frames are judged by it; otherwise it is only kept."""

    def mean(self) -> FloatArray:
        """(T,) over the points that were seen; NaN where none was."""
        values = np.asarray(self.values, np.float64)
        if values.ndim == 1:
            return values
        seen = np.isfinite(values)
        return np.where(seen, values, 0).sum(1) / np.where(seen.any(1), seen.sum(1), np.nan)

    def worst(self) -> FloatArray:
        """(T,) of the point that misses most; NaN where none was seen."""
        values = np.asarray(self.values, np.float64)
        return np.where(np.isfinite(values).any(1), np.where(np.isfinite(values), values, -np.inf).max(1), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class WalkFacts:
    """What holds for a whole walk."""

    frame_ids: IntArray
    """(T,) for the texts."""
    converged: bool
    betas: FloatArray
    """(B,) shape."""
    depth_observed: bool = True
    """Whether the observations say how far away things are: 3D, or at least two views."""
    notes: tuple[str, ...] = ()
    """Reasons that others found, e.g. dropped frames; they stand first."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What follows from the errors."""

    residuals: Mapping[str, FloatArray]
    """Measure to (T,) values."""
    verdict: ByteArray
    """(T,)"""
    reasons: tuple[str, ...]


@dataclass(slots=True, eq=False)
class _Bench:
    """Where marks are collected."""

    frame_ids: IntArray
    verdict: ByteArray
    reasons: list[str] = field(default_factory=list)

    def mark(self, level: int, frames: BoolArray, text: str) -> None:
        if frames.any():
            np.maximum(self.verdict, np.where(frames, level, ACCEPTED), out=self.verdict, casting="unsafe")
            self.reasons.append(f"{VERDICTS[level]}: {text}{_which(self.frame_ids, frames)}")


def judge(errors: Mapping[str, FrameErrors], walk: WalkFacts, thresholds: Thresholds) -> Judged:
    """Judge every frame of a fit.

    Parameters
    ----------
    errors
        By measure, see :data:`meshgait_data.manifest_fit.MEASURES`; ``keypoints:cam01`` is judged as ``keypoints``.
        Of points, the mean and the worst are judged (``joints`` gives ``joints`` and ``worst_joint`` too).
    walk
        What holds for all frames.
    thresholds
        Of the manifest.

    Returns
    -------
    The verdict, its reasons, and all measures that it was made of.
    """
    bench = _Bench(walk.frame_ids, np.zeros(len(walk.frame_ids), np.uint8))
    _judge_walk(bench, walk, thresholds)
    residuals: dict[str, FloatArray] = {}
    for name, found in errors.items():
        worst = _worst_name(name)
        residuals[name] = found.mean().astype(np.float32)
        if found.names:
            residuals[worst] = found.worst().astype(np.float32)
        if found.judged:
            _judge_measure(bench, name, found.mean(), thresholds)
        if found.judged and found.names:
            _judge_measure(bench, worst, found.worst(), thresholds, points=found)
    return Judged(residuals, bench.verdict, (*walk.notes, *bench.reasons))


def _judge_walk(bench: _Bench, walk: WalkFacts, thresholds: Thresholds) -> None:
    everywhere = np.ones(len(walk.frame_ids), bool)
    if not walk.converged:
        bench.mark(FLAGGED, everywhere, "the solver did not converge")
    strange = np.abs(walk.betas)
    flag, reject = thresholds.limits("shape")
    for level, limit in ((REJECTED, reject), (FLAGGED, flag)):
        if limit is not None and strange.max(initial=0.0) > limit:
            text = f"betas[{strange.argmax()}] is {strange.max():.1f} standard deviations from the mean"
            bench.mark(level, everywhere, text)
            break
    if not walk.depth_observed:
        text = "one view only: how far away limbs are is the prior's guess, however well the body covers the image"
        if thresholds.one_view == "flag":
            bench.mark(FLAGGED, everywhere, text)
        else:
            bench.reasons.append(f"note: {text}")


def _judge_measure(
    bench: _Bench,
    name: str,
    values: FloatArray,
    thresholds: Thresholds,
    *,
    points: FrameErrors | None = None,
) -> None:
    """Mark the frames beyond the limits of a measure, then those that stand out of the rest."""
    # The shape was judged with the walk.
    if name.split(":")[0] in ("shape", *thresholds.ignore):
        return
    sign = -1.0 if measure_of(name).low_is_bad else 1.0
    flag, reject = thresholds.limits(name)
    beyond = np.zeros(len(values), bool)
    for level, limit in ((REJECTED, reject), (FLAGGED, flag)):
        if limit is not None:
            over = (sign * values > sign * limit) & ~beyond
            bench.mark(level, over, _text(name, limit, values, over, points))
            beyond |= over
    limit = stand_out_limit(name, values, thresholds)
    if limit is not None:
        over = (sign * values > sign * limit) & ~beyond
        bench.mark(FLAGGED, over, "stands out of this walk: " + _text(name, limit, values, over, points))


def stand_out_limit(name: str, values: FloatArray, thresholds: Thresholds) -> float | None:
    """Value beyond which frames of a walk stand out of its quiet ones; None where they are too few to say.

    The quiet frames are those between two low quantiles, so that half of the frames may be wrong. A frame stands out
    where it is beyond them by ``stand_out_sd`` of their spread, by ``stand_out_share`` of their value, and by the
    measure's floor.
    """
    measure = measure_of(name)
    good = values[np.isfinite(values)]
    if measure.floor is None or len(good) < _FEWEST:
        return None
    sign = -1.0 if measure.low_is_bad else 1.0
    low, usual = np.quantile(sign * good, _QUIET)
    margin = (
        thresholds.stand_out_sd * (usual - low) / _QUIET_SD,
        # A share of an overlap that is nearly perfect says nothing: what counts is what it lacks.
        thresholds.stand_out_share * (1 + usual if measure.low_is_bad else usual),
        measure.floor,
    )
    return float(sign * (usual + max(margin)))


def _worst_name(name: str) -> str:
    base, _, view = name.partition(":")
    return f"worst_{base.removesuffix('s')}" + (f":{view}" if view else "")


_SCALES = {"m": (1e3, "mm"), "rad": (180 / np.pi, "degrees"), "m/s": (1e2, "cm/s"), "m/s2": (1.0, "m/s²")}


def _text(name: str, limit: float, values: FloatArray, over: BoolArray, points: FrameErrors | None) -> str:
    """``joints: mean distance to the observed 3D joints is up to 61 mm (limit 50)``."""
    measure = measure_of(name)
    factor, unit = _SCALES.get(measure.unit, (1.0, measure.unit))
    low = measure.low_is_bad
    worst = (values[over].min() if low else values[over].max()) if over.any() else limit
    digits = 0 if factor * abs(limit) >= 10 else 2 if low or factor * abs(limit) < 1 else 1
    which = f" ({_culprits(points, over)})" if points is not None and over.any() else ""
    extent = "down to" if low else "up to"
    shown = f"{factor * worst:.{digits}f} {unit}".rstrip()
    return f"{name}{which} {extent} {shown}, limit {factor * limit:.{digits}f},"


def _culprits(points: FrameErrors, over: BoolArray, most: int = 2) -> str:
    """Names of the points that are most often the worst."""
    values = np.where(np.isfinite(points.values[over]), points.values[over], -np.inf)
    names, counts = np.unique(values.argmax(1), return_counts=True)
    return ", ".join(points.names[index] for index in names[np.argsort(-counts, kind="stable")][:most])


def _which(frame_ids: IntArray, frames: BoolArray) -> str:
    """Which frames, short."""
    chosen = frame_ids[frames]
    if len(chosen) == len(frame_ids):
        return " in all frames"
    return f" in {len(chosen)} of {len(frame_ids)} frames ({listed(chosen.tolist())})"


def listed(ids: Sequence[int], most: int = 5) -> str:
    """The first ids, and dots where there are more."""
    return ", ".join(str(i) for i in ids[:most]) + (", ..." if len(ids) > most else "")
