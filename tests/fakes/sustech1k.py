"""SUSTech1K in miniature: leaves of sixteen pickles with three clocks, those of LiDAR, camera, and both together."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fakes.crops import Crops
from fakes.partitions import write_partition
from fakes.plan import Fake, Planted, write_pickle
from fakes.published import pretreated
from fakes.walkers import film
from meshgait_data.types import IntArray

FRAMES = 12
"""Of the camera, at 30 a second; the LiDAR has a third of them."""
VIEWS = {"000": "w0", "090": "w2", "090-near": "w3"}
TYPES = {
    "0000": ("00-nm", "01-nm", "01-bg"),
    "0001": ("00-nm", "01-cl"),
    "0408": ("00-nm", "01-nm", "01-uf", "02-nt"),
    "1057": ("00-nm", "01-nm", "01-bg-nt"),
}
PARTITION = {"TRAIN_SET": ["0001", "0000"], "TEST_SET": ["0408", "1057", "0352"]}
FILES = (
    ("LiDAR-PCDs", "LiDAR-PCDs_depths", "LiDAR-PCDs_sils"),
    ("Camera-Pose", "Camera-Ratios-HW", "Camera-RGB_raw", "Camera-Sils_aligned", "Camera-Sils_raw"),
)
"""Modalities of each clock; they come a second time, at the moments that both have."""
LOST, NO_CLOUDS, SHORT, UNEVEN = "0000/01-bg/090", "0001/01-cl/000", "0408/01-nm/090-near", "0408/02-nt/000"
EMPTY, REPEATED, RAW, OTHER_SHAPE = "0408/00-nm/000", "1057/01-nm/000", "1057/00-nm/090", "0001/00-nm/090"


def make(out: Path) -> Fake:
    """Write ``{id}/{nn}-{attribute}/{view}/{NN}-[sync-]{view}-{sensor}-{modality}.pkl``."""
    silhouettes = {}
    for number, (key, seen) in enumerate(_seen().items()):
        view = key.split("/", 2)[2]
        modalities = _modalities(key, seen)
        lidar = np.arange(1, len(seen), 3)
        if key == SHORT:
            lidar = lidar[:-1]
        camera = lidar.copy()
        if key == REPEATED:
            # Two sweeps of the LiDAR have one and the same picture.
            camera[2] = camera[1]
        kind = {"protocol": 2 + number % 4, "numpy": 1 + number % 2}
        for place, name in enumerate(FILES[0] + FILES[1]):
            of_lidar = place < len(FILES[0])
            value = modalities[name]
            both = (lidar - 1) // 3 if of_lidar else camera
            write_pickle(out / key / f"{place:02d}-{view}-{name}.pkl", value, **kind)
            if (key, name) == (UNEVEN, "Camera-Sils_raw"):
                both = both[1:]
            write_pickle(out / key / f"{place + 8:02d}-sync-{view}-{name}.pkl", _at(value, both), **kind)
        silhouettes[key] = dict(enumerate(modalities["Camera-Sils_aligned"]))
    # Whoever counts files takes the modality after the missing one.
    (out / LOST / "03-090-Camera-Pose.pkl").unlink()
    (out / NO_CLOUDS / "08-sync-000-LiDAR-PCDs.pkl").unlink()
    return Fake(write_partition(out, "sustech1k", PARTITION), out, PLANTED, silhouettes)


PLANTED = (
    Planted("15 of 16 pickles", "MG-FRAMES-011", LOST, "keypoints2d"),
    Planted("15 of 16 pickles, one that is not packed is missing", "MG-FRAMES-011", NO_CLOUDS, "also.sync_pcds"),
    Planted("fewer moments that both sensors have", "MG-FRAMES-016", SHORT, "3 of the 4 moments of lidar"),
    Planted("one modality has fewer of these moments", "MG-FRAMES-015", UNEVEN, "also.sync_sils_raw has 3"),
    Planted("one picture for two sweeps of the LiDAR", "MG-FRAMES-014", REPEATED, "also.sync_sils_aligned"),
    Planted("a cloud without points", "MG-RIDING-003", f"{EMPTY}/00-000-LiDAR-PCDs.pkl", "2"),
    Planted("the same among the moments that both have", "MG-RIDING-003", f"{EMPTY}/08-sync-000-LiDAR-PCDs.pkl", "2"),
    Planted("raw silhouettes under the name of aligned ones", "MG-MASKS-005", RAW, "raw"),
    Planted(
        "colour channels in front in one sequence", "MG-RIDING-004", OTHER_SHAPE, "also.rgb_raw is uint8 of 3 x 64"
    ),
    Planted("person of the partition who is not on disk", "MG-INDEX-007", "sustech1k: split: test", "0352"),
)


@lru_cache
def _seen() -> dict[str, Crops]:
    found = {}
    for person, (subject, types) in enumerate(TYPES.items()):
        for take, type_ in enumerate(types):
            wears = "bag" if "bg" in type_ else "coat" if "cl" in type_ or "uf" in type_ else ""
            walk = film(
                person, take, rig="in_the_wild", views=tuple(VIEWS.values()), frames=FRAMES, fps=30, wears=wears
            )
            for view, camera in VIEWS.items():
                found[f"{subject}/{type_}/{view}"] = Crops.of(walk.views[camera], len(found))
    return found


def _modalities(key: str, seen: Crops) -> dict[str, Any]:
    """Everything of one sequence by name; LiDAR at every third frame of the camera."""
    aligned = np.stack([found for mask in seen.pictures if (found := pretreated(mask)) is not None])
    raw = np.stack([cv2.resize(mask, (64, 64), interpolation=cv2.INTER_CUBIC) for mask in seen.pictures])
    clouds: list[Any] = [seen.view.posed.vertices[frame, ::200].astype(np.float64) for frame in range(1, len(seen), 3)]
    if key == EMPTY:
        clouds[2] = np.zeros((0, 3))
    colours = np.stack([raw, raw // 2, raw // 4], axis=-1)
    return {
        "LiDAR-PCDs": clouds,
        "LiDAR-PCDs_depths": np.stack([raw[1::3]] * 3, axis=1),
        "LiDAR-PCDs_sils": raw[1::3],
        "Camera-Pose": np.stack([seen.keypoints(frame) for frame in range(len(seen))]),
        "Camera-Ratios-HW": np.array([seen.size(frame)[::-1] for frame in range(len(seen))]),
        # The README has channels last, the script that was published has them first.
        "Camera-RGB_raw": np.moveaxis(colours, -1, 1) if key == OTHER_SHAPE else colours,
        "Camera-Sils_aligned": raw if key == RAW else aligned,
        "Camera-Sils_raw": raw,
    }


def _at(value: Any, frames: IntArray) -> Any:
    return [value[frame] for frame in frames] if isinstance(value, list) else value[frames]
