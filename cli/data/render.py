"""``mgdata render``: fits to aligned silhouettes and labels, kept as files."""

import json
from pathlib import Path
from typing import Any

import click

from ..console import print_failures
from ..options import FOLDER, body_option, jobs_option, json_option, markers_option, select_option


@click.command()
@click.argument("work", type=FOLDER)
@select_option
@click.option("--png", is_flag=True, help="Also write a strip of silhouettes beside each file.")
@body_option
@markers_option
@jobs_option
@json_option
def render(work: Path, as_json: bool, **settings: Any) -> None:
    r"""Render the fitted walks of WORK through every camera, to look at or to use elsewhere.

    Writes WORK/renders/<subject>/<condition>/<view>.npz: aligned silhouettes, joints, markers and body parameters of
    the same frames. 'mgdata pack' does not need these files; it renders while it packs. Ends with 1 if some views
    failed; they are listed in WORK/failures.jsonl, dropped frames in WORK/renders/findings.jsonl.

    \b
    Examples:
      mgdata render work/ --png
      mgdata render work/ --select 'subject=07,view=090' --jobs 2
    """
    from meshgait_data.pipeline.render import RenderSettings, render_work

    result = render_work(work, RenderSettings(**settings))
    failures = result.report.failures
    print_failures(failures, work)
    figures = {
        "renders": str(work / "renders"),
        "sequences": result.sequences,
        "frames": result.frames,
        "dropped": result.dropped,
        "failures": len(failures),
        "seconds": round(result.report.seconds, 1),
    }
    if as_json:
        click.echo(json.dumps(figures))
    else:
        click.echo(f"sequences  {result.sequences} with {result.frames} frames; {result.dropped} frames left out")
        click.echo(f"failures   {len(failures)}")
        click.echo(f"time       {result.report.seconds:.1f} s")
        click.echo(f"renders    {work / 'renders'}")
        click.echo(f"next       mgdata pack {work} --out shards/")
    click.get_current_context().exit(result.report.exit_code)
