"""``mgdata pack``: fits to shards."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..console import print_failures
from ..options import FOLDER, body_option, jobs_option, joint_set_option, json_option, markers_option, select_option

if TYPE_CHECKING:
    from meshgait_data.pipeline.pack import PackReport

out_option = click.option(
    "--out", type=FOLDER, required=True, metavar="SHARDS", help="Folder of the packed dataset, new or to be continued."
)


@click.command()
@click.argument("work", type=FOLDER)
@out_option
@body_option
@markers_option
@joint_set_option
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
