"""One interface for batches in their order, whether threads or processes put them together.

The ring of threads is the faster one. Worker processes are for what holds Python's lock: sources or changes of batches
that are written in plain Python.
"""

from collections.abc import Iterator
from typing import Any, Literal, Protocol, Self

import torch
from torch.utils.data import DataLoader

from meshgait_data.errors import UsageError
from meshgait_model.data.batch import Batch
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.data.ring import RingLoader
from meshgait_model.data.sampler import BatchSampler

Kind = Literal["ring", "processes"]


class Loader(Protocol):
    """Batches in the order of their numbers; a context manager that knows where it is. See :class:`RingLoader`."""

    def __iter__(self) -> Iterator[Batch]: ...

    def __next__(self) -> Batch: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        """State after the batch that was handed out last."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Begin after the batch that had been handed out last."""
        ...

    def close(self) -> None:
        """Stop threads or processes."""
        ...


class WorkerLoader:
    """Processes put batches together: torch's ``DataLoader``, which knows where it is and can go on there.

    Batches and their order follow from the sampler alone, not from the number of processes.

    Parameters
    ----------
    dataset, sampler
        What to load.
    workers
        How many; 0 puts each batch together when it is asked for.
    ahead
        Batches that each of them may have ready.
    pin
        Whether batches are copied to where devices can read by themselves; None: where there is a GPU.
    start
        How processes are started, ``fork`` or ``spawn``; None is the system's way.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        sampler: BatchSampler,
        *,
        workers: int = 1,
        ahead: int = 2,
        pin: bool | None = None,
        start: Literal["fork", "spawn", "forkserver"] | None = None,
    ) -> None:
        self.dataset, self.sampler = dataset, sampler
        self._loader: DataLoader[Batch] = DataLoader(
            dataset,
            sampler=sampler,
            batch_size=None,
            num_workers=workers,
            prefetch_factor=ahead if workers else None,
            pin_memory=torch.cuda.is_available() if pin is None else pin,
            multiprocessing_context=start if workers else None,
        )
        self._batches: Iterator[Batch] | None = None
        self._last: int | None = None
        self._closed = False

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __next__(self) -> Batch:
        if self._closed:
            raise StopIteration
        if self._batches is None:
            self._batches = iter(self._loader)
        batch = next(self._batches)
        self._last = batch.step
        return batch

    def state_dict(self) -> dict[str, Any]:
        """State after the batch that was handed out last, whatever was put together ahead of it."""
        return self.sampler.state_dict(self._last)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Begin after the batch that had been handed out last; raises as :meth:`RingLoader.load_state_dict`."""
        if self._batches is not None:
            raise UsageError("this loader has begun", hint="load the state into a new loader")
        self.sampler.load_state_dict(state)

    def close(self) -> None:
        """Stop the processes."""
        self._closed = True
        # torch stops them where the iterator is forgotten.
        self._batches = None


def make_loader(dataset: ClipDataset, sampler: BatchSampler, kind: Kind, workers: int) -> Loader:
    """The loader of a setting: ``workers`` threads of a ring, or processes."""
    if kind == "ring":
        return RingLoader(dataset, sampler, threads=workers)
    return WorkerLoader(dataset, sampler, workers=workers)
