"""A work folder of invented people who walk as the shipped gait prior has it, each in a style of their own."""

from importlib.resources import files

import numpy as np
import torch

from meshgait_data.body.files import load_body
from meshgait_data.body.model import rest_joints
from meshgait_data.fit.priors.walks import leg_length, turn_about_y
from meshgait_data.fits import fit_path, write_fit
from meshgait_data.pipeline.prior_files import load_gait
from meshgait_data.rotations import log
from meshgait_data.types import BodyParams, CaptureKey, Fit

SUBJECTS = ("02", "05", "06", "07", "38")
"""07 and 38 may be one person, says the manifest."""


def invented_fit(body, subject, condition="01", *, phase=0.0, heading=0.5, frames=90, speed=None, styles=3):
    """A walk at 30 frames a second; ``speed=0`` for somebody who stands still."""
    gait = load_gait("walk").with_styles(styles)
    rest = rest_joints(body)[0]
    leg = leg_length(rest)
    style = torch.as_tensor(np.random.default_rng(int(subject)).normal(size=styles))
    times = np.arange(frames) / 30
    cadence = float(gait.cadence(style, leg_m=leg))
    pace = float(gait.speed(style, leg_m=leg)) if speed is None else speed
    phases = torch.as_tensor(phase + 2 * np.pi * cadence * times * (pace > 0))
    rotations, root = gait.rotations(phases, style).numpy(), leg * gait.root(phases, style).numpy()
    rotations[:, 0] = turn_about_y(np.full(frames, heading)) @ rotations[:, 0]
    ahead, left = np.array([np.sin(heading), 0, np.cos(heading)]), np.array([np.cos(heading), 0, -np.sin(heading)])
    pelvis = (pace * times + root[:, 2])[:, None] * ahead + root[:, 1:2] * left
    pelvis[:, 1] = root[:, 0]
    angles = log(rotations)
    params = BodyParams(
        betas=np.zeros(10, np.float32),
        global_orient=angles[:, 0].astype(np.float32),
        body_pose=angles[:, 1:].reshape(frames, 69).astype(np.float32),
        transl=(pelvis - rest[0]).astype(np.float32),
    )
    key = CaptureKey("cmu_walk", subject, condition)
    verdict = np.zeros(frames, np.uint8)
    return Fit(key, params, 4 * np.arange(frames), 30.0, {}, verdict, (), True, body.name, body.sha256)


def write_work(folder, **standing):
    """Fits of all invented people with the small free body, and of one who stands still if ``standing`` says so."""
    body = load_body("free-lite")
    manifest = files("meshgait_data.manifests") / "datasets" / "cmu_walk.yaml"
    folder.mkdir(exist_ok=True)
    (folder / "manifest.yaml").write_text(manifest.read_text())
    for number, subject in enumerate(SUBJECTS):
        for take in range(2):
            fit = invented_fit(body, subject, f"0{take + 1}", phase=number + 2.0 * take, heading=1.3 * number)
            write_fit(fit_path(folder, fit.key), fit)
    for subject in standing:
        fit = invented_fit(body, subject.removeprefix("s"), "09", speed=0.0)
        write_fit(fit_path(folder, fit.key), fit)
    return folder
