"""Virtual markers of any body: learned on walks that ship and on wider poses, judged on other people."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from meshgait_data import __version__
from meshgait_data.body.free_walks import Walk, joint_rotations
from meshgait_data.body.marker_files import load_markers, save_markers
from meshgait_data.body.marker_published import published_set
from meshgait_data.body.marker_published_files import read_published, read_vertex_list
from meshgait_data.body.marker_report import judge
from meshgait_data.body.marker_sample import Sample, draw_sample
from meshgait_data.body.marker_search import Progress
from meshgait_data.body.markers import MarkerSettings, learn_markers
from meshgait_data.body.model import Body, rest_joints
from meshgait_data.conventions import ACCEPTED
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.fits import read_fit
from meshgait_data.manifest import Manifest, load_manifest
from meshgait_data.pipeline.free_body import shipped_walks
from meshgait_data.rotations import log
from meshgait_data.types import FloatArray, MarkerSet

LEARNED = "markers.npz"
"""Markers that were learned in a work folder, for a body that none ship for."""
MESHES = 150
"""Walking poses to learn from; a third as many wide ones come on top: more would serve these at the cost of walks."""
EVERY = 4
"""Frames of a shipped walk: every 4th, 30 a second."""
TEST_SEED = 1000
"""Added to the seed of the meshes that sets are judged on, so that all sets of a body are judged on the same ones."""

People = Mapping[str, FloatArray]
"""Identity to (F, 69) poses."""


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
        save_markers(work / LEARNED, learn(body, MarkerSettings(), name=body.name, progress=progress))
        return find_markers(work, body)


def learn(
    body: Body,
    settings: MarkerSettings,
    *,
    name: str,
    meshes: int = MESHES,
    fits: Path | None = None,
    progress: Progress | None = None,
) -> MarkerSet:
    """Learn markers on people of the train side and measure them on those of the test side.

    Parameters
    ----------
    body
        The body to learn markers for.
    settings
        Number of markers and how they are chosen; its seed also draws frames, wide poses and shapes.
    name
        Name of the set.
    meshes
        Walking poses to learn from, and a third as many wide ones.
    fits
        Work folder whose fitted poses are taken instead of the walks that ship; they may be of another body.
    progress
        Told about each step.

    Returns
    -------
    The markers, with their errors and their spread over the body in the provenance.

    Raises
    ------
    UsageError
        Where ``meshes`` is too small, or there are no fits in the folder.
    InvalidData
        Where one side of the split has no usable fit.
    """
    if meshes < 2:
        raise UsageError(f"cannot learn markers from {meshes} meshes", hint="some hundred are enough, at least 2")
    sides = people(body, fits)
    train = draw_sample(body, sides["train"], (meshes, meshes // 3), np.random.default_rng(settings.seed))
    # The matrices are small: on a busy machine, BLAS threads that wait for each other cost eight times as much.
    with threadpool_limits(1):
        markers = learn_markers(body, train.all, settings, name=name, progress=progress)
    origin = {"poses": "fits" if fits else "cmu_walk", "people": {side: sorted(who) for side, who in sides.items()}}
    return judged(body, markers, held_out(body, sides["test"]), origin)


def import_published(folder: Path, vertices: Path, body: Body, *, name: str) -> MarkerSet:
    """Published markers on a body, with what was not published fitted on the same meshes that markers are learned on.

    Parameters
    ----------
    folder
        Holds ``vm_A_sym.npz``, ``vm_B_sym.npz`` and ``vm_info.npz``.
    vertices
        Says which vertices of the body they are for, see ``marker_published_files.read_vertex_list``.
    body
        The body of the user.
    name
        Name of the set.

    Raises
    ------
    InvalidData
        Where a file is damaged, or files and body do not belong together.
    """
    published, kept = read_published(folder), read_vertex_list(vertices, body.num_vertices)
    sides, settings = people(body), MarkerSettings(count=len(published.mirror))
    train = draw_sample(body, sides["train"], (MESHES, MESHES // 3), np.random.default_rng(settings.seed))
    with threadpool_limits(1):
        markers = published_set(body, published, kept, train.all, name=name, settings=settings)
    return judged(body, markers, held_out(body, sides["test"]), {"origin": "Ma et al., CVPR 2023 (Apache-2.0)"})


def judged(body: Body, markers: MarkerSet, test: Sample, more: Mapping[str, object]) -> MarkerSet:
    """The same set with its errors on held-out meshes, its spread, this version, and more, in the provenance."""
    found = {**judge(body, markers, test), "test_meshes": [len(test.walks), len(test.wide)], "meshgait": __version__}
    return replace(markers, provenance={**markers.provenance, **found, **more})


def held_out(body: Body, test: People | None = None) -> Sample:
    """Meshes of people of the test side that every set of a body is judged on: 150 walking, 150 wide."""
    test = people(body)["test"] if test is None else test
    return draw_sample(body, test, (MESHES, MESHES), np.random.default_rng(TEST_SEED))


def people(body: Body, fits: Path | None = None) -> dict[str, People]:
    """Poses of the people of each side (``train``, ``test``) of the split: of the walks that ship, or fitted ones."""
    return _fitted(fits) if fits else _walking(body)


def _walking(body: Body) -> dict[str, People]:
    """Rotations of the captured skeletons in the shipped walks, as rotations of the body's joints."""
    rest, manifest = rest_joints(body)[0], load_manifest("cmu_walk")
    found: dict[str, dict[str, list[FloatArray]]] = {"train": {}, "test": {}, "unused": {}}
    for subject, walk in _walks():
        pose = log(joint_rotations(walk, rest)[:, 1:]).reshape(len(walk.rotations), -1)
        found[manifest.side(subject)].setdefault(manifest.identity(subject), []).append(pose)
    return _joined(found)


@lru_cache(maxsize=1)
def _walks() -> tuple[tuple[str, Walk], ...]:
    """Subject and walk of all walks that ship."""
    root = load_manifest("cmu_walk").default_root()
    assert root is not None  # the manifest names a folder of the package
    names = [f"{path.parent.name}/{path.stem}" for path in sorted((root / "asfamc").glob("*/*.amc"))]
    return tuple((name.partition("/")[0], shipped_walks((name,), EVERY)[0]) for name in names)


def _fitted(work: Path) -> dict[str, People]:
    """Accepted frames of the fits in a work folder."""
    manifest_path = work / "manifest.yaml"
    paths = sorted((work / "fits").rglob("*.npz"))
    if not manifest_path.is_file() or not paths:
        raise UsageError(
            "no fits in this work folder",
            where=str(work),
            hint="fit a dataset first ('mgdata index', then 'mgdata fit-smpl'), or leave the folder out: "
            "the walks that ship are enough",
        )
    manifest = load_manifest(str(manifest_path))
    return _read_fits(manifest, paths)


def _read_fits(manifest: Manifest, paths: list[Path]) -> dict[str, People]:
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
    return _joined(found)


def _joined(found: dict[str, dict[str, list[FloatArray]]]) -> dict[str, People]:
    return {side: {who: np.concatenate(parts) for who, parts in found[side].items()} for side in ("train", "test")}
