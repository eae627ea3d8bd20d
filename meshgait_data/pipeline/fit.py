"""The fit stage: one body to every walk of the index, kept under ``WORK/fits``; what is up to date is not redone."""

import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from tqdm import tqdm

from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body
from meshgait_data.errors import EnvironmentLacks, InvalidData, UsageError
from meshgait_data.fit.settings import FitSettings
from meshgait_data.fits import fit_path, read_fit
from meshgait_data.index import Index, read_index
from meshgait_data.pipeline.fit_batch import FitContext, FitSummary, FitTask, fit_batch, summarise
from meshgait_data.pipeline.fit_inputs import Wanted, parse_use
from meshgait_data.pipeline.fit_known import known_for, own_map, priors_sha256
from meshgait_data.pipeline.fit_masks import masks_sha256
from meshgait_data.pipeline.runner import Existing, Outcome, Report, record_failures, selected
from meshgait_data.strict import convert, to_plain
from meshgait_data.types import CaptureKey

STAGE = "fit-smpl"
_BATCH_FRAMES = {False: 2000, True: 200}
"""Frames of a batch without and with masks, which are large in memory and slow to fit."""


@dataclass(frozen=True, slots=True)
class FitStageSettings:
    """What to fit, and how."""

    body: str | None = None
    """Name or path of the body; the free body by default."""
    select: str = ""
    """Parts of the keys, e.g. ``subject=07|08``; all by default."""
    existing: Existing = "refresh"
    """What to do with fits that are there."""
    jobs: int = 1
    progress: bool = True
    num_betas: int | None = None
    """Shape components to estimate; those of ``fit`` by default."""
    masks: Path | None = None
    """Folder with rendered masks that take part, see ``fit_masks``; none by default."""
    use: str = ""
    """Kinds of observations that take part, e.g. ``joints,masks``; all that are there by default."""
    device: str = "cpu"
    """Where to compute: ``cpu`` or ``cuda``."""
    batch_frames: int | None = None
    """Captures are fitted side by side up to so many frames, which bounds memory and what an interruption costs; by
    default 2000, with masks 200."""
    fit: FitSettings = field(default_factory=FitSettings)


@dataclass(frozen=True, slots=True)
class FitReport:
    """What the stage did."""

    report: Report
    fits: tuple[FitSummary, ...]
    """Of all fits that are there now, those that were kept too."""
    fitted_frames: int
    """Frames that were fitted in this run."""

    @property
    def residual_m(self) -> float:
        """Mean over frames of the mean distance to the observed joints, metres; NaN without fits."""
        return self.mean("joints")

    def mean(self, measure: str) -> float:
        """Mean over the frames of the fits that have a measure; NaN where none has."""
        having = [fit for fit in self.fits if measure in fit.means]
        frames = sum(fit.frames for fit in having)
        return sum(fit.means[measure] * fit.frames for fit in having) / frames if frames else float("nan")

    def measures(self) -> tuple[str, ...]:
        """Measures that any fit has."""
        return tuple(dict.fromkeys(name for fit in self.fits for name in fit.means))

    def ranked(self) -> list[FitSummary]:
        """Fits from worst to best: by the share of frames that are not accepted, then by how far they miss."""
        return sorted(self.fits, key=lambda fit: (-(fit.flagged + fit.rejected) / fit.frames, -_miss(fit), fit.key))

    def worst(self, count: int = 3) -> list[FitSummary]:
        """Fits that miss most."""
        return sorted(self.fits, key=lambda fit: -_miss(fit))[:count]


