"""Masks that lie in files beside a dataset: the npz of ``mgdata render``, or one's own in the same form."""

import hashlib
from dataclasses import replace
from pathlib import Path

from meshgait_data.errors import SourceError
from meshgait_data.pipeline.render_files import read_render
from meshgait_data.sources.masks import read_masks
from meshgait_data.sources.track import masks_at
from meshgait_data.types import Camera, CaptureKey, Masks, Observations, SequenceData

_NEEDED = ("frame_ids", "silhouettes", "windows")


def mask_files(folder: Path, key: CaptureKey) -> list[Path]:
    """Files with the masks of one walk, one a view: ``FOLDER/<subject>/<condition>/<view>.npz``."""
    return sorted((folder / key.subject / key.condition).glob("*.npz"))


def masks_sha256(folder: Path, key: CaptureKey) -> str:
    """Hash over the mask files of one walk."""
    parts = [path.name.encode() + hashlib.sha256(path.read_bytes()).digest() for path in mask_files(folder, key)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def with_masks(seen: Observations, folder: Path) -> Observations:
    """The observations of a walk, and the masks and cameras that files have of it.

    Parameters
    ----------
    seen
        Of the walk, in the world that the cameras stand in.
    folder
        See :func:`mask_files`. Frames are matched by their ids; those that a view lacks say nothing there.

    Raises
    ------
    SourceError
        Where the walk has no masks, or files do not hold masks of this walk.
    InvalidData
        Where a file is damaged.
    """
    paths = mask_files(folder, seen.key)
    if not paths:
        raise SourceError(
            f"no masks of this walk in {folder}",
            where=str(seen.key),
            hint=f"expected {seen.key.subject}/{seen.key.condition}/<view>.npz as 'mgdata render' writes them; "
            "or leave the walk out with --select",
        )
    found = [_view(path, seen) for path in paths]
    cameras = {camera.name: camera for _, camera in found}
    return replace(seen, masks=(*seen.masks, *(masks for masks, _ in found)), cameras={**seen.cameras, **cameras})


def _view(path: Path, seen: Observations) -> tuple[Masks, Camera]:
    camera = _checked(path, seen.key).camera
    # A rendered sequence was seen by one.
    assert camera is not None
    return masks_at(read_masks(path, camera.name, format="render"), seen.frame_ids), camera


def _checked(path: Path, key: CaptureKey) -> SequenceData:
    sequence = read_render(path)
    lacking = [name for name in _NEEDED if name not in sequence.arrays]
    if lacking or sequence.key != key.sequence(sequence.key.view):
        raise SourceError(
            f"no {' and no '.join(lacking)}" if lacking else f"these are masks of {sequence.key}, not of {key}",
            where=str(path),
            hint="masks are npz files as 'mgdata render --format npz' writes them",
        )
    return sequence
