"""``mgdata card``: write the card of a packed dataset anew."""

from pathlib import Path

import click

from ..options import FOLDER


@click.command()
@click.argument("shards", type=FOLDER)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write it; default: card.md in SHARDS.",
)
def card(shards: Path, out: Path | None) -> None:
    r"""Write what a packed dataset is, for the person who finds it.

    Licence (that of the source), counts, splits, provenance, how to load it, and what may be shared. Everything in it
    follows from the dataset, except the day of packing, which is taken from the card that is there.

    \b
    Examples:
      mgdata card shards/
      mgdata card shards/ --out README.md
    """
    from meshgait_data.pipeline.card import write_card

    click.echo(write_card(shards, out))
