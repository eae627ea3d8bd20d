"""The fit stage: one body to every walk of the index, kept under ``WORK/fits``; what is up to date is not redone."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import torch

from meshgait_data import __version__
from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body
from meshgait_data.conventions import FLAGGED, REJECTED
from meshgait_data.errors import InvalidData, SourceError, UsageError
from meshgait_data.fit import FitSettings, fit_joints
from meshgait_data.fits import fit_path, read_fit, write_fit
from meshgait_data.index import Index, read_index
from meshgait_data.manifest import JointMap, Manifest, load_joint_map
from meshgait_data.pipeline.fit_masks import masks_sha256, refine_fit
from meshgait_data.pipeline.runner import Existing, Report, Skipped, record_failures, run_jobs, selected
from meshgait_data.sources import observe
from meshgait_data.strict import to_plain
from meshgait_data.types import CaptureKey, Fit

STAGE = "fit-smpl"


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
    """Folder with masks that the fits are refined to, see ``fit_masks``; none by default."""
    fit: FitSettings = field(default_factory=FitSettings)


@dataclass(frozen=True, slots=True)
class FitSummary:
    """What is worth knowing about one fit."""

    key: str
    frames: int
    residual_m: float
    """Mean distance to the observed joints, metres."""
    flagged: int
    """Frames."""
    rejected: int
    """Frames."""
    converged: bool


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
        frames = sum(fit.frames for fit in self.fits)
        return sum(fit.residual_m * fit.frames for fit in self.fits) / frames if frames else float("nan")

    def worst(self, count: int = 3) -> list[FitSummary]:
        """Fits with the largest residuals."""
        return sorted(self.fits, key=lambda fit: -fit.residual_m)[:count]


@dataclass(frozen=True, slots=True)
class FitTask:
    """One capture to fit: what a worker process needs."""

    work: Path
    root: Path
    manifest: Manifest
    key: CaptureKey
    body: str | None
    joint_map: JointMap
    settings: FitSettings
    recipe: Mapping[str, str]
    """Hashes of everything that the fit depends on; they go into its provenance."""
    masks: Path | None = None
    """Folder with masks."""

    @property
    def path(self) -> Path:
        """Where the fit lies."""
        return fit_path(self.work, self.key)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do."""

    captures: tuple[FitTask, ...]
    """Selected."""
    todo: tuple[CaptureKey, ...]
    """Of these, the ones to fit."""


def plan_fits(work: Path, settings: FitStageSettings) -> Plan:
    """Find out which captures need a fit; writes nothing.

    Raises
    ------
    UsageError
        Where there is no index, nothing is selected, or fits are there and ``existing`` is ``error``.
    """
    index = read_index(work)
    captures = tuple(key for key in index.captures() if selected(key, settings.select))
    if not captures:
        raise UsageError(
            f"no capture of {index.manifest.name} matches {settings.select!r}" if settings.select else "empty index",
            where=str(work),
            hint=f"the index has subjects {', '.join(sorted({key.subject for key in index.captures()}))}",
        )
    tasks = _tasks(work, index, captures, settings)
    there = [task for task in tasks if task.path.exists()]
    if there and settings.existing == "error":
        raise UsageError(
            f"{len(there)} of {len(tasks)} captures are fitted already, first {there[0].key}",
            where=str(work),
            hint="choose --existing refresh, skip or overwrite",
        )
    if settings.existing == "overwrite":
        return Plan(tasks, captures)
    kept = {task.key for task in there if settings.existing == "skip" or _is_fresh(task)}
    return Plan(tasks, tuple(key for key in captures if key not in kept))


def _tasks(
    work: Path, index: Index, captures: tuple[CaptureKey, ...], settings: FitStageSettings
) -> tuple[FitTask, ...]:
    joint_map = load_joint_map(index.manifest.source.joint_map)
    # Loaded here too, so that a missing body fails once and not in every job.
    body = load_body(settings.body)
    fit = _fit_settings(settings, body)
    parts = {
        "settings_sha256": (to_plain(fit), to_plain(index.manifest.source)),
        "joint_map_sha256": to_plain(joint_map),
    }
    recipe = {name: hashlib.sha256(json.dumps(part).encode()).hexdigest() for name, part in parts.items()}
    recipe["body_sha256"] = body.sha256
    same = (index.root, index.manifest)
    masks = settings.masks

    def own(key: CaptureKey) -> dict[str, str]:
        hashed = masks_sha256(masks, key) if masks else ""
        return {**recipe, "source_sha256": index.row(key).sha256, "masks_sha256": hashed}

    return tuple(FitTask(work, *same, key, settings.body, joint_map, fit, own(key), masks) for key in captures)


