"""Work folders of datasets with masks: images or an OpenGait tree, with or without fits."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from packed_work import make_fit, small_manifest

from meshgait_data.body.files import load_body
from meshgait_data.fits import fit_path, write_fit
from meshgait_data.index import scan, write_index
from meshgait_data.manifest import Manifest
from meshgait_data.manifest_source import Silhouettes, Source
from meshgait_data.pipeline.render_files import pickled
from meshgait_data.render.align import align
from meshgait_data.render.raster import silhouettes
from meshgait_data.render.sequence import pose_capture
from meshgait_data.types import ByteArray, Camera, CaptureKey, Fit

NAME = "filmed"
WALKS = (("02", "01", 9), ("02", "02", 6), ("05", "01", 70))
"""Subject, condition, frames."""


def manifest_of(source: Source, pattern: str = "{subject}/{condition}") -> Manifest:
    """A dataset with masks; split and people are those of the shipped walks."""
    manifest = small_manifest()
    return replace(manifest, name=NAME, source=source, layout=replace(manifest.layout, pattern=pattern, subject=r"\d+"))


def images(**more: object) -> Source:
    """Source of masks as folders of images."""
    block = Silhouettes(path="{subject}/{condition}/{view}", format="images")
    return Source(fps=30.0, min_seconds=0.0, silhouettes=block, **more)  # type: ignore[arg-type]


def tree(**more: object) -> Source:
    """Source of aligned silhouettes as OpenGait has them."""
    block = Silhouettes(path="{subject}/{condition}/{view}/{view}.pkl", format="opengait")
    return Source(fps=30.0, min_seconds=0.0, silhouettes=block, **more)  # type: ignore[arg-type]


def film(fit: Fit) -> dict[Camera, ByteArray]:
    """What two cameras see of a walk: masks (F, H, W) by camera."""
    body = load_body()
    posed, cameras = pose_capture(body, fit, small_manifest().cameras)
    return {camera: silhouettes(posed.vertices, body.faces, camera) for camera in cameras}


def filmed_fit(key: CaptureKey, frames: int) -> Fit:
    """A fit whose frames have the numbers of images, with the cameras that saw it."""
    fit = replace(make_fit(key, frames), frame_ids=np.arange(frames, dtype=np.int32))
    _, cameras = pose_capture(load_body(), fit, small_manifest().cameras)
    return replace(fit, cameras={camera.name: camera for camera in cameras})


def write_images(root: Path, walks: Sequence[tuple[str, str, int]] = WALKS) -> Path:
    """Masks as images, from frame 0 on."""
    for subject, condition, frames in walks:
        for camera, masks in film(filmed_fit(CaptureKey(NAME, subject, condition), frames)).items():
            folder = root / subject / condition / camera.name
            folder.mkdir(parents=True, exist_ok=True)
            for number, mask in enumerate(masks):
                cv2.imwrite(str(folder / f"{number:06d}.png"), mask)
    return root


def write_tree(root: Path, walks: Sequence[tuple[str, str, int]] = WALKS) -> Path:
    """The same as OpenGait's tree of aligned silhouettes."""
    for subject, condition, frames in walks:
        for camera, masks in film(filmed_fit(CaptureKey(NAME, subject, condition), frames)).items():
            folder = root / subject / condition / camera.name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{camera.name}.pkl").write_bytes(pickled(align(masks).silhouettes))
    return root


def make_observed(work: Path, root: Path, source: Source, *, fitted: Sequence[tuple[str, str, int]] = ()) -> Path:
    """Index what lies in a folder, and write fits of some walks."""
    index, findings = scan(manifest_of(source), root)
    write_index(work, index, findings)
    for subject, condition, frames in fitted:
        key = CaptureKey(NAME, subject, condition)
        write_fit(fit_path(work, key), filmed_fit(key, frames))
    return work
