"""What both programs share: a group that loads commands when they are asked for and prints known failures."""

import difflib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meshgait_data.errors import MeshgaitError

if TYPE_CHECKING:
    from meshgait_data.pipeline.runner import Outcome

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
MOST_SHOWN = 10
"""Failures that are printed; all are in ``failures.jsonl``."""


class LazyGroup(click.Group):
    """Commands live in modules of their own that are imported on use, so that ``--help`` needs no torch.

    Known failures (:class:`MeshgaitError`) print what, where and the way out, and set the exit code; anything
    else is a bug and keeps its traceback.
    """

    def __init__(self, *args: object, lazy: dict[str, str], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own signature
        self.lazy = lazy
        _keep_lines(self)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the pipeline, not of the alphabet."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module, __package__), attribute)
        return _keep_lines(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one gets a "did you mean"."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], self.lazy, n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from None

    def invoke(self, ctx: click.Context) -> object:
        """Run, and print a known failure without its traceback (``--debug`` keeps it)."""
        try:
            return super().invoke(ctx)
        except MeshgaitError as error:
            if ctx.find_root().params.get("debug"):
                raise
            click.secho(f"error: {error}", fg="red", err=True)
            if error.hint:
                click.echo(f"  try: {error.hint}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("\ninterrupted; what is finished is kept, run the same line again to continue", err=True)
            ctx.exit(INTERRUPTED)


def _keep_lines(command: click.Command) -> click.Command:
    r"""Let ``\b`` in a raw docstring mean click's mark of a paragraph whose lines stay as they are."""
    if command.help:
        command.help = command.help.replace("\\b\n", "\b\n")
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        _keep_lines(inner)
    return command


CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def print_failures(failures: "Sequence[Outcome]", work: Path) -> None:
    """Print the first failures and their ways out on stderr."""
    for failure in failures[:MOST_SHOWN]:
        click.secho(f"failed {failure.key}: {failure.error}", fg="red", err=True)
        if failure.hint:
            click.echo(f"  try: {failure.hint}", err=True)
    if len(failures) > MOST_SHOWN:
        click.echo(f"… and {len(failures) - MOST_SHOWN} more; all are in {work / 'failures.jsonl'}", err=True)
