"""Any tree of OpenGait in miniature: silhouettes and poses as pickles of every age, and a partition."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from fakes.plan import Fake, Planted, surviving, write_pickle
from fakes.walkers import View, film
from meshgait_data.types import ByteArray

TRAIN, TEST = ("0042", "0007"), ("0105", "0033")
"""In the order of the partition, which is not sorted."""
EXTRA, ABSENT = "0999", "0300"
"""On disk but in neither list, and the other way round."""
CONDITIONS, VIEWS = ("a", "b"), ("cam1", "cam-2_far")
FRAMES = 13
EXECUTED = "hostile-pickle-was-executed"
"""Folder that appears below the root where somebody unpickles with the standard library."""


def make(out: Path, *, frames: int = FRAMES) -> Fake:
    """Write ``{id}/{type}/{view}/{view}-sils.pkl`` and ``-pose.pkl``, and ``partition.json``."""
    silhouettes: dict[str, dict[int, ByteArray]] = {}
    truth: dict[str, View] = {}
    for person, subject in enumerate((*TRAIN, *TEST, EXTRA)):
        for take, condition in enumerate(CONDITIONS):
            walk = film(person, take, rig="casia_b", views=("036", "108"), frames=frames)
            for name, view in zip(VIEWS, walk.views.values(), strict=True):
                key = f"{subject}/{condition}/{name}"
                truth[key] = view
                silhouettes[key] = dict(enumerate(surviving(dict(enumerate(view.masks))).values()))
    for number, (key, images) in enumerate(silhouettes.items()):
        age = {"protocol": 2 + number % 4, "numpy": 1 + number // 4 % 2}
        write_pickle(_leaf(out, key, "sils"), np.stack(list(images.values())), **age)
        write_pickle(_leaf(out, key, "pose"), _poses(truth[key]), **age)
    lists = {"TRAIN_SET": list(TRAIN), "TEST_SET": [*TEST, ABSENT]}
    (out / "partition.json").write_text(json.dumps(lists, indent=2))
    planted, lost = _spoil(out, silhouettes, truth)
    return Fake("opengait", out, planted, {key: found for key, found in silhouettes.items() if key not in lost}, truth)


def _spoil(
    out: Path, silhouettes: dict[str, dict[int, ByteArray]], truth: dict[str, View]
) -> tuple[tuple[Planted, ...], set[str]]:
    """Damage; gives what was planted, and the sequences that cannot be used after it."""
    write_pickle(_leaf(out, "0007/a/cam1", "pose"), _poses(truth["0007/a/cam1"])[1:])
    write_pickle(_leaf(out, "0007/b/cam1", "sils"), np.zeros((0, 64, 64), np.uint8))
    (out / "0007" / "b" / "cam-2_far" / "README.txt").write_text("who put this here?\n")
    # What was cut off is black from now on.
    narrow = {frame: np.pad(image[:, 10:54], ((0, 0), (10, 10))) for frame, image in silhouettes["0042/b/cam1"].items()}
    write_pickle(_leaf(out, "0042/b/cam1", "sils"), np.stack(list(narrow.values()))[:, :, 10:54])
    silhouettes["0042/b/cam1"] = narrow
    # What os.mkdir would do, if anybody ran it.
    hostile = f"cos\nmkdir\n(V{out / EXECUTED}\ntR.".encode()
    _leaf(out, "0042/b/cam-2_far", "sils").write_bytes(hostile)
    whole = _leaf(out, "0033/b/cam1", "sils").read_bytes()
    _leaf(out, "0033/b/cam1", "sils").write_bytes(whole[: len(whole) // 2])
    planted = (
        Planted("silhouettes and poses of different length", "MG-FRAMES-002", "0007/a/cam1"),
        Planted("no frames", "MG-INDEX-001", "0007/b/cam1"),
        Planted("a file that is no pickle", "MG-INDEX-019", "0007/b/cam-2_far/README.txt"),
        Planted("44 columns", "MG-MASKS-004", "0042/b/cam1", "44"),
        Planted("a pickle that runs a program", "MG-INDEX-001", "0042/b/cam-2_far"),
        Planted("a pickle that breaks off", "MG-INDEX-001", "0033/b/cam1"),
        Planted("a subject of the partition that is not there", "MG-INDEX-007", "split: test", ABSENT),
        Planted("a subject in neither list", "MG-INDEX-012", "split", EXTRA),
    )
    return planted, {"0007/b/cam1", "0042/b/cam-2_far", "0033/b/cam1"}


def _leaf(out: Path, key: str, modality: str) -> Path:
    return out / key / f"{key.rpartition('/')[2]}-{modality}.pkl"


def _poses(view: View) -> Any:
    keypoints = view.keypoints("coco17")
    return np.concatenate([keypoints.points, keypoints.confidence[..., None]], axis=-1)
