"""Comparison of a manifest with a folder: what it names that is not there, and what is there that it does not name."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from meshgait_data.findings import Finding, Severity
from meshgait_data.manifest import Manifest
from meshgait_data.templates import template_regex
from meshgait_data.types import CaptureKey

MOST_GROUPS = 10
"""Kinds of files that get a finding of their own; the rest share one."""


def nothing_found(manifest: Manifest, root: Path, paths: Sequence[str]) -> Finding:
    """The finding of a folder in which no path matches the layout."""
    message = f"none of {len(paths)} files matches {manifest.layout.pattern}" if paths else "the folder has no files"
    better = _better_root(manifest, root, paths)
    subject, condition = _example(manifest)
    hint = f"a path that would match: {root / manifest.layout.path(subject, condition)}"
    if better is not None:
        hint = f"did you mean --root {better}?"
    return Finding(Severity.ERROR, "MG-INDEX-003", str(root), message, hint)


def _example(manifest: Manifest) -> tuple[str, str]:
    """Subject and condition that the manifest itself names."""
    subject, _, condition = manifest.protocol.gallery[0].partition("/") if manifest.protocol.gallery else ("1", "", "1")
    return subject, condition


def _better_root(manifest: Manifest, root: Path, paths: Sequence[str]) -> Path | None:
    """A folder above or below, from which the first files would match."""
    regex = manifest.layout.regex()
    above = root.absolute()
    prefix = ""
    for _ in range(manifest.layout.pattern.count("/")):
        prefix, above = f"{above.name}/{prefix}", above.parent
        if any(regex.fullmatch(prefix + path) for path in paths[:1000]):
            return above
    for path in paths[:1000]:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if regex.fullmatch("/".join(parts[depth:])):
                return root.joinpath(*parts[:depth])
    return None


def check_unmatched(manifest: Manifest, root: Path, paths: Iterable[str], subjects: Iterable[str]) -> list[Finding]:
    """Findings about files that are no captures, grouped by kind, each with its count.

    Skeletons of known subjects are in use and give none.
    """
    subjects = set(subjects)
    source = manifest.source
    used = {source.skeleton_path(subject) for subject in subjects}
    named = [block.path for block in source.kinds().values()] + ([source.cameras.path] if source.cameras else [])
    named += [source.mocap.static] if source.mocap else []
    in_use = [_file_regex(manifest, path) for path in named if path]
    expected = {_suffix(path) for path in (manifest.layout.pattern, _skeleton(manifest), *named)} - {""}
    lone_skeleton = _file_regex(manifest, _skeleton(manifest)) if _skeleton(manifest) else re.compile(r"(?!)")
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in paths:
        if path in used or any(regex.fullmatch(path) for regex in in_use):
            continue
        if lone_skeleton.fullmatch(path):
            groups["MG-INDEX-006", ""].append(path)
        elif _suffix(path) in expected:
            groups["MG-INDEX-005", ""].append(path)
        else:
            groups["MG-INDEX-004", _suffix(path)].append(path)
    return [_group(manifest, root, id, members) for (id, _), members in _fold(groups).items()]


def _fold(groups: dict[tuple[str, str], list[str]]) -> dict[tuple[str, str], list[str]]:
    """The largest groups, and one for all others."""
    ranked = sorted(groups.items(), key=lambda item: (item[0][0] == "MG-INDEX-004", -len(item[1]), item[0]))
    kept = dict(ranked[:MOST_GROUPS])
    rest = [path for _, members in ranked[MOST_GROUPS:] for path in members]
    return kept | ({("MG-INDEX-004", "/rest"): rest} if rest else {})


def _group(manifest: Manifest, root: Path, id: str, members: Sequence[str]) -> Finding:
    files = f"{len(members)} file{'s' * (len(members) > 1)}"
    listed = ", ".join(members[:3]) + (", …" if len(members) > 3 else "")
    where = str(root / members[0])
    if id == "MG-INDEX-005":
        message = f"{files} of a known kind in an unknown place: {listed}"
        hint = f"a capture is {manifest.layout.pattern}, its skeleton {_skeleton(manifest) or 'none'}; move or rename"
        return Finding(Severity.WARNING, id, where, message, hint)
    if id == "MG-INDEX-006":
        return Finding(Severity.INFO, id, where, f"{files}: skeletons of subjects without captures: {listed}")
    return Finding(Severity.INFO, id, where, f"{files} not used: {listed}")


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _skeleton(manifest: Manifest) -> str:
    """Template of the skeleton files; empty where there are none."""
    mocap = manifest.source.mocap
    return manifest.source.skeleton or (mocap.skeleton if mocap else "")


def _file_regex(manifest: Manifest, template: str) -> re.Pattern[str]:
    """What a template may be, and files in it where it is a folder."""
    layout = manifest.layout
    patterns = {"subject": layout.subject, "condition": layout.condition, "view": layout.view}
    return re.compile(template_regex(template, patterns).pattern + "(?:/.*)?", re.DOTALL)


def check_manifest(manifest: Manifest, subjects: set[str], usable: set[CaptureKey]) -> list[Finding]:
    """Findings about people and walks that the manifest names and the folder lacks, or the other way round."""
    findings = []
    identities = {manifest.identity(subject) for subject in subjects}
    named = {
        "split: train": set(manifest.split.train) - identities,
        "split: test": set(manifest.split.test) - identities,
        "same_person": {subject for group in manifest.same_person for subject in group} - subjects,
    }
    for place, missing in named.items():
        if missing:
            message = f"{len(missing)} named here without a capture on disk: {_listed(missing)}"
            hint = "add their files, or take them out of the manifest"
            findings.append(Finding(Severity.WARNING, "MG-INDEX-007", f"{manifest.name}: {place}", message, hint))
    findings += _check_protocol(manifest, usable)
    unused = {subject for subject in subjects if manifest.side(subject) == "unused"}
    if unused:
        message = f"{len(unused)} subjects on neither side of the split: {_listed(unused)}"
        findings.append(Finding(Severity.INFO, "MG-INDEX-012", f"{manifest.name}: split", message))
    return findings


def _check_protocol(manifest: Manifest, usable: set[CaptureKey]) -> Iterable[Finding]:
    walks = {f"{key.subject}/{key.condition}" for key in usable}
    probe = () if manifest.protocol.probe == "rest" else manifest.protocol.probe
    for place, named in (("gallery", manifest.protocol.gallery), ("probe", probe)):
        where = f"{manifest.name}: protocol: {place}"
        missing = set(named) - walks
        if missing:
            message = f"{len(missing)} walks named here cannot be used or are not on disk: {_listed(missing)}"
            hint = "add or repair their files, or name other walks; scores are not those of the full protocol"
            yield Finding(Severity.WARNING, "MG-INDEX-009", where, message, hint)
        outside = {walk for walk in set(named) & walks if manifest.side(walk.split("/")[0]) != "test"}
        if outside:
            message = f"{len(outside)} walks named here are of people outside the test side: {_listed(outside)}"
            yield Finding(Severity.WARNING, "MG-INDEX-013", where, message, "score on split: test people only")
    enrolled = {manifest.identity(walk.split("/")[0]) for walk in set(manifest.protocol.gallery) & walks}
    tested = {manifest.identity(key.subject) for key in usable if manifest.side(key.subject) == "test"}
    if tested - enrolled:
        message = f"{len(tested - enrolled)} test people without a gallery walk are never recognised: "
        hint = "name one walk of each in protocol: gallery"
        where = f"{manifest.name}: protocol: gallery"
        yield Finding(Severity.WARNING, "MG-INDEX-014", where, message + _listed(tested - enrolled), hint)


def _listed(names: Iterable[str], most: int = 8) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:most]) + (f" and {len(ordered) - most} more" if len(ordered) > most else "")
