"""``mgdata show``: a picture of one walk, its silhouettes and its labels."""

from pathlib import Path

import click

from meshgait_data.errors import UsageError

from ..options import FOLDER, body_option, markers_option


@click.command()
@click.argument("key")
@click.option("--work", type=FOLDER, metavar="WORK", help="Work folder: render the fit that lies there.")
@click.option("--shards", type=FOLDER, metavar="SHARDS", help="Packed dataset: show what was packed.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    help="Picture to write; by default the key with dashes, in this folder.",
)
@click.option("--frames", type=click.IntRange(min=1), default=8, show_default=True, help="Frames of each view.")
@click.option("--zoom", type=click.IntRange(1, 12), help="Sheet pixels per silhouette pixel; default 4, all views 3.")
@click.option("--heatmaps", is_flag=True, help="Also draw the joints as heatmap targets, from front and side.")
@body_option
@markers_option
def show(
    key: str,
    work: Path | None,
    shards: Path | None,
    out: Path | None,
    frames: int,
    zoom: int | None,
    heatmaps: bool,
    body: str | None,
    markers: str | None,
) -> None:
    r"""Draw the aligned silhouettes of a walk and, in the same windows, its fitted body with joints and markers.

    KEY is dataset/subject/condition/view, or without the view for all views. Says where the picture is.

    \b
    Examples:
      mgdata show cmu_walk/07/01/090 --work work/
      mgdata show cmu_walk/07/01 --work work/ --out 07-01.png
      mgdata show cmu_walk/07/01/090 --shards shards/ --heatmaps
    """
    if (work is None) == (shards is None):
        raise UsageError("say where the walk lies", hint="give either --work WORK or --shards SHARDS")
    from meshgait_data.atomic import write_bytes
    from meshgait_data.body.files import load_body
    from meshgait_data.pipeline.markers import find_markers
    from meshgait_data.view.pick import from_shards, from_work
    from meshgait_data.view.sheet import contact_sheet

    model = load_body(body)
    if work is not None:
        shown, notes = from_work(work, key, model, find_markers(work, model, markers))
        for note in notes:
            click.secho(f"not shown: {note}", fg="yellow", err=True)
    else:
        assert shards is not None
        shown = from_shards(shards, key, model)
    path = out or Path(key.strip("/").replace("/", "-") + ".png")
    zoom = zoom or (4 if len(shown) == 1 else 3)
    write_bytes(path, contact_sheet(model, shown, columns=frames, zoom=zoom, heatmaps=heatmaps))
    click.echo(path)
