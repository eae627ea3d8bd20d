"""CASIA-B in miniature: full pictures of silhouettes in their original folders, poses beside them, and OpenGait's tree.

The pose tree is FastPoseGait's, laid into the root as ``CASIA-B-Pose``; what its ``mapping.txt`` holds is not
documented, here it is the number of one silhouette a line.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fakes.plan import Fake, Images, Planted, missing, only, surviving, with_other, without, write_pickle, write_picture
from fakes.walkers import View, film
from meshgait_data.types import ByteArray

SUBJECTS = ("001", "002", "075", "076")
"""Two to train on and two to test on; person n of the list is walker n."""
CONDITIONS = (*(f"nm-0{n}" for n in range(1, 7)), "bg-01", "bg-02", "cl-01", "cl-02")
VIEWS = ("000", "054", "090", "144")
FRAMES = 14
WITH_POSES = ("001/nm-01", "075/nm-01")
"""Walks that have keypoints too."""
_WEARS = {"nm": "", "bg": "bag", "cl": "coat"}
_NARROW = "076/nm-06/054"


def make(out: Path, *, views: tuple[str, ...] = VIEWS, frames: int = FRAMES) -> Fake:
    """Write the original layout: ``{id}/{type}/{view}/{id}-{type}-{view}-{frame}.png``, frames from 1."""
    silhouettes, truth = {}, {}
    for key, view, images in _spoilt(views, frames):
        for frame, image in images.items():
            write_picture(out / key / f"{key.replace('/', '-')}-{frame:03d}.png", image)
        if key.rpartition("/")[0] in WITH_POSES:
            _write_poses(out / "CASIA-B-Pose" / key, view, lost=(9,) if key == "001/nm-01/090" else ())
        silhouettes[key], truth[key] = surviving(images), view
    folder = out / "076" / "nm-05" / "000"
    (folder / "076-nm-05-000-003.png").rename(folder / "075-nm-05-000-003.png")
    del silhouettes["076/nm-05/000"][3]
    planted = (
        Planted("black frame", "MG-FRAMES-004", "001/nm-01/090", "empty: 5"),
        Planted("39 white pixels", "MG-FRAMES-005", "001/nm-02/090", ": 4"),
        Planted("too narrow to be scaled", "MG-FRAMES-006", "001/cl-01/000", ": 8"),
        Planted("four frames", "MG-FRAMES-008", "002/bg-01/054", "4 frames"),
        Planted("gap in the numbers of frames", "MG-FRAMES-003", "002/nm-03/000", ": 6"),
        Planted("a whole view is black", "MG-INDEX-001", "002/bg-02/090"),
        Planted("missing view", "MG-INDEX-021", "075/cl-02", "144"),
        Planted("a file named after another person", "MG-SOURCE-031", "076/nm-05/000", "075-nm-05-000-003.png"),
        Planted("a frame without its pose", "MG-FRAMES-001", "001/nm-01/090", ": 9"),
    )
    return Fake("casia_b", out, planted, {key: images for key, images in silhouettes.items() if images}, truth)


def make_opengait(out: Path, *, views: tuple[str, ...] = VIEWS, frames: int = FRAMES) -> Fake:
    """Write what the published pretreatment makes of the original: ``{id}/{type}/{view}/{view}.pkl``."""
    silhouettes, truth = {}, {}
    for number, (key, view, images) in enumerate(_spoilt(views, frames)):
        aligned = list(surviving(images).values())
        if not aligned:
            continue
        if key == _NARROW:
            # Cut to the network's 44 columns already: what was cut off is black from now on.
            aligned = [np.pad(image[:, 10:54], ((0, 0), (10, 10))) for image in aligned]
        values = np.stack(aligned)[:, :, 10:54] if key == _NARROW else np.stack(aligned)
        write_pickle(out / key / f"{view.name}.pkl", values, protocol=2 + number % 4, numpy=1 + number % 2)
        silhouettes[key], truth[key] = dict(enumerate(aligned)), view
    planted = (
        Planted("missing view", "MG-INDEX-021", "075/cl-02", "144"),
        Planted("a whole view lost in the pretreatment", "MG-INDEX-021", "002/bg-02", "090"),
        Planted("four frames", "MG-FRAMES-008", "002/bg-01/054", "4 frames"),
        Planted("44 columns", "MG-MASKS-004", _NARROW, "44"),
    )
    return Fake("casia_b_opengait", out, planted, silhouettes, truth)


def _spoilt(views: tuple[str, ...], frames: int) -> Iterator[tuple[str, View, Images]]:
    """Every view that is there, with its pictures and their defects."""
    for person, subject in enumerate(SUBJECTS):
        for take, condition in enumerate(CONDITIONS):
            walk = film(person, take, views=views, frames=frames, wears=_WEARS[condition[:2]])
            for name, view in walk.views.items():
                key = f"{subject}/{condition}/{name}"
                images = _SPOIL.get(key, dict)(dict(enumerate(view.masks, 1)))
                if images:
                    yield key, view, images


def _white(count: int) -> ByteArray:
    """A picture with so many white pixels, ten a row, in its middle."""
    picture = np.zeros((240, 320), np.uint8)
    for pixel in range(count):
        picture[100 + pixel // 10, 150 + pixel % 10] = 255
    return picture


_SPOIL = {
    "001/nm-01/090": with_other({5: _white(0)}),
    "001/nm-02/090": with_other({4: _white(39), 7: _white(40)}),
    "001/cl-01/000": with_other({8: np.full((240, 3), 255, np.uint8)}),
    "002/bg-01/054": only(1, 2, 3, 4),
    "002/nm-03/000": without(6),
    "002/bg-02/090": lambda images: dict.fromkeys(images, _white(0)),
    "075/cl-02/144": missing,
}
"""Key of a view to what is wrong with its pictures."""


def _write_poses(folder: Path, view: View, lost: tuple[int, ...]) -> None:
    keypoints = view.keypoints("coco17")
    poses = np.concatenate([keypoints.points, keypoints.confidence[..., None]], axis=-1)
    frames = [frame for frame in range(1, len(poses) + 1) if frame not in lost]
    write_pickle(folder / f"{view.name}.pkl", poses[np.array(frames) - 1], protocol=3)
    (folder / "mapping.txt").write_text("".join(f"{frame}\n" for frame in frames))
