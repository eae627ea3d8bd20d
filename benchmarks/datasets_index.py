"""Indexing a folder of many sequences: time, memory of all processes, a run that was interrupted, and a second run."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from common import Figures

from meshgait_data.manifest import dump_yaml, load_manifest

VIEWS = tuple(f"{degrees:03d}" for degrees in range(0, 181, 18))
CONDITIONS = ("nm-01", "nm-02", "nm-03", "nm-04", "nm-05", "nm-06", "bg-01", "bg-02", "cl-01", "cl-02")
PER_SUBJECT = len(VIEWS) * len(CONDITIONS)
FRAMES = 3
PICTURES = 997
"""Different pictures; a prime, so that no two sequences hold the same three."""
SIDE = 64
"""Width and height of a picture, as GREW publishes them."""


@dataclass(frozen=True)
class Run:
    """What one run of the command took."""

    seconds: float
    """By the clock."""
    cpu_seconds: float
    """Of all its processes together."""
    mebibytes: float
    """Most memory that all its processes had together; pages that they share count once each."""


def pictures() -> list[bytes]:
    """Silhouettes of somebody who stands somewhere, as PNG."""
    found = []
    for number in range(PICTURES):
        image = np.zeros((SIDE, SIDE), np.uint8)
        x, tall = 16 + number % 32, 14 + number // 64
        cv2.ellipse(image, (x, 32), (5 + number % 7, tall), 0, 0, 360, 255, -1)
        found.append(cv2.imencode(".png", image)[1].tobytes())
    return found


def write_tree(root: Path, sequences: int) -> None:
    """``subject/condition/view/`` with three pictures each."""
    files = pictures()
    for number in range(sequences):
        person, walk = divmod(number, PER_SUBJECT)
        condition, view = CONDITIONS[walk // len(VIEWS)], VIEWS[walk % len(VIEWS)]
        folder = root / f"{person + 1:04d}" / condition / view
        folder.mkdir(parents=True)
        for frame in range(FRAMES):
            place = (number * (frame + 1) + (number // PICTURES) * frame) % PICTURES
            (folder / f"{frame + 1:03d}.png").write_bytes(files[place])


def write_manifest(path: Path, sequences: int) -> None:
    """A dataset of this form, each view a walk of its own."""
    people = -(-sequences // PER_SUBJECT)
    text = dump_yaml(load_manifest("casia_b").cameras)
    cameras = "\n".join(f"  {line}" for line in text.splitlines())
    path.write_text(
        "schema: 1\nname: many\ntitle: Many\nhomepage: ''\ncitation: ''\nlicence: {name: none, summary: none}\n"
        "layout: {pattern: '{subject}/{condition}/{view}', captures: each}\n"
        "source: {fps: 25, min_seconds: 0, silhouettes: {path: '{folder}', format: images}}\n"
        f"cameras:\n{cameras}\n"
        f"split: {{train: ['0001..{people:04d}']}}\n",
        encoding="utf-8",
    )


def command(manifest: Path, root: Path, work: Path) -> list[str]:
    """The command line that is measured."""
    program = Path(sys.executable).with_name("mgdata")
    return [str(program), "index", str(manifest), "--root", str(root), "--work", str(work), "--jobs", "2"]


def measured(line: list[str], *, kill_after: float | None = None) -> Run:
    """Run a command to its end, or interrupt it after some seconds."""
    start, before = time.perf_counter(), _cpu_of_children()
    # A shell that starts this in the background has its programs ignore interrupts, and theirs too.
    process = subprocess.Popen(
        line,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=_environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    most = [0]
    watcher = threading.Thread(target=_watch, args=(process, most), daemon=True)
    watcher.start()
    try:
        _, errors = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    watcher.join()
    seconds = time.perf_counter() - start
    if process.returncode not in (0, 130):
        raise RuntimeError(f"{' '.join(line)} ended with {process.returncode}: {errors.decode()[-2000:]}")
    return Run(seconds, _cpu_of_children() - before, most[0] / 2**20)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENCV_NUM_THREADS": "1"}


def _watch(process: "subprocess.Popen[bytes]", most: list[int]) -> None:
    page = os.sysconf("SC_PAGE_SIZE")
    while process.poll() is None:
        most[0] = max(most[0], page * sum(map(_resident, _family(process.pid))))
        time.sleep(0.2)


def _family(parent: int) -> list[int]:
    """A process and everything that it started."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                above = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            children.setdefault(above, []).append(int(entry.name))
    family = [parent]
    for one in family:
        family += children.get(one, [])
    return family


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def index_figures(quick: bool) -> Figures:
    """Seconds and memory of the index of 100,000 sequences; the quick form takes 1,000 and multiplies."""
    sequences = 1_000 if quick else 100_000
    folder = Path(tempfile.mkdtemp(prefix="meshgait-index-"))
    try:
        root, manifest = folder / "data", folder / "many.yaml"
        write_tree(root, sequences)
        write_manifest(manifest, sequences)
        # What does not grow with the number of sequences: interpreter, imports, workers.
        write_tree(folder / "small", PER_SUBJECT)
        fixed = measured(command(manifest, folder / "small", folder / "small.work"))
        first = measured(command(manifest, root, folder / "work"))
        again = measured(command(manifest, root, folder / "work"))
        broken = measured(command(manifest, root, folder / "broken"), kill_after=first.seconds / 2)
        rest = measured(command(manifest, root, folder / "broken"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    scale = 100_000 / sequences

    def whole(run: Run) -> float:
        return fixed.seconds + max(0.0, run.seconds - fixed.seconds) * scale

    return {
        "index_100k_s": whole(first),
        "index_100k_cpu_s": fixed.cpu_seconds + max(0.0, first.cpu_seconds - fixed.cpu_seconds) * scale,
        "index_100k_again_s": whole(again),
        "index_100k_broken_off_s": whole(broken),
        "index_100k_rest_s": whole(rest),
        "index_mib": first.mebibytes,
    }
