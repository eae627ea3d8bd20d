"""Findings about a folder as a whole: the wrong root, and files that belong to no sequence, counted with their like."""

from collections.abc import Iterable
from pathlib import Path

from meshgait_data.errors import UsageError
from meshgait_data.findings import Finding, Severity
from meshgait_data.index.claims import Claims
from meshgait_data.index.walk import Group, Walked
from meshgait_data.manifest import Manifest
from meshgait_data.manifest_protocol import named_walks
from meshgait_data.types import CaptureKey

MOST_GROUPS = 10
"""Endings of files without a use that get a finding of their own; the rest share one."""

_KINDS = {
    "MG-INDEX-004": (Severity.INFO, "{files} not used: {listed}", ""),
    "MG-INDEX-005": (
        Severity.WARNING,
        "{files} of a known kind in an unknown place: {listed}",
        "a capture is {patterns}; move or rename, or correct layout and source in the manifest",
    ),
    "MG-INDEX-006": (Severity.INFO, "{files}: skeletons of subjects without captures: {listed}", ""),
    "MG-INDEX-015": (
        Severity.WARNING,
        "{files}: links that lead nowhere: {listed}",
        "make the links again: the folder that they lead to was moved or is not there",
    ),
    "MG-INDEX-016": (Severity.WARNING, "{files} of sequences without any content: {listed}", "take them again"),
    "MG-INDEX-019": (
        Severity.INFO,
        "{files} in folders of sequences that no kind of the source names: {listed}",
        "",
    ),
    "MG-INDEX-023": (Severity.INFO, "{paths} left out by {by}: {listed}", ""),
}
"""Finding to how it is told: severity, message, hint."""


def nothing_found(manifest: Manifest, root: Path, walked: Walked) -> Finding:
    """The finding of a folder in which no path matches a layout."""
    patterns = " or ".join(layout.pattern for layout in manifest.layouts)
    message = f"none of {walked.files} files matches {patterns}" if walked.files else "the folder has no files"
    better = _better_root(manifest, root, walked.sample)
    hint = f"a path that would match: {root / _example(manifest)}"
    if better is not None:
        hint = f"did you mean --root {better}?"
    return Finding(Severity.ERROR, "MG-INDEX-003", str(root), message, hint)


def _example(manifest: Manifest) -> str:
    """Path of a walk that the manifest itself names, or the pattern."""
    for walk in named_walks(manifest.protocol.gallery)[:1]:
        try:
            found = manifest.paths_of(CaptureKey(manifest.name, *walk.split("/")))
        except (UsageError, ValueError):
            continue
        if found.exact is not None:
            return found.exact
    return manifest.layout.pattern


def _better_root(manifest: Manifest, root: Path, paths: list[str]) -> Path | None:
    """A folder above or below, from which the first files would match."""
    claims = [claim for own in Claims.of(manifest).by_depth.values() for claim in own if claim.parts is not None]

    def matches(path: str) -> bool:
        steps = path.split("/")
        return any(claim.regex.fullmatch("/".join(steps[: claim.depth + 1])) is not None for claim in claims)

    above, prefix = root, ""
    for _ in range(max(claim.depth for claim in claims)):
        prefix, above = f"{above.name}/{prefix}", above.parent
        if any(matches(prefix + path) for path in paths):
            return above
    for path in paths:
        steps = path.split("/")
        for depth in range(1, len(steps)):
            if matches("/".join(steps[depth:])):
                return root.joinpath(*steps[:depth])
    return None


def check_files(manifest: Manifest, root: Path, walked: Walked, subjects: Iterable[str]) -> list[Finding]:
    """Findings about files that are of no sequence, or empty, grouped by kind, each with its count."""
    groups = dict(walked.groups)
    used = {manifest.source.skeleton_path(subject) for subject in subjects}
    skeletons = [
        claim.regex for own in Claims.of(manifest).by_depth.values() for claim in own if claim.kind == "skeleton"
    ]
    for path in walked.beside:
        if path not in used and any(regex.fullmatch(path) for regex in skeletons):
            groups.setdefault(("MG-INDEX-006", ""), Group()).add(path)
    return [_told(manifest, root, id, group, by) for (id, by), group in _fold(groups).items()]


def _fold(groups: dict[tuple[str, str], Group]) -> dict[tuple[str, str], Group]:
    """The largest groups of files without a use, one for all others of them, and every other group."""
    unused = {name: group for name, group in groups.items() if name[0] == "MG-INDEX-004"}
    ranked = sorted(unused.items(), key=lambda item: (-item[1].count, item[0]))
    rest = Group()
    for _, group in ranked[MOST_GROUPS:]:
        for path in group.first:
            rest.add(path)
        rest.count += group.count - len(group.first)
    kept = {name: group for name, group in groups.items() if name not in unused} | dict(ranked[:MOST_GROUPS])
    return kept | ({("MG-INDEX-004", "/rest"): rest} if rest.count else {})


def _told(manifest: Manifest, root: Path, id: str, group: Group, by: str) -> Finding:
    severity, message, hint = _KINDS[id]
    words = {
        "by": by,
        "paths": f"{group.count} path{'s' * (group.count > 1)}",
        "files": f"{group.count} file{'s' * (group.count > 1)}",
        "listed": ", ".join(map(_shown, group.first)) + (", …" if group.count > len(group.first) else ""),
        "patterns": " or ".join(layout.pattern for layout in manifest.layouts),
    }
    where = str(root / _shown(group.first[0]))
    return Finding(severity, id, where, message.format(**words), hint.format(**words))


def _shown(path: str) -> str:
    """A path whose bytes are no UTF-8, in letters that can be printed."""
    return path.encode("utf-8", "backslashreplace").decode()
