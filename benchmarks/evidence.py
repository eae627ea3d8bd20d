"""What the 3D branch brings: Mesh-Gait against the same network without parts of it, over seeds, on three datasets.

``python benchmarks/evidence.py [synth|cmu|kth ...]`` makes the data, trains and scores what has no record in
``benchmarks/results/evidence.jsonl`` yet, and writes the tables of ``docs/results.md``. Networks for CMU and KTH begin
with the weights of the same form and seed on synthetic walkers.
"""

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from evidence_data import DATASETS, shards_of
from evidence_gei import gei_figures
from evidence_runs import FORMS, Job, about, append, do, figures, missing, records
from evidence_tables import write

SEEDS = (1, 2, 3)
QUICK = ("run.steps=3", "data.people=2", "data.clips=2", "run.log_every=1", "eval.frames_limit=10")


def main() -> None:
    """Parse the command line, and do what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", metavar="DATA", help=f"of {', '.join(DATASETS)}; default: synth cmu")
    parser.add_argument("--work", type=Path, default=Path("evidence"), help="folder of data and runs [evidence]")
    parser.add_argument("--root", type=Path, help="folder of the KTH masks and keypoints")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time, a thread each [2]")
    parser.add_argument("--forms", default=",".join(FORMS), help=f"some of {','.join(FORMS)}")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="[1,2,3]")
    parser.add_argument("--tables", action="store_true", help="write tables and plot of what is recorded, and stop")
    parser.add_argument("--quick", action="store_true", help="a few steps on few people, nothing recorded")
    given = parser.parse_args()
    if given.tables:
        write(records())
        return
    wanted = given.data or ["synth", "cmu"]
    unknown = sorted(set(wanted) - set(DATASETS))
    if unknown:
        parser.error(f"{unknown[0]} is none of {', '.join(DATASETS)}")
    root = given.root or _named_root()
    forms, seeds = given.forms.split(","), [int(seed) for seed in given.seeds.split(",")]
    if given.quick:
        with TemporaryDirectory() as folder:
            everything(wanted, Path(folder), root, forms=forms[:2], seeds=seeds[:1], jobs=given.jobs, quick=True)
        return
    everything(wanted, given.work, root, forms=forms, seeds=seeds, jobs=given.jobs, quick=False)
    write(records())


def _named_root() -> Path | None:
    real = os.environ.get("MESHGAIT_REAL_DATA")
    return Path(real) / "kth_masks_keypoints" if real else None


def everything(
    wanted: list[str], work: Path, root: Path | None, *, forms: list[str], seeds: list[int], jobs: int, quick: bool
) -> None:
    """Data, baselines and runs of some datasets; synthetic walkers come first, for the others begin with them."""
    runs, lock = work / "runs", Lock()

    def one(job: Job) -> None:
        record = do(job, runs)
        with lock:
            print(record, file=sys.stderr if not quick else sys.stdout, flush=True)
            if not quick:
                append(record)

    changes = QUICK if quick else ()
    walkers: dict[tuple[str, int], Job] = {}
    # Networks of the others begin with those of the synthetic walkers.
    for data in sorted({"synth", *wanted}, key=DATASETS.index):
        shards = shards_of(data, work, root=root, jobs=jobs, quick=quick)
        if not quick and not any((record["data"], record["form"]) == (data, "gei") for record in records()):
            append({"data": data, "form": "gei", "seed": 0, **figures(gei_figures(shards)), **about()})
        todo = [Job(data, form, seed, shards, walkers.get((form, seed)), changes) for seed in seeds for form in forms]
        walkers = walkers or {(job.form, job.seed): job for job in todo}
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(one, todo if quick else missing(todo, records(), runs)))


if __name__ == "__main__":
    main()
