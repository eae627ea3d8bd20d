"""What existing SMPL parameters say of the body: a fit as they are, or a start and a term to refine them.

The way of a walk: :func:`meshgait_data.fit.adopt.adopt` makes parameters of the body that is fitted out of those that
somebody gave; :func:`keep` is the fit that they are; :func:`evidence` and :func:`start` put them into a problem next
to what else was observed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.body.model import Body, forward, local_rotations
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import FitError
from meshgait_data.fit.adopt import WORLD, Adopted, GivenSettings, given_of, reasons, told
from meshgait_data.fit.batch import Layout, State
from meshgait_data.fit.mask_check import body_iou
from meshgait_data.fit.noise import white_noise
from meshgait_data.fit.retarget import rest_pelvis
from meshgait_data.fit.scene import Evidence, Scene
from meshgait_data.fit.terms.given import Given
from meshgait_data.types import BodyParams, Fit, FloatArray, GivenParams, Observations

_DEFAULT = GivenSettings()
_LEAST_JITTER = 1e-4
"""Radians: what single precision leaves of axis-angle."""
_UNKNOWN_JITTER = np.radians(3.0)
"""Radians: of estimators that look at each frame alone, where a walk is too short to measure it."""


def keep(
    body: Body, adopted: Adopted, settings: GivenSettings = _DEFAULT, *, provenance: Mapping[str, Any] | None = None
) -> Fit:
    """The fit that given parameters are, unchanged; its verdict is made like that of any other fit.

    Parameters
    ----------
    body
        The body that they were adopted for.
    adopted
        Of :func:`meshgait_data.fit.adopt.adopt`.
    settings
        For provenance.
    provenance
        More to tell where they come from.

    Returns
    -------
    A fit whose residuals are ``params`` (metres that joints moved in retargeting; none where the given body was not at
    hand) and ``mask_iou:VIEW`` for each view with masks and a camera.
    """
    seen = adopted.observations
    params = given_of(seen).params
    residuals = {f"mask_iou:{view}": values for view, values in mask_ious(body, params, seen).items()}
    if np.isfinite(adopted.error_m).any():
        residuals["params"] = adopted.error_m
    return Fit(
        key=seen.key,
        params=params,
        frame_ids=seen.frame_ids,
        fps=seen.fps,
        residuals={name: values.astype(np.float32) for name, values in residuals.items()},
        verdict=np.zeros(len(params), np.uint8),
        reasons=reasons(adopted),
        converged=adopted.converged,
        body_name=body.name,
        body_sha256=body.sha256,
        cameras=dict(seen.cameras),
        provenance={**told(adopted, settings), **(provenance or {})},
    )


def mask_ious(body: Body, params: BodyParams, seen: Observations) -> dict[str, FloatArray]:
    """(F,) intersection over union with the masks of each view that has a camera; NaN where there is no mask."""
    views = [masks for masks in seen.masks if masks.view in seen.cameras]
    if not views:
        return {}
    vertices = forward(body, params).vertices
    return {
        masks.view: np.where(masks.seen, body_iou(vertices, body.faces, masks.images, seen.cameras[masks.view]), np.nan)
        for masks in views
    }


def evidence(scene: Scene, settings: GivenSettings = _DEFAULT) -> Evidence:
    """The term of the given parameters; frames that were filled have none.

    Raises
    ------
    FitError
        Where a walk of the scene was not adopted.
    """
    frames = [_adopted(scene, seen) for seen in scene.seen]
    pelvis, place = [], []
    for given, seen in zip(frames, scene.seen, strict=True):
        pelvis.append(rest_pelvis(scene.body, given.params.betas) + given.params.transl)
        place.append(given.seen[:, None, None] * _place_precision(pelvis[-1], seen, settings))
    state = start(scene)
    there = np.concatenate([given.seen for given in frames])
    turn = there[:, None] * np.radians(settings.turn_deg) ** -2.0
    term = Given(
        rotations=state.rotations,
        turn=scene.tensor(np.broadcast_to(turn, state.rotations.shape[:2]).copy()),
        pelvis=scene.tensor(np.concatenate(pelvis)),
        place=scene.tensor(np.concatenate(place)),
        betas=state.betas,
        shape=scene.tensor(np.full(len(frames), settings.shape_sd**-2.0)),
    )
    jitter = jitter_of(state.rotations, scene.tensor(there).bool(), scene.layout)
    share = (jitter / np.radians(settings.turn_deg)).clamp(max=1.0) ** 2
    return Evidence((term,), frozenset(range(len(SMPL_JOINTS))), white_share=share)


def jitter_of(rotations: Tensor, there: Tensor, layout: Layout) -> Tensor:
    """(N,) radians about each axis: error of rotations (T, J, 3, 3) that differs from frame to frame."""
    steps = torch_rotations.log(rotations[:-1].mT @ rotations[1:])
    # Third differences, which jitter is measured by, do not feel that turns are added up as vectors.
    angles = torch.cat([torch.zeros_like(rotations[:1, ..., 0]), steps.cumsum(0)])
    return white_noise(angles, there[:, None].expand(angles.shape[:2]), layout, _LEAST_JITTER, _UNKNOWN_JITTER)


def _place_precision(pelvis: FloatArray, seen: Observations, settings: GivenSettings) -> FloatArray:
    """(F, 3, 3) 1/m^2: what one camera says about depth is weak."""
    across = settings.place_m**-2.0 * np.eye(3)
    if len(seen.cameras) != 1:
        return np.broadcast_to(across, (len(pelvis), 3, 3))
    camera = next(iter(seen.cameras.values()))
    ray = pelvis + camera.rotation.T @ camera.translation
    distance = np.linalg.norm(ray, axis=1)[:, None]
    along = (ray / distance)[..., None]
    line = along @ along.swapaxes(1, 2)
    depth = np.maximum(settings.depth_share * distance, settings.place_m)[..., None] ** -2.0
    return np.asarray(across + (depth - settings.place_m**-2.0) * line)


def start(scene: Scene, *, free: tuple[int, ...] | None = None, mean: Tensor | None = None) -> State:
    """The given parameters; ``free`` and ``mean`` are there because the starts of other kinds need them."""
    width = scene.chain.shapedirs.shape[-1]
    rotations, places, shapes = [], [], []
    for seen in scene.seen:
        params = _adopted(scene, seen).params
        betas = np.zeros(width)
        betas[: len(params.betas)] = params.betas[:width]
        rotations.append(local_rotations(params))
        places.append(params.transl + rest_pelvis(scene.body, params.betas) - rest_pelvis(scene.body, betas))
        shapes.append(betas)
    tensors = (scene.tensor(np.concatenate(rotations)), scene.tensor(np.concatenate(places)), np.stack(shapes))
    return State(tensors[0], tensors[1], scene.tensor(tensors[2]))


def _adopted(scene: Scene, seen: Observations) -> GivenParams:
    given = given_of(seen)
    if given.frame != WORLD or given.body != scene.body.name:
        what = f"parameters of body {given.body!r} in frame {given.frame!r} for a fit of {scene.body.name!r}"
        raise FitError(what, where=str(seen.key), hint="make them those of this body first, in the world")
    return given
