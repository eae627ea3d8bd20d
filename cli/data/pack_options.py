"""Options of packing, which ``mgdata pack`` and ``mgdata build`` share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ..options import FOLDER

if TYPE_CHECKING:
    from meshgait_data.pipeline.pack import PackSettings

out_option = click.option(
    "--out", type=FOLDER, required=True, metavar="SHARDS", help="Folder of the packed dataset, new or to be continued."
)

_OPTIONS = (
    click.option(
        "--format",
        type=click.Choice(["zarr", "hdf5"]),
        default="zarr",
        show_default=True,
        help="Container of the parts; both hold the same.",
    ),
    click.option("--size", type=click.IntRange(8, 512), help="Side of the silhouettes; default: the manifest's."),
    click.option("--with-128", is_flag=True, help="Also silhouettes of 128 x 128, drawn anew in the frame of the 64."),
    click.option(
        "--one-bit",
        is_flag=True,
        help="Silhouettes of 1 bit a pixel: grey edge pixels are lost, they become black or white.",
    ),
    click.option("--rendered", is_flag=True, help="Also the fitted body through the windows of the silhouettes."),
    click.option(
        "--also",
        default="",
        metavar="NAMES",
        help="What rides along, with commas: keypoints of the source; depth, parts, layers of the fitted body; "
        "further pickles of an OpenGait tree by the names of their files.",
    ),
    click.option(
        "--rig", metavar="NAME|PATH", help="See the fits by these cameras, even where there are masks; e.g. oumvlp."
    ),
    click.option(
        "--alignment",
        type=click.Choice(["opengait", "ccpg", "sustech1k", "as_is", "casia_b_star"]),
        help="Published pretreatment to follow; default: the manifest's, else opengait. as_is: masks are aligned.",
    ),
    click.option(
        "--degrade", default="", metavar="STEPS", help="Spoil the masks first, e.g. 'holes,cut_feet:0.5'; see render."
    ),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the degradations."),
    click.option("--labelled-only", is_flag=True, help="Leave out walks with silhouettes but without a fit."),
    click.option(
        "--part-sequences",
        type=click.IntRange(min=1),
        default=256,
        show_default=True,
        help="Sequences of a new part at most, which is one job; a walk is never split.",
    ),
    click.option("--part-captures", type=click.IntRange(min=1), help="Walks of a new part at most."),
    click.option(
        "--existing",
        type=click.Choice(["refresh", "overwrite"]),
        default="refresh",
        show_default=True,
        help="Write only what is new or changed, or all again.",
    ),
)


def pack_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; :func:`settings` takes their values."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def settings(*, also: str, alignment: str | None, degrade: str, seed: int, **options: Any) -> "PackSettings":
    """Settings from the values of the options, and of others that packing has."""
    from meshgait_data.pipeline.pack import PackSettings
    from meshgait_data.render.degrade import parse_steps
    from meshgait_data.render.look import Look

    names = tuple(dict.fromkeys(filter(None, (name.strip() for name in also.split(",")))))
    look = Look(degradations=parse_steps(degrade), seed=seed)
    return PackSettings(look=look, alignment=alignment or "", also=names, **options)
