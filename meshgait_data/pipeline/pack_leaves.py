"""Leaves of an OpenGait tree: a folder with one pickle a modality, of which one holds the aligned silhouettes."""

import re
from pathlib import Path

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.types import ByteArray, SequenceKey


def further_pickles(silhouettes: Path, key: SequenceKey) -> dict[str, Path]:
    """Pickles beside that of the silhouettes, by the name under which they ride along.

    A name is that of the file in small letters, without what stands before it for order or for the sequence:
    ``00-000-Pose 2D.pkl`` of view ``000`` is ``pose_2d``.
    """
    own = {key.subject.lower(), key.condition.lower(), key.view.lower()}
    found: dict[str, Path] = {}
    for path in sorted((silhouettes if silhouettes.is_dir() else silhouettes.parent).glob("*.pkl")):
        words = [word for word in re.split(r"[^a-z0-9]+", path.stem.lower()) if word]
        while words and (words[0].isdigit() or words[0] in own):
            words.pop(0)
        if path != silhouettes and words and words[0][0].isalpha():
            found.setdefault("_".join(words), path)
    return found


def squared(images: ByteArray, where: str) -> ByteArray:
    """Aligned silhouettes (F, S, S); narrower ones, whose sides somebody has cut, get columns of zeros in their place.

    Raises
    ------
    SourceError
        Where they are of another shape.
    """
    height, width = images.shape[1:]
    missing = height - width
    if missing < 0 or missing % 2:
        what = f"silhouettes of {height} x {width} pixels cannot be centred in a square"
        raise SourceError(what, where=where, hint="name the original masks as source: silhouettes instead")
    return np.pad(images, ((0, 0), (0, 0), (missing // 2, missing // 2)))
