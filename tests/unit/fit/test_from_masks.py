"""Masks alone: walks from the gait prior, rendered, found again; and inputs that cannot be right."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from meshgait_data.body.files import load_body
from meshgait_data.body.model import forward
from meshgait_data.errors import FitError
from meshgait_data.fit import Known, fit_captures
from meshgait_data.fit.cameras import nominal_cameras
from meshgait_data.fit.from_masks import MaskOptions, enough, evidence
from meshgait_data.fit.scene import Scene
from meshgait_data.fit.settings import FitSettings
from meshgait_data.fit.terms.silhouette import Silhouettes
from meshgait_data.manifest import CameraRing
from meshgait_data.pipeline.prior_files import Priors, load_priors
from meshgait_data.render.raster import silhouettes
from meshgait_data.rotations import log
from meshgait_data.types import BodyParams, Camera, CaptureKey, Fit, Masks, Observations

FPS, FRAMES, SIDE = 15.0, 16, 240


@pytest.fixture(scope="module")
def priors() -> Priors:
    return load_priors("walk")


@pytest.fixture(scope="module")
def walk(priors: Priors) -> BodyParams:
    """Two styles off the mean, along +z through the origin."""
    assert priors.gait is not None
    gait = priors.gait.with_styles(2)
    style = torch.tensor([0.7, -0.5], dtype=torch.float64)
    seconds = torch.arange(FRAMES, dtype=torch.float64) / FPS
    phase = 1.0 + 2 * torch.pi * 0.9 * seconds
    rotations, root = gait.rotations(phase, style), gait.root(phase, style).numpy() * 0.8
    vectors = log(rotations.numpy()).astype(np.float32).reshape(FRAMES, 72)
    along = 1.2 * (seconds - seconds.mean()).numpy()
    pelvis = np.stack([root[:, 1], root[:, 0], root[:, 2] + along], 1)
    betas = np.array([0.5, -1.0, 0.8, 0, 0, 0, 0, 0, 0, 0], np.float32)
    still = BodyParams(betas, vectors[:, :3], vectors[:, 3:], np.zeros((FRAMES, 3), np.float32))
    rest = forward(load_body("free-lite"), still, np.array([0])).joints[:, 0]
    return replace(still, transl=(pelvis - rest).astype(np.float32))


def cameras(*azimuths: float, turn: float = 0.0) -> list[Camera]:
    table = {f"{azimuth:g}": azimuth + turn for azimuth in azimuths}
    return list(nominal_cameras(CameraRing(table, 4.0, 1.4, 0.9, 260.0, (SIDE, SIDE))).values())


def seen_by(walk: BodyParams, views: list[Camera], *, known: bool = True) -> Observations:
    lite = load_body("free-lite")
    vertices, everything = forward(lite, walk).vertices, np.ones(FRAMES, bool)
    masks = tuple(Masks(view.name, silhouettes(vertices, lite.faces, view), everything) for view in views)
    return Observations(
        CaptureKey("made", "up", "01"),
        np.zeros((FRAMES, 0, 3)),
        (),
        "",
        np.arange(FRAMES),
        FPS,
        masks=masks,
        cameras={view.name: view for view in views} if known else {},
    )


def fitted(seen: Observations, priors: Priors, options: MaskOptions | None = None) -> Fit:
    known = Known(priors.pose, priors.gait, masks=options or MaskOptions())
    found = fit_captures(load_body("free-lite"), [seen], known)[0]
    if isinstance(found, FitError):
        raise found
    return found


def joints_mm(found: BodyParams, truth: BodyParams, *, rooted: bool = False) -> float:
    pair = [forward(load_body("free-lite"), params, np.array([0])).joints for params in (found, truth)]
    pair = [joints - joints[:, :1] for joints in pair] if rooted else pair
    return 1e3 * float(np.linalg.norm(pair[0] - pair[1], axis=-1).mean())


def test_two_views(walk: BodyParams, priors: Priors) -> None:
    fit = fitted(seen_by(walk, cameras(20.0, 110.0)), priors)
    overlaps = [values.mean() for name, values in fit.residuals.items() if name.startswith("mask_iou:")]
    assert min(overlaps) > 0.96
    assert joints_mm(fit.params, walk) < 15
    assert fit.residuals["masks"].max() < 2.0
    assert fit.provenance["ambiguity"] < 0.9


def test_one_view_from_the_side(walk: BodyParams, priors: Priors) -> None:
    fit = fitted(seen_by(walk, cameras(90.0)), priors)
    assert fit.residuals["mask_iou:90"].mean() > 0.95
    assert joints_mm(fit.params, walk, rooted=True) < 40


def test_nominal_cameras(walk: BodyParams, priors: Priors) -> None:
    views, nominal = cameras(0.0, 60.0, 120.0, turn=2.0), cameras(0.0, 60.0, 120.0)
    options = MaskOptions(nominal={camera.name: camera for camera in nominal})
    named = [replace(view, name=camera.name) for view, camera in zip(views, nominal, strict=True)]
    fit = fitted(seen_by(walk, named, known=False), priors, options)
    assert set(fit.cameras) == set(options.nominal)
    assert np.mean([fit.residuals[f"mask_iou:{name}"].mean() for name in options.nominal]) > 0.95
    assert joints_mm(fit.params, walk, rooted=True) < 40


def test_a_lens_is_straightened(walk: BodyParams) -> None:
    straight = cameras(90.0)[0]
    bent = replace(straight, distortion=(-0.2, 0.05, 0.0, 0.0))
    lines = []
    for view in (straight, bent):
        scene = Scene.of(load_body("free-lite"), [seen_by(walk, [view])], {}, FitSettings())
        term = evidence(scene).terms[0]
        assert isinstance(term, Silhouettes)
        lines.append(term.outlines.boxes)
    assert np.nanmax(np.abs(lines[0] - lines[1])) < 1.5


def test_frames_without_a_whole_body_do_not_take_part(walk: BodyParams) -> None:
    seen = seen_by(walk, cameras(90.0))
    images = seen.masks[0].images.copy()
    images[3] = 0
    images[5, SIDE // 2 :] = 0
    changed = replace(seen, masks=(replace(seen.masks[0], images=images),))
    assert np.flatnonzero(~enough(changed)).tolist() == [3, 5]


def test_masks_need_a_gait_prior(walk: BodyParams, priors: Priors) -> None:
    found = fit_captures(load_body("free-lite"), [seen_by(walk, cameras(90.0))], Known(priors.pose))[0]
    assert isinstance(found, FitError)
    assert "gait" in str(found)


def test_several_views_need_cameras(walk: BodyParams, priors: Priors) -> None:
    with pytest.raises(FitError, match="no camera for"):
        fitted(seen_by(walk, cameras(0.0, 90.0), known=False), priors)


def test_masks_must_be_the_cameras_size(walk: BodyParams, priors: Priors) -> None:
    seen = seen_by(walk, cameras(90.0))
    small = {name: replace(camera, size=(100, 100)) for name, camera in seen.cameras.items()}
    with pytest.raises(FitError, match="240x240"):
        fitted(replace(seen, cameras=small), priors)


def test_empty_masks_cannot_be_fitted(walk: BodyParams, priors: Priors) -> None:
    seen = seen_by(walk, cameras(90.0))
    black = replace(seen.masks[0], images=np.zeros_like(seen.masks[0].images))
    with pytest.raises(FitError):
        fitted(replace(seen, masks=(black,)), priors)
