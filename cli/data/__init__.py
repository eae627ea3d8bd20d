"""``mgdata``: from a gait dataset to shards of supervision labels."""

import click

from meshgait_data import __version__

from ..console import CONTEXT, LazyGroup

COMMANDS = {
    "manifest": ".data.manifest:manifest",
    "index": ".data.index:index",
    "fit-smpl": ".data.fit_smpl:fit_smpl",
    "render": ".data.render:render",
    "pack": ".data.pack:pack",
    "build": ".data.build:build",
    "show": ".data.show:show",
    "verify": ".data.verify:verify",
    "convert": ".data.convert:convert",
    "export": ".data.export:export",
    "card": ".data.card:card",
    "body": ".data.body:body",
    "markers": ".data.markers:markers",
    "priors": ".data.priors:priors",
    "synth": ".data.synth:synth",
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="mgdata")
@click.option("--debug", is_flag=True, help="Show tracebacks of known failures too.")
def mgdata(debug: bool) -> None:
    r"""Turn a gait dataset into 3D supervision labels: bodies, joints, virtual markers, aligned silhouettes.

    \b
    The whole line:      mgdata build cmu_walk --out shards/
    One step at a time:  index, fit-smpl, render, pack
    """
