"""``mgdata pack``: fits to shards."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..options import FOLDER, jobs_option, json_option

if TYPE_CHECKING:
    from meshgait_data.pipeline.pack import PackReport
    from meshgait_data.pipeline.runner import Outcome

MOST_SHOWN = 10
"""Failures that are printed; all are in ``failures.jsonl``."""

out_option = click.option(
    "--out", type=FOLDER, required=True, metavar="SHARDS", help="Folder of the packed dataset, new or to be continued."
)
body_option = click.option("--body", metavar="NAME|PATH", help="Body model; default: the free body.")
markers_option = click.option(
    "--markers", metavar="NAME|PATH", help="Virtual markers; default: those that ship with the body."
)
select_option = click.option(
    "--select", default="", metavar="PARTS", help="Only these keys, e.g. 'subject=07|08,view=090'."
)


@click.command()
@click.argument("work", type=FOLDER)
@out_option
@body_option
@markers_option
@select_option
@click.option(
    "--part-captures",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Captures of a part, which is one job and one folder.",
)
@click.option(
    "--existing",
    type=click.Choice(["refresh", "overwrite"]),
    default="refresh",
    show_default=True,
    help="Write only the parts whose input changed, or all of them.",
)
@jobs_option
@json_option
def pack(work: Path, out: Path, as_json: bool, **settings: Any) -> None:
    r"""Render, label and pack the fitted walks of WORK into shards for training.

    Silhouettes and labels are made from the fits while packing. Run the same line again to continue after an
    interruption or a changed fit: parts that are up to date are kept. Ends with 1 if some walks failed; they are
    left out and listed in WORK/failures.jsonl.

    \b
    Examples:
      mgdata pack work/ --out shards/
      mgdata pack work/ --out shards/ --jobs 4 --select 'subject=07|08'
    """
    from meshgait_data.pipeline.pack import PackSettings
    from meshgait_data.pipeline.pack import pack as run

    report = run(work, out, PackSettings(**settings))
    print_failures(report.report.failures, work)
    if as_json:
        click.echo(json.dumps(figures(report, out)))
    else:
        print_figures(figures(report, out))
    click.get_current_context().exit(report.exit_code)


def print_failures(failures: "Sequence[Outcome]", work: Path) -> None:
    """The first failures and their ways out, on stderr."""
    for failure in failures[:MOST_SHOWN]:
        click.secho(f"failed {failure.key}: {failure.error}", fg="red", err=True)
        if failure.hint:
            click.echo(f"  try: {failure.hint}", err=True)
    if len(failures) > MOST_SHOWN:
        click.echo(f"… and {len(failures) - MOST_SHOWN} more; all are in {work / 'failures.jsonl'}", err=True)


def figures(report: "PackReport", out: Path) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "shards": str(out),
        "parts": report.written + report.reused,
        "written": report.written,
        "reused": report.reused,
        "removed": report.removed,
        "sequences": report.sequences,
        "frames": report.frames,
        "dropped": report.dropped,
        "failures": len(report.report.failures),
        "seconds": round(report.report.seconds, 1),
    }


def print_figures(f: dict[str, Any]) -> None:
    """The same for people, and the next command."""
    click.echo(f"parts      {f['parts']}: {f['written']} written, {f['reused']} up to date, {f['removed']} removed")
    click.echo(f"sequences  {f['sequences']} with {f['frames']} frames; {f['dropped']} frames left out")
    click.echo(f"failures   {f['failures']}; packed in {f['seconds']} s")
    click.echo(f"shards     {f['shards']} (card.md says what they are)")
    click.echo(f"next       mgtrain run demo --shards {f['shards']} --out runs/demo")
