"""Learn virtual markers from the fits of a work folder: poses of the train side, judged on those of the test side."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from meshgait_data import __version__
from meshgait_data.body.marker_files import load_markers, save_markers
from meshgait_data.body.marker_report import report
from meshgait_data.body.marker_search import Progress
from meshgait_data.body.markers import MarkerSettings, learn_markers, random_meshes
from meshgait_data.body.model import Body
from meshgait_data.conventions import ACCEPTED
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.fits import read_fit
from meshgait_data.manifest import Manifest, load_manifest
from meshgait_data.types import FloatArray, MarkerSet

LEARNED = "markers.npz"
"""Markers that were learned in a work folder, for a body that none ship for."""

HOW_TO_FIT = (
    "make a work folder first: 'mgdata index cmu_walk --work WORK', then 'mgdata fit-smpl WORK', "
    "then 'mgdata markers learn WORK'"
)


def find_markers(work: Path, body: Body, name_or_path: str | Path | None = None) -> MarkerSet:
    """The markers to use with a body: those named, else those that ship for it, else those learned in ``work``.

    Raises
    ------
    UsageError
        Where there are none for this body.
    InvalidData
        Where a file is damaged.
    """
    try:
        return load_markers(body, name_or_path)
    except UsageError:
        if name_or_path is None and (work / LEARNED).is_file():
            return load_markers(body, work / LEARNED)
        raise


def ensure_markers(work: Path, body: Body, progress: Progress | None = None) -> MarkerSet:
    """Like :func:`find_markers` without a name, but where there are none, learn them and keep them in ``work``."""
    try:
        return find_markers(work, body)
    except UsageError:
        save_markers(work / LEARNED, learn_from_work(work, body, MarkerSettings(), name=body.name, progress=progress))
        return find_markers(work, body)


def learn_from_work(
    work: Path,
    body: Body,
    settings: MarkerSettings,
    *,
    name: str,
    meshes: int = 150,
    progress: Progress | None = None,
) -> MarkerSet:
    """Learn markers on the walks of the train side and measure them on the test side.

    Only poses are taken from the fits, so they may have been made with another body.

    Parameters
    ----------
    work
        Work folder with ``manifest.yaml`` and ``fits/``.
    body
        The body to learn markers for.
    settings
        Number of markers and how they are chosen; its seed also draws frames and shapes.
    name
        Name of the set.
    meshes
        Meshes to learn from, and as many others to measure on: frames drawn evenly from all people of a side, each
        with a random shape.
    progress
        Told about each step.

    Returns
    -------
    The markers, with their errors on the test side in the provenance.

    Raises
    ------
    UsageError
        Where there are no fits.
    InvalidData
        Where one side of the split has no usable fit.
    """
    if meshes < 2:
        raise UsageError(f"cannot learn markers from {meshes} meshes", hint="some hundred are enough, at least 2")
    manifest_path = work / "manifest.yaml"
    paths = sorted((work / "fits").glob("*/*.npz"))
    if not manifest_path.is_file() or not paths:
        raise UsageError("no fits in this work folder", where=str(work), hint=HOW_TO_FIT)
    manifest = load_manifest(str(manifest_path))
    poses = read_poses(manifest, paths)
    rng = np.random.default_rng(settings.seed)
    train, test = (random_meshes(body, draw_frames(poses[side], meshes, rng), rng) for side in ("train", "test"))
    # The matrices are small: on a busy machine, BLAS threads that wait for each other cost eight times as much.
    with threadpool_limits(1):
        markers = learn_markers(body, train, settings, name=name, progress=progress)
    found = {
        "errors_mm": report(body, markers, test),
        "test_meshes": meshes,
        "poses": manifest.name,
        "people": {side: sorted(poses[side]) for side in ("train", "test")},
        "meshgait": __version__,
    }
    return replace(markers, provenance={**markers.provenance, **found})


def read_poses(manifest: Manifest, paths: list[Path]) -> dict[str, dict[str, FloatArray]]:
    """Poses of accepted frames: side of the split, to identity, to (F, 69).

    Raises
    ------
    InvalidData
        Where a fit is damaged, or the train or test side has no accepted frame.
    """
    found: dict[str, dict[str, list[FloatArray]]] = {"train": {}, "test": {}, "unused": {}}
    for path in paths:
        fit = read_fit(path)
        frames = fit.params.body_pose[fit.verdict == ACCEPTED]
        if len(frames):
            identity = manifest.identity(fit.key.subject)
            found[manifest.side(fit.key.subject)].setdefault(identity, []).append(frames)
    for side in ("train", "test"):
        if not found[side]:
            raise InvalidData(
                f"none of the {len(paths)} fits gives an accepted frame of the {side} side of {manifest.name!r}",
                hint="fit all walks of the dataset: markers are learned on one side and measured on the other",
            )
    return {side: {who: np.concatenate(parts) for who, parts in people.items()} for side, people in found.items()}


def draw_frames(people: dict[str, FloatArray], count: int, rng: np.random.Generator) -> FloatArray:
    """(count, 69) frames, as evenly from all people as possible; a frame comes twice only where there are too few."""
    names = sorted(people)
    shares = np.bincount(np.arange(count) % len(names), minlength=len(names))
    drawn = [
        people[name][rng.choice(len(people[name]), share, replace=share > len(people[name]))]
        for name, share in zip(names, shares, strict=True)
    ]
    return np.concatenate(drawn)
