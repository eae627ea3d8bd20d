"""From what lies on disk to captures: keys of all sequences, and findings where paths and keys do not go together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from meshgait_data.findings import Finding, Severity
from meshgait_data.index.claims import Claims, all_paths, own_parts
from meshgait_data.index.look import Task
from meshgait_data.index.walk import Record, Walked, added
from meshgait_data.manifest import Layout, Manifest
from meshgait_data.templates import template_names
from meshgait_data.types import CaptureKey, SequenceKey

_EXAMPLES = 5


@dataclass(slots=True)
class Capture:
    """A walk that is on disk."""

    key: CaptureKey
    digest: int = 0
    """Of its files, see :class:`~meshgait_data.index.walk.Record`."""
    paths: list[tuple[str, str]] = field(default_factory=list)
    """View, empty where the layout names none, and path of each sequence."""

    @property
    def state(self) -> str:
        """Of all its files; another one where anything changed."""
        return f"{self.digest:032x}"

    def task(self) -> Task:
        """What is to be looked at."""
        return Task(self.key, tuple(self.paths))


def captures_of(
    manifest: Manifest, root: Path, walked: Walked, claims: Claims
) -> tuple[dict[CaptureKey, Capture], list[Finding]]:
    """Captures by key, in order, and findings about paths that make no key, or one that is another path's."""
    captures: dict[CaptureKey, Capture] = {}
    findings: list[Finding] = []
    taken: dict[SequenceKey | CaptureKey, str] = {}
    for number, layout in enumerate(manifest.layouts):
        doubtful = len(manifest.layouts) > 1 or _ambiguous(layout)
        for parts, record in _sequences(walked, number, layout):
            path = record.path or layout.pattern.format(**parts)
            try:
                key = layout.key(manifest.name, parts)
            except ValueError as error:
                hint = "rename it, say layout: quote_names: true, or narrow layout: subject, condition, view or parts"
                findings.append(Finding(Severity.ERROR, "MG-INDEX-002", str(root / path), str(error), hint))
                continue
            expected = manifest.paths_of(key).exact if doubtful else path
            other = taken.setdefault(key, path) if expected in (path, None) else expected
            if other != path:
                findings.append(_taken(root, key, path, other or ""))
                continue
            _add(captures, layout, key, path, record)
    _add_shared(manifest, captures, walked, claims)
    findings += _alike(taken)
    return dict(sorted(captures.items())), findings


def _sequences(walked: Walked, number: int, layout: Layout) -> Iterator[tuple[Mapping[str, str], Record]]:
    names = own_parts(layout)
    own = sorted((values, record) for (of, values), record in walked.records.items() if of == number)
    parts = layout.numbered([dict(zip(names, values, strict=True)) for values, _ in own])
    yield from zip(parts, (record for _, record in own), strict=True)


def _ambiguous(layout: Layout) -> bool:
    """Whether two paths may make the same key: where a word of it is put together from several parts."""
    return any(len(template_names(text)) > 1 for text in layout.words.values())


def _add(
    captures: dict[CaptureKey, Capture], layout: Layout, key: SequenceKey | CaptureKey, path: str, record: Record
) -> None:
    of_walk = layout.capture(key) if isinstance(key, SequenceKey) else key
    capture = captures.get(of_walk)
    if capture is None:
        capture = captures[of_walk] = Capture(of_walk)
    capture.digest = added(capture.digest, record.digest)
    capture.paths.append((key.view if isinstance(key, SequenceKey) else "", path))


def _add_shared(manifest: Manifest, captures: Mapping[CaptureKey, Capture], walked: Walked, claims: Claims) -> None:
    """Let the state of a capture follow from files, too, that it shares with others: skeletons, calibrations."""
    shared = {claim.kind for own in claims.by_depth.values() for claim in own if claim.parts is None}
    templates = [path for kind, path in all_paths(manifest.source) if kind in shared]
    known: dict[str, int] = {}
    for capture in captures.values() if templates and walked.beside else ():
        for template in templates:
            place = manifest.paths_of(capture.key, template)
            path = place.exact if place.exact is not None else place.glob
            if path not in known:
                known[path] = _digest(walked.beside, path, exact=place.exact is not None)
            capture.digest = added(capture.digest, known[path])


def _digest(beside: Mapping[str, int], path: str, *, exact: bool) -> int:
    # What the key leaves open may be any of them.
    inside = path + "/" if exact else ""
    return sum(digest for name, digest in beside.items() if name == path or name.startswith(inside))


def _taken(root: Path, key: SequenceKey | CaptureKey, path: str, other: str) -> Finding:
    message = f"makes the key {key}, which is that of {other}"
    hint = "keep one of them, or tell them apart by layout: keys in the manifest"
    return Finding(Severity.ERROR, "MG-INDEX-017", str(root / path), message, hint)


def _alike(taken: Mapping[SequenceKey | CaptureKey, str]) -> list[Finding]:
    """Keys that differ in case only are one and the same file where case does not count."""
    by_fold: dict[str, list[str]] = {}
    for key in taken:
        by_fold.setdefault(str(key).casefold(), []).append(str(key))
    groups = sorted(group for group in by_fold.values() if len(group) > 1)
    if not groups:
        return []
    listed = "; ".join(" and ".join(sorted(group)) for group in groups[:_EXAMPLES])
    message = f"{len(groups)} group(s) of keys that differ in case only: {listed}"
    hint = "keep the data on a file system that tells case apart"
    return [Finding(Severity.WARNING, "MG-INDEX-018", groups[0][0], message, hint)]
