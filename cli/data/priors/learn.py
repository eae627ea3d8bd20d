"""``mgdata priors learn``: priors from the fits of a work folder."""

from pathlib import Path

import click

from ...options import FOLDER, body_option, json_option
from .info import FILE
from .printing import print_priors


@click.command()
@click.argument("work", type=FOLDER)
@click.option("--out", type=FILE, required=True, metavar="FILE", help="The priors: FILE.npz.")
@body_option
@click.option(
    "--exclude-subject", "excluded", multiple=True, metavar="SUBJECT",
    help="Leave out this subject, and all who may be the same person; as often as needed.",
)  # fmt: skip
@click.option("--general", is_flag=True, help="For people who do anything: wide poses too, no gait cycle.")
@click.option("--harmonics", type=click.IntRange(1, 8), default=4, show_default=True, help="Of the gait cycle.")
@click.option("--styles", type=click.IntRange(0, 32), default=16, show_default=True, help="Ways in which walks differ.")
@click.option("--overwrite", is_flag=True, help="Replace FILE if it is there.")
@json_option
def learn(
    work: Path,
    out: Path,
    body: str | None,
    excluded: tuple[str, ...],
    *,
    general: bool,
    harmonics: int,
    styles: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    r"""Learn a pose prior and a gait-cycle prior from the fits in WORK and write them to FILE.

    Everybody counts once, however many walks there are of them. What is printed besides was measured on people left
    out, one after the other; that takes most of the half minute. Walks that are none are named and left out.

    \b
    Examples:
      mgdata priors learn work/ --out my-walk.npz
      mgdata priors learn work/ --out without-35.npz --exclude-subject 35
      mgdata priors learn work/ --out my-general.npz --general
    """
    from meshgait_data.body.files import load_body
    from meshgait_data.errors import UsageError
    from meshgait_data.fit.priors.gait_learn import GaitSettings
    from meshgait_data.pipeline.prior_files import read_priors, save_priors
    from meshgait_data.pipeline.priors import learn as learn_priors

    if out.exists() and not overwrite:
        hint = "choose another --out, or replace it with --overwrite"
        raise UsageError("is there already", where=str(out), hint=hint)
    learned = learn_priors(
        work,
        load_body(body),
        name=out.stem,
        exclude_subjects=excluded,
        settings=GaitSettings(harmonics=harmonics, styles=styles),
        general=general,
    )
    for walk, reason in learned.unused.items():
        click.secho(f"left out {walk}: {reason}", fg="yellow", err=True)
    save_priors(out, learned.priors)
    print_priors(read_priors(out), out, as_json)
