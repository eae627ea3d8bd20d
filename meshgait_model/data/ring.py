"""Batches put together ahead of time by threads, in a ring of preallocated memory.

No worker processes, no copies between them, no memory that is asked for again and again: numpy's copies and the
decompression of chunks let other threads run, so threads are enough.
"""

import threading
import weakref
from collections.abc import Iterator
from typing import Any, Self

import torch

from meshgait_data.errors import UsageError
from meshgait_model.data.batch import Batch, Buffers
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.data.sampler import BatchSampler


class RingLoader:
    """Threads put batches together in memory that is used again and again.

    **A batch is valid until the next one is asked for.** Move it to the device with ``batch.to(device)``, which the
    ring waits for, and use it; ``batch.clone()`` keeps one for longer.

    Batches and their order follow from the sampler alone, not from the number of threads. What goes wrong in a thread
    is raised where its batch would have come. A context manager: threads stop at its end, at the end of the batches,
    and where the loader is forgotten.

    Parameters
    ----------
    dataset, sampler
        What to load.
    threads
        How many; 0 puts each batch together when it is asked for.
    ahead
        Batches that may lie ready.
    pin
        Whether devices are to read the memory by themselves; None: where there is a GPU.
    """

    def __init__(
        self, dataset: ClipDataset, sampler: BatchSampler, *, threads: int = 1, ahead: int = 2, pin: bool | None = None
    ) -> None:
        self.dataset, self.sampler = dataset, sampler
        self._pin = torch.cuda.is_available() if pin is None else pin
        # One that is in use, one that each thread fills, and those that lie ready.
        self._slots = 1 + threads + (ahead if threads else 0)
        self._threads = threads
        self._workers: list[threading.Thread] = []
        self._ring: _Ring | None = None
        self._held: Buffers | None = None
        self._last: int | None = None

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __next__(self) -> Batch:
        ring = self._ring or self._start()
        step = self.sampler.first if self._last is None else self._last + 1
        if ring.closed or (self.sampler.batches is not None and step >= self.sampler.batches):
            self.close()
            raise StopIteration
        self._held, made = ring.take(step, self._held) if self._threads else ring.make(ring.free[0], step)
        if isinstance(made, BaseException):
            self.close()
            raise made
        self._last = step
        return made

    def _start(self) -> "_Ring":
        clips, frames = self.sampler.capacity
        slots = [self.dataset.buffers(clips, frames, pin=self._pin) for _ in range(self._slots)]
        ring = self._ring = _Ring(self.dataset, self.sampler, slots)
        # Only tells them to stop: a finaliser may run in one of the threads, which cannot wait for itself.
        weakref.finalize(self, ring.close)
        self._workers = [threading.Thread(target=ring.work, daemon=True) for _ in range(self._threads)]
        for worker in self._workers:
            worker.start()
        return ring

    def state_dict(self) -> dict[str, Any]:
        """State after the batch that was handed out last, whatever was put together ahead of it."""
        return self.sampler.state_dict(self._last)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Begin after the batch that had been handed out last.

        Raises
        ------
        UsageError
            Where this loader has begun already.
        InvalidData
            Where the state is of another sampler, seed or dataset.
        """
        if self._ring is not None:
            raise UsageError("this loader has begun", hint="load the state into a new loader")
        self.sampler.load_state_dict(state)

    def close(self) -> None:
        """Stop the threads and wait for them; more than once does no harm."""
        if self._ring is not None:
            self._ring.close()
        for worker in self._workers:
            worker.join()


class _Ring:
    """What the threads share. It does not know the loader, so that a forgotten loader can stop them."""

    def __init__(self, dataset: ClipDataset, sampler: BatchSampler, slots: list[Buffers]) -> None:
        self.dataset, self.sampler, self.free = dataset, sampler, slots
        self.changed = threading.Condition()
        self.ready: dict[int, tuple[Buffers, Batch | BaseException]] = {}
        self.next = sampler.first
        """Number of the batch that a thread puts together next."""
        self.closed = False

    def work(self) -> None:
        """Put batches together until there are no more of them, or one fails."""
        failed = False
        while not failed:
            with self.changed:
                self.changed.wait_for(lambda: self.free or self._ended)
                if self._ended:
                    return
                # Whoever has a number has the memory for it, so the batch that is waited for always comes.
                slot, step = self.free.pop(), self.next
                self.next += 1
            made = self.make(slot, step)
            failed = isinstance(made[1], BaseException)
            with self.changed:
                self.ready[step] = made
                self.changed.notify_all()

    @property
    def _ended(self) -> bool:
        return self.closed or (self.sampler.batches is not None and self.next >= self.sampler.batches)

    def make(self, slot: Buffers, step: int) -> tuple[Buffers, Batch | BaseException]:
        """Batch number ``step``, or what went wrong."""
        try:
            slot.wait()
            return slot, self.dataset.fill(self.sampler.draw(step), slot)
        except BaseException as error:
            return slot, error

    def take(self, step: int, used: Buffers | None) -> tuple[Buffers, Batch | BaseException]:
        """Give back memory that was used, and wait for batch number ``step``."""
        with self.changed:
            if used is not None:
                self.free.append(used)
                self.changed.notify_all()
            self.changed.wait_for(lambda: step in self.ready)
            return self.ready.pop(step)

    def close(self) -> None:
        """Tell the threads to stop."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