def _fit_settings(settings: FitStageSettings, body: Body) -> FitSettings:
    """The settings with the number of shape components that this body gets; raises UsageError where it lacks them."""
    asked = settings.num_betas
    if asked is not None and not 1 <= asked <= body.num_betas:
        raise UsageError(
            f"{asked} shape components were asked for, but body {body.name!r} has {body.num_betas}",
            hint=f"choose 1 to {body.num_betas}",
        )
    return replace(settings.fit, num_betas=min(asked or settings.fit.num_betas, body.num_betas))


def fit_work(work: Path, settings: FitStageSettings | None = None) -> FitReport:
    """Fit the captures of a work folder into ``WORK/fits/<subject>/<condition>.npz``.

    A capture that cannot be fitted never stops the run: it goes to ``WORK/failures.jsonl``. Each file is complete or
    absent, so that an interrupted run goes on where it stopped and ends with the same arrays.

    Raises
    ------
    UsageError
        See :func:`plan_fits`.
    BodyNotFound, BodyFileError
        Where the body cannot be loaded.
    """
    settings = settings or FitStageSettings()
    plan = plan_fits(work, settings)
    todo = set(plan.todo)
    jobs = [(str(task.key), (task, task.key in todo)) for task in plan.captures]
    report = run_jobs(STAGE, fit_capture, jobs, workers=settings.jobs, progress=settings.progress)
    record_failures(work, report)
    fits = tuple(outcome.value for outcome in report.outcomes if outcome.status != "failed")
    fitted = sum(outcome.value.frames for outcome in report.outcomes if outcome.status == "done")
    return FitReport(report, fits, fitted)


def fit_capture(task: FitTask, needed: bool) -> FitSummary | Skipped:
    """Observe, fit and write one capture; one job of the stage."""
    if not needed:
        return Skipped(summarise(read_fit(task.path)))
    observations = observe(task.manifest, task.root, task.key)
    if observations.source_sha256 != task.recipe["source_sha256"]:
        raise SourceError(
            "the files were changed after the index was made",
            where=str(task.key),
            hint=f"mgdata index {task.work / 'manifest.yaml'} --root {task.root} --work {task.work}",
        )
    body = _body(task.body, task.recipe["body_sha256"])
    with _one_thread():
        fit = fit_joints(body, observations, task.joint_map, task.settings)
        if task.masks is not None:
            fit = refine_fit(
                body, fit, observations, joint_map=task.joint_map, settings=task.settings, folder=task.masks
            )
    fit = replace(fit, provenance={**fit.provenance, **task.recipe, "meshgait": __version__})
    write_fit(task.path, fit)
    return summarise(fit)


def summarise(fit: Fit) -> FitSummary:
    """Figures of one fit."""
    return FitSummary(
        key=str(fit.key),
        frames=len(fit.frame_ids),
        residual_m=float(fit.residuals["joints"].mean()),
        flagged=int((fit.verdict == FLAGGED).sum()),
        rejected=int((fit.verdict == REJECTED).sum()),
        converged=fit.converged,
    )


def _is_fresh(task: FitTask) -> bool:
    """Whether a fit file is what a new fit would give; a damaged one is not."""
    try:
        made_by = read_fit(task.path).provenance
    except InvalidData:
        return False
    # Fits without masks need not say so.
    return all(made_by.get(name, "") == value for name, value in task.recipe.items())


@lru_cache(maxsize=1)
def _body(name: str | None, sha256: str) -> Body:
    """Loaded once in each process, and again where the file behind the name has changed."""
    body = load_body(name)
    if body.sha256 != sha256:
        raise InvalidData(f"body {body.name!r} changed during the run", hint="run the same line again")
    return body


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for torch: the blocks are too small for more, and sums do not depend on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
