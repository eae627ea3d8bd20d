"""GREW in miniature: 64 x 64 silhouettes and poses in their original folders, and OpenGait's two trees of pickles."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from fakes.crops import Crops, write_pose_text
from fakes.plan import Fake, Images, Planted, write_pickle, write_picture
from fakes.published import pretreated
from fakes.walkers import film
from meshgait_data.types import ByteArray, FloatArray

FRAMES = 12
SEQUENCES = {
    "00001train/00/4XPn5Z28": (0, 0, "w2"),
    "00001train/00/5TXe8svE": (0, 1, "w5"),
    "00002train/00/Zk0aB3cd": (1, 0, "w6"),
    "00002train/00/zK0Ab3CD": (1, 1, "w2"),
    "00001/01/79XJefi8": (2, 0, "w1"),
    "00001/02/t16VLaQf": (2, 1, "w3"),
    "00002/01/A7bcdEfG": (3, 0, "w2"),
    "00002/02/B7BcDeFg": (3, 1, "w7"),
    "00003/01/Q0Q0Q0Q0": (4, 0, "w4"),
    "probe/03/01DdvEHX": (2, 2, "w6"),
    "probe/03/etaGVnWf": (3, 2, "w2"),
    "distractor/04/edXJefi8": (5, 0, "w6"),
}
"""Key to the person, which of their walks, and the camera of the rig. Train and test ids are different people."""
BLACK, UNPOSED, UNSEEN = "00001train/00/5TXe8svE", "00002train/00/Zk0aB3cd", "00001/01/79XJefi8"
ALONE, TWIN, SWAPPED = "00003/01/Q0Q0Q0Q0", "zK0Ab3CD", "00002/02/B7BcDeFg"


def make(out: Path) -> Fake:
    """Write ``train/{id}/{hash}/``, ``test/gallery/{id}/{hash}/``, ``test/probe/{hash}/``, ``distractors/{hash}/``."""
    silhouettes = {key: _pictures(key) for key in SEQUENCES}
    for key, pictures in silhouettes.items():
        folder = out / _folder(key)
        for frame, picture in pictures.items():
            write_picture(folder / f"{frame:05d}.png", picture)
        _write_poses(folder, key)
        mean = np.mean(list(pictures.values()), axis=0).astype(np.uint8)
        write_picture(folder.with_name(f"{folder.name}_gei.png"), mean)
        write_picture(out / "flow" / _folder(key) / "00001_00002_flow.png", mean)
    truth = {key: seen.view for key, seen in _seen().items()}
    return Fake("grew", out, PLANTED, silhouettes, truth)


PLANTED = (
    Planted("black picture", "MG-FRAMES-004", BLACK, "4"),
    Planted("silhouette without a pose", "MG-FRAMES-001", UNPOSED, "7"),
    Planted("pose without a silhouette", "MG-FRAMES-001", UNSEEN, "6"),
    Planted(
        "width and height of the crop exchanged", "MG-KEYPOINTS-007", "test/gallery/00002/B7BcDeFg", "width and height"
    ),
    Planted("person of the gallery with one sequence", "MG-INDEX-009", "grew: protocols: local: probe", "2 probes"),
    Planted("hashes that differ in capitals only", "MG-INDEX-018", TWIN, "Zk0aB3cd"),
    Planted("energy images beside sequences", "MG-INDEX-023", "79XJefi8_gei.png", "12 paths left out by"),
    Planted("optical flow", "MG-INDEX-023", "flow/train", "layout: exclude: flow/*"),
    Planted("distractors, on no side of the split", "MG-INDEX-012", "grew: split", "distractor"),
    Planted("people of the split who are not on disk", "MG-INDEX-007", "grew: split: train", "00003train"),
)


def make_pickles(out: Path) -> Fake:
    """Write ``GREW-pkl`` and ``GREW-pose-pkl``, each ``{id}/{type}/{hash}/{hash}.pkl``; frames are counted from 0."""
    silhouettes = {}
    for number, (key, seen) in enumerate(_seen().items()):
        pictures = np.stack(list(_pictures(key).values()))
        name = key.rsplit("/", 1)[1]
        kind = {"protocol": 2 + number % 4, "numpy": 1 + number % 2}
        if key.startswith("distractor"):
            write_pickle(out / "GREW-pkl" / "distractor" / name / f"{name}.pkl", pictures, **kind)
            continue
        write_pickle(out / "GREW-pkl" / key / f"{name}.pkl", pictures, **kind)
        poses = np.stack([seen.keypoints(frame) for frame in range(len(seen))])
        if key == UNPOSED:
            poses = np.delete(poses, 6, axis=0)
        if key == HEADED:
            heads = np.array([seen.size(frame)[::-1] for frame in range(len(seen))])
            poses = np.column_stack([heads, poses.reshape(len(seen), -1)])
        write_pickle(out / "GREW-pose-pkl" / POSED_AS.get(key, key) / f"{name}.pkl", poses, **kind)
        silhouettes[key] = dict(enumerate(pictures))
    (out / "GREW-pkl" / ALONE / "Q0Q0Q0Q0.pkl").write_bytes(b"")
    del silhouettes[ALONE]
    return Fake("grew_opengait", out, PLANTED_PICKLES, silhouettes)


HEADED = "00001train/00/4XPn5Z28"
POSED_AS = {
    "00001/01/79XJefi8": "00001/02/79XJefi8",
    "00001/02/t16VLaQf": "00001/01/t16VLaQf",
    "probe/03/etaGVnWf": "03/etaGVnWf",
}
"""Sequences whose poses lie elsewhere: whoever reads the folder in another order swaps 01 and 02."""
PLANTED_PICKLES = (
    Planted("a pickle of no bytes", "MG-INDEX-016", ALONE, "Q0Q0Q0Q0.pkl"),
    Planted("01 and 02 exchanged in the tree of poses", "MG-FRAMES-011", "00001/02/79XJefi8", "no silhouettes"),
    Planted("01 and 02 exchanged in the tree of poses", "MG-FRAMES-011", "00001/01/t16VLaQf", "no silhouettes"),
    Planted(
        "size of the crop left in rows of poses", "MG-KEYPOINTS-009", f"GREW-pose-pkl/{HEADED}", "two further numbers"
    ),
    Planted("poses of a probe in a folder less", "MG-INDEX-005", "03/etaGVnWf", "etaGVnWf"),
    Planted("black picture", "MG-FRAMES-004", BLACK, "3"),
    Planted("12 silhouettes and 11 poses", "MG-FRAMES-002", UNPOSED, "11"),
    Planted("distractors among people", "MG-INDEX-005", "GREW-pkl/distractor/edXJefi8", "edXJefi8"),
    Planted("hashes that differ in capitals only", "MG-INDEX-018", TWIN, "Zk0aB3cd"),
)


def _folder(key: str) -> str:
    """Original folder of a sequence, below the root."""
    subject, condition, name = key.split("/")
    return {
        "00": f"train/{subject.removesuffix('train')}/{name}",
        "03": f"test/probe/{name}",
        "04": f"distractors/{name}",
    }.get(condition, f"test/gallery/{subject}/{name}")


@lru_cache
def _seen() -> dict[str, Crops]:
    found = {}
    for seed, (key, (person, take, view)) in enumerate(SEQUENCES.items()):
        walk = film(person, take, rig="in_the_wild", views=(view,), frames=FRAMES)
        found[key] = Crops.of(walk.views[view], seed)
    return found


def _pictures(key: str) -> Images:
    """Number of the frame, from 1, to the aligned silhouette."""
    found: dict[int, ByteArray | None] = {n: pretreated(crop) for n, crop in enumerate(_seen()[key].pictures, 1)}
    pictures = {frame: picture for frame, picture in found.items() if picture is not None}
    if key == BLACK:
        pictures[4] = np.zeros_like(pictures[4])
    if key == UNSEEN:
        del pictures[6]
    return pictures


def _write_poses(folder: Path, key: str) -> None:
    """2D poses in pixels of the original crop and 3D poses in the frame of the camera, height and width in front."""
    seen = _seen()[key]
    joints: FloatArray = seen.view.joints("grew14")
    joints = joints - joints.mean(axis=1, keepdims=True)
    for frame in range(len(seen)):
        if (key, frame) != (UNPOSED, 6):
            header = seen.size(frame) if key == SWAPPED else seen.size(frame)[::-1]
            write_pose_text(folder / f"{frame + 1:05d}_2d_pose.txt", header, seen.keypoints(frame))
            write_pose_text(folder / f"{frame + 1:05d}_3d_pose.txt", header, joints[frame])
