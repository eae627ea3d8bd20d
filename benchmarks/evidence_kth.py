"""The KTH walks as a source of the pipeline: one folder a pass, from files that hold the four passes of a clip.

Masks and keypoints were derived from the KTH action database (Schuldt, Laptev, Caputo, *Recognizing human actions: a
local SVM approach*, ICPR 2004); its licence does not let them come with the project. Shape letters: F frames, P points.
"""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meshgait_data.atomic import write_npz
from meshgait_data.body.joint_files import load_joint_set
from meshgait_data.conventions import mirror_names
from meshgait_data.errors import SourceError

MANIFEST = Path(__file__).with_suffix(".yaml")
PASSES = 4
"""Walks through the picture in each clip; odd ones go the other way."""
SIZE = (320, 240)
"""Width and height of the masks."""
LEAST_PIXELS, LEAST_ROWS, BORDER = 150, 50, 2
"""A frame is used where the mask has so many pixels and rows, and keeps so far from the left and right border."""
LEAST_FRAMES = 15
"""Of a walk."""
FITTED = f"subject={'|'.join(f'{n:02d}' for n in range(1, 11))},condition=" + "|".join(
    f"d{scene}-{number}" for scene in (1, 3, 4) for number in range(1, PASSES + 1)
)
"""Walks that get 3D labels: those of the training people, without the scene in which the detector confuses legs."""
_NAME = re.compile(r"person(\d{2})_walking_(d\d)\.npz")


def convert(source: Path, out: Path) -> int:
    """Write ``OUT/<person>/<condition>-<pass>/{masks,keypoints}.npz``; gives how many walks there are.

    Everybody walks to the right afterwards: the others are mirrored, with left and right points exchanged. Frames in
    which the person is cut off or hardly there are left out.

    Raises
    ------
    SourceError
        Where there are no such files.
    """
    walks = 0
    for path in sorted(source.glob("*.npz")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        with np.load(path, allow_pickle=False) as arrays:
            for number in range(PASSES):
                folder = out / match[1] / f"{match[2]}-{number + 1}"
                walks += f"mask{number}" in arrays and _convert_pass(dict(arrays), number, folder)
    if not walks:
        hint = "name the folder of person01_walking_d1.npz, ... with --root or MESHGAIT_REAL_DATA"
        raise SourceError("no masks and keypoints of KTH walks", where=str(source), hint=hint)
    return walks


def _convert_pass(arrays: dict[str, NDArray[np.generic]], number: int, folder: Path) -> bool:
    masks = np.unpackbits(np.asarray(arrays[f"mask{number}"], np.uint8), axis=-1)[:, :, : SIZE[0]]
    keypoints = np.asarray(arrays[f"kp{number}"], np.float64)
    keep = np.array([_whole(mask) for mask in masks], bool)
    if keep.sum() < LEAST_FRAMES:
        return False
    # MediaPipe counts from the border of a picture of half the size; here centres of pixels are whole numbers.
    points, confidence = keypoints[..., :2] * 2 - 0.5, keypoints[..., 2]
    masks, points, confidence = masks[keep], points[keep], confidence[keep]
    if _to_the_left(masks):
        names = load_joint_set("blazepose33").names
        mirror = mirror_names(names)
        masks = masks[:, :, ::-1]
        points, confidence = points[:, mirror] * [-1, 1] + [SIZE[0] - 1, 0], confidence[:, mirror]
    ids = np.asarray(arrays[f"frame{number}"], np.int64)[keep]
    write_npz(folder / "masks.npz", {"masks": masks.astype(bool), "frame_ids": ids})
    found = {
        "points": points.astype(np.float32),
        "confidence": np.clip(confidence, 0, 1).astype(np.float32),
        "joint_set": np.array("blazepose33"),
        "frame_ids": ids,
        "size": np.array(SIZE),
    }
    write_npz(folder / "keypoints.npz", found)
    return True


def _whole(mask: NDArray[np.uint8]) -> bool:
    """Whether all of the person is in the picture (H, W)."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if mask.sum() < LEAST_PIXELS or rows[-1] + 1 - rows[0] < LEAST_ROWS:
        return False
    return bool(columns[0] >= BORDER and columns[-1] < SIZE[0] - BORDER)


def _to_the_left(masks: NDArray[np.uint8]) -> bool:
    columns = np.arange(masks.shape[2])
    middle = (masks.sum(1) * columns).sum(1) / masks.sum((1, 2))
    return bool(np.polyfit(np.arange(len(middle)), middle, 1)[0] < 0)
