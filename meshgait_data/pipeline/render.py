"""The render stage: every fitted walk through every camera, kept as files to look at or to use elsewhere."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from meshgait_data import __version__
from meshgait_data.atomic import write_bytes, write_text
from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body
from meshgait_data.conventions import SMPL_SET
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.findings import Finding, from_jsonl, to_jsonl
from meshgait_data.fits import fit_path, read_fit
from meshgait_data.index import Index, IndexRow, read_index
from meshgait_data.manifest import Manifest, load_rig
from meshgait_data.pipeline.markers import find_markers
from meshgait_data.pipeline.render_files import LABELLED, SCHEMA, Format, render_path, write_sequence
from meshgait_data.pipeline.runner import Existing, Outcome, Report, Skipped, record_failures, run_jobs, selected
from meshgait_data.render.look import Look
from meshgait_data.render.rigs import resized
from meshgait_data.render.sequence import drop_findings, render_views
from meshgait_data.strict import to_plain
from meshgait_data.types import CaptureKey, MarkerSet, SequenceData, SequenceKey
from meshgait_data.view.sheet import strip

if TYPE_CHECKING:
    from meshgait_data.body.joints import JointRegressor

STAGE = "render"

STAMPS = ".meshgait"
"""Folder beside the results with one small file a sequence, which says what it was made of."""


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """What to render, and how."""

    body: str | None = None
    """Name or path of the body that the fits were made with."""
    markers: str | None = None
    """Name or path of the virtual markers; by default those that ship with the body."""
    joint_set: str = SMPL_SET
    """Name of the joint set of the labels."""
    select: str = ""
    """Parts of the keys, e.g. ``subject=07|08,view=090``; all by default."""
    out: Path | None = None
    """Folder of the results; by default ``WORK/renders``."""
    format: Format = "npz"
    """``npz`` and ``zarr`` hold labels, ``pkl`` and ``png`` do not."""
    rig: str | None = None
    """Name or path of a rig whose cameras see the walks, in place of the manifest's."""
    resolution: float = 1.0
    """Pixels of the images along each axis, relative to those of the cameras."""
    size: int | None = None
    """Side of the aligned silhouettes; by default the manifest's."""
    look: Look = field(default_factory=Look)
    """Alignment, degradations and channels; labels are made where the format holds them."""
    png: bool = False
    """Also write a strip of silhouettes beside each sequence."""
    existing: Existing = "refresh"
    """What to do with results that are there."""
    jobs: int = 1
    progress: bool = True


@dataclass(frozen=True, slots=True)
class RenderReport:
    """What rendering did."""

    report: Report
    """One outcome a capture, and one more for each view that failed alone."""
    folder: Path
    """Where the results are."""
    sequences: int
    """How many there are now of those wanted; with those that were there already."""
    kept: int
    """How many of them were there already."""
    frames: int
    dropped: int
    """Frames that were left out of these sequences; each is a finding."""


