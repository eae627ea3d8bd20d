"""``mgdata verify``: whether a packed dataset is all there and unharmed."""

import json

import click

from meshgait_data.errors import InvalidData
from meshgait_data.findings import Severity, to_jsonl

from ..options import json_option


@click.command()
@click.argument("shards")
@click.option("--deep", is_flag=True, help="Read every byte: checksums, index against parts, values.")
@json_option
def verify(shards: str, deep: bool, as_json: bool) -> None:
    r"""Check a packed dataset: descriptions, lists and sizes of files and, with --deep, every byte.

    SHARDS is a folder, or a URL that fsspec reads. Ends with 4 if anything is missing or damaged; warnings alone end
    with 0.

    \b
    Examples:
      mgdata verify shards/
      mgdata verify shards/ --deep --json
      mgdata verify https://example.org/shards
    """
    from meshgait_data.shards.verify import verify as run

    findings = run(shards, deep=deep)
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    if as_json:
        listed = [json.loads(line) for line in to_jsonl(findings).splitlines()]
        click.echo(json.dumps({"shards": shards, "deep": deep, "errors": errors, "findings": listed}))
    else:
        for finding in findings:
            click.echo(str(finding))
        depth = "every byte" if deep else "sizes; --deep reads every byte"
        click.echo(f"{errors} errors, {len(findings) - errors} warnings ({depth})")
    if errors:
        click.get_current_context().exit(InvalidData.exit_code)
