"""CCPG in miniature: OpenGait's leaves of four pickles, and the original folders of silhouettes."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from fakes.crops import Crops
from fakes.plan import Fake, Images, Planted, write_pickle, write_picture
from fakes.published import pretreated
from fakes.walkers import film
from meshgait_data.types import ByteArray

FRAMES = 10
CLOTHES = ("U0_D0", "U0_D0_BG", "U0_D3", "U1_D0", "U1_D1", "U2_D2", "U3_D3")
SUBJECTS = ("000", "001", "100", "101")
VIEWS = {"01_0": "w1", "02_0": "w3"}
"""View to the camera of the rig: which camera, and which time that it saw the person in these clothes."""
AGAIN, LACKING, HOLED, GREY = "100/U0_D0/01_1", "101/U1_D1", "001/U2_D2/02_0", "000/U0_D0/01_0"
SMALL = "100/U0_D3/02_0"
NAMELESS = "100/U3_D3/03"


def make(out: Path) -> Fake:
    """Write ``{id}/{clothes}/{view}/{view}-{aligned-sils|ratios|rgbs|sils}.pkl``."""
    silhouettes = {}
    for number, (key, seen) in enumerate(_seen().items()):
        view = key.rsplit("/", 1)[1]
        aligned = np.stack(list(_aligned(seen).values()))
        small = np.stack([cv2.resize(mask, (128, 128), interpolation=cv2.INTER_LINEAR) for mask in seen.pictures])
        files = {
            "aligned-sils": _with_none(aligned) if key == HOLED else aligned,
            "ratios": np.array([width / height for width, height in map(seen.size, range(len(seen)))]),
            "rgbs": _coloured(small, grey=key == GREY),
            "sils": small[:, ::2, ::2] if key == SMALL else small,
        }
        for name, array in files.items():
            kind = {"protocol": 2 + number % 4, "numpy": 1 + number % 2}
            write_pickle(out / key / f"{view}-{name}.pkl", array, **kind)
        silhouettes[key] = dict(enumerate(aligned))
    del silhouettes[HOLED][4]
    return Fake("ccpg", out, PLANTED, silhouettes)


PLANTED = (
    Planted("None in the place of a silhouette", "MG-MASKS-003", HOLED, "None"),
    Planted("what rides along has that frame", "MG-FRAMES-001", HOLED, "no silhouettes in 1 of 10 frames"),
    Planted("a modality of another size", "MG-RIDING-004", SMALL, "also.sils is uint8 of 64 x 64"),
    Planted("pictures that are silhouettes three times", "MG-RIDING-002", GREY, "equal"),
    Planted("person without one of the clothes", "MG-INDEX-021", LACKING.split("/")[0], "U1_D1"),
    Planted("camera that saw the person twice", "MG-INDEX-027", "100/U0_D0", "01_0, 01_1"),
    Planted("people of the split who are not on disk", "MG-INDEX-007", "ccpg: split: train", "002"),
)


def make_raw(out: Path) -> Fake:
    """Write ``{id}/{clothes}/{view}/{frame}.png``, crops of silhouettes, with a photograph left among them."""
    silhouettes = {}
    for key, seen in _seen().items():
        pictures = dict(enumerate(seen.pictures, 1))
        if key == HOLED:
            pictures[5] = np.zeros_like(pictures[5])
        for frame, picture in pictures.items():
            write_picture(out / key / f"{frame:05d}.png", picture)
        silhouettes[key] = {n: found for n, mask in pictures.items() if (found := pretreated(mask)) is not None}
    return Fake("ccpg_raw", out, PLANTED_RAW, silhouettes)


PLANTED_RAW = (
    Planted("black silhouette", "MG-FRAMES-004", HOLED, "5"),
    Planted("person without one of the clothes", "MG-INDEX-021", LACKING.split("/")[0], "U1_D1"),
    Planted("people of the split who are not on disk", "MG-INDEX-007", "ccpg_raw: split: train", "002"),
)


@lru_cache
def _seen() -> dict[str, Crops]:
    wanted = {
        f"{subject}/{clothes}/{view}": (person, take, camera)
        for person, subject in enumerate(SUBJECTS)
        for take, clothes in enumerate(CLOTHES)
        for view, camera in VIEWS.items()
        if f"{subject}/{clothes}" != LACKING
    }
    wanted[AGAIN] = (2, 9, "w1")
    found = {}
    for seed, (key, (person, take, camera)) in enumerate(sorted(wanted.items())):
        wears = "bag" if "BG" in key else "coat" if "U3" in key else ""
        walk = film(person, take, rig="in_the_wild", views=(camera,), frames=FRAMES, wears=wears)
        found[key] = Crops.of(walk.views[camera], seed)
    return found


def _aligned(seen: Crops) -> Images:
    return {n: found for n, mask in enumerate(seen.pictures) if (found := pretreated(mask)) is not None}


def _with_none(aligned: ByteArray) -> object:
    """What the published script leaves of a black mask: an array of objects with a hole."""
    found = np.full(len(aligned), None, object)
    for frame, picture in enumerate(aligned):
        found[frame] = None if frame == 4 else picture
    return found


def _coloured(masks: ByteArray, *, grey: bool) -> ByteArray:
    """(F, 3, 128, 128) a person in plain colours; grey where masks were taken for pictures."""
    colours = np.array([255, 255, 255] if grey else [200, 120, 60])
    return (masks[:, None] // 255.0 * colours[:, None, None]).astype(np.uint8)
