"""``mgdata index``: what is in a dataset folder, checked against its manifest, written to a work folder."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meshgait_data.errors import SOME_FAILED, InvalidData, UsageError
from meshgait_data.findings import Finding, Severity, to_jsonl

from ..options import jobs_option, json_option, manifest_argument, root_option, work_option

if TYPE_CHECKING:
    from meshgait_data.index import Index
    from meshgait_data.manifest import Manifest

MOST_SHOWN = 20
"""Findings that are printed; all are in ``findings.jsonl``."""


@click.command()
@manifest_argument
@root_option
@work_option
@jobs_option
@json_option
def index(manifest: str, root: Path | None, work: Path, jobs: int, as_json: bool) -> None:
    r"""List the walks of a dataset and check them against its manifest.

    MANIFEST is the name of a shipped manifest or the path of a YAML file. Every walk below the root is read once;
    what cannot be used, or looks wrong, becomes a finding with its way out. WORK then holds index.parquet,
    manifest.yaml and findings.jsonl. Ends with 0; 1 if some walks cannot be used; 4 if none can, and then nothing
    is written.

    \b
    Examples:
      mgdata index cmu_walk --work work/
      mgdata index my_mocap.yaml --root /data/mocap --work work/ --jobs 4
    """
    from meshgait_data.index import scan, write_index
    from meshgait_data.manifest import load_manifest

    dataset = load_manifest(manifest)
    found, findings = scan(dataset, _root(dataset, root), jobs=jobs, progress=True)
    if found.rows:
        write_index(work, found, findings)
    figures = _figures(found, findings)
    if as_json:
        click.echo(json.dumps(figures | {"findings": [json.loads(line) for line in to_jsonl(findings).splitlines()]}))
    else:
        _print_findings(findings, work if found.rows else None)
    if not found.rows:
        what = f"no walk below {found.root} can be used; nothing was written"
        raise InvalidData(what, hint="see the findings above")
    if not as_json:
        _print_summary(figures, work)
    if figures["unusable"]:
        click.get_current_context().exit(SOME_FAILED)


def _root(manifest: "Manifest", root: Path | None) -> Path:
    chosen = root or manifest.default_root()
    if chosen is None:
        raise UsageError(f"the manifest {manifest.name} names no root", hint="say where the data lie with --root DIR")
    return chosen


def _figures(found: "Index", findings: Sequence[Finding]) -> dict[str, int | float]:
    captures = {row.capture: row for row in found.rows}
    sides = Counter(side for _, side in {(row.identity, row.side) for row in captures.values()})
    severities = Counter(finding.severity for finding in findings)
    return {
        "captures": len(captures),
        "unusable": severities[Severity.ERROR],
        "sequences": len(found.rows),
        "views": len(found.manifest.cameras.azimuths_deg),
        "subjects": len({row.subject for row in found.rows}),
        "identities": len({row.identity for row in found.rows}),
        **{side: sides[side] for side in ("train", "test", "unused")},
        "frames": sum(row.frames for row in captures.values()),
        "fps": found.rows[0].fps if found.rows else found.manifest.source.working_fps,
        "errors": severities[Severity.ERROR],
        "warnings": severities[Severity.WARNING],
        "notes": severities[Severity.INFO],
    }


def _print_findings(findings: Sequence[Finding], work: Path | None) -> None:
    serious = sorted((f for f in findings if f.severity > Severity.INFO), key=lambda f: (-f.severity, f))
    for finding in serious[:MOST_SHOWN]:
        click.secho(str(finding), fg="red" if finding.severity == Severity.ERROR else "yellow", err=True)
    if len(serious) > MOST_SHOWN:
        place = f"all are in {work / 'findings.jsonl'}" if work else "--json prints all"
        click.echo(f"… and {len(serious) - MOST_SHOWN} more; {place}", err=True)


def _print_summary(figures: dict[str, int | float], work: Path) -> None:
    f = figures
    unusable = f", {f['unusable']} cannot be used" if f["unusable"] else ""
    click.echo(f"captures   {f['captures']}{unusable}")
    click.echo(f"sequences  {f['sequences']} in {f['views']} views")
    click.echo(
        f"people     {f['identities']} under {f['subjects']} subject names: "
        f"{f['train']} train, {f['test']} test, {f['unused']} unused"
    )
    click.echo(f"frames     {f['frames']} at {f['fps']:g} fps ({f['frames'] / f['fps'] / 60:.1f} min)")
    click.echo(f"findings   {f['errors']} errors, {f['warnings']} warnings, {f['notes']} notes")
    click.echo(f"next       mgdata fit-smpl {work}")
