"""``mgdata export``: packed data for other toolkits."""

from pathlib import Path

import click

from ..options import FOLDER, jobs_option, json_option
from .convert import finish, names


@click.group()
def export() -> None:
    """Write packed data in the layouts of other toolkits."""


@export.command()
@click.argument("shards", metavar="SHARDS")
@click.argument("out", type=FOLDER, metavar="OUT")
@click.option(
    "--fields",
    default="",
    metavar="LIST",
    help="Modalities beside the silhouettes and the ids of frames, in this order, e.g. joints,smpl.",
)
@click.option(
    "--scored-as",
    default="",
    metavar="NAME",
    help="Dataset by whose rules OpenGait is to test, e.g. CASIA-B; default: what the protocol is called.",
)
@click.option(
    "--gpus", type=click.IntRange(min=1), default=1, show_default=True, help="GPUs that OpenGait will run on."
)
@jobs_option
@json_option
def opengait(shards: str, out: Path, fields: str, scored_as: str, gpus: int, jobs: int, as_json: bool) -> None:
    r"""Write a packed dataset as OpenGait trains from it.

    OUT gets <subject>/<condition>/<view>/ (OpenGait's label/type/view) with 00_silhouettes.pkl and what else is
    wanted, partition.json, and opengait.yaml: a complete config of GaitBase on these data. What was left out is said.
    Run the same line again to continue after an interruption. Ends with 1 if sequences could not be used.

    \b
    Examples:
      mgdata export opengait shards/ tree/
      mgdata export opengait shards/ tree/ --fields joints,smpl --gpus 4
      mgdata export opengait my_shards/ tree/ --scored-as CASIA-B
    """
    from meshgait_data.export.opengait_config import TreeUsage
    from meshgait_data.pipeline.convert import ConvertSettings, convert

    settings = ConvertSettings("opengait", names(fields), TreeUsage(scored_as, gpus), jobs=jobs, progress=not as_json)
    finish(convert(shards, out, settings), out, as_json)
