"""OUMVLP-Mesh in miniature: the joints of one body a frame and view, beside the silhouettes of the same frames.

Only the key ``hc3d`` of the files is known from others' readers; unit and axes are assumed: metres, the camera's frame.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from fakes.oumvlp import FRAMES, first_frame, write_silhouettes
from fakes.plan import Fake, Planted
from fakes.walkers import View

FOLDER = "meshes/joints_thetas"


def make(out: Path, *, frames: int = FRAMES) -> Fake:
    """Write ``meshes/joints_thetas/{id}/{view}_{seq}/{frame}.json`` and the silhouettes of the archives."""
    fake = write_silhouettes("oumvlp_mesh", out, frames)
    for key, view in fake.truth.items():
        subject, sequence, name = key.split("/")
        _write_joints(out / FOLDER / subject / f"{name}_{sequence}", view, first_frame(name))
    return Fake("oumvlp_mesh", out, (*fake.planted, *_spoil(out)), fake.silhouettes, fake.truth)


def _write_joints(folder: Path, view: View, first: int) -> None:
    folder.mkdir(parents=True)
    for frame, joints in enumerate(view.joints("smpl24"), first):
        (folder / f"{frame:04d}.json").write_text(json.dumps({"hc3d": joints.round(5).tolist()}))


def _spoil(out: Path) -> list[Planted]:
    """A file that is missing, and files with other content than the others."""

    def change(key: str, frame: int, **content: Any) -> str:
        subject, sequence, name = key.split("/")
        path = out / FOLDER / subject / f"{name}_{sequence}" / f"{frame:04d}.json"
        joints = np.array(json.loads(path.read_text())["hc3d"])
        changed = {name: make(joints) for name, make in content.items()}
        # NaN is no JSON, but Python writes and reads it.
        path.write_text(json.dumps(changed))
        return str(path.relative_to(out))

    missing = out / FOLDER / "00003" / "000_00" / "0004.json"
    missing.unlink()
    cut = out / FOLDER / "00003" / "180_00" / "0023.json"
    cut.write_text(cut.read_text()[:100])
    short = change("00002/00/030", 6, hc3d=lambda joints: joints[:23].tolist())
    empty = change(
        "00002/00/000", 7, hc3d=lambda joints: np.where(np.arange(24)[:, None] == 15, np.nan, joints).tolist()
    )
    wide = change("10307/01/180", 25, hc3d=lambda joints: np.pad(joints, ((0, 0), (0, 1)), constant_values=1).tolist())
    text = change("10307/00/000", 3, hc3d=lambda joints: str(joints.tolist()))
    return [
        Planted("a file is missing", "MG-FRAMES-001", "00003/00/000", ": 4"),
        Planted("a file breaks off", "MG-SOURCE-030", str(cut.parent.relative_to(out)), cut.name),
        Planted("23 joints", "MG-SOURCE-030", str(Path(short).parent), Path(short).name),
        Planted("a joint that is not a number", "MG-JOINTS-003", str(Path(empty).parent), "7"),
        Planted("rows of four numbers", "MG-JOINTS-004", str(Path(wide).parent), "25"),
        Planted("joints as a text", "MG-SOURCE-030", str(Path(text).parent), Path(text).name),
    ]
