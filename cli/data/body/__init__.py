"""``mgdata body``: say which body model is used and what it is, measure and compare bodies, build the free one."""

import click

from ...console import CONTEXT, LazyGroup

COMMANDS = {
    "info": ".data.body.info:info",
    "measure": ".data.body.measure:measure",
    "compare": ".data.body.compare:compare",
    "joints": ".data.body.joints:joints",
    "build": ".data.body.build:build",
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings=CONTEXT)
def body() -> None:
    r"""Body models: the free one that ships with meshgait, or your own SMPL file.

    \b
    Examples:
      mgdata body info
      mgdata body info --body ~/models/smpl/SMPL_NEUTRAL.pkl
      mgdata body measure --height 1.75 --mass 80
      mgdata body compare free free-lite --picture difference.png
      mgdata body joints coco17 --picture coco17.png
      mgdata body build free.npz
    """