def _miss(fit: FitSummary) -> float:
    """Of what was observed; images come last, for pixels are no metres."""
    order = ("joints", "markers", "params")
    metres = [fit.means[name] for name in order if name in fit.means]
    pixels = [value for name, value in fit.means.items() if name.startswith("keypoints")]
    overlap = [1 - value for name, value in fit.means.items() if name.startswith("mask_iou")]
    return next(iter((*metres, *pixels, *overlap)), 0.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do."""

    context: FitContext
    captures: tuple[FitTask, ...]
    """Selected."""
    todo: tuple[FitTask, ...]
    """Of these, the ones to fit."""


def plan_fits(work: Path, settings: FitStageSettings) -> Plan:
    """Find out which captures need a fit; writes nothing.

    Raises
    ------
    UsageError
        Where there is no index, nothing is selected, or fits are there and ``existing`` is ``error``.
    ManifestError
        Where the manifest's ``fit: settings`` are none.
    EnvironmentLacks
        Where the device is not there.
    """
    index = read_index(work)
    captures = tuple(key for key in index.captures() if selected(key, settings.select))
    if not captures:
        raise UsageError(
            f"no capture of {index.manifest.name} matches {settings.select!r}" if settings.select else "empty index",
            where=str(work),
            hint=f"the index has subjects {', '.join(sorted({key.subject for key in index.captures()}))}",
        )
    _check_device(settings.device)
    # Here too, so that a missing body or a wrong word in the manifest fails once and not in every job.
    body = load_body(settings.body)
    known_for(body, index.manifest)
    context = FitContext(
        work=work,
        root=index.root,
        manifest=index.manifest,
        body=settings.body,
        body_sha256=body.sha256,
        settings=_fit_settings(work, index, settings, body),
        wanted=Wanted(parse_use(settings.use), settings.masks),
        device=settings.device,
    )
    tasks = _tasks(context, index, captures)
    there = [task for task in tasks if fit_path(work, task.key).exists()]
    if there and settings.existing == "error":
        raise UsageError(
            f"{len(there)} of {len(tasks)} captures are fitted already, first {there[0].key}",
            where=str(work),
            hint="choose --existing refresh, skip or overwrite",
        )
    if settings.existing == "overwrite":
        return Plan(context, tasks, tasks)
    kept = {task.key for task in there if settings.existing == "skip" or _is_fresh(work, task)}
    return Plan(context, tasks, tuple(task for task in tasks if task.key not in kept))


def _check_device(device: str) -> None:
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise EnvironmentLacks("no CUDA device that torch can use", hint="leave --device out to compute on the CPU")


def _tasks(context: FitContext, index: Index, captures: Sequence[CaptureKey]) -> tuple[FitTask, ...]:
    manifest, wanted = context.manifest, context.wanted
    joint_map = own_map(manifest)
    parts = {
        "settings_sha256": (to_plain(context.settings), to_plain(manifest.source), to_plain(manifest.fit)),
        "joint_map_sha256": None if joint_map is None else to_plain(joint_map),
        "use": sorted(wanted.use),
    }
    recipe = {name: hashlib.sha256(json.dumps(part).encode()).hexdigest() for name, part in parts.items()}
    recipe |= {"body_sha256": context.body_sha256, "priors_sha256": priors_sha256(manifest)}

    def own(key: CaptureKey) -> dict[str, str]:
        hashed = masks_sha256(wanted.masks, key) if wanted.masks else ""
        return {**recipe, "source_sha256": index.row(key).sha256, "masks_sha256": hashed}

    return tuple(FitTask(key, index.row(key).frames, own(key)) for key in captures)


def _fit_settings(work: Path, index: Index, settings: FitStageSettings, body: Body) -> FitSettings:
    """The settings with what the manifest wants otherwise, and the number of shape components that this body gets."""
    asked = settings.num_betas
    if asked is not None and not 1 <= asked <= body.num_betas:
        raise UsageError(
            f"{asked} shape components were asked for, but body {body.name!r} has {body.num_betas}",
            hint=f"choose 1 to {body.num_betas}",
        )
    where = f"{work / 'manifest.yaml'}: fit: settings"
    changed: FitSettings = convert(FitSettings, {**to_plain(settings.fit), **index.manifest.fit.settings}, where)
    return replace(changed, num_betas=asked or changed.num_betas)


def fit_work(work: Path, settings: FitStageSettings | None = None) -> FitReport:
    """Fit the captures of a work folder into ``WORK/fits/<subject>/<condition>.npz``.

    A capture that cannot be fitted never stops the run: it goes to ``WORK/failures.jsonl``. Each file is complete or
    absent, so that an interrupted run goes on where it stopped and ends with the same fits (to the rounding of sums).

    Raises
    ------
    UsageError
        See :func:`plan_fits`.
    BodyNotFound, BodyFileError
        Where the body cannot be loaded.
    """
    settings = settings or FitStageSettings()
    plan = plan_fits(work, settings)
    start = time.perf_counter()
    found = {outcome.key: outcome for outcome in _run(plan, settings)}
    todo = {task.key for task in plan.todo}
    for task in plan.captures:
        if task.key not in todo:
            found[str(task.key)] = Outcome(str(task.key), "skipped", summarise(read_fit(fit_path(work, task.key))))
    outcomes = tuple(found[str(task.key)] for task in plan.captures)
    report = Report(STAGE, outcomes, time.perf_counter() - start)
    record_failures(work, report)
    fits = tuple(outcome.value for outcome in outcomes if outcome.status != "failed")
    return FitReport(report, fits, sum(outcome.value.frames for outcome in outcomes if outcome.status == "done"))


def _run(plan: Plan, settings: FitStageSettings) -> Iterator[Outcome]:
    """Outcomes of the captures to fit, in any order, with progress in frames on stderr."""
    masks = settings.masks is not None or plan.context.manifest.source.silhouettes is not None
    groups = batches(plan.todo, settings.batch_frames or _BATCH_FRAMES[masks])
    calls = (delayed(fit_batch)(plan.context, group) for group in groups)
    pool = Parallel(n_jobs=max(1, min(settings.jobs, len(groups))), return_as="generator_unordered", batch_size=1)
    frames = {str(task.key): task.frames for task in plan.todo}
    counts = {"done": 0, "failed": 0}
    # A log file gets a line every half minute, a terminal a moving bar.
    pause = 0.1 if sys.stderr.isatty() else 30.0
    total = sum(frames.values())
    with tqdm(total=total, desc=STAGE, disable=not settings.progress, unit="frame", mininterval=pause) as bar:
        for outcomes in pool(calls):
            for outcome in outcomes:
                counts[outcome.status] += 1
                bar.update(frames[outcome.key])
                yield outcome
            bar.set_postfix(walks=f"{sum(counts.values())}/{len(plan.todo)}", failed=counts["failed"], refresh=False)


def batches(tasks: Sequence[FitTask], frames: int) -> list[tuple[FitTask, ...]]:
    """Neighbouring captures in groups of at most so many frames; a longer one is alone."""
    groups: list[list[FitTask]] = []
    filled = np.inf
    for task in tasks:
        if filled + task.frames > frames:
            groups.append([])
            filled = 0
        groups[-1].append(task)
        filled += task.frames
    return [tuple(group) for group in groups]


def _is_fresh(work: Path, task: FitTask) -> bool:
    """Whether a fit file is what a new fit would give; a damaged one is not."""
    try:
        made_by = read_fit(fit_path(work, task.key)).provenance
    except InvalidData:
        return False
    # Fits without masks need not say so.
    return all(made_by.get(name, "") == value for name, value in task.recipe.items())
