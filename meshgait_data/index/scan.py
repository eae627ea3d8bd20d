"""From a manifest and a folder to an index: every file becomes rows or part of a finding."""

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from pathlib import Path

from joblib import Parallel, delayed
from tqdm import tqdm

from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.findings import Finding, Severity, in_order
from meshgait_data.index.cache import LookCache, recipe
from meshgait_data.index.checks import check_files, nothing_found
from meshgait_data.index.claims import Claims
from meshgait_data.index.counts import check_counts
from meshgait_data.index.forms import Forms
from meshgait_data.index.look import Look, ViewLook, look_at
from meshgait_data.index.people import People
from meshgait_data.index.protocols import check_manifest
from meshgait_data.index.quick import glimpse
from meshgait_data.index.rows import Index, IndexRow
from meshgait_data.index.sequences import Capture, captures_of
from meshgait_data.index.walk import walk
from meshgait_data.manifest import Manifest, Protocol, Split
from meshgait_data.types import CaptureKey

MOST_NOTES = 10
"""Notes of equal text that stand alone; of more there is one, with their number."""

NO_PARTITION = "MG-INDEX-028"
"""Finding of a partition file that is missing or cannot be used."""

_CHUNK = 64
"""Captures of one job of a worker."""
_AS_VALUES = attrgetter(*(column.name for column in fields(IndexRow)))
"""Values of a row, which sort as rows do and faster."""


def scan(
    manifest: Manifest,
    root: Path,
    *,
    jobs: int = 1,
    progress: bool = False,
    cache: Path | None = None,
    quick: bool = False,
) -> tuple[Index, list[Finding]]:
    """Look at every sequence below a folder and compare what is there with what the manifest says.

    Parameters
    ----------
    manifest
        Names layouts, source, split, protocols and what is expected.
    root
        Folder of the dataset.
    jobs
        Processes.
    progress
        Show a bar on stderr where that is a terminal.
    cache
        File that keeps what was seen, for a run that was interrupted, and for the next one; None: nothing is kept.
    quick
        Go by names and sizes alone, without opening a file: rows have no hashes, and nothing is said of content.

    Returns
    -------
    Index of the usable sequences, one row each, and sorted findings. No file disappears: it belongs to rows, has an
    ERROR of its own, or is counted in a finding about a group of files.

    Raises
    ------
    UsageError
        Where the root is not a folder.
    EnvironmentLacks
        Where the cache cannot be written.
    """
    root = root.absolute()
    manifest, nobody = _resolved(manifest, root)
    claims = Claims.of(manifest)
    excludes = any(layout.exclude for layout in manifest.layouts)
    with _uncollected():
        walked = walk(root, claims, manifest.excluded if excludes else None, jobs=jobs)
        captures, findings = captures_of(manifest, root, walked, claims)
    if not captures and not findings:
        findings.append(nothing_found(manifest, root, walked))
    findings += walked.findings
    kept = LookCache(None if quick else cache, recipe(manifest, root))
    found = _Collected(manifest, People(manifest))
    for key, seen in _looks(manifest, root, captures, kept, _Way(jobs, progress, quick)):
        found.add(captures[key], seen)
    if found.rows:
        kept.finish()
    else:
        kept.discard()
    rows = tuple(sorted(found.forms.settled(found.rows), key=_AS_VALUES))
    subjects = {key.subject for key in captures}
    findings += [*found.findings, *found.copies(), *check_files(manifest, root, walked, subjects)]
    findings += nobody
    if captures:
        findings += check_counts(manifest, rows, found.lost | found.forms.lost())
        if not nobody:
            findings += check_manifest(manifest, rows, subjects, found.people)
        findings += found.forms.findings(manifest.name)
    return Index(manifest, root, rows), in_order(_news(manifest, findings))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Hold the collector of cycles, which would look again and again at very many values that are all needed."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _resolved(manifest: Manifest, root: Path) -> tuple[Manifest, list[Finding]]:
    """The manifest with the lists of its partition file; as it is, and why, where that cannot be used."""
    try:
        return manifest.resolved(root), []
    except (UsageError, InvalidData) as error:
        what = f"{error.what}: nobody is on a side of the split, and no protocol was checked"
        hint = f"{error.hint}; then index again, which reads nothing twice"
        place = manifest.split.partition.path if manifest.split.partition else manifest.name
        return manifest, [Finding(Severity.ERROR, NO_PARTITION, error.where or place, what, hint)]


def _news(manifest: Manifest, findings: Sequence[Finding]) -> list[Finding]:
    """Warnings that the release is known to give are notes, as long as there are no more of them."""
    counts = Counter(finding.id for finding in findings)
    known = {id for id, most in manifest.expected.findings.items() if counts[id] <= most}
    warned = Severity.WARNING
    return _folded(
        replace(f, severity=Severity.INFO) if f.id in known and f.severity == warned else f for f in findings
    )


