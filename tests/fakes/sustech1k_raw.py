"""SUSTech1K as recorded, in miniature: a folder for each modality, files named by the time of their sensor."""

import json
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from fakes.crops import Crops
from fakes.partitions import write_partition
from fakes.plan import Fake, Planted, write_picture
from fakes.published import pretreated
from fakes.walkers import film
from meshgait_data.types import ByteArray, FloatArray

FRAMES = 12
"""Of the camera, at 30 a second; the LiDAR has a third of them."""
VIEWS = {"000": "w0", "090-near": "w3"}
TYPES = {"0000": ("00-nm", "01-nm"), "0408": ("00-nm", "01-nm", "01-uf"), "1057": ("00-nm", "01-bg-nt")}
PARTITION = {"TRAIN_SET": ["0000"], "TEST_SET": ["0408", "1057", "0352"]}
_START = 1657079013 * 10**9
_NANO = 10**9

UNSEEN, UNPOSED, PAUSED = "0000/00-nm/000", "0000/00-nm/090-near", "0000/01-nm/000"
DRIFTED, MISNAMED, LATE = "0000/01-nm/090-near", "0408/00-nm/000", "0408/00-nm/090-near"
EMPTY, SHORT, BROKEN = "0408/01-nm/000", "0408/01-nm/090-near", "0408/01-uf/000"
PLANTED = (
    Planted(
        "a silhouette is missing, its pose and picture are there", "MG-FRAMES-001", UNSEEN, "no silhouettes in 1 of"
    ),
    Planted("a pose is missing", "MG-FRAMES-001", UNPOSED, "no keypoints2d in 1 of 12 frames"),
    Planted("nothing was recorded for two frames", "MG-FRAMES-003", PAUSED, "2 frames between"),
    Planted("a pose of a time between two pictures", "MG-SOURCE-033", f"{DRIFTED}/Pose", "1 of 12 files"),
    Planted("a file that bears no time", "MG-SOURCE-031", f"{MISNAMED}/Sils_aligned", "sheet.png"),
    Planted("a sweep without a picture", "MG-FRAMES-017", f"{LATE}/PCDs", "1 of 4 frames"),
    Planted("a cloud without points", "MG-RIDING-003", f"{EMPTY}/PCDs", "1 of 4"),
    Planted("a depth image is missing", "MG-FRAMES-015", SHORT, "also.lidar_depths has 3"),
    Planted("half a pose", "MG-SOURCE-030", f"{BROKEN}/Pose", "1 of 12"),
    Planted("person of the partition who is not on disk", "MG-INDEX-007", "sustech1k_raw: split: test", "0352"),
)


def make(out: Path) -> Fake:
    """Write ``{id}/{nn}-{attribute}/{view}/{modality}/{time}.{pcd,png,jpg,json}``."""
    silhouettes = {}
    for number, (key, seen) in enumerate(_seen().items()):
        rng = np.random.default_rng(number)
        frames = np.arange(FRAMES) + (2 * (np.arange(FRAMES) >= 6) if key == PAUSED else 0)
        # The camera's clock is a few milliseconds out now and then.
        times = _START + 10 * number * _NANO + np.rint(frames * _NANO / 30).astype(np.int64)
        times = times + rng.integers(-3_000_000, 3_000_000, FRAMES)
        pictures = _aligned(seen)
        _write_camera(out / key, key, seen, pictures, times)
        _write_lidar(out / key, key, seen, times, rng)
        kept = [frame for frame in range(FRAMES) if (key, frame) != (UNSEEN, 4)]
        silhouettes[key] = {int(frames[frame]): _resized(pictures[frame]) for frame in kept}
    return Fake(write_partition(out, "sustech1k_raw", PARTITION), out, PLANTED, silhouettes)


@lru_cache
def _seen() -> dict[str, Crops]:
    found = {}
    for person, (subject, types) in enumerate(TYPES.items()):
        for take, type_ in enumerate(types):
            wears = "bag" if "bg" in type_ else "coat" if "uf" in type_ else ""
            cameras = tuple(VIEWS.values())
            walk = film(person, take, rig="in_the_wild", views=cameras, frames=FRAMES, fps=30, wears=wears)
            for view, camera in VIEWS.items():
                found[f"{subject}/{type_}/{view}"] = Crops.of(walk.views[camera], len(found))
    return found


def _aligned(seen: Crops) -> list[ByteArray]:
    """Aligned silhouettes, larger than networks take them."""
    found = [pretreated(mask, 128) for mask in seen.pictures]
    return [picture for picture in found if picture is not None]


def _resized(picture: ByteArray) -> ByteArray:
    return np.asarray(cv2.resize(picture, (64, 64), interpolation=cv2.INTER_CUBIC), np.uint8)


def _write_camera(folder: Path, key: str, seen: Crops, pictures: list[ByteArray], times: np.ndarray) -> None:
    for frame, time in enumerate(times.tolist()):
        name = str(time)
        assert len(name) == 19
        if (key, frame) != (UNSEEN, 4):
            write_picture(folder / "Sils_aligned" / f"{name}.png", pictures[frame])
        write_picture(folder / "Sils_raw" / f"{name}.png", seen.pictures[frame])
        _write_jpeg(folder / "RGB_raw" / f"{name}.jpg", seen.pictures[frame])
        if (key, frame) == (UNPOSED, 7):
            continue
        # 11 ms before the next picture, which has a pose of its own.
        posed = str(times[9] - 11_000_000) if (key, frame) == (DRIFTED, 8) else name
        text = json.dumps(np.round(seen.keypoints(frame), 3).tolist())
        path = folder / "Pose" / f"{posed}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text[: len(text) // 2] if (key, frame) == (BROKEN, 5) else text, encoding="ascii")
    if key == MISNAMED:
        write_picture(folder / "Sils_aligned" / "sheet.png", pictures[0])


def _write_jpeg(path: Path, picture: ByteArray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".jpg", np.stack([picture, picture // 2, picture // 4], axis=-1))[1].tobytes())


def _write_lidar(folder: Path, key: str, seen: Crops, times: np.ndarray, rng: np.random.Generator) -> None:
    """Sweeps whose middle is near every third picture; their names tell when they began."""
    for sweep, frame in enumerate(range(1, FRAMES, 3)):
        late = 25_000_000 if (key, sweep) == (LATE, 3) else 0
        # The picture after is 33 ms away; for the last sweep there is none.
        began = int(times[-1] + late) if late else int(times[frame] + rng.integers(-8_000_000, 8_000_000))
        began -= 50_000_000
        name = f"{began // _NANO}.{began % _NANO:09d}"
        cloud = seen.view.posed.vertices[frame, ::200]
        _write_cloud(folder / "PCDs" / f"{name}.pcd", cloud[:0] if (key, sweep) == (EMPTY, 2) else cloud)
        picture = _resized(seen.pictures[frame])
        if (key, sweep) != (SHORT, 1):
            write_picture(folder / "PCDs_depths" / f"{name}.png", picture)
        write_picture(folder / "PCDs_sils" / f"{name}.png", picture)


def _write_cloud(path: Path, points: FloatArray) -> None:
    """PCD of the Point Cloud Library, as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = len(points)
    head = f"VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH {count}\nHEIGHT 1\n"
    rows = "".join(f"{x:.4f} {y:.4f} {z:.4f}\n" for x, y, z in points)
    path.write_text(f"{head}VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {count}\nDATA ascii\n{rows}", encoding="ascii")
