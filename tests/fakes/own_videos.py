"""Somebody's own recordings: folders of masks that a segmentation program wrote of each view of each walk."""

from pathlib import Path

import numpy as np

from fakes.plan import Fake, Planted, surviving, write_picture
from fakes.walkers import film

SUBJECTS = ("p001", "p002", "p003", "p004")
CONDITIONS = ("01", "02")
VIEWS = {"cam0": "036", "cam1": "090"}
"""Name of the camera to the view of the rig that it is."""
FRAMES = 30
INVERTED, PHOTOS, GAP, OTHER_SIZE = "p004/02/cam0", "p003/02/cam1", "p001/01/cam0", "p002/02/cam1"


def make(out: Path) -> Fake:
    """Write ``{person}/{walk}/{camera}/img_{frame}.png``, frames from 0."""
    silhouettes, truth = {}, {}
    for person, subject in enumerate(SUBJECTS):
        for take, condition in enumerate(CONDITIONS):
            walk = film(person, take, views=tuple(VIEWS.values()), frames=FRAMES)
            for view, camera in VIEWS.items():
                key, seen = f"{subject}/{condition}/{view}", walk.views[camera]
                pictures = dict(enumerate(seen.masks))
                if key == GAP:
                    del pictures[7], pictures[8]
                if key == INVERTED:
                    pictures = {frame: 255 - mask for frame, mask in pictures.items()}
                if key == PHOTOS:
                    pictures = {frame: _photo(frame, mask.shape) for frame, mask in pictures.items()}
                if key == OTHER_SIZE:
                    pictures[3] = pictures[3][:, 4:]
                for frame, picture in pictures.items():
                    write_picture(out / key / f"img_{frame:04d}.png", picture)
                silhouettes[key], truth[key] = surviving(pictures), seen
    for key in (INVERTED, PHOTOS):
        del silhouettes[key]
    (out / "p001" / "01" / "cam0" / "Thumbs.db").write_bytes(b"\xd0\xcf")
    (out / "p001" / "clip.mp4").write_bytes(b"\0\0\0\x18ftyp")
    return Fake("own_png", out, PLANTED, silhouettes, truth)


PLANTED = (
    Planted("black on white", "MG-INDEX-001", INVERTED, "inverted"),
    Planted("photographs instead of masks", "MG-INDEX-001", PHOTOS, "photographs"),
    Planted("gap in the numbers of frames", "MG-FRAMES-003", GAP, "7"),
    Planted("a picture of another size", "MG-MASKS-001", OTHER_SIZE, "sizes"),
    Planted("a file of another kind", "MG-INDEX-004", "clip.mp4", "clip.mp4"),
)


def _photo(frame: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(frame).integers(40, 220, shape).astype(np.uint8)
