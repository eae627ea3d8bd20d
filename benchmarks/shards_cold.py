"""What a dataset costs before it is warm: a first epoch from disk, and opening one of 100,000 sequences."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from common import Figures
from shards_data import SHORTEST, folder_bytes, pack, sequence
from shards_peers import CLIP, OpenGait

from meshgait_data.shards.reader import open_shards
from meshgait_data.types import SequenceData, SequenceKey
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.data.picks import Clip
from meshgait_model.data.sampler import EpochSampler

MANY = 100_000
MANY_FRAMES = 2
MANY_IN_PART = 2000

_OPEN = """
import json, resource, sys, time
from pathlib import Path
from meshgait_data.shards.reader import open_shards
start = time.perf_counter()
shards = open_shards(sys.argv[1])
seconds = time.perf_counter() - start
status = Path("/proc/self/status")
if status.exists():
    # Where there is one: getrusage counts what the process was before, a copy of the one that started it.
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    peak = int(line.split()[1]) / 1024
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
print(json.dumps([len(shards.sequences), seconds, peak]))
"""


def first_epoch(root: Path, pickles: OpenGait, repeat: int) -> Figures:
    """Seconds, by the clock, until each sequence has given one clip, in random order, none of it in memory before.

    Ours opens the dataset too, and decodes it into memory first (``ram``), or each clip as it comes (``none``).
    """
    sampler = _epoch(root)

    def theirs() -> None:
        for picks in sampler:
            pickles.batch(picks)

    def ours(cache: Any) -> Callable[[], None]:
        def run() -> None:
            data = ClipDataset(open_shards(root), cache=cache)
            for picks in sampler:
                data[picks]

        return run

    ways = {"opengait": theirs, "ram": ours("ram"), "none": ours("none")}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeat):
        for name, run in ways.items():
            forget([root, pickles.root])
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    seconds = {name: median(values) for name, values in times.items()}
    return {
        "cold_vs_opengait": seconds["opengait"] / seconds["ram"],
        "cold_compressed_vs_opengait": seconds["opengait"] / seconds["none"],
        **{f"cold_{name}_s": value for name, value in seconds.items()},
    }


def _epoch(root: Path) -> EpochSampler:
    table = open_shards(root).sequences
    clip = Clip(CLIP, skip=SHORTEST - CLIP)
    return EpochSampler(np.array(table.lengths), batch=32, clip=clip, seed=0, epochs=1, drop_last=False)


def forget(folders: Iterable[Path]) -> None:
    """Make the system forget what it has in memory of files: of all of them as root, else of those below folders."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")
    except OSError:
        for folder in folders:
            for path in folder.rglob("*"):
                if path.is_file():
                    _forget_file(path)


def _forget_file(path: Path) -> None:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def opening(walk: SequenceData, repeat: int) -> Figures:
    """A dataset of 100,000 sequences, each a few frames of a walk, opened in new processes."""
    silhouettes = walk.arrays["silhouettes"][:MANY_FRAMES]
    keys = (SequenceKey("cmu_walk", f"{n // 40:04d}", f"{n // 4 % 10:02d}", f"{n % 4:03d}") for n in range(MANY))
    with TemporaryDirectory() as name:
        start = time.process_time()
        root = pack((sequence(key, silhouettes) for key in keys), Path(name), each=MANY_IN_PART)
        written = time.process_time() - start
        runs = []
        for _ in range(repeat):
            command = [sys.executable, "-c", _OPEN, str(root)]
            result = subprocess.run(command, check=True, capture_output=True, text=True)
            runs.append(json.loads(result.stdout))
        size = folder_bytes(root)
    if {count for count, _, _ in runs} != {MANY}:
        raise RuntimeError("the opened dataset does not have all sequences")
    seconds, megabytes = (median(run[place] for run in runs) for place in (1, 2))
    return {
        "open_100k_s": seconds,
        "open_100k_mb": megabytes,
        "write_100k_cpu_s": written,
        "write_100k_mb": size / 1e6,
    }
