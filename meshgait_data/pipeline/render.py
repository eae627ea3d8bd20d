"""The render stage: every fitted walk through every camera, kept as files to look at or to use elsewhere."""

import json
import time
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.atomic import write_bytes, write_npz, write_text
from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.findings import Finding, from_jsonl, to_jsonl
from meshgait_data.fits import fit_path, read_fit
from meshgait_data.index import Index, IndexRow, read_index
from meshgait_data.manifest import Manifest
from meshgait_data.pipeline.markers import find_markers
from meshgait_data.pipeline.runner import Outcome, Report, record_failures, run_jobs, selected
from meshgait_data.render.sequence import drop_findings, render_views
from meshgait_data.types import Camera, MarkerSet, SequenceData, SequenceKey
from meshgait_data.view.sheet import strip

STAGE = "render"

SCHEMA = 1
"""Version of the file layout."""


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """What to render, and how."""

    body: str | None = None
    """Name or path of the body that the fits were made with."""
    markers: str | None = None
    """Name or path of the virtual markers; by default those that ship with the body."""
    select: str = ""
    """Parts of the keys, e.g. ``subject=07|08,view=090``; all by default."""
    png: bool = False
    """Also write a strip of silhouettes beside each file."""
    jobs: int = 1
    progress: bool = True


@dataclass(frozen=True, slots=True)
class RenderReport:
    """What rendering did."""

    report: Report
    """One outcome a capture, and one more for each view that failed alone."""
    sequences: int
    frames: int
    dropped: int
    """Frames that were left out of written sequences; each is a finding."""


@dataclass(frozen=True, slots=True)
class RenderedCapture:
    """What became of the views of one capture."""

    sequences: int
    frames: int
    dropped: int
    findings: tuple[Finding, ...]
    failures: tuple[Outcome, ...]


def render_work(work: Path, settings: RenderSettings | None = None) -> RenderReport:
    """Render the fitted captures of a work folder into ``WORK/renders/<subject>/<condition>/<view>.npz``.

    Failures never stop the run; they are recorded in ``WORK/failures.jsonl``, dropped frames in
    ``WORK/renders/findings.jsonl``.

    Raises
    ------
    UsageError
        Where nothing is fitted or selected.
    """
    settings = settings or RenderSettings()
    start = time.perf_counter()
    index, rows = _wanted(work, settings.select)
    body = load_body(settings.body)
    markers = find_markers(work, body, settings.markers)
    captures = list(dict.fromkeys(row.capture for row in rows))
    jobs = [
        (str(key), (work, tuple(r for r in rows if r.capture == key), index.manifest, body, markers, settings.png))
        for key in captures
    ]
    report = run_jobs(STAGE, render_capture, jobs, workers=settings.jobs, progress=settings.progress)
    done: list[RenderedCapture] = [outcome.value for outcome in report.outcomes if outcome.status == "done"]
    alone = [failure for capture in done for failure in capture.failures]
    outcomes = (*(replace(outcome, value=None) for outcome in report.outcomes), *alone)
    report = Report(STAGE, outcomes, time.perf_counter() - start)
    record_failures(work, report)
    _record_findings(work, rows, [finding for capture in done for finding in capture.findings])
    return RenderReport(
        report,
        sequences=sum(capture.sequences for capture in done),
        frames=sum(capture.frames for capture in done),
        dropped=sum(capture.dropped for capture in done),
    )


def render_capture(
    work: Path, rows: tuple[IndexRow, ...], manifest: Manifest, body: Body, markers: MarkerSet, png: bool
) -> RenderedCapture:
    """Render and write some views of one capture; one job of the stage. Views that fail alone are outcomes."""
    fit = read_fit(fit_path(work, rows[0].capture))
    sequences, failures = render_views(body, markers, fit, manifest, [row.view for row in rows])
    for sequence in sequences:
        path = render_path(work, sequence.key)
        write_render(path, sequence)
        if png:
            write_bytes(path.with_suffix(".png"), strip(sequence.arrays["silhouettes"]))
    return RenderedCapture(
        sequences=len(sequences),
        frames=sum(len(sequence) for sequence in sequences),
        dropped=sum(len(sequence.dropped) for sequence in sequences),
        findings=tuple(finding for sequence in sequences for finding in drop_findings(sequence, fit)),
        failures=failed_views(failures),
    )


