"""What a run writes down while it trains: losses and scores, and apart from them how fast it is.

``metrics.jsonl`` follows from the setting and the shards alone, so two runs of one setting write the same bytes;
``speed.jsonl`` tells of the machine. Both, and ``tensorboard/``, go on where an interrupted run goes on.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

import torch

from meshgait_model.checkpoint import LOSSES, SPEED, keep_lines, read_lines

MILLIMETRES = "_mm"
"""How names of figures end that are errors in millimetres."""


class RunLog:
    """Writes the logs of a run; a context manager.

    Parameters
    ----------
    run
        Its folder; None writes nothing, as in processes beside the first.
    done
        Updates that had been done before; what was logged after them is dropped, and will be written again.
    """

    def __init__(self, run: Path | None, done: int) -> None:
        self._files: dict[str, IO[str]] = {}
        self._board: Any = None
        self._scored: list[Mapping[str, float]] = []
        if run is None:
            return
        from torch.utils.tensorboard import SummaryWriter

        for name in (LOSSES, SPEED):
            keep_lines(run / name, done)
        self._scored = [record["eval"] for record in read_lines(run / LOSSES) if "eval" in record]
        self._files = {name: (run / name).open("a", encoding="utf-8", buffering=1) for name in (LOSSES, SPEED)}
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=done + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files.values():
            file.close()
        if self._board is not None:
            self._board.close()

    def losses(self, step: int, values: Mapping[str, float]) -> None:
        """Write parts of the loss of a step, its learning rate and the norm of its gradient."""
        self._write(LOSSES, step, values, "train", values)

    def speed(self, step: int, figures: Mapping[str, float]) -> None:
        """Write how fast the last steps were."""
        self._write(SPEED, step, {name: round(value, 4) for name, value in figures.items()}, "speed", figures)

    def scores(self, step: int, figures: Mapping[str, float], best: str) -> bool:
        """Write what an evaluation found; says if the figure named ``best`` was never better in this run.

        Of figures in millimetres the smallest is the best, of others the largest.
        """
        sign = -1 if best.endswith(MILLIMETRES) else 1
        earlier = [sign * found[best] for found in self._scored]
        self._scored.append(figures)
        self._write(LOSSES, step, {"eval": dict(figures)}, "eval", figures)
        return sign * figures[best] > max(earlier, default=float("-inf"))

    def _write(self, name: str, step: int, record: Mapping[str, Any], tag: str, figures: Mapping[str, float]) -> None:
        if self._board is None:
            return
        self._files[name].write(json.dumps({"step": step, **record}) + "\n")
        for figure, value in figures.items():
            self._board.add_scalar(f"{tag}/{figure}", value, step)


class Stopwatch:
    """Where the time of the steps goes.

    Parameters
    ----------
    device
        Whose memory is told, too, where it is a GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.clips = 0
        """Clips of the steps of this lap; to be counted by who does them."""
        self.figures: dict[str, float] = {}
        """Of the last lap: clips a second, share of the time that was spent waiting for batches."""
        self._waited = self._waited_before = self._away = 0.0
        self._began = self._lap = time.monotonic()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A block that waits for a batch."""
        began = time.monotonic()
        yield
        self._waited += time.monotonic() - began

    @contextmanager
    def away(self) -> Iterator[None]:
        """A block that is no part of a step, and is left out."""
        began = time.monotonic()
        yield
        seconds = time.monotonic() - began
        self._lap += seconds
        self._began += seconds

    def lap(self) -> dict[str, float]:
        """Begin another lap, and give the figures of the one that ended."""
        now = time.monotonic()
        seconds = max(now - self._lap, 1e-9)
        self.figures = {"clips_per_s": self.clips / seconds, "waiting": self._waited / seconds}
        if self.device.type == "cuda":
            self.figures["gpu_gib"] = torch.cuda.max_memory_allocated(self.device) / 2**30
        self._waited_before += self._waited
        self._lap, self._waited, self.clips = now, 0.0, 0
        return self.figures

    @property
    def seconds(self) -> float:
        """Time of all steps."""
        return time.monotonic() - self._began

    @property
    def share_waited(self) -> float:
        """Share of it that was spent waiting for batches."""
        return (self._waited_before + self._waited) / max(self.seconds, 1e-9)
