"""Shipped captures for the tests of the readers, parsed and posed once, and text to damage."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from meshgait_data.manifest import Manifest, load_manifest
from meshgait_data.sources.files import read_motion, read_skeleton
from meshgait_data.sources.kinematics import Posed, pose
from meshgait_data.sources.mocap import Motion, Skeleton


@dataclass(frozen=True)
class Shipped:
    skeleton: Skeleton
    motion: Motion
    posed: Posed


@pytest.fixture(scope="session")
def cmu_walk() -> Manifest:
    return load_manifest("cmu_walk")


@pytest.fixture(scope="session")
def cmu_root(cmu_walk) -> Path:
    root = cmu_walk.default_root()
    assert root is not None
    return root


@pytest.fixture(scope="session")
def shipped(cmu_root) -> dict[str, Shipped]:
    """All shipped takes at their full rate, by ``subject_condition``."""
    takes = {}
    for folder in sorted((cmu_root / "asfamc").iterdir()):
        skeleton = read_skeleton(folder / f"{folder.name}.asf")
        for path in sorted(folder.glob("*.amc")):
            motion = read_motion(path, skeleton)
            takes[path.stem] = Shipped(skeleton, motion, pose(skeleton, motion))
    return takes


@pytest.fixture(scope="session")
def asf_text(cmu_root) -> str:
    return (cmu_root / "asfamc/07/07.asf").read_text()


@pytest.fixture(scope="session")
def amc_text(cmu_root) -> str:
    """The first 40 frames of a walk."""
    text = (cmu_root / "asfamc/07/07_01.amc").read_text()
    return text[: text.index("\n41\n") + 1]