@dataclass(frozen=True, slots=True)
class RenderedSequence:
    """What a stamp says about one sequence."""

    fingerprint: str
    frames: int
    dropped: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class RenderedCapture:
    """What became of the views of one capture."""

    sequences: tuple[RenderedSequence, ...]
    kept: int
    failures: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Ingredients:
    """What all captures of a run share."""

    work: Path
    folder: Path
    manifest: Manifest
    """With the cameras and the size that are wanted."""
    body: Body
    markers: MarkerSet | None
    joints: "JointRegressor | None"
    settings: RenderSettings

    def fingerprint(self, fit_file: bytes) -> str:
        """Hash over everything that a sequence follows from, given the bytes of its fit."""
        inputs = {
            "schema": SCHEMA,
            "version": __version__,
            "manifest": self.manifest.sha256(),
            "body": self.body.sha256,
            "markers": None if self.markers is None else [self.markers.name, self.markers.vertex_ids.tolist()],
            "joint_set": self.settings.joint_set,
            "format": self.settings.format,
            "png": self.settings.png,
            "look": to_plain(self.settings.look),
            "fit": hashlib.sha256(fit_file).hexdigest(),
        }
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def render_work(work: Path, settings: RenderSettings | None = None) -> RenderReport:
    """Render the fitted captures of a work folder into ``OUT/<subject>/<condition>/<view>``, see ``render_files``.

    Failures never stop the run; they are recorded in ``WORK/failures.jsonl``, dropped frames in
    ``OUT/findings.jsonl``. Sequences that are there and were made of the same are kept, so an interrupted run goes on
    where it stopped.

    Raises
    ------
    UsageError
        Where nothing is fitted or selected, a name does not exist, or results are there and ``existing`` is ``error``.
    """
    settings = settings or RenderSettings()
    start = time.perf_counter()
    manifest, rows = plan(work, settings)
    shared = _ingredients(work, manifest, settings)
    if settings.existing == "error" and any(_stamp_path(shared.folder, row.key).exists() for row in rows):
        hint = "choose --existing refresh, skip or overwrite, or another --out"
        raise UsageError("some of these sequences are there already", where=str(shared.folder), hint=hint)
    captures: dict[CaptureKey, list[IndexRow]] = {}
    for row in rows:
        captures.setdefault(row.capture, []).append(row)
    jobs = [(str(key), (tuple(own), shared)) for key, own in captures.items()]
    report = run_jobs(STAGE, render_capture, jobs, workers=settings.jobs, progress=settings.progress)
    done: list[RenderedCapture] = [outcome.value for outcome in report.outcomes if outcome.status != "failed"]
    alone = [failure for capture in done for failure in capture.failures]
    outcomes = (*(replace(outcome, value=None) for outcome in report.outcomes), *alone)
    report = Report(STAGE, outcomes, time.perf_counter() - start)
    record_failures(work, report)
    sequences = [sequence for capture in done for sequence in capture.sequences]
    _record_findings(shared.folder, rows, [finding for sequence in sequences for finding in sequence.findings])
    return RenderReport(
        report,
        shared.folder,
        sequences=len(sequences),
        kept=sum(capture.kept for capture in done),
        frames=sum(sequence.frames for sequence in sequences),
        dropped=sum(sequence.dropped for sequence in sequences),
    )


def plan(work: Path, settings: RenderSettings) -> tuple[Manifest, list[IndexRow]]:
    """The manifest with the wanted cameras and size, and the wanted sequences; raises like :func:`render_work`."""
    index = read_index(work)
    manifest, rows = through_rig(index, settings.rig, settings.size)
    if settings.resolution != 1.0:
        manifest = replace(manifest, cameras=resized(manifest.cameras, settings.resolution))
    return manifest, _wanted(work, index, rows, settings.select)


def through_rig(index: Index, rig: str | None, size: int | None) -> tuple[Manifest, list[IndexRow]]:
    """The manifest with the cameras of a rig and a size of silhouettes, None for its own, and the views to be rendered.

    Raises
    ------
    UsageError
        Where there is no such rig, or the size is odd.
    """
    manifest, rows = index.manifest, list(index.rendered())
    if rig is not None:
        manifest = replace(manifest, cameras=load_rig(rig).cameras)
        first = {row.capture: row for row in reversed(index.rows)}
        rows = [replace(row, view=view) for row in first.values() for view in manifest.cameras.azimuths_deg]
    if size is not None:
        if size < 2 or size % 2:
            raise UsageError(f"aligned size {size} is not an even number of pixels", hint="e.g. 64 or 128")
        manifest = replace(manifest, aligned_size=size)
    return manifest, rows


def _wanted(work: Path, index: Index, rows: list[IndexRow], select: str) -> list[IndexRow]:
    wanted = sorted(row for row in rows if selected(row.key, select))
    if not wanted:
        example = f"a key is like {rows[0].key}" if index.rows else "run 'mgdata index' again"
        raise UsageError(f"nothing to render: no sequence matches {select!r}", where=str(work), hint=example)
    if not any(fit_path(work, key).exists() for key in {row.capture for row in wanted}):
        raise UsageError("nothing is fitted yet", where=str(work), hint=f"run 'mgdata fit-smpl {work}'")
    return wanted


def _ingredients(work: Path, manifest: Manifest, settings: RenderSettings) -> Ingredients:
    settings = replace(settings, look=replace(settings.look, labels=settings.format in LABELLED))
    body, labels = load_body(settings.body), settings.look.labels
    markers = find_markers(work, body, settings.markers) if labels else None
    joints = find_joints(body, settings.joint_set) if labels else None
    return Ingredients(work, settings.out or work / "renders", manifest, body, markers, joints, settings)


