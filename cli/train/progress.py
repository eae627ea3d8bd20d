"""A progress bar on stderr; where that is not a terminal, a line every half minute."""

import sys
import time
from collections.abc import Mapping

import click
from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 30.0
_HIDDEN = frozenset({"gradient", "lr"})


class Progress:
    """Shows how far a command is; a context manager."""

    def __init__(self, total: int, unit: str) -> None:
        self.unit, self.total, self.plain = unit, total, not sys.stderr.isatty()
        self.bar = tqdm(total=total, unit=unit, dynamic_ncols=True, disable=self.plain)
        self.shown = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def show(self, done: int, figures: Mapping[str, float] | None = None) -> None:
        """Say that ``done`` of all are done; figures follow, in their order."""
        text = " ".join(f"{name} {value:.3f}" for name, value in (figures or {}).items() if name not in _HIDDEN)
        if not self.plain:
            self.bar.set_postfix_str(text, refresh=False)
            self.bar.update(done - self.bar.n)
        elif time.monotonic() - self.shown > _SECONDS_BETWEEN_LINES:
            self.shown = time.monotonic()
            click.echo(f"{done}/{self.total} {self.unit} {text}".rstrip(), err=True)
