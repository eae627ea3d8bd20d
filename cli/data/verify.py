"""``mgdata verify``: whether a packed dataset is all there and unharmed."""

import json
from pathlib import Path

import click

from meshgait_data.errors import InvalidData
from meshgait_data.findings import Severity, to_jsonl

from ..options import FOLDER, json_option


@click.command()
@click.argument("shards", type=FOLDER)
@click.option("--deep", is_flag=True, help="Read every byte and compare checksums, not only sizes.")
@json_option
def verify(shards: Path, deep: bool, as_json: bool) -> None:
    r"""Check a packed dataset: parts, files, sizes, index and, with --deep, checksums.

    Ends with 4 if anything is missing or damaged; warnings alone end with 0.

    \b
    Examples:
      mgdata verify shards/
      mgdata verify shards/ --deep --json
    """
    from meshgait_data.shards.verify import verify as run

    findings = run(shards, deep=deep)
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    if as_json:
        listed = [json.loads(line) for line in to_jsonl(findings).splitlines()]
        click.echo(json.dumps({"shards": str(shards), "deep": deep, "errors": errors, "findings": listed}))
    else:
        for finding in findings:
            click.echo(str(finding))
        depth = "checksums of all files" if deep else "sizes; --deep compares checksums"
        click.echo(f"{errors} errors, {len(findings) - errors} warnings ({depth})")
    if errors:
        click.get_current_context().exit(InvalidData.exit_code)
