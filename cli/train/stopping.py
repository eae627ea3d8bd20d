"""Ctrl-C and SIGTERM ask a run to stop after its step, so that nothing that was computed is lost."""

import os
import signal
from types import FrameType
from typing import Any

import click


class Stopping:
    """Notes signals while it is entered; a context manager.

    A second Ctrl-C stops at once. Under ``torchrun``, which passes signals on, any number of them is one.
    """

    def __init__(self) -> None:
        self.signal = 0
        """The signal that came, 0 where none did."""
        self._alone = os.environ.get("WORLD_SIZE", "1") == "1"
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stopping":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def asked(self) -> bool:
        """Whether the run is to stop."""
        return self.signal != 0

    @property
    def exit_code(self) -> int:
        """As shells have it: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self.signal

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal and self._alone:
            raise KeyboardInterrupt
        self.signal = number
        click.echo("\nstopping after this step", err=True)
