"""``mgdata pack``: fits to shards."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..console import print_failures
from ..options import FOLDER, body_option, jobs_option, joint_set_option, json_option, markers_option, select_option
from .pack_options import out_option, pack_options, settings

if TYPE_CHECKING:
    from meshgait_data.pipeline.pack import PackReport


@click.command()
@click.argument("work", type=FOLDER)
@out_option
@body_option
@markers_option
@joint_set_option
@select_option
@pack_options
@jobs_option
@json_option
def pack(work: Path, out: Path, as_json: bool, **options: Any) -> None:
    r"""Pack the walks of WORK into shards for training: silhouettes, and labels of the fits.

    Where the dataset has masks they are aligned and packed, with labels where there is a fit; otherwise the fits are
    rendered through the cameras of the manifest. Run the same line again to continue after an interruption, a changed
    fit or new walks: parts that are up to date are not touched, new walks go into new parts. Ends with 1 if some
    walks failed; they are left out and listed in WORK/failures.jsonl. SHARDS/findings.jsonl tells of every frame,
    view and walk that was left out.

    \b
    Examples:
      mgdata pack work/ --out shards/
      mgdata pack work/ --out shards/ --jobs 4 --select 'subject=07|08'
      mgdata pack work/ --out shards/ --format hdf5 --with-128 --also keypoints
      mgdata pack work/ --out wild/ --rig in_the_wild --degrade 'holes,cut_feet:0.5' --rendered
    """
    from meshgait_data.pipeline.pack import pack as run

    report = run(work, out, settings(**options))
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
