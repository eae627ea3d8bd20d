"""What the network's benchmarks run on: a small packed dataset with all labels, and settings of several sizes."""

import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "unit" / "model"))

from walk_shards import walk, write_dataset_of  # after the path

from meshgait_data.shards.reader import Shards, open_shards
from meshgait_data.types import CaptureKey
from meshgait_model.config.experiment import ExperimentConfig, load_config

P3D_PAPER = "meshgait_gait3d"
SIZES: dict[str, tuple[str, tuple[str, ...]]] = {
    "demo": ("demo", ()),
    "gaitbase": (P3D_PAPER, ("network.backbone.form=2d", "network.backbone.blocks=[1, 1, 1, 1]")),
    "p3d": (P3D_PAPER, ()),
    "2d": (P3D_PAPER, ("network.backbone.form=2d",)),
    "3d": (P3D_PAPER, ("network.backbone.form=3d",)),
    "p3d_1111": (P3D_PAPER, ("network.backbone.blocks=[1, 1, 1, 1]",)),
}
"""Name: a shipped experiment and what is changed in it. ``demo`` is small, the others are backbones as published."""


def setting(size: str, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """An experiment of a size, with batches of 2 x 2 clips of 4 frames (demo: 24 clips) on one CPU thread."""
    name, changes = SIZES[size]
    small = ("data.people=6", "data.clips=4") if size == "demo" else ("data.people=2", "data.clips=2")
    fixed = ("data.frames=4", "data.skip=4", "data.cache=ram", "data.workers=0", "run.threads=1")
    return load_config(name, (*changes, *small, *fixed, *overrides))


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="meshgait-network-")


@cache
def shards(people: int = 6, takes: int = 4, frames: int = 36) -> Shards:
    """People to train on, a few views each; labels of the free body in random poses, silhouettes of blobs."""
    root = Path(_folder().name) / f"{people}-{takes}-{frames}"
    sequences = [
        walk(CaptureKey("casia_b", f"{person:03d}", f"nm-{take:02d}"), "090", frames, 10 * person, identity=str(person))
        for person in range(1, people + 1)
        for take in range(1, takes + 1)
    ]
    return open_shards(write_dataset_of(root, [sequences], name="casia_b"))
