"""``mgtrain show``: a picture of the clips that a network is trained on, and of what a trained one says about them."""

from pathlib import Path

import click

from meshgait_data.errors import UsageError


@click.command()
@click.argument("experiment")
@click.option("--shards", type=click.Path(path_type=Path), help="Packed dataset; by default the one in the YAML.")
@click.option("-o", "--override", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one value of the YAML.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.png")
@click.option("--step", type=click.IntRange(min=0), default=0, show_default=True, help="Draw the batch of this step.")
@click.option("--test", is_flag=True, help="Draw sequences of test people instead, not augmented.")
@click.option("--clips", type=click.IntRange(1, 64), default=6, show_default=True, help="How many of them.")
@click.option("--frames", type=click.IntRange(1, 32), default=8, show_default=True, help="Frames of each.")
def show(
    experiment: str,
    shards: Path | None,
    overrides: tuple[str, ...],
    out: Path,
    step: int,
    test: bool,
    clips: int,
    frames: int,
) -> None:
    r"""Draw clips as the network sees them, after augmentation, with the labels that it is compared with.

    EXPERIMENT is the name or file of a setting, or a run folder: then what the trained network says is drawn below.

    \b
    Examples:
      mgtrain show demo --shards shards/ --out batch.png
      mgtrain show deepgaitv2_gait3d --shards shards/ --out batch.png --step 7 -o data.people=4
      mgtrain show runs/demo --out seen.png --test
    """
    from meshgait_data.atomic import write_bytes
    from meshgait_data.shards.reader import open_shards
    from meshgait_model.checkpoint import LATEST, load_checkpoint
    from meshgait_model.config.experiment import load_config
    from meshgait_model.view import batch_sheet

    run = Path(experiment)
    state = load_checkpoint(run / LATEST) if run.is_dir() else None
    if state is not None and overrides:
        raise UsageError("a run has its setting", hint="leave out -o, or name an experiment instead of a run folder")
    config = load_config(experiment, overrides) if state is None else state.config
    folder = shards or config.data.shards
    if not folder:
        raise UsageError("no shards to draw from", hint="give --shards DIR")
    chosen = None if test else step
    write_bytes(out, batch_sheet(config, open_shards(folder), state, step=chosen, clips=clips, frames=frames))
    click.echo(out)
