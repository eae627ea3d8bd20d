"""A progress bar on stderr; where that is not a terminal, a line every half minute."""

import sys
import time
from collections.abc import Mapping

import click
from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 30.0
_HIDDEN = frozenset({"gradient", "lr", "loss_scale", "gpu_gib"})
_SHOWN_AS = {"clips_per_s": "{:.0f} clips/s", "waiting": "waiting {:.0%}"}
"""Figures that are no part of the loss."""


class Progress:
    """Shows how far a command is; a context manager.

    Parameters
    ----------
    total, unit
        How many of what there are.
    silent
        Show nothing: another process does.
    """

    def __init__(self, total: int, unit: str, *, silent: bool = False) -> None:
        self.unit, self.total, self.silent, self.plain = unit, total, silent, not sys.stderr.isatty()
        self.bar = tqdm(total=total, unit=unit, dynamic_ncols=True, disable=self.plain or silent)
        self.began = self.shown = time.monotonic()
        self.first: int | None = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def show(self, done: int, figures: Mapping[str, float] | None = None) -> None:
        """Say that ``done`` of all are done; figures follow, in their order."""
        if self.silent:
            return
        if self.first is None:
            # A run that goes on did not do the earlier ones in this time.
            self.first = self.bar.initial = done - 1
            self.bar.n = done - 1
        text = " ".join(_figure(name, value) for name, value in (figures or {}).items() if name not in _HIDDEN)
        if not self.plain:
            self.bar.set_postfix_str(text, refresh=False)
            self.bar.update(done - self.bar.n)
        elif time.monotonic() - self.shown > _SECONDS_BETWEEN_LINES:
            self.shown = time.monotonic()
            left = (self.shown - self.began) / (done - self.first) * (self.total - done)
            click.echo(f"{done}/{self.total} {self.unit}, {_duration(left)} left {text}".rstrip(), err=True)


def _figure(name: str, value: float) -> str:
    return _SHOWN_AS[name].format(value) if name in _SHOWN_AS else f"{name} {value:.3f}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
