"""One capture looked at: its views, their kinds and frames, and everything that is to be said of them.

A :class:`Look` is small plain data, so that it travels between processes and is kept for the next run.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.index.frames import AnyTrack, FrameRules, check_frames
from meshgait_data.manifest import Manifest
from meshgait_data.sources import glance
from meshgait_data.sources.beside import Beside
from meshgait_data.sources.joining import view_of
from meshgait_data.types import CaptureKey, IntArray


@dataclass(frozen=True, slots=True)
class ViewLook:
    """What one view has; the view is empty where no camera saw the walk."""

    view: str
    kinds: tuple[str, ...]
    """Blocks of the source."""
    kind_frames: tuple[int, ...]
    """Frames of each."""
    frames: int
    """Frames that any of them has, after thinning."""
    first_frame: int
    last_frame: int
    forms: tuple[tuple[str, str], ...] = ()
    """Kind, and type and shape of its frames, of what rides along into shards."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one capture has."""

    key: str
    views: tuple[ViewLook, ...] = ()
    """None where it cannot be used."""
    fps: float = 0.0
    sha256: str = ""
    """Hash over all files."""
    walk_sha256: str = ""
    """Hash over what was recorded: equal in copies of one walk."""
    findings: tuple[Finding, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()
    """Kind and view of what is there and cannot be used."""

    def line(self) -> str:
        """As a line of text."""
        views = [
            (one.view, one.kinds, one.kind_frames, one.frames, one.first_frame, one.last_frame, one.forms)
            for one in self.views
        ]
        told = [(one.severity, one.id, one.where, one.message, one.hint) for one in self.findings]
        plain = (self.key, views, self.fps, self.sha256, self.walk_sha256, told, self.lost)
        return json.dumps(plain, separators=(",", ":"))

    @classmethod
    def of_line(cls, line: str | bytes) -> "Look":
        """Read what :meth:`line` wrote; raises ValueError or TypeError for anything else."""
        key, views, fps, sha256, walk_sha256, findings, lost = json.loads(line)
        seen = tuple(
            ViewLook(view, tuple(kinds), tuple(counts), frames, first, last, tuple(map(tuple, forms)))
            for view, kinds, counts, frames, first, last, forms in views
        )
        told = tuple(Finding(Severity(severity), *rest) for severity, *rest in findings)
        return cls(key, seen, fps, sha256, walk_sha256, told, tuple((kind, view) for kind, view in lost))


@dataclass(frozen=True, slots=True)
class Task:
    """One capture to look at."""

    key: CaptureKey
    paths: tuple[tuple[str, str], ...]
    """View, empty where the layout names none, and path, of each sequence that the layout has of it."""


def look(manifest: Manifest, root: Path, task: Task) -> Look:
    """Read the files of one capture; what is wrong with them is a finding, whatever it is."""
    key = task.key
    try:
        seen = glance(manifest, root, key)
    except SourceError as error:
        place = root / task.paths[0][1] if task.paths else root
        return Look(str(key), findings=(_unusable(key, error, str(place)),))
    named = [view for view, _ in task.paths if view]
    if not seen.tracks:
        summary = ("mocap",), (len(seen.frame_ids),), *_span(seen.frame_ids)
        views = tuple(ViewLook(view, *summary) for view in named or ("",))
        return Look(str(key), views, seen.fps, seen.sha256, seen.walk_sha256, seen.findings)
    by_view: dict[str, list[AnyTrack]] = {}
    for track in seen.tracks:
        by_view.setdefault(view_of(track), []).append(track)
    rules = FrameRules.of(manifest.source, manifest.aligned_size, manifest.expected.frames)
    findings = [
        *seen.findings,
        *(_unusable(key, lost.error, str(key), lost.view, lost.kind) for lost in seen.lost),
    ]
    for view, tracks in sorted(by_view.items()):
        findings += check_frames(str(key.sequence(view) if view else key), tracks, rules)
    shared = by_view.pop("", [])
    whole = sorted({*by_view, *(named if shared else ())}) or [""]
    views = tuple(
        _view(view, [*by_view.get(view, ()), *shared], seen.frame_ids, [b for b in seen.beside if b.view in ("", view)])
        for view in whole
    )
    for view in sorted(set(named) - set(whole) - {lost.view for lost in seen.lost}):
        nothing = SourceError("none of the kinds that the manifest's source names is there", where=str(root))
        findings.append(_unusable(key, nothing, str(root), view))
    lost = (*((lost.kind, lost.view) for lost in seen.lost), *seen.left_out)
    return Look(str(key), views, seen.fps, seen.sha256, seen.walk_sha256, tuple(findings), lost)


def _view(view: str, tracks: Sequence[AnyTrack], walk: IntArray, beside: Sequence[Beside]) -> ViewLook:
    own = [(track.kind, _both(track.frame_ids, walk)) for track in tracks]
    ids = reduce(_either, (frames for _, frames in own))
    counts = sorted([(kind, len(frames)) for kind, frames in own] + [(one.kind, one.frames) for one in beside])
    forms = [(track.kind, _form(track.data)) for track in tracks if isinstance(track.data, np.ndarray)]
    kinds, frames = (tuple(column) for column in zip(*counts, strict=True))
    return ViewLook(view, kinds, frames, *_span(ids), tuple(sorted(forms)))


def _form(values: NDArray[Any]) -> str:
    shape = " x ".join(map(str, values.shape[1:]))
    return f"{values.dtype} of {shape}" if shape else str(values.dtype)


def _both(ids: IntArray, others: IntArray) -> IntArray:
    return ids if np.array_equal(ids, others) else np.intersect1d(ids, others)


def _either(ids: IntArray, others: IntArray) -> IntArray:
    return ids if np.array_equal(ids, others) else np.union1d(ids, others)


def _span(ids: IntArray) -> tuple[int, int, int]:
    return (len(ids), int(ids[0]), int(ids[-1])) if len(ids) else (0, 0, -1)


def _unusable(key: CaptureKey, error: SourceError, where: str, view: str = "", kind: str = "") -> Finding:
    """Say which walk or view is lost, which the place in a shared file does not tell."""
    what = str(key.sequence(view)) if view else str(key)
    message = f"{kind} of {what}" if kind else what
    named = SourceError(f"{message} cannot be used: {error.what}", where=error.where, hint=error.hint)
    return Finding.of_error(named, "MG-INDEX-001", where)


def look_at(manifest: Manifest, root: Path, tasks: Sequence[Task]) -> list[str]:
    """Lines of several captures; one job of a worker.

    What no reader foresaw is a finding too (MG-INDEX-026), so that one capture does not stop the others.
    """
    return [_guarded(manifest, root, task).line() for task in tasks]


def _guarded(manifest: Manifest, root: Path, task: Task) -> Look:
    try:
        return look(manifest, root, task)
    except Exception as error:  # One bad capture must not stop the others.
        where = str(root / task.paths[0][1]) if task.paths else str(root)
        message = f"{task.key} cannot be used: {type(error).__name__}: {error}"
        hint = "please report this with the files of the walk: a damaged file should be told as such"
        finding = Finding(Severity.ERROR, "MG-INDEX-026", where, message, hint)
        return Look(str(task.key), findings=(finding,))
