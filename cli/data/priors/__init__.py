"""``mgdata priors``: learn how people stand and walk from fits, say what a prior knows."""

import click

from ...console import CONTEXT, LazyGroup

COMMANDS = {
    "learn": ".data.priors.learn:learn",
    "info": ".data.priors.info:info",
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings=CONTEXT)
def priors() -> None:
    r"""Priors of the fit: what is known of people's poses and walks before they are seen.

    \b
    Examples:
      mgdata priors info
      mgdata priors info walk --picture cycle.png --bodies bodies.png
      mgdata priors learn work/ --out my-walk.npz
    """