def _folded(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, of which notes that say the same of many places are one."""
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    result = []
    for finding in findings:
        if finding.severity == Severity.INFO:
            alike.setdefault((finding.id, finding.message, finding.hint), []).append(finding)
        else:
            result.append(finding)
    for own in alike.values():
        first = min(own)
        many = replace(first, message=f"here and in {len(own) - 1} other places: {first.message}")
        result += [many] if len(own) > MOST_NOTES else own
    return result


@dataclass(frozen=True, slots=True)
class _Way:
    jobs: int
    progress: bool
    quick: bool


def _looks(
    manifest: Manifest, root: Path, captures: Mapping[CaptureKey, Capture], kept: LookCache, way: _Way
) -> Iterator[tuple[CaptureKey, Look]]:
    """A look at each capture; those whose files did not change are not read."""
    bar = tqdm(total=len(captures), desc="index", unit="walk", disable=None if way.progress else True)
    with bar:
        todo: list[CaptureKey] = []
        for key, capture in captures.items():
            known = kept.get(str(key), capture.state)
            if known is None:
                todo.append(key)
            else:
                bar.update()
                yield key, known
        function = glimpse if way.quick else look_at
        chunks = [todo[start : start + _CHUNK] for start in range(0, len(todo), _CHUNK)]
        told = _without_people(manifest)
        tasks = (delayed(function)(told, root, [captures[key].task() for key in chunk]) for chunk in chunks)
        if not chunks:
            return
        with kept.adding():
            lines = Parallel(n_jobs=min(way.jobs, len(chunks)), return_as="generator", batch_size=1)(tasks)
            for chunk, found in zip(chunks, lines, strict=True):
                for key, line in zip(chunk, found, strict=True):
                    kept.add(str(key), captures[key].state, line)
                    yield key, Look.of_line(line)
                kept.flush()
                bar.update(len(chunk))


@dataclass(slots=True)
class _Collected:
    """What looks come to."""

    manifest: Manifest
    people: People
    rows: list[IndexRow] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    by_hash: dict[str, list[CaptureKey]] = field(default_factory=dict)
    """Hash of what was recorded to the walks that have it."""
    lost: set[tuple[str, str]] = field(default_factory=set)
    """Sequence or walk, and kind, of what is there and cannot be used."""
    forms: Forms = field(default_factory=Forms)

    def add(self, capture: Capture, seen: Look) -> None:
        """Take in the look at one capture."""
        self.findings += seen.findings
        key = capture.key
        self.lost |= {(str(key.sequence(view) if view else key), kind) for kind, view in seen.lost}
        if seen.walk_sha256:
            self.by_hash.setdefault(seen.walk_sha256, []).append(capture.key)
        paths = dict(capture.paths)
        for view in _seen_views(self.manifest, seen):
            if view.frames or not seen.sha256:
                row = self._row(capture, seen, view, paths.get(view.view, paths.get("", "")))
                self.rows.append(row)
                self.forms.add(row.key, view.forms)

    def _row(self, capture: Capture, seen: Look, view: ViewLook, path: str) -> IndexRow:
        key = capture.key
        return IndexRow(
            dataset=key.dataset,
            subject=key.subject,
            condition=key.condition,
            view=view.view,
            identity=self.people.identity(key.subject),
            side=self.people.side(key.subject),
            path=path,
            skeleton_path=self.manifest.source.skeleton_path(key.subject),
            frames=view.frames,
            fps=seen.fps,
            sha256=seen.sha256,
            group=key.group,
            kinds=view.kinds,
            kind_frames=view.kind_frames,
            first_frame=view.first_frame,
            last_frame=view.last_frame,
        )

    def copies(self) -> list[Finding]:
        """Walks whose files are byte for byte the same: one of them bears a wrong name."""
        groups = sorted(sorted(group) for group in self.by_hash.values() if len(group) > 1)
        if not groups:
            return []
        people = sum(len({self.people.identity(key.subject) for key in group}) > 1 for group in groups)
        told = "; ".join(" = ".join(map(str, group[:4])) for group in groups[:5])
        message = f"{len(groups)} group(s) of walks with the same bytes, {people} of them across people: {told}"
        hint = "keep one of each, or recognition is scored on copies"
        return [Finding(Severity.WARNING, "MG-INDEX-008", str(groups[0][0]), message, hint)]


def _without_people(manifest: Manifest) -> Manifest:
    """What a look goes by: lists of many thousand people would be handed to a worker with every job."""
    return replace(manifest, split=Split(), protocol=Protocol(), protocols={}, same_person=())


def _seen_views(manifest: Manifest, seen: Look) -> Iterator[ViewLook]:
    """Views that cameras saw; those of the manifest's ring where there are none."""
    for view in seen.views:
        if view.view:
            yield view
        else:
            for name in manifest.cameras.azimuths_deg:
                yield replace(view, view=name)
