"""``mgtrain``: train and evaluate on packed shards."""

import click

from meshgait_data import __version__

from ..console import CONTEXT, LazyGroup

COMMANDS = {
    "run": ".train.run:run",
    "eval": ".train.eval:evaluate",
    "score": ".train.score:score",
    "compare": ".train.compare:compare",
    "show": ".train.show:show",
    "export": ".train.export:export",
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="mgtrain")
@click.option("--debug", is_flag=True, help="Show tracebacks of known failures too.")
def mgtrain(debug: bool) -> None:
    r"""Train the Mesh-Gait network and its baselines on shards, and score them by the published protocols.

    \b
    mgtrain run demo --shards shards/ --out runs/demo
    mgtrain eval runs/demo
    """