def find_joints(body: Body, joint_set: str) -> "JointRegressor | None":
    """The joint set of a name for a body; None for the body's own joints."""
    if joint_set == SMPL_SET:
        return None
    from meshgait_data.body.joint_files import load_regressor

    return load_regressor(body, joint_set)


def render_capture(rows: tuple[IndexRow, ...], shared: Ingredients) -> RenderedCapture | Skipped:
    """Render and write those views of one capture that are not there; one job of the stage.

    Views that fail alone are outcomes.
    """
    path = fit_path(shared.work, rows[0].capture)
    fingerprint = shared.fingerprint(path.read_bytes()) if path.exists() else ""
    there = {row.key: stamp for row in rows if (stamp := _kept(row.key, fingerprint, shared)) is not None}
    missing = [row.view for row in rows if row.key not in there]
    if not missing:
        return Skipped(RenderedCapture(tuple(there.values()), len(there), ()))
    fit = read_fit(path)
    sequences, failures = render_views(
        shared.body, shared.markers, fit, shared.manifest, missing, joints=shared.joints, look=shared.settings.look
    )
    made = []
    for sequence in sequences:
        _write(sequence, shared)
        findings = tuple(drop_findings(sequence, fit))
        made.append(RenderedSequence(fingerprint, len(sequence), len(sequence.dropped), findings))
        _write_stamp(_stamp_path(shared.folder, sequence.key), made[-1])
    return RenderedCapture((*there.values(), *made), len(there), failed_views(failures))


def _write(sequence: SequenceData, shared: Ingredients) -> None:
    # Without its stamp a sequence counts as absent, so none that was overwritten halfway is taken for a result.
    _stamp_path(shared.folder, sequence.key).unlink(missing_ok=True)
    write_sequence(shared.folder, sequence, shared.settings.format)
    if shared.settings.png:
        path = render_path(shared.folder, sequence.key).with_suffix(".png")
        write_bytes(path, strip(sequence.arrays["silhouettes"]))


def failed_views(failures: Mapping[SequenceKey, InvalidData]) -> tuple[Outcome, ...]:
    """Views that could not be rendered, as outcomes."""
    return tuple(Outcome(str(key), "failed", error=str(e), hint=e.hint) for key, e in failures.items())


def _stamp_path(folder: Path, key: SequenceKey) -> Path:
    return folder / STAMPS / key.subject / key.condition / f"{key.view}.json"


def _write_stamp(path: Path, rendered: RenderedSequence) -> None:
    plain = {
        "fingerprint": rendered.fingerprint,
        "frames": rendered.frames,
        "dropped": rendered.dropped,
        "findings": to_jsonl(list(rendered.findings)),
    }
    write_text(path, json.dumps(plain, sort_keys=True) + "\n")


def _kept(key: SequenceKey, fingerprint: str, shared: Ingredients) -> RenderedSequence | None:
    """What is known of a sequence that is there and can stay; None for one to be made."""
    existing = shared.settings.existing
    if existing == "overwrite" or not render_path(shared.folder, key, shared.settings.format).exists():
        return None
    try:
        plain = json.loads(_stamp_path(shared.folder, key).read_text(encoding="utf-8"))
        findings = tuple(from_jsonl(plain["findings"]))
        stamp = RenderedSequence(plain["fingerprint"], plain["frames"], plain["dropped"], findings)
    except (OSError, ValueError, KeyError, TypeError):
        # An unreadable stamp proves nothing about its sequence: it is made again.
        return None
    return stamp if existing == "skip" or stamp.fingerprint == fingerprint else None


def _record_findings(folder: Path, rows: Iterable[IndexRow], findings: list[Finding]) -> None:
    """Put these findings in the place of those that the same sequences had before."""
    path = folder / "findings.jsonl"
    fresh = {str(row.key) for row in rows}
    kept = from_jsonl(path.read_text(encoding="utf-8")) if path.exists() else []
    write_text(path, to_jsonl([finding for finding in kept if finding.where not in fresh] + findings))
