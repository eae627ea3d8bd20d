"""What an index comes to: figures, sequences by condition and view, and findings by id."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from meshgait_data.findings import Finding, Severity
from meshgait_data.index.rows import Index

MOST_VIEWS = 16
MOST_CONDITIONS = 24
"""Columns and rows of a table for people; where there are more, only sums are printed."""

_WORDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def figures(found: Index, findings: Sequence[Finding]) -> dict[str, int | float]:
    """Numbers of everything."""
    captures = {row.capture: row for row in found.rows}
    sides = Counter(side for _, side in {(row.identity, row.side) for row in found.rows})
    severities = Counter(finding.severity for finding in findings)
    # Views of a ring show the same frames; those of cameras have pictures of their own.
    counted = found.rows if found.filmed else captures.values()
    rates, expected = Counter(row.fps for row in found.rows), found.manifest.source.working_fps
    return {
        "captures": len(captures),
        "lost_captures": _lost(found, findings),
        "unusable": severities[Severity.ERROR],
        "sequences": len(found.rows),
        "views": len({row.view for row in found.rows}),
        "subjects": len({row.subject for row in found.rows}),
        "identities": len({row.identity for row in found.rows}),
        **{side: sides[side] for side in ("train", "test", "unused")},
        "frames": sum(row.frames for row in counted),
        "fps": rates.most_common(1)[0][0] if rates else expected,
        "fps_least": min(rates, default=expected),
        "fps_most": max(rates, default=expected),
        "errors": severities[Severity.ERROR],
        "warnings": severities[Severity.WARNING],
        "notes": severities[Severity.INFO],
    }


def _lost(found: Index, findings: Sequence[Finding]) -> int:
    """Walks of which nothing is left; other errors are about views, kinds or paths."""
    there = {str(row.capture) for row in found.rows}
    lost: set[str] = set()
    for finding in findings:
        key, said, _ = finding.message.partition(" cannot be used")
        words = key.rpartition(" ")[2].split("/")
        if said and finding.severity == Severity.ERROR and len(words) in (3, 4):
            lost |= {"/".join(words)} if there.isdisjoint(("/".join(words[:3]), "/".join(words))) else set()
    return len(lost)


def by_view(found: Index) -> dict[str, dict[str, int]]:
    """Condition to view to the number of sequences."""
    counts = Counter((row.condition, row.view) for row in found.rows)
    table: dict[str, dict[str, int]] = {}
    for (condition, view), count in sorted(counts.items()):
        table.setdefault(condition, {})[view] = count
    return table


def by_kind(found: Index) -> dict[str, dict[str, int]]:
    """Kind to the number of sequences that have it, and of frames."""
    table: dict[str, dict[str, int]] = {}
    for row in found.rows:
        for kind, frames in zip(row.kinds, row.kind_frames, strict=True):
            cell = table.setdefault(kind, {"sequences": 0, "frames": 0})
            cell["sequences"] += 1
            cell["frames"] += frames
    return dict(sorted(table.items()))


def by_id(findings: Sequence[Finding]) -> dict[str, dict[str, Any]]:
    """Id of a finding to its severity, how often it was found, and where first."""
    table: dict[str, dict[str, Any]] = {}
    for finding in sorted(findings, key=lambda one: (-one.severity, one.id, one.where)):
        cell = table.setdefault(finding.id, {"severity": finding.severity.name, "count": 0, "example": ""})
        cell["count"] += 1
        cell["example"] = cell["example"] or f"{finding.where}: {finding.message}"
    return table


def view_lines(found: Index) -> list[str]:
    """The table of conditions and views for people."""
    table = by_view(found)
    views = sorted({view for cells in table.values() for view in cells})
    shown = views if len(views) <= MOST_VIEWS else []
    rows = {condition: _row(cells, shown) for condition, cells in table.items()}
    total = Counter(row.view for row in found.rows)
    if len(rows) > MOST_CONDITIONS:
        rows = {f"{len(rows)} conditions": _row(total, shown)}
    elif len(rows) > 1:
        rows["all"] = _row(total, shown)
    columns = [*shown, "all views" if len(views) <= MOST_VIEWS else f"{len(views)} views"]
    first = max(len("sequences"), *map(len, rows))
    widths = [max(len(name), *(len(row[place]) for row in rows.values())) for place, name in enumerate(columns)]
    lines = [("sequences", columns), *rows.items()]
    return [
        "  ".join((name.ljust(first), *(text.rjust(width) for text, width in zip(cells, widths, strict=True))))
        for name, cells in lines
    ]


def _row(cells: dict[str, int] | Counter[str], shown: Sequence[str]) -> list[str]:
    return [*(str(cells[view]) if cells.get(view) else "-" for view in shown), str(sum(cells.values()))]


def finding_lines(findings: Sequence[Finding], width: int = 150) -> list[str]:
    """Findings by id for people: how many, and one of each."""
    table = by_id(findings)
    digits = max((len(str(cell["count"])) for cell in table.values()), default=0)
    lines = []
    for id, cell in table.items():
        word = _WORDS[Severity[cell["severity"]]]
        line = f"  {id:<17}  {word:<7}  {cell['count']:>{digits}}  {cell['example']}"
        lines.append(line if len(line) <= width else line[: width - 1] + "…")
    return lines
