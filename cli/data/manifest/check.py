"""``mgdata manifest check``: everything that is wrong with manifests, and how a folder fits one."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshgait_data.errors import SOME_FAILED, InvalidData, UsageError
from meshgait_data.findings import Finding, Severity, to_jsonl

from ...options import FOLDER, json_option

if TYPE_CHECKING:
    from meshgait_data.describe.check import Checked, OnDisk

MOST_SHOWN = 20
"""Findings that are printed; ``--json`` prints all."""


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--root", type=FOLDER, metavar="DIR", help="Folder that the one FILE describes: compare them.")
@json_option
def check(files: tuple[str, ...], root: Path | None, as_json: bool) -> None:
    r"""Tell everything that is wrong with manifests, each problem with its line.

    FILE is a YAML file, or the name of a shipped manifest. With --root the names and sizes of the files in that folder
    are compared with the manifest: what matches, what is missing, what is left over; nothing is opened. Ends with 0;
    1 if a folder fits in part; 4 if a manifest is wrong or nothing in the folder matches.

    \b
    Examples:
      mgdata manifest check my_dataset.yaml
      mgdata manifest check my_dataset.yaml --root /data/my_dataset
      mgdata manifest check casia_b gait3d --json
    """
    from meshgait_data.describe.check import check_file

    if root is not None and len(files) > 1:
        raise UsageError("--root belongs to one manifest", hint="check one FILE at a time with --root")
    checked = [check_file(file, root) for file in files]
    if as_json:
        click.echo(json.dumps({"files": [_plain(one) for one in checked]}))
    else:
        for one in checked:
            _print(one)
    wrong = [one.file for one in checked if one.problems]
    if wrong:
        raise InvalidData(f"{len(wrong)} of {len(checked)} manifests cannot be used: {', '.join(wrong)}")
    found = checked[0].on_disk
    if found is not None and not found.sequences:
        raise InvalidData(f"nothing below {root} is a sequence of {files[0]}", hint=_first_hint(found))
    if found is not None and any(finding.severity > Severity.INFO for finding in found.findings):
        click.get_current_context().exit(SOME_FAILED)


def _plain(one: "Checked") -> dict[str, Any]:
    plain: dict[str, Any] = {"file": one.file, "problems": [asdict(problem) for problem in one.problems]}
    if one.on_disk is not None:
        plain["on_disk"] = asdict(one.on_disk)
        plain["on_disk"]["findings"] = [json.loads(line) for line in to_jsonl(one.on_disk.findings).splitlines()]
    return plain


def _print(one: "Checked") -> None:
    for problem in one.problems:
        place = f"{one.file}:{problem.line}:{problem.column}" if problem.line else one.file
        text = f"{problem.path}: {problem.what}" if problem.path else problem.what
        click.secho(f"{place}: {text}", fg="red", err=True)
        if problem.hint:
            click.echo(f"  try: {problem.hint}", err=True)
    if one.manifest is None or one.problems:
        return
    manifest = one.manifest
    kinds = ", ".join(manifest.source.blocks()) or manifest.source.format
    patterns = " and ".join(layout.pattern for layout in manifest.layouts)
    click.echo(f"{one.file}: {manifest.title}; {patterns}; {kinds}")
    if one.on_disk is not None:
        _print_found(one.on_disk)


def _print_found(found: "OnDisk") -> None:
    _print_findings(found.findings)
    if not found.sequences:
        return
    kinds = ", ".join(f"{kind} of {count}" for kind, count in found.kinds.items())
    sides = ", ".join(f"{count} {side}" for side, count in sorted(found.sides.items()))
    click.echo(f"sequences  {found.sequences} of {found.captures} walks" + (f": {kinds}" if kinds else ""))
    click.echo(f"people     {found.subjects} subjects; {sides}")


def _print_findings(findings: tuple[Finding, ...]) -> None:
    serious = sorted((f for f in findings if f.severity > Severity.INFO), key=lambda f: (-f.severity, f))
    for finding in serious[:MOST_SHOWN]:
        click.secho(str(finding), fg="red" if finding.severity == Severity.ERROR else "yellow", err=True)
    if len(serious) > MOST_SHOWN:
        click.echo(f"… and {len(serious) - MOST_SHOWN} more; --json prints all", err=True)


def _first_hint(found: "OnDisk") -> str:
    return next((finding.hint for finding in found.findings if finding.hint), "compare layout: pattern with the paths")
