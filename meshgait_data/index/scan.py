"""From a manifest and a folder to an index: every file becomes rows or part of a finding."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from joblib import Parallel, delayed
from tqdm import tqdm

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.index.checks import check_manifest, check_unmatched, nothing_found
from meshgait_data.index.rows import Index, IndexRow
from meshgait_data.index.walk import list_files
from meshgait_data.manifest import Manifest
from meshgait_data.sources import Glance, glance
from meshgait_data.types import CaptureKey


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is kept of one capture's files, and sent back from a worker."""

    key: CaptureKey
    files: Glance
    """Of no frames where it cannot be used."""


def scan(manifest: Manifest, root: Path, *, jobs: int = 1, progress: bool = False) -> tuple[Index, list[Finding]]:
    """Read every capture below a folder and compare what is there with what the manifest says.

    Parameters
    ----------
    manifest
        Names the layout, the split and the protocol.
    root
        Folder of the dataset.
    jobs
        Processes.
    progress
        Show a bar on stderr where that is a terminal.

    Returns
    -------
    Index of the usable captures, one row a view, and sorted findings. No file disappears: it gives rows, an ERROR
    finding of its own, or is counted in a finding about a group of files.

    Raises
    ------
    UsageError
        Where the root is not a folder.
    """
    root = root.absolute()
    paths, findings = list_files(root)
    keys, others, unnamed = _sort_paths(manifest, root, paths)
    findings += unnamed
    if not keys and not unnamed:
        findings.append(nothing_found(manifest, root, paths))
    tasks = (delayed(_look)(manifest, root, key) for key in keys)
    outcomes: Iterator[_Seen] = Parallel(n_jobs=jobs, return_as="generator")(tasks)
    bar = tqdm(outcomes, total=len(keys), desc="index", unit="walk", disable=None if progress else True)
    seen = list(bar)
    findings += [finding for one in seen for finding in one.files.findings] + _copies(manifest, seen)
    usable = [one for one in seen if one.files.frames]
    rows = tuple(sorted(row for one in usable for row in _rows(manifest, one)))
    findings += check_unmatched(manifest, root, others, {key.subject for key in keys})
    if keys:
        findings += check_manifest(manifest, {key.subject for key in keys}, {one.key for one in usable})
    return Index(manifest, root, rows), sorted(findings)


def _sort_paths(
    manifest: Manifest, root: Path, paths: Sequence[str]
) -> tuple[list[CaptureKey], list[str], list[Finding]]:
    """Keys of captures, paths that are none, and findings about captures whose names cannot be a key."""
    pattern = manifest.layout.regex().pattern
    # A walk of several kinds may be named by a folder: all files in it are of that walk.
    regex = re.compile(pattern if manifest.source.format else pattern + "(?:/.*)?", re.DOTALL)
    keys, others, findings = set[CaptureKey](), [], []
    for path in paths:
        match = regex.fullmatch(path)
        if match is None:
            others.append(path)
            continue
        try:
            keys.add(CaptureKey(manifest.name, match["subject"], match["condition"]))
        except ValueError as error:
            hint = "rename the file, or narrow layout: subject and condition in the manifest"
            findings.append(Finding(Severity.ERROR, "MG-INDEX-002", str(root / path), str(error), hint))
    return sorted(keys), others, findings


def _look(manifest: Manifest, root: Path, key: CaptureKey) -> _Seen:
    try:
        return _Seen(key, glance(manifest, root, key))
    except SourceError as error:
        path = root / manifest.layout.path(key.subject, key.condition)
        error = _naming(error, key)
        return _Seen(key, Glance(0, 0.0, "", "", (Finding.of_error(error, "MG-INDEX-001", str(path)),)))


def _naming(error: SourceError, key: CaptureKey) -> SourceError:
    """Say which walk is lost, which the place in a shared skeleton file does not tell."""
    return SourceError(f"{key} cannot be used: {error.what}", where=error.where, hint=error.hint)


def _rows(manifest: Manifest, seen: _Seen) -> Iterator[IndexRow]:
    key = seen.key
    for view in manifest.cameras.azimuths_deg:
        yield IndexRow(
            dataset=key.dataset,
            subject=key.subject,
            condition=key.condition,
            view=view,
            identity=manifest.identity(key.subject),
            side=manifest.side(key.subject),
            path=manifest.layout.path(key.subject, key.condition),
            skeleton_path=manifest.source.skeleton_path(key.subject),
            frames=seen.files.frames,
            fps=seen.files.fps,
            sha256=seen.files.sha256,
        )


def _copies(manifest: Manifest, seen: Sequence[_Seen]) -> list[Finding]:
    """Walks whose files are byte for byte the same: one of them bears a wrong name."""
    by_hash: dict[str, list[CaptureKey]] = {}
    for one in seen:
        if one.files.walk_sha256:
            by_hash.setdefault(one.files.walk_sha256, []).append(one.key)
    groups = [group for group in by_hash.values() if len(group) > 1]
    if not groups:
        return []
    people = sum(len({manifest.identity(key.subject) for key in group}) > 1 for group in groups)
    listed = "; ".join(" = ".join(map(str, group[:4])) for group in groups[:5])
    message = f"{len(groups)} group(s) of walks with the same bytes, {people} of them across people: {listed}"
    hint = "keep one of each, or recognition is scored on copies"
    return [Finding(Severity.WARNING, "MG-INDEX-008", str(groups[0][0]), message, hint)]
