"""One run of the evidence: a form of the network trained with a seed, scored, and written down.

Records are lines of JSON. A run whose record is there is not done again unless its setting has changed.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from common import RESULTS, machine

from meshgait_model.config.experiment import load_config

RECORDS = RESULTS / "evidence.jsonl"
LABELS = ("joints", "markers", "mesh", "confidence", "normals", "edges")
"""Losses that compare with 3D labels."""
KEPT = ("rank1", "map", "joints_mm", "markers_mm", "mesh_mm", "joints_mm_of_mean_pose")
"""Figures of ``metrics.json`` that are written down, beside Rank-1 of each group of probes."""


def without(*losses: str) -> tuple[str, ...]:
    """Overrides that leave losses out."""
    return tuple(f"loss.{name}=0" for name in losses)


FORMS: Mapping[str, tuple[str, ...]] = {
    "meshgait": (),
    # Nothing but recognition can shape the heatmaps then.
    "no_labels": (*without(*LABELS), "network.recognition_into_heatmaps=1"),
    "without_3d": ("network.branch_3d=false",),
    "joints": without(*(name for name in LABELS if name not in ("joints", "confidence"))),
    "markers": without(*(name for name in LABELS if name not in ("markers", "confidence"))),
    "mesh": without("joints", "markers", "confidence"),
}
"""What each form changes in the setting of the dataset."""


@dataclass(frozen=True, slots=True)
class Job:
    """A run that is to be done."""

    data: str
    form: str
    seed: int
    shards: Path
    start: "Job | None" = None
    """Run that the weights come from."""
    overrides: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the run folder; another setting has another folder."""
        return f"{self.data}-{self.form}-{self.seed}-{digest(self)}"

    def arguments(self, runs: Path) -> list[str]:
        """Of ``mgtrain run``, without the run folder."""
        start = (f"run.start={runs / self.start.name}",) if self.start else ()
        changes = (f"seed={self.seed}", "run.threads=1", *FORMS[self.form], *self.overrides, *start)
        options = [word for change in changes for word in ("-o", change)]
        return [f"evidence_{self.data}", "--shards", str(self.shards), *options]


def do(job: Job, runs: Path) -> dict[str, Any]:
    """Train and score; the record tells the figures or, where it failed, the error."""
    began, folder = time.monotonic(), runs / job.name
    record: dict[str, Any] = {"data": job.data, "form": job.form, "seed": job.seed, "setting": digest(job)}
    try:
        if job.start:
            before = folder.with_name(f"{job.name}-before")
            checkpoint = str(runs / job.start.name / "checkpoint.pt")
            mgtrain("eval", str(before), "--checkpoint", checkpoint, "--shards", str(job.shards))
            record |= {f"before_{name}": value for name, value in figures_of(before).items()}
        mgtrain("run", *job.arguments(runs), "--out", str(folder))
        mgtrain("eval", str(folder))
        record |= figures_of(folder)
    except subprocess.CalledProcessError as error:
        record["error"] = (error.stderr or "").strip().splitlines()[-1:] or [str(error)]
    return record | {"seconds": round(time.monotonic() - began), **about()}


def about() -> dict[str, str]:
    """When, where and by what a record was made."""
    return {"date": date.today().isoformat(), "machine": machine(), "revision": revision()}


def mgtrain(*arguments: str) -> None:
    """Run a command on one thread; raises CalledProcessError where it fails."""
    command = [str(Path(sys.executable).with_name("mgtrain")), *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def figures_of(folder: Path) -> dict[str, float]:
    """Figures of a run folder that was scored."""
    return figures(json.loads((folder / "metrics.json").read_text(encoding="utf-8")))


def figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a record: shares 0..1 and millimetres."""
    found = {name: metrics[name] for name in KEPT if metrics.get(name) is not None}
    for protocol in metrics["protocols"].values():
        for name, group in protocol["groups"].items():
            way = "wrong" if "wrong" in group else "skip"
            found[f"rank1_{name}"] = group[way]["rank1"]["mean"] / 100
    return {name: float(f"{value:.5g}") for name, value in found.items()}


def digest(job: Job) -> str:
    """Short hash of the setting of a run and of the one that it begins with; another makes its record out of date."""
    config = load_config(f"evidence_{job.data}", (*FORMS[job.form], *job.overrides))
    text = repr(config) + (digest(job.start) if job.start else "")
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def revision() -> str:
    """Of the source tree; with a ``+`` where it was changed since."""
    root = Path(__file__).resolve().parent
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=root, check=False, capture_output=True, text=True
    )
    return said.stdout.strip()


def records(path: Path = RECORDS) -> list[dict[str, Any]]:
    """The newest record of each run."""
    if not path.is_file():
        return []
    newest = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        newest[record["data"], record["form"], record["seed"]] = record
    return list(newest.values())


def missing(jobs: Iterable[Job], known: Iterable[Mapping[str, Any]], runs: Path) -> list[Job]:
    """Runs without figures of their setting, and those whose weights others begin with and that are not there."""
    done = {(r["data"], r["form"], r["seed"], r["setting"]) for r in known if "rank1" in r and "setting" in r}

    def there(job: Job) -> bool:
        trained = job.start is not None or (runs / job.name / "checkpoint.pt").is_file()
        return trained and (job.data, job.form, job.seed, digest(job)) in done

    return [job for job in jobs if not there(job)]


def append(record: Mapping[str, Any], path: Path = RECORDS) -> None:
    """Write a record down."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
