"""One job of the fit stage: several captures observed, fitted side by side, judged and written."""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from meshgait_data import __version__
from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body
from meshgait_data.conventions import FLAGGED, REJECTED
from meshgait_data.errors import InvalidData, MeshgaitError
from meshgait_data.fit.engine import fit_captures
from meshgait_data.fit.kinds import offered
from meshgait_data.fit.sanity_observed import check_observations
from meshgait_data.fit.settings import FitSettings
from meshgait_data.fits import fit_path, write_fit
from meshgait_data.manifest import Manifest
from meshgait_data.pipeline.fit_aligned import put_back, set_apart
from meshgait_data.pipeline.fit_inputs import Wanted, changed_hint, only
from meshgait_data.pipeline.fit_known import image_sizes, known_for
from meshgait_data.pipeline.fit_masks import with_masks
from meshgait_data.pipeline.runner import Outcome
from meshgait_data.sources import observe
from meshgait_data.types import CaptureKey, Fit, Masks, Observations

_BUG = "this is a bug in meshgait: please report it with the traceback in failures.jsonl"


@dataclass(frozen=True, slots=True)
class FitSummary:
    """What is worth knowing about one fit."""

    key: str
    frames: int
    means: Mapping[str, float]
    """Measure to its mean over the frames that have it."""
    flagged: int
    """Frames."""
    rejected: int
    """Frames."""
    converged: bool
    depth_observed: bool = True

    @property
    def residual_m(self) -> float:
        """Mean distance to the observed joints or markers, metres; NaN where neither was observed."""
        return self.means.get("joints", self.means.get("markers", float("nan")))


@dataclass(frozen=True, slots=True)
class FitContext:
    """What all captures of a run share: what a worker process needs."""

    work: Path
    root: Path
    manifest: Manifest
    body: str | None
    body_sha256: str
    settings: FitSettings
    wanted: Wanted
    device: str


@dataclass(frozen=True, slots=True)
class FitTask:
    """One capture to fit."""

    key: CaptureKey
    frames: int
    """As the index has them."""
    recipe: Mapping[str, str]
    """Hashes of everything that the fit depends on; they go into its provenance."""


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """One capture, observed and checked."""

    seen: Observations
    notes: tuple[str, ...]
    """What was noticed, for the reasons of the fit."""
    recipe: Mapping[str, str]
    aside: tuple[Masks, ...] = ()
    """Masks that took no part, over the same frames."""


def fit_batch(context: FitContext, tasks: Sequence[FitTask]) -> list[Outcome]:
    """Observe, fit, judge and write some captures; an outcome for each, never an exception but KeyboardInterrupt."""
    body = shared_body(context.body, context.body_sha256)
    outcomes: dict[CaptureKey, Outcome] = {}
    ready: dict[CaptureKey, Ready] = {}
    for task in tasks:
        try:
            ready[task.key] = prepared(context, task, body)
        except Exception as error:  # One bad capture must not stop the others; the traceback is kept.
            outcomes[task.key] = failure(task.key, error)
    for key, fit in _fitted(context, body, [one.seen for one in ready.values()]).items():
        try:
            outcomes[key] = Outcome(str(key), "done", _written(context, body, ready[key], fit))
        except Exception as error:  # As above.
            outcomes[key] = failure(key, error)
    return [outcomes[task.key] for task in tasks]


def prepared(context: FitContext, task: FitTask, body: Body) -> Ready:
    """Observations of one capture that make sense; raises SourceError or FitError where they do not."""
    seen, aside = observed(context, task)
    known = known_for(body, context.manifest, [seen])
    repair = context.manifest.fit.repair
    checked = check_observations(body, seen, {**known.maps, **known.placements}, repair=repair)
    # What is in the frames of one capture belongs to the fit; findings of its files are in the index.
    notes = tuple(f"note: {finding.id}: {finding.message}" for finding in checked.findings)
    return Ready(checked.seen, notes, task.recipe, aside)


def observed(context: FitContext, task: FitTask) -> tuple[Observations, tuple[Masks, ...]]:
    """What takes part in the fit of one capture, and masks that do not.

    Raises
    ------
    SourceError
        Where its files are not what was indexed.
    """
    seen = observe(context.manifest, context.root, task.key)
    if seen.source_sha256 != task.recipe["source_sha256"]:
        raise changed_hint(context.work, context.root, task.key)
    if context.wanted.masks is not None:
        seen = with_masks(seen, context.wanted.masks)
    if context.wanted.use:
        seen = only(seen, context.wanted.use)
    return set_apart(seen, context.manifest)


def _fitted(context: FitContext, body: Body, seen: Sequence[Observations]) -> dict[CaptureKey, Fit | Exception]:
    """Side by side, those together whose images are of one size."""
    alike: dict[object, list[Observations]] = {}
    for each in seen:
        alike.setdefault(image_sizes(each), []).append(each)
    return {key: fit for group in alike.values() for key, fit in _fitted_alike(context, body, group).items()}


def _fitted_alike(context: FitContext, body: Body, seen: Sequence[Observations]) -> dict[CaptureKey, Fit | Exception]:
    """Where a batch ends in an unforeseen error, one by one, so that one capture does not take all along."""
    try:
        known = known_for(body, context.manifest, seen)
        with one_thread():
            fits = fit_captures(body, seen, known, context.settings, device=context.device)
        return dict(zip((each.key for each in seen), fits, strict=True))
    except Exception as error:  # As above.
        if len(seen) == 1:
            return {seen[0].key: error}
    return {key: fit for each in seen for key, fit in _fitted_alike(context, body, [each]).items()}


def _written(context: FitContext, body: Body, ready: Ready, fit: Fit | Exception) -> FitSummary:
    if isinstance(fit, Exception):
        raise fit
    fit = put_back(body, fit, ready.seen, ready.aside, context.manifest)
    made_of = {"observed": list(offered(ready.seen)), **ready.recipe, "meshgait": __version__}
    fit = replace(fit, reasons=(*ready.notes, *fit.reasons), provenance={**fit.provenance, **made_of})
    write_fit(fit_path(context.work, fit.key), fit)
    return summarise(fit)


def failure(key: CaptureKey, error: Exception) -> Outcome:
    """What became of a capture that raised an error; call it where the error was caught."""
    if isinstance(error, MeshgaitError):
        return Outcome(str(key), "failed", error=str(error), hint=error.hint)
    trace = "".join(traceback.format_exception(error))
    return Outcome(str(key), "failed", error=f"{type(error).__name__}: {error}", hint=_BUG, trace=trace)


def summarise(fit: Fit) -> FitSummary:
    """Figures of one fit."""
    finite = {name: values[values == values] for name, values in fit.residuals.items()}
    return FitSummary(
        key=str(fit.key),
        frames=len(fit.frame_ids),
        means={name: float(values.mean()) for name, values in finite.items() if len(values)},
        flagged=int((fit.verdict == FLAGGED).sum()),
        rejected=int((fit.verdict == REJECTED).sum()),
        converged=fit.converged,
        depth_observed=bool(fit.provenance.get("depth_observed", True)),
    )


@lru_cache(maxsize=1)
def shared_body(name: str | None, sha256: str) -> Body:
    """Loaded once in each process, and again where the file behind the name has changed."""
    body = load_body(name)
    if body.sha256 != sha256:
        raise InvalidData(f"body {body.name!r} changed during the run", hint="run the same line again")
    return body


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch: the blocks are too small for more, and sums do not depend on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
