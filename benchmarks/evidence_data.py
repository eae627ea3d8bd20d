"""Shards of the evidence: synthetic walkers, rendered CMU walks, KTH walks as they were filmed."""

import subprocess
import sys
from pathlib import Path

from evidence_kth import FITTED, MANIFEST, convert

DATASETS = ("synth", "cmu", "kth")
VIEWS = "view=000|036|072|108|144"
"""Of the synthetic walkers; the others say the same again from the other side."""
WALKERS = {"identities": "200", "train": "100", "walks": "nm=2,bg=1,cl=1", "frames": "24", "fps": "15", "seed": "1"}
FEW_WALKERS = WALKERS | {"identities": "8", "train": "4"}


def shards_of(dataset: str, work: Path, *, root: Path | None, jobs: int, quick: bool) -> Path:
    """Folder of the packed dataset below ``work``; made where it is not there yet.

    Parameters
    ----------
    root
        Folder of the KTH masks and keypoints.
    quick
        Few synthetic walkers.
    """
    shards = work / ("synth-quick" if quick and dataset == "synth" else dataset)
    if (shards / "dataset.json").is_file():
        return shards
    many = ("--jobs", str(jobs))
    if dataset == "cmu":
        mgdata("build", "cmu_walk", "--out", str(shards), *many)
    elif dataset == "synth":
        source = shards.with_name(f"{shards.name}.source")
        if not (source / "manifest.yaml").is_file():
            settings = FEW_WALKERS if quick else WALKERS
            options = (word for name, value in settings.items() for word in (f"--{name}", value))
            mgdata("synth", "--out", str(source), *options, *many)
        manifest = str(source / "manifest.yaml")
        mgdata("build", manifest, "--root", str(source), "--out", str(shards), "--select", VIEWS, *many)
    else:
        _kth(shards, root, many)
    return shards


def _kth(shards: Path, root: Path | None, many: tuple[str, ...]) -> None:
    if root is None:
        raise SystemExit("KTH's films are not ours to give on: name their masks and keypoints with --root")
    source, work = shards.with_name("kth.source"), shards.with_name("kth.work")
    convert(root, source)
    mgdata("index", str(MANIFEST), "--root", str(source), "--work", str(work))
    mgdata("fit-smpl", str(work), "--select", FITTED, *many)
    mgdata("pack", str(work), "--out", str(shards), *many)


def mgdata(*arguments: str) -> None:
    """Run a command, with its progress on stderr; ends the program where it fails."""
    command = [str(Path(sys.executable).with_name("mgdata")), *arguments]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