def failed_views(failures: Mapping[SequenceKey, InvalidData]) -> tuple[Outcome, ...]:
    """Views that could not be rendered, as outcomes."""
    return tuple(Outcome(str(key), "failed", error=str(e), hint=e.hint) for key, e in failures.items())


def render_path(work: Path, key: SequenceKey) -> Path:
    """Where a rendered sequence lies in a work folder."""
    return work / "renders" / key.subject / key.condition / f"{key.view}.npz"


def write_render(path: Path, sequence: SequenceData) -> None:
    """Write a sequence: its arrays by name, ``betas``, and everything else as JSON in ``meta``."""
    camera = sequence.camera
    meta = {
        "schema": SCHEMA,
        "key": str(sequence.key),
        "identity": sequence.identity,
        "fps": sequence.fps,
        "dropped": list(sequence.dropped),
        "camera": {
            "name": camera.name,
            "intrinsics": camera.intrinsics.tolist(),
            "rotation": camera.rotation.tolist(),
            "translation": camera.translation.tolist(),
            "size": list(camera.size),
        },
    }
    arrays: dict[str, NDArray[Any]] = {**sequence.arrays, "betas": sequence.betas}
    write_npz(path, {**arrays, "meta": np.array(json.dumps(meta, sort_keys=True))})


def read_render(path: Path) -> SequenceData:
    """Read what :func:`write_render` wrote; raises UsageError without a file, InvalidData on a damaged one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop("meta")))
        if meta["schema"] != SCHEMA:
            raise ValueError(f"schema {meta['schema']} is not {SCHEMA}")
        plain = meta["camera"]
        intrinsics, rotation, translation = (
            np.array(plain[name]) for name in ("intrinsics", "rotation", "translation")
        )
        width, height = plain["size"]
        camera = Camera(plain["name"], intrinsics, rotation, translation, (width, height))
        key = SequenceKey.parse(meta["key"])
        betas = arrays.pop("betas")
        return SequenceData(key, meta["identity"], meta["fps"], camera, betas, arrays, tuple(meta["dropped"]))
    except FileNotFoundError:
        raise UsageError("nothing rendered here", where=str(path), hint="run 'mgdata render' first") from None
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        hint = "run 'mgdata render' on the work folder again"
        raise InvalidData(f"not a rendered sequence: {error}", where=str(path), hint=hint) from error


def _wanted(work: Path, select: str) -> tuple[Index, list[IndexRow]]:
    index = read_index(work)
    rows = sorted(row for row in index.rows if selected(row.key, select))
    if not rows:
        example = f"a key is like {index.rows[0].key}" if index.rows else "run 'mgdata index' again"
        raise UsageError(f"nothing to render: no sequence matches {select!r}", where=str(work), hint=example)
    if not any(fit_path(work, key).exists() for key in {row.capture for row in rows}):
        raise UsageError("nothing is fitted yet", where=str(work), hint=f"run 'mgdata fit-smpl {work}'")
    return index, rows


def _record_findings(work: Path, rows: Iterable[IndexRow], findings: list[Finding]) -> None:
    """Put these findings in the place of those that the same sequences had before."""
    path = work / "renders" / "findings.jsonl"
    fresh = {str(row.key) for row in rows}
    kept = from_jsonl(path.read_text(encoding="utf-8")) if path.exists() else []
    write_text(path, to_jsonl([finding for finding in kept if finding.where not in fresh] + findings))
