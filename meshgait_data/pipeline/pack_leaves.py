"""Leaves of an OpenGait tree: a folder with one pickle a modality, of which one holds the aligned silhouettes."""

import re
from pathlib import Path

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.reading import read_pickled_array
from meshgait_data.types import ByteArray, SequenceKey


def further_pickles(silhouettes: Path, key: SequenceKey) -> dict[str, Path]:
    """Pickles beside that of the silhouettes, by the name under which they ride along.

    A name is that of the file in small letters, without what stands before it for order or for the sequence:
    ``00-000-Pose 2D.pkl`` of view ``000`` is ``pose_2d``.
    """
    own = {key.subject.lower(), key.condition.lower(), key.view.lower()}
    found: dict[str, Path] = {}
    for path in sorted(silhouettes.parent.glob("*.pkl")):
        words = [word for word in re.split(r"[^a-z0-9]+", path.stem.lower()) if word]
        while words and (words[0].isdigit() or words[0] in own):
            words.pop(0)
        if path != silhouettes and words and words[0][0].isalpha():
            found.setdefault("_".join(words), path)
    return found


def read_silhouettes(path: Path) -> ByteArray:
    """Aligned silhouettes (F, S, S) of a pickle, to the last grey value.

    Narrower ones, of which somebody has cut columns on both sides, get zeros in their place.

    Raises
    ------
    SourceError
        Where the file is damaged, or holds no such thing.
    """
    array = read_pickled_array(path)
    if array.dtype != np.uint8 or array.ndim != 3 or not array.size:
        what = f"silhouettes are {array.dtype} {array.shape}"
        raise SourceError(what, where=str(path), hint="OpenGait's trees hold uint8 (frames, side, side)")
    height, width = array.shape[1:]
    missing = height - width
    if missing < 0 or missing % 2:
        what = f"silhouettes of {height} x {width} pixels cannot be centred in a square"
        raise SourceError(what, where=str(path), hint="name the original masks as source: silhouettes instead")
    return np.pad(array, ((0, 0), (0, 0), (missing // 2, missing // 2)))
