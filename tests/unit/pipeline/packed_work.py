"""A work folder with synthetic fits: people gliding forward, which is all that packing needs."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from meshgait_data.body.files import load_body
from meshgait_data.fits import fit_path, write_fit
from meshgait_data.index import Index, IndexRow, write_index
from meshgait_data.manifest import Manifest, load_manifest
from meshgait_data.types import BodyParams, CaptureKey, Fit

WALKS = (("02", "01", 5), ("02", "02", 2), ("05", "01", 40), ("16", "15", 3), ("35", "01", 4))
"""Subject, condition, frames."""


def small_manifest() -> Manifest:
    """CMU's manifest with two cameras and small images."""
    manifest = load_manifest("cmu_walk")
    ring = replace(manifest.cameras, azimuths_deg={"000": 0.0, "090": 90.0}, focal_px=175.0, image_size=(160, 120))
    return replace(manifest, cameras=ring)


def make_fit(key: CaptureKey, frames: int, *, way: float = 1.0) -> Fit:
    """A body in its rest pose that moves along z; equal arguments give equal fits."""
    rng = np.random.default_rng(zlib.crc32(str(key).encode()))
    body = load_body()
    transl = np.zeros((frames, 3), np.float32)
    transl[:, 1] = -body.v_template[:, 1].min()
    transl[:, 2] = np.linspace(0, way, frames)
    params = BodyParams(
        betas=rng.normal(size=body.num_betas).astype(np.float32),
        global_orient=np.zeros((frames, 3), np.float32),
        body_pose=np.zeros((frames, 69), np.float32),
        transl=transl,
    )
    return Fit(
        key=key,
        params=params,
        frame_ids=np.arange(1, 4 * frames, 4, dtype=np.int32),
        fps=30.0,
        residuals={"joints": np.full(frames, 0.01, np.float32)},
        verdict=np.zeros(frames, np.uint8),
        reasons=(),
        converged=True,
        body_name=body.name,
        body_sha256=body.sha256,
    )


def make_work(work: Path, walks: Sequence[tuple[str, str, int]] = WALKS) -> Path:
    """Index and fits, as ``mgdata index`` and ``mgdata fit-smpl`` leave them."""
    manifest = small_manifest()
    rows = []
    for subject, condition, frames in walks:
        key = CaptureKey(manifest.name, subject, condition)
        write_fit(fit_path(work, key), make_fit(key, frames))
        for view in manifest.cameras.azimuths_deg:
            files = (f"{subject}_{condition}.amc", f"{subject}.asf")
            who = (manifest.identity(subject), manifest.side(subject))
            rows.append(IndexRow(manifest.name, subject, condition, view, *who, *files, frames, 30.0, "0" * 64))
    write_index(work, Index(manifest, work, tuple(sorted(rows))), [])
    return work
