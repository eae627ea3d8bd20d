"""One process, or several that ``torchrun`` started, which do one run together.

Every process draws the same batch and takes every n-th clip of it; what they tell each other is sums. One process
alone needs no communication, and none of this costs it anything.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from meshgait_data.errors import EnvironmentLacks, MeshgaitError

_PATIENCE = timedelta(minutes=60)
"""How long a process waits for others, e.g. while one of them decodes a dataset for all."""


class PeerFailed(MeshgaitError):
    """Another process of the run has failed; its own message says why."""


class Processes:
    """The processes of a run, as one of them sees them.

    Parameters
    ----------
    rank, world
        Which of how many processes this is.
    messages
        Group that small things on the CPU are told in; None where there is only one process.
    """

    def __init__(self, rank: int = 0, world: int = 1, messages: dist.ProcessGroup | None = None) -> None:
        self.rank, self.world, self._messages = rank, world, messages

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and speaks to people."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.world > 1

    def add_up(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.several:
            with _talking():
                dist.all_reduce(values)
        return values

    def add_up_gradients(self, weights: Iterable[Tensor]) -> None:
        """Sum the gradients of all processes, all weights in one message; a weight without one has zeros."""
        if not self.several:
            return
        known = list(weights)
        for weight in known:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        gradients = [weight.grad for weight in known if weight.grad is not None]
        everything = self.add_up(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        for gradient, summed in zip(gradients, torch.split(everything, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(summed.view(gradient.shape))

    def gather(self, rows: Tensor) -> Tensor:
        """Rows (N, ...) of every process in the order of the whole batch (N world, ...): theirs by turns."""
        if not self.several:
            return rows
        parts = [torch.zeros_like(rows) for _ in range(self.world)]
        with _talking():
            dist.all_gather(parts, rows.contiguous())
        return torch.stack(parts, 1).flatten(0, 1)

    def collect(self, thing: Any) -> list[Any]:
        """What each process has, plain data, in their order; only the first process gets it."""
        if not self.several:
            return [thing]
        found: list[Any] | None = [None] * self.world if self.first else None
        with _talking():
            dist.gather_object(thing, found, group=self._messages)
        return found or []

    def any(self, flag: bool) -> bool:
        """Whether one of the processes says yes; all get the same answer."""
        if not self.several:
            return flag
        said = torch.tensor([int(flag)])
        with _talking():
            dist.all_reduce(said, group=self._messages)
        return bool(said.item())

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block that all processes get through, or none: where one fails in it, the others raise PeerFailed.

        Within the block they must not talk to each other.
        """
        try:
            yield
        except BaseException:
            self.any(True)
            raise
        if self.any(False):
            raise PeerFailed("another process of this run failed", where=f"process {self.rank}", hint="see its message")


@contextmanager
def join_processes(device: torch.device) -> Iterator[Processes]:
    """The processes that ``torchrun`` started this one with; outside ``torchrun``, this one alone.

    GPUs talk by NCCL, CPUs by Gloo.

    Raises
    ------
    EnvironmentLacks
        Where the processes do not find each other.
    """
    world = told("WORLD_SIZE", 1)
    if world < 2:
        yield Processes()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        what = f"the processes of this run do not find each other: {str(error).splitlines()[0]}"
        raise EnvironmentLacks(
            what, hint="start them with torchrun --nproc-per-node N, and look at its message"
        ) from error
    try:
        messages = dist.new_group(backend="gloo", timeout=_PATIENCE) if device.type == "cuda" else dist.group.WORLD
        yield Processes(dist.get_rank(), world, messages)
    finally:
        dist.destroy_process_group()


def told(name: str, default: int) -> int:
    """A number that ``torchrun`` tells its processes, e.g. ``RANK``."""
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else default


def own_device(device: torch.device) -> torch.device:
    """The device of this process: the n-th GPU for the n-th process of a machine.

    Raises
    ------
    EnvironmentLacks
        Where there are fewer GPUs than processes.
    """
    if device.type != "cuda" or told("WORLD_SIZE", 1) < 2:
        return device
    rank, there = told("LOCAL_RANK", 0), torch.cuda.device_count()
    if rank >= there:
        what = f"{told('LOCAL_WORLD_SIZE', 1)} processes on a machine with {there} GPUs"
        raise EnvironmentLacks(what, hint=f"torchrun --nproc-per-node {there}, or run.device=cpu")
    return torch.device("cuda", rank)


def shares(clips: int, parts: int, processes: Processes) -> list[slice]:
    """Which clips of a process go through the network together.

    Portions are stretches of the batch of all processes, so that they hold the same clips whatever the number of
    processes is; none is empty in any of these.

    Parameters
    ----------
    clips
        Of the batch of all processes.
    parts
        Portions that are wanted.
    """
    rank, world = processes.rank, processes.world
    parts = min(parts, clips // world)
    bounds = [-(-(part * clips // parts - rank) // world) for part in range(parts + 1)]
    return [slice(begin, end) for begin, end in pairwise(bounds)]


@contextmanager
def _talking() -> Iterator[None]:
    """Say in one line that another process is gone, which is no bug here; its own message says why."""
    try:
        yield
    except RuntimeError as error:
        what = f"another process of this run is gone: {str(error).splitlines()[0]}"
        raise PeerFailed(what, where=f"process {told('RANK', 0)}", hint="see its message") from error
