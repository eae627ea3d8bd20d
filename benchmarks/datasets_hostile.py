"""Broken and hostile files over all readers: each gives a clean read or an error that says what is wrong, in time.

Good files of every format are spoilt in a thousand ways (``hostile_files.py``) and read in child processes with a
bound on memory and time. A failure is any other exception, a child that dies or hangs, a value that breaks the
contract of its type, or memory that grows from input to input.
"""

import gc
import multiprocessing as mp
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np
from common import Figures, main
from hostile_files import Sample, samples, spoil

from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.sources.track import Track

INPUTS, QUICK = 1000, 122
SECONDS = 20.0
"""That one input may take."""
MEMORY = 2 << 30
"""Bytes that a child may reserve above what it starts with."""
GROWTH_MB = 64.0
"""Resident memory that a child may gain from its fiftieth input to its last."""
_WARM = 50


@dataclass(frozen=True)
class Outcome:
    """What became of one input."""

    number: int
    kind: str
    """``read``, ``refused`` or ``failed``."""
    what: str
    findings: int = 0
    megabytes: float = 0.0
    """Resident, afterwards."""


def check(value: Any) -> int:
    """Whether a value that was read is what its type promises; gives the number of findings."""
    if isinstance(value, Track):
        ids, data = value.frame_ids, value.data
        assert len(ids), "no frames"
        assert (np.diff(ids) > 0).all(), "frames that do not increase"
        for name in ("points", "images", "confidence", "seen", "grey", "sizes"):
            array = getattr(data, name, None)
            assert array is None or len(array) == len(ids), f"{len(array)} {name} for {len(ids)} frames"
        points = getattr(data, "points", None)
        confidence = getattr(data, "confidence", None)
        if confidence is not None and points is not None:
            assert np.isfinite(confidence).all(), "a confidence that is no number"
            assert np.isfinite(points[confidence > 0]).all(), "a point that was seen and is no number"
    if hasattr(value, "given"):
        arrays = (value.params.betas, value.params.global_orient, value.params.body_pose, value.params.transl)
        assert all(np.isfinite(array).all() for array in arrays), "parameters that are no numbers"
        assert len(value.frame_ids) == len(value.params), "ids that are not those of the frames"
    return len(getattr(value, "findings", ()))


def outcome(sample: Sample, path: Path, number: int, told: str) -> Outcome:
    """Read one input."""
    label = f"{sample.name}, seed {number}, {told}"
    try:
        findings = check(sample.read(path))
    except (InvalidData, UsageError) as error:
        if not error.what:
            return Outcome(number, "failed", f"{label}: an error that says nothing")
        return Outcome(number, "refused", f"{sample.name}: {error.what[:100]}")
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome(number, "failed", f"{label}: {type(error).__name__}: {error} ({last.filename}:{last.lineno})")
    return Outcome(number, "read", label, findings)


def child(pipe: Connection, good: list[Sample], places: list[tuple[Path, Path]]) -> None:
    """Read inputs until there is no number any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries print what is wrong with pictures
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    others = [path for folder, _ in places for path in folder.rglob("*") if path.is_file()]
    others = [path for path in others if path.stat().st_size < 200_000]
    with tempfile.TemporaryDirectory() as work:
        for number in iter(pipe.recv, None):
            rng = np.random.default_rng(number)
            chosen = number % len(good)
            folder, path = places[chosen]
            mine = Path(work) / str(number)
            shutil.copytree(folder, mine)
            told = spoil(mine, rng, others)
            found = outcome(good[chosen], mine / path.relative_to(folder), number, told)
            shutil.rmtree(mine)
            gc.collect()
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
            pipe.send(Outcome(found.number, found.kind, found.what, found.findings, resident))


class Child:
    """A process that reads inputs, one at a time."""

    def __init__(self, good: list[Sample], places: list[tuple[Path, Path]]) -> None:
        self.pipe, theirs = mp.Pipe()
        self.process = mp.get_context("fork").Process(target=child, args=(theirs, good, places), daemon=True)
        self.process.start()
        theirs.close()
        self.number, self.since = -1, 0.0
        self.sizes: list[float] = []

    def give(self, number: int) -> None:
        """Hand over the next input."""
        self.number, self.since = number, time.monotonic()
        self.pipe.send(number)

    def take(self) -> Outcome | None:
        """What became of it; None while it is being read."""
        if self.pipe.poll():
            try:
                found = self.pipe.recv()
            except EOFError:
                return Outcome(self.number, "failed", f"seed {self.number}: the process died")
            self.sizes.append(found.megabytes)
            return found
        if time.monotonic() - self.since > SECONDS:
            return Outcome(self.number, "failed", f"seed {self.number}: more than {SECONDS:g} s")
        return None

    def growth(self) -> float:
        """Megabytes gained since it was warm."""
        return self.sizes[-1] - self.sizes[_WARM] if len(self.sizes) > _WARM else 0.0

    def end(self) -> None:
        """Stop it."""
        self.process.kill()
        self.process.join()


def run(numbers: list[int], jobs: int = 2) -> tuple[list[Outcome], float]:
    """Read spoilt inputs by their seeds; gives what became of them, and the largest growth of memory in MB."""
    good, outcomes, growth = samples(), [], 0.0
    with tempfile.TemporaryDirectory() as work:
        places = []
        for index, sample in enumerate(good):
            folder = Path(work) / str(index)
            folder.mkdir()
            places.append((folder, sample.make(folder)))
            check(sample.read(places[-1][1]))  # what is good must be read
        waiting = list(reversed(numbers))
        children = [Child(good, places) for _ in range(jobs)]
        busy: list[Child] = []
        while waiting or busy:
            for one in [one for one in children if one not in busy and waiting]:
                one.give(waiting.pop())
                busy.append(one)
            wait([one.pipe for one in busy], timeout=1.0)
            for one in list(busy):
                found = one.take()
                if found is None:
                    continue
                outcomes.append(found)
                busy.remove(one)
                if not found.megabytes:
                    one.end()
                    growth = max(growth, one.growth())
                    children[children.index(one)] = Child(good, places)
        growth = max([growth, *(one.growth() for one in children)])
        for one in children:
            one.end()
    return outcomes, growth


def measure(quick: bool) -> Figures:
    """Spoil, read, count."""
    outcomes, growth = run(list(range(QUICK if quick else INPUTS)))
    kinds = Counter(one.kind for one in outcomes)
    failed = [one.what for one in outcomes if one.kind == "failed"]
    if growth > GROWTH_MB:
        failed.append(f"memory grew by {growth:.0f} MB")
    for what in failed:
        print("FAILED", what, file=sys.stderr)
    return {
        "hostile_inputs": len(outcomes),
        "hostile_failures": len(failed),
        "hostile_read": kinds["read"],
        "hostile_read_with_findings": sum(one.kind == "read" and one.findings > 0 for one in outcomes),
        "hostile_refused": kinds["refused"],
        "hostile_growth_mb": growth,
    }


if __name__ == "__main__":
    main("datasets_hostile", measure, "Broken and hostile files over all readers of datasets")
