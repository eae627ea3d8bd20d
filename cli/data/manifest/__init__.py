"""``mgdata manifest``: check the YAML that describes a dataset, write a first one, print its schema."""

import click

from ...console import CONTEXT, LazyGroup

COMMANDS = {
    "check": ".data.manifest.check:check",
    "new": ".data.manifest.new:new",
    "schema": ".data.manifest.schema:schema",
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings=CONTEXT)
def manifest() -> None:
    r"""The YAML that describes a dataset: where its files lie, what they hold, who is tested on; see docs/manifests.md.

    \b
    Examples:
      mgdata manifest new /data/walks --out walks.yaml
      mgdata manifest check walks.yaml --root /data/walks
      mgdata manifest schema --out manifest.schema.json
    """
