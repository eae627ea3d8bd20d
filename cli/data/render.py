"""``mgdata render``: fits to aligned silhouettes and labels, kept as files."""

import json
from pathlib import Path
from typing import Any

import click

from ..console import print_failures
from ..options import FOLDER, body_option, jobs_option, joint_set_option, json_option, markers_option, select_option


@click.command()
@click.argument("work", type=FOLDER)
@select_option
@click.option("--out", type=FOLDER, metavar="DIR", help="Folder of the results; default: WORK/renders.")
@click.option(
    "--format",
    type=click.Choice(["npz", "pkl", "png", "zarr"]),
    default="npz",
    show_default=True,
    help="npz and zarr hold labels too, pkl is OpenGait's tree of uint8 pickles, png one image a frame.",
)
@click.option("--channels", default="", metavar="NAMES", help="Also these maps: depth, parts, layers; with commas.")
@click.option("--rig", metavar="NAME|PATH", help="Cameras: casia_b, oumvlp, in_the_wild or a file; default: WORK's.")
@click.option(
    "--resolution", type=click.FloatRange(0.05, 20), default=1.0, show_default=True, help="Pixels a side, as a factor."
)
@click.option("--size", type=click.IntRange(8, 512), help="Side of the aligned silhouettes; default: the manifest's.")
@click.option(
    "--alignment",
    type=click.Choice(["opengait", "ccpg", "casia_b_star"]),
    default="opengait",
    show_default=True,
    help="Published pretreatment to follow.",
)
@click.option(
    "--degrade", default="", metavar="STEPS", help="Spoil the masks first, e.g. 'holes,cut_feet:0.5'; in this order."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the degradations.")
@click.option("--png", is_flag=True, help="Also write a strip of silhouettes beside each sequence.")
@click.option(
    "--existing",
    type=click.Choice(["refresh", "skip", "overwrite", "error"]),
    default="refresh",
    show_default=True,
    help="Sequences that are there: redo what changed, keep all, redo all, or refuse.",
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw one PNG instead: the first sequence with every degradation and channel; with --rig, all its cameras.",
)
@body_option
@markers_option
@joint_set_option
@jobs_option
@json_option
def render(work: Path, as_json: bool, picture: Path | None, **options: Any) -> None:
    r"""Render the fitted walks of WORK through every camera, to look at or to use elsewhere.

    Writes DIR/<subject>/<condition>/<view>.npz: aligned silhouettes, joints, markers and body parameters of the same
    frames; or another format. 'mgdata pack' does not need these files; it renders while it packs. Run the same line
    again to continue after an interruption. Ends with 1 if some views failed; they are listed in WORK/failures.jsonl,
    dropped frames in DIR/findings.jsonl.

    \b
    Degradations: holes, eroded_limbs, cut_feet, shadow, bag, occluder, noise, rough_outline, low_resolution;
    each with a strength from 0 to 5, 1 by default.

    \b
    Examples:
      mgdata render work/ --png
      mgdata render work/ --select 'subject=07,view=090' --jobs 2
      mgdata render work/ --format pkl --out tree/ --size 128 --channels depth,parts
      mgdata render work/ --rig in_the_wild --degrade 'holes,cut_feet:0.5,noise' --seed 1 --out wild/
      mgdata render work/ --select view=090 --picture degradations.png
      mgdata render work/ --rig oumvlp --picture cameras.png
    """
    settings = _settings(**options)
    if picture is not None:
        from meshgait_data.pipeline.render_picture import draw_looks

        draw_looks(work, settings, picture)
        click.echo(json.dumps({"picture": str(picture)}) if as_json else str(picture))
        return
    from meshgait_data.pipeline.render import render_work

    result = render_work(work, settings)
    failures = result.report.failures
    print_failures(failures, work)
    figures = {
        "renders": str(result.folder),
        "sequences": result.sequences,
        "kept": result.kept,
        "frames": result.frames,
        "dropped": result.dropped,
        "failures": len(failures),
        "seconds": round(result.report.seconds, 1),
    }
    if as_json:
        click.echo(json.dumps(figures))
    else:
        _print(figures, work)
    click.get_current_context().exit(result.report.exit_code)


def _settings(*, channels: str, alignment: str, degrade: str, seed: int, **options: Any) -> Any:
    from meshgait_data.pipeline.render import RenderSettings
    from meshgait_data.render.degrade import parse_steps
    from meshgait_data.render.look import Look

    names = tuple(dict.fromkeys(filter(None, (name.strip() for name in channels.split(",")))))
    return RenderSettings(look=Look(alignment, parse_steps(degrade), seed, names), **options)


def _print(figures: dict[str, Any], work: Path) -> None:
    click.echo(
        f"sequences  {figures['sequences']} with {figures['frames']} frames; {figures['dropped']} frames left out"
    )
    if figures["kept"]:
        click.echo(f"kept       {figures['kept']} of them were there already")
    click.echo(f"failures   {figures['failures']}")
    click.echo(f"time       {figures['seconds']:.1f} s")
    click.echo(f"renders    {figures['renders']}")
    click.echo(f"next       mgdata pack {work} --out shards/")
