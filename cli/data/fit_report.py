"""What ``mgdata fit-smpl`` prints: the figures of a run, and the table of what one fit is made of."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from meshgait_data.pipeline.explain import Explanation, Row
    from meshgait_data.pipeline.fit import FitReport

_SHOWN: Mapping[str, tuple[float, str]] = {
    "m": (1e3, "mm"),
    "rad": (180 / math.pi, "deg"),
    "m/s": (1e2, "cm/s"),
    "m/s2": (1.0, "m/s²"),
}
"""Unit of a file to factor and unit for people."""
_LINES = (("joints", "mm", 1e3), ("markers", "mm", 1e3), ("params", "mm", 1e3), ("keypoints", "px", 1.0))


def print_summary(result: "FitReport", work: Path, pictures: Path | None, as_json: bool) -> None:
    """Print what a run did."""
    report = result.report
    counts = {name: report.count(status) for name, status in (("fitted", "done"), ("kept", "skipped"))}
    frames = sum(fit.frames for fit in result.fits)
    flagged, rejected = sum(fit.flagged for fit in result.fits), sum(fit.rejected for fit in result.fits)
    if as_json:
        figures = {
            **counts,
            "failed": len(report.failures),
            "frames": frames,
            "flagged": flagged,
            "rejected": rejected,
            "unconverged": sum(not fit.converged for fit in result.fits),
            "depth_unobserved": sum(not fit.depth_observed for fit in result.fits),
            "residual_mm": _rounded(1e3 * result.residual_m),
            "means": {name: _rounded(result.mean(name), 5) for name in result.measures()},
            "worst_mm": {fit.key: _rounded(1e3 * fit.residual_m, 1) for fit in result.worst()},
            "seconds": round(report.seconds, 1),
            "pictures": str(pictures) if pictures else None,
        }
        click.echo(json.dumps(figures))
        return
    pace = result.fitted_frames / max(report.seconds, 1e-9)
    click.echo(f"captures   {counts['fitted']} fitted, {counts['kept']} up to date, {len(report.failures)} failed")
    click.echo(
        f"frames     {frames} ({flagged} flagged, {rejected} rejected); {report.seconds:.1f} s, {pace:.0f} a second"
    )
    click.echo(f"residual   {'; '.join(_residuals(result)) or 'none'}")
    click.echo("worst      " + ", ".join(fit.key for fit in result.ranked()[:3]))
    if pictures is not None:
        click.echo(f"pictures   {pictures}")
    click.echo(f"next       mgdata pack {work} --out shards/")


def _residuals(result: "FitReport") -> list[str]:
    """``joints 13.1 mm``, ``mask overlap 0.94``: means over frames and views."""
    lines = []
    for kind, unit, factor in _LINES:
        names = [name for name in result.measures() if name.split(":")[0] == kind]
        if names:
            lines.append(f"{kind} {factor * sum(map(result.mean, names)) / len(names):.1f} {unit}")
    overlaps = [name for name in result.measures() if name.split(":")[0] == "mask_iou"]
    if overlaps:
        lines.append(f"mask IoU {sum(map(result.mean, overlaps)) / len(overlaps):.3f}")
    blind = sum(not fit.depth_observed for fit in result.fits)
    if blind:
        lines.append(f"{blind} of {len(result.fits)} walks seen in one view only: these say little about depth")
    return lines


def _rounded(value: float, digits: int = 2) -> float | None:
    return round(value, digits) if math.isfinite(value) else None


_HEAD = ("", "unit", "mean", "worst", "in frame", "frames", "flag at", "flagged", "sigma", "cost")


def print_explanation(found: "Explanation") -> None:
    """Print the table of one fit."""
    counts = ", ".join(f"{count} {name}" for name, count in found.verdicts.items() if count)
    steps = f" after {found.iterations} steps" if found.iterations is not None else ""
    click.echo(f"walk       {found.key}: {found.frames} frames at {found.fps:g} a second, body {found.body}")
    click.echo(f"observed   {', '.join(found.observed)}; depth {'' if found.depth_observed else 'not '}observed")
    click.echo(f"solver     {'converged' if found.converged else 'did not converge'}{steps}")
    if found.start:
        doubt = "" if found.ambiguity is None else f"; ambiguity of the hypotheses {found.ambiguity:.2f} (1: undecided)"
        click.echo(f"start      from {found.start}{doubt}")
    click.echo(f"verdict    {counts}\n")
    rows = [_HEAD, *map(_cells, found.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1])]
        cells += [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        click.echo("  ".join(cells).rstrip())
    for reason in found.reasons:
        click.echo(f"\n{reason}", nl=False)
    click.echo("")


def _cells(row: "Row") -> tuple[str, ...]:
    factor, unit = _SHOWN.get(row.unit, (1.0, row.unit))

    def number(value: float | None) -> str:
        return "-" if value is None else f"{factor * value:.3g}"

    share = "-" if row.share is None else f"{100 * row.share:.0f} %"
    frame = "-" if row.worst_frame is None else str(row.worst_frame)
    frames, flagged = (str(count) if row.frames else "-" for count in (row.frames, row.flagged))
    numbers = (number(row.mean), number(row.worst), frame, frames, number(row.flag), flagged, number(row.sigma), share)
    return (row.name, unit, *numbers)
