"""``mgdata index``: what is in a dataset folder, checked against its manifest, written to a work folder."""

import json
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
@click.option("--quick", is_flag=True, help="Go by names and sizes of files alone; nothing is written.")
@json_option
def index(manifest: str, root: Path | None, work: Path, jobs: int, quick: bool, as_json: bool) -> None:
    r"""List the sequences of a dataset and check them against its manifest.

    MANIFEST is the name of a shipped manifest or the path of a YAML file. Every file below the root is of a sequence,
    left out by the manifest, or counted in a finding; every sequence is read, and the frames of its kinds are joined by
    number. What cannot be used, is missing, or looks wrong becomes a finding with its way out. WORK then holds
    index.parquet, manifest.yaml and findings.jsonl, and what was seen, so that the next run reads only files that
    changed, and an interrupted one goes on. Ends with 0; 1 if some sequences cannot be used; 4 if none can, and then
    nothing is written.

    \b
    Examples:
      mgdata index cmu_walk --work work/
      mgdata index my_mocap.yaml --root /data/mocap --work work/ --jobs 4
      mgdata index casia_b --root /data/CASIA-B --work work/ --quick
    """
    from meshgait_data.index import CACHE, scan, write_index
    from meshgait_data.index.tables import by_id, by_kind, by_view, figures
    from meshgait_data.manifest import load_manifest

    dataset = load_manifest(manifest)
    place = _root(dataset, root)
    found, findings = scan(dataset, place, jobs=jobs, progress=True, cache=work / CACHE, quick=quick)
    written = bool(found.rows) and not quick
    if written:
        write_index(work, found, findings)
    numbers = figures(found, findings)
    if as_json:
        tables = {"by_view": by_view(found), "by_kind": by_kind(found), "by_id": by_id(findings)}
        told = [json.loads(line) for line in to_jsonl(findings).splitlines()]
        click.echo(json.dumps(numbers | tables | {"findings": told}))
    else:
        _print_findings(findings, work if written else None)
    if not found.rows:
        what = f"no walk below {found.root} can be used; nothing was written"
        raise InvalidData(what, hint="see the findings above")
    if not as_json:
        _print_summary(found, findings, numbers, work if written else None)
    if numbers["unusable"]:
        click.get_current_context().exit(SOME_FAILED)


def _root(manifest: "Manifest", root: Path | None) -> Path:
    chosen = root or manifest.default_root()
    if chosen is None:
        raise UsageError(f"the manifest {manifest.name} names no root", hint="say where the data lie with --root DIR")
    return chosen


def _print_findings(findings: Sequence[Finding], work: Path | None) -> None:
    serious = sorted((f for f in findings if f.severity > Severity.INFO), key=lambda f: (-f.severity, f))
    for finding in serious[:MOST_SHOWN]:
        click.secho(str(finding), fg="red" if finding.severity == Severity.ERROR else "yellow", err=True)
    if len(serious) > MOST_SHOWN:
        place = f"all are in {work / 'findings.jsonl'}" if work else "--json prints all"
        click.echo(f"… and {len(serious) - MOST_SHOWN} more; {place}", err=True)


def _print_summary(
    found: "Index", findings: Sequence[Finding], numbers: dict[str, int | float], work: Path | None
) -> None:
    from meshgait_data.index import NO_PARTITION
    from meshgait_data.index.tables import by_kind, finding_lines, view_lines

    f = numbers
    if found.filmed:
        click.echo("\n".join(view_lines(found)) + "\n")
    lost = f["lost_captures"]
    # A partition is not one of the views or kinds.
    others = f["unusable"] - lost - sum(finding.id == NO_PARTITION for finding in findings)
    click.echo(f"captures   {f['captures']}" + (f", {lost} cannot be used" if lost else ""))
    rest = f", {others} views or kinds cannot be used" if others else ""
    click.echo(f"sequences  {f['sequences']} in {f['views']} views{rest}")
    for kind, cell in by_kind(found).items() if found.filmed else ():
        click.echo(f"           {cell['sequences']} with {kind}, {cell['frames']} frames")
    click.echo(
        f"people     {f['identities']} under {f['subjects']} subject names: "
        f"{f['train']} train, {f['test']} test, {f['unused']} unused"
    )
    click.echo(f"frames     {f['frames']} at {f['fps']:g} fps ({f['frames'] / f['fps'] / 60:.1f} min)")
    click.echo(f"findings   {f['errors']} errors, {f['warnings']} warnings, {f['notes']} notes")
    for line in finding_lines(findings):
        click.echo(line)
    click.echo(f"next       mgdata fit-smpl {work}" if work else "next       the same without --quick")
