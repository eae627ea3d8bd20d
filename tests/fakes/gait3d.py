"""Gait3D in miniature: crops of silhouettes, ROMP's npz and 2D poses a frame, and the merged tree of pickles."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from fakes.crops import Crops, another, romp_people, romp_person, write_objects, write_pose_text, write_romp
from fakes.partitions import write_partition
from fakes.plan import Fake, Planted, surviving, write_pickle, write_picture
from fakes.walkers import film
from meshgait_data.types import ByteArray, FloatArray

FRAMES = 14
SEQUENCES = {
    "0000/camid0_videoid2/seq0": (0, 0, "w2", 11627),
    "0000/camid9_videoid2/seq0": (0, 1, "w5", 9996),
    "0001/camid1_videoid3/seq0": (1, 0, "w6", 417),
    "0001/camid1_videoid3/seq1": (1, 1, "w6", 24551),
    "0002/camid33_videoid2/seq0": (2, 0, "w1", 3025),
    "0002/camid5_videoid1/seq0": (2, 1, "w3", 17279),
    "0002/camid5_videoid1/seq1": (2, 2, "w3", 17402),
    "0007/camid9_videoid1/seq0": (3, 0, "w7", 5100),
    "0007/camid2_videoid1/seq0": (3, 1, "w2", 808),
    "0008/camid4_videoid1/seq2": (4, 0, "w6", 1210),
    "0009/camid4_videoid1/seq0": (5, 0, "w2", 8000),
}
"""Key to the person, which of their walks, the camera of the rig, and the number of the first frame in the video."""
PARTITION = {
    "PROBE_SET": ["0007-camid9_videoid1-seq0", "0002-camid33_videoid2-seq0", "0008-camid38_videoid1-seq0"],
    "TEST_SET": ["0007", "0002", "0008"],
    "TRAIN_SET": ["0001", "0000", "0003"],
}
"""As in the original: unsorted, and what is named need not be on disk."""
NEW_NAMES, TWO_PEOPLE, BLACK = "0001/camid1_videoid3/seq1", "0001/camid1_videoid3/seq0", "0002/camid5_videoid1/seq0"
LATE, TURNED = "0000/camid9_videoid2/seq0", "0007/camid2_videoid1/seq0"


def make(out: Path) -> Fake:
    """Write ``{2D_Silhouettes|2D_Poses|3D_SMPLs}/{id}/camid{c}_videoid{v}/seq{n}/human_crop_f{frame}.*``."""
    silhouettes, truth = {}, {}
    for key, seen in _seen().items():
        first = SEQUENCES[key][3]
        pictures = _pictures(key, seen)
        for frame, picture in enumerate(pictures):
            name = f"human_crop_f{first + frame}"
            write_picture(out / "2D_Silhouettes" / key / f"{name}.png", picture)
            width, height = seen.size(frame)
            # Nobody says which of the two numbers is which; one sequence has them the other way round.
            header = (height, width) if key == TURNED else (width, height)
            write_pose_text(out / "2D_Poses" / key / f"{name}.txt", header, seen.keypoints(frame))
            people = _people(key, frame, seen)
            if people is not None:
                write_romp(out / "3D_SMPLs" / key / f"{name}.npz", people)
        silhouettes[key] = surviving(dict(enumerate(pictures, first)))
        truth[key] = seen.view
    _video_results(out / "3D_SMPLs" / NEW_NAMES)
    (out / "3D_SMPLs" / TURNED / f"human_crop_f{SEQUENCES[TURNED][3] + 6}.npz").write_bytes(b"PK\x03\x04 broken off")
    return Fake(write_partition(out, "gait3d", PARTITION), out, PLANTED, silhouettes, truth)


PLANTED = (
    Planted("numbers of frames that sort otherwise as text", "MG-SOURCE-032", LATE, "order"),
    Planted("a frame with two people, of whom the second is the one", "MG-PARAMS-001", TWO_PEOPLE, "up to 2"),
    Planted("a frame in which nobody was found", "MG-FRAMES-012", TWO_PEOPLE, "425"),
    Planted("a frame without a file of ROMP", "MG-FRAMES-001", TWO_PEOPLE, "427"),
    Planted("a damaged file of ROMP", "MG-SOURCE-030", TURNED, "human_crop_f814.npz"),
    Planted("height and width of the crop exchanged", "MG-KEYPOINTS-007", f"2D_Poses/{TURNED}", "height and width"),
    Planted("a video's results among the frames", "MG-INDEX-023", NEW_NAMES, "smpl: exclude: video_results.npz"),
    Planted("black silhouette with parameters", "MG-FRAMES-004", BLACK, "17284"),
    Planted("probe of the partition that is not on disk", "MG-INDEX-009", "protocol", "0008-camid38_videoid1-seq0"),
    Planted("person of the partition that is not on disk", "MG-INDEX-007", "gait3d: split: train", "0003"),
    Planted("person on disk whom the partition does not name", "MG-INDEX-012", "gait3d: split", "0009"),
)


def make_pickles(out: Path) -> Fake:
    """Write the merged tree ``{id}/camid{c}_videoid{v}/seq{n}/{pars|sils|smpls}-seq{n}.pkl``.

    Frames stand in the order in which the published scripts put them, that of the names as text.
    """
    silhouettes: dict[str, dict[int, ByteArray]] = {}
    for number, (key, seen) in enumerate(_seen().items()):
        view = key.rsplit("/", 1)[1]
        order = sorted(range(len(seen)), key=lambda frame, first=SEQUENCES[key][3]: str(first + frame))  # type: ignore[misc]  # bound now
        pictures = _pictures(key, seen)
        aligned = np.stack(list(surviving(dict(enumerate(pictures[frame] for frame in order))).values()))
        smpls = seen.thetas[order].astype(np.float16)
        if key == TWO_PEOPLE:
            smpls[4] = another(seen.thetas[4])
        files = {"sils": aligned, "smpls": smpls, "pars": _parsing(aligned)}
        if key == LATE:
            files["sils"] = aligned[:, :, 10:54]
        if key == TURNED:
            files["smpls"] = np.stack([seen.keypoints(frame) for frame in order])
        for name, array in files.items():
            if (key, name) != ("0009/camid4_videoid1/seq0", "pars"):
                path = out / key / f"{name}-{view}.pkl"
                write_pickle(path, array, protocol=2 + number % 4, numpy=1 + number % 2)
        silhouettes[key] = dict(enumerate(aligned))
        if key == LATE:
            cut = np.pad(files["sils"], ((0, 0), (0, 0), (10, 10)))
            silhouettes[key] = dict(enumerate(cut))
    return Fake(write_partition(out, "gait3d_pkl", PARTITION), out, PLANTED_PICKLES, silhouettes)


PLANTED_PICKLES = (
    Planted("13 silhouettes beside 14 rows of parameters", "MG-FRAMES-002", BLACK, "13"),
    Planted("44 columns", "MG-MASKS-004", LATE, "44"),
    Planted("2D poses under the name of parameters", "MG-INDEX-001", TURNED, "smpls"),
    Planted("no parsing", "MG-FRAMES-011", "0009/camid4_videoid1/seq0", "also.parsing"),
    Planted("probe of the partition that is not on disk", "MG-INDEX-009", "protocol", "0008-camid38_videoid1-seq0"),
    Planted("person of the partition that is not on disk", "MG-INDEX-007", "gait3d_pkl: split: train", "0003"),
    Planted("person on disk whom the partition does not name", "MG-INDEX-012", "gait3d_pkl: split", "0009"),
)


@lru_cache
def _seen() -> dict[str, Crops]:
    found = {}
    for seed, (key, (person, take, view, _)) in enumerate(SEQUENCES.items()):
        walk = film(person, take, rig="in_the_wild", views=(view,), frames=FRAMES)
        found[key] = Crops.of(walk.views[view], seed)
    return found


def _pictures(key: str, seen: Crops) -> list[ByteArray]:
    pictures = list(seen.pictures)
    if key == BLACK:
        pictures[5] = np.zeros_like(pictures[5])
    return pictures


def _people(key: str, frame: int, seen: Crops) -> Any:
    """What ROMP wrote of a frame: people of 1.0, a dictionary of simple_romp, or None where there is no file."""
    theta, joints = seen.thetas[frame], seen.joints[frame]
    if key == NEW_NAMES:
        return romp_people(theta, joints)
    people = [romp_person(theta, joints)]
    if key == TWO_PEOPLE:
        found: dict[int, Any] = {4: [romp_person(another(theta), joints), *people], 8: [], 10: None}
        return found.get(frame, people)
    return people


def _video_results(folder: Path) -> None:
    """What simple_romp leaves beside the frames of a video."""
    everything = np.full((), None, object)
    everything[()] = {"human_crop_f24551.png": romp_people(np.ones(85), np.zeros((24, 3)))}
    tracks = np.full((), None, object)
    tracks[()] = {}
    write_objects(folder / "video_results.npz", results=everything, sequence_results=tracks)


def _parsing(aligned: ByteArray) -> ByteArray:
    """(N, S, S) labels of parts: bands of the body from top to bottom."""
    bands: FloatArray = 1 + np.arange(64) // 13
    return ((aligned > 127) * bands[None, :, None]).astype(np.uint8)
