"""Comparison of what is on disk with what the complete dataset holds: numbers, conditions, views, kinds."""

import fnmatch
import re
from collections.abc import Callable, Collection, Iterator, Sequence

from meshgait_data.findings import Finding, Severity
from meshgait_data.index.protocols import listed
from meshgait_data.index.rows import IndexRow
from meshgait_data.manifest import Manifest

_AGAIN = "add their files; where the release itself lacks them, say so under expected: absent in the manifest"

_MOST_NAMED = 4
"""Kinds of a sequence that are named in a message."""


def check_counts(
    manifest: Manifest, rows: Sequence[IndexRow], lost: Collection[tuple[str, str]] = ()
) -> Iterator[Finding]:
    """Findings about numbers, and about conditions, views and kinds that are missing or too much.

    Parameters
    ----------
    manifest
        What is expected.
    rows
        Usable sequences.
    lost
        Sequence or walk, and kind, of what is there and cannot be used, which has findings already.
    """
    yield from _totals(manifest, rows)
    yield from _missing_conditions(manifest, rows)
    yield from _missing_views(manifest, rows)
    yield from _unexpected(manifest, rows)
    yield from _missing_kinds(manifest, rows, lost)


def _totals(manifest: Manifest, rows: Sequence[IndexRow]) -> Iterator[Finding]:
    expected = manifest.expected
    found = {
        "subjects": len({row.subject for row in rows}),
        "captures": len({row.capture for row in rows}),
        "sequences": len(rows),
    }
    for name, count in found.items():
        wanted = getattr(expected, name)
        if wanted is None or count == wanted:
            continue
        within = name == "sequences" and 0 <= wanted - count <= expected.missing_ok
        severity = Severity.INFO if within else Severity.WARNING
        source = f" ({expected.source})" if expected.source else ""
        message = f"{count} {name} that can be used, where the complete dataset has {wanted}{source}"
        hint = "the findings name what is missing" if count < wanted else "are there copies, or is it another release?"
        yield Finding(severity, "MG-INDEX-020", f"{manifest.name}: expected: {name}", message, hint)


def _missing_conditions(manifest: Manifest, rows: Sequence[IndexRow]) -> Iterator[Finding]:
    wanted = manifest.expected.conditions
    has: dict[str, set[str]] = {}
    for row in rows if wanted else ():
        has.setdefault(row.subject, set()).add(row.condition)
    known = _absent(manifest)
    for subject, own in sorted(has.items()):
        missing = [name for name in wanted if name not in own and not known(f"{subject}/{name}/*")]
        if missing:
            message = f"lacks {len(missing)} of {len(wanted)} conditions: {listed(missing)}"
            yield Finding(Severity.WARNING, "MG-INDEX-021", f"{manifest.name}/{subject}", message, _AGAIN)


def _missing_views(manifest: Manifest, rows: Sequence[IndexRow]) -> Iterator[Finding]:
    wanted = manifest.expected.views
    has: dict[str, set[str]] = {}
    for row in rows if wanted else ():
        has.setdefault(f"{row.subject}/{row.condition}", set()).add(row.view)
    known = _absent(manifest)
    for walk, own in sorted(has.items()):
        missing = [view for view in wanted if view not in own and not known(f"{walk}/{view}")]
        if missing:
            message = f"lacks {len(missing)} of {len(wanted)} views: {listed(missing)}"
            yield Finding(Severity.WARNING, "MG-INDEX-021", f"{manifest.name}/{walk}", message, _AGAIN)


def _absent(manifest: Manifest) -> Callable[[str], bool]:
    """Whether the release is known to lack a sequence ``subject/condition/view``."""
    patterns = [re.compile(fnmatch.translate(pattern)) for pattern in manifest.expected.absent]
    return lambda sequence: any(pattern.fullmatch(sequence) is not None for pattern in patterns)


def _is_lost(row: IndexRow, kind: str, lost: Collection[tuple[str, str]]) -> bool:
    return (str(row.key), kind) in lost or (str(row.capture), kind) in lost


def _unexpected(manifest: Manifest, rows: Sequence[IndexRow]) -> Iterator[Finding]:
    for word, wanted in (("condition", manifest.expected.conditions), ("view", manifest.expected.views)):
        others = {value for row in rows if (value := getattr(row, word)) not in wanted} if wanted else set()
        if others:
            count = sum(getattr(row, word) in others for row in rows)
            message = f"{count} sequences of {word}s that the complete dataset does not have: {listed(others)}"
            where = f"{manifest.name}: expected: {word}s"
            yield Finding(Severity.WARNING, "MG-INDEX-022", where, message, "correct expected, or layout: keys")


def _missing_kinds(
    manifest: Manifest, rows: Sequence[IndexRow], lost: Collection[tuple[str, str]]
) -> Iterator[Finding]:
    """A kind that no sequence has is one finding, one that only some lack is a finding of each of them."""
    if manifest.source.format is not None:
        return
    for kind, block in manifest.source.blocks().items():
        lacking = [row for row in rows if kind not in row.kinds and not _is_lost(row, kind, lost)]
        if lacking and len(lacking) == len(rows):
            message = f"no sequence has {kind}: {block.path}"
            hint = f"add its files, or take {kind} out of source in the manifest"
            yield Finding(
                Severity.INFO if block.optional else Severity.WARNING, "MG-INDEX-024", manifest.name, message, hint
            )
        elif lacking and block.optional:
            message = f"{len(lacking)} of {len(rows)} sequences have no {kind}, which is optional: "
            message += listed(str(row.key) for row in lacking)
            yield Finding(Severity.INFO, "MG-FRAMES-011", manifest.name, message)
        else:
            for row in lacking:
                has = ", ".join(row.kinds) if len(row.kinds) <= _MOST_NAMED else f"{len(row.kinds)} other kinds"
                hint = "make it, or say optional: true where many lack it"
                yield Finding(Severity.WARNING, "MG-FRAMES-011", str(row.key), f"has {has}, but no {kind}", hint)
