"""OU-MVLP in miniature: silhouettes as they come out of the archives, rearranged by links, and as OpenGait's tree.

Seven cameras see a walk there (views 000 to 090) and the walk back (180 to 270): two walks of one sequence number.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fakes.plan import Fake, Images, Planted, missing, only, surviving, write_pickle, write_picture
from fakes.walkers import View, film

SUBJECTS = ("00001", "00003", "00002", "10307")
"""Two to train on and two to test on, with the one odd number among those; person n of the list is walker n."""
SEQUENCES = ("00", "01")
THERE, BACK = ("000", "030"), ("180",)
FRAMES = 16
FIRST_THERE, FIRST_BACK = 1, 21
"""Number of the first picture: cameras count on between the walks."""

_SPOIL = {"00002/01/030": missing, "00003/01/000": only(1, 2, 3)}
_SPOILT = (
    Planted("no gallery walk", "MG-INDEX-021", "00002/01", "030"),
    Planted("three frames", "MG-FRAMES-007", "00003/01/000", "only 3"),
)


def make(out: Path, *, frames: int = FRAMES) -> Fake:
    """Write ``Silhouette_{view}-{seq}/{id}/{frame}.png``."""
    fake = write_silhouettes("oumvlp", out, frames)
    # What does not belong there: an archive, a folder of a packing program, a number without its zeros.
    (out / "Silhouette_000-00.7z").write_bytes(b"7z\xbc\xaf'\x1c")
    picture = {1: fake.truth["00001/00/000"].masks[0]}
    _write(out / "__MACOSX" / "00001", picture)
    _write(out / "Silhouette_000-00" / "5", picture)
    stray = (
        Planted("an archive in the root", "MG-INDEX-004", "Silhouette_000-00.7z"),
        Planted("a folder in the root", "MG-INDEX-005", "__MACOSX"),
        Planted("a subject without its zeros", "MG-INDEX-005", "Silhouette_000-00/5"),
    )
    return Fake("oumvlp", out, _SPOILT + stray, fake.silhouettes, fake.truth)


def make_rearranged(out: Path, *, frames: int = FRAMES) -> Fake:
    """Write ``{id}/{seq}/{view}/{frame}.png``, links to the pictures of :func:`make` in a folder beside."""
    raw = write_silhouettes("oumvlp_rearranged", out.with_name(f"{out.name}-archives"), frames)
    for key, images in raw.silhouettes.items():
        (out / key).mkdir(parents=True)
        for frame in images:
            (out / key / f"{frame:04d}.png").symlink_to(_picture(raw.root, key, frame).absolute())
    lost = "00003/01/180"
    _picture(raw.root, lost, 25).unlink()
    silhouettes = dict(raw.silhouettes) | {lost: {f: image for f, image in raw.silhouettes[lost].items() if f != 25}}
    planted = (*_SPOILT, Planted("a link that leads nowhere", "MG-INDEX-015", f"{lost}/0025.png"))
    return Fake("oumvlp_rearranged", out, planted, silhouettes, raw.truth)


def make_opengait(out: Path, *, frames: int = FRAMES) -> Fake:
    """Write what the published pretreatment makes of it: ``{id}/{seq}/{view}/{view}.pkl``."""
    silhouettes, truth = {}, {}
    for number, (key, view, images) in enumerate(spoilt(frames)):
        aligned = list(surviving(images).values())
        path = out / key / f"{view.name}.pkl"
        write_pickle(path, np.stack(aligned), protocol=2 + number % 4, numpy=1 + number % 2)
        silhouettes[key], truth[key] = dict(enumerate(aligned)), view
    return Fake("oumvlp_opengait", out, _SPOILT, silhouettes, truth)


def write_silhouettes(manifest: str, out: Path, frames: int = FRAMES) -> Fake:
    """The silhouettes alone, of :func:`spoilt`; its ``planted`` are those of its pictures."""
    silhouettes, truth = {}, {}
    for key, view, images in spoilt(frames):
        _write(_picture(out, key, 0).parent, images)
        silhouettes[key], truth[key] = surviving(images), view
    return Fake(manifest, out, _SPOILT, silhouettes, truth)


def spoilt(frames: int = FRAMES) -> Iterator[tuple[str, View, Images]]:
    """Every view that is there, with its pictures and their defects."""
    for person, subject in enumerate(SUBJECTS):
        for number, sequence in enumerate(SEQUENCES):
            for turn, views in enumerate((THERE, BACK)):
                walk = film(person, 2 * number + turn, rig="oumvlp", views=views, frames=frames)
                for name, view in walk.views.items():
                    key = f"{subject}/{sequence}/{name}"
                    images = _SPOIL.get(key, dict)(dict(enumerate(view.masks, first_frame(name))))
                    if images:
                        yield key, view, images


def first_frame(view: str) -> int:
    """Number of the first picture of a view."""
    return FIRST_THERE if view in THERE else FIRST_BACK


def _picture(root: Path, key: str, frame: int) -> Path:
    subject, sequence, view = key.split("/")
    return root / f"Silhouette_{view}-{sequence}" / subject / f"{frame:04d}.png"


def _write(folder: Path, images: Images) -> None:
    for frame, image in images.items():
        write_picture(folder / f"{frame:04d}.png", image)
