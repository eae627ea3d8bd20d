"""Silhouettes that are aligned already, and kinds that take no part: what a fit does with them before and after.

An aligned silhouette fills its picture from top to bottom, and yet nothing of the person is cut off: fits see it with a
border around it. Where other kinds are in other pixels (2D poses of the crop that a silhouette was made from), the body
is fitted to those, and put to where the silhouettes show it afterwards.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from meshgait_data.body.model import Body, forward, move
from meshgait_data.conventions import FLAGGED, REJECTED, VERDICTS
from meshgait_data.fit.cameras import crop_camera
from meshgait_data.fit.in_pictures import placed_by_masks
from meshgait_data.fit.kinds import offered
from meshgait_data.fit.mask_check import body_iou
from meshgait_data.manifest import Manifest
from meshgait_data.manifest_fit import Thresholds
from meshgait_data.manifest_source import Silhouettes
from meshgait_data.pipeline.fit_inputs import only
from meshgait_data.types import Camera, Fit, Masks, Observations

_BORDER = 4
"""Pixels around aligned silhouettes: more than what outlines are smoothed by."""
_KINDS = {
    "mocap": ("joints", "markers"),
    "joints3d": ("joints",),
    "keypoints2d": ("keypoints",),
    "silhouettes": ("masks",),
    "smpl": ("params",),
}
"""Block of a source to the kinds of observations that it gives."""


def is_aligned(block: Silhouettes | None) -> bool:
    """Whether silhouettes come aligned: where they lay in the film is not known."""
    if block is None:
        return False
    return block.alignment == "as_is" or block.format == "opengait" or block.path.lower().endswith(".pkl")


def set_apart(seen: Observations, manifest: Manifest) -> tuple[Observations, tuple[Masks, ...]]:
    """What takes part in a fit, and the masks that bodies are put to afterwards.

    Kinds of which the manifest says ``fit: false`` take part only where there is nothing else, masks first.
    """
    blocks = manifest.source.kinds()
    apart = {kind for name, block in blocks.items() if not block.fit for kind in _KINDS[name]}
    there = set(offered(seen))
    used = there - apart or there & {"masks"} or there
    if "params" in used:
        # Nothing else tells where given bodies are in crops.
        used |= there & {"masks"}
    if is_aligned(manifest.source.silhouettes):
        seen = replace(seen, masks=tuple(_bordered(masks) for masks in seen.masks))
    aside = seen.masks if "masks" not in used and _crops(manifest) else ()
    return only(seen, used), aside


def _crops(manifest: Manifest) -> bool:
    cameras = manifest.source.cameras
    return cameras is not None and cameras.format == "crops"


def _bordered(masks: Masks) -> Masks:
    """In the middle of a square with a border; silhouettes of which columns were cut get these back, empty."""
    height, width = masks.images.shape[1:]
    missing = max(0, height - width)
    sides = (_BORDER + missing // 2, _BORDER + missing - missing // 2)
    return replace(masks, images=np.pad(masks.images, ((0, 0), (_BORDER, _BORDER), sides)), grey=None, sizes=None)


def put_back(body: Body, fit: Fit, seen: Observations, aside: Sequence[Masks], manifest: Manifest) -> Fit:
    """The fit in the pictures of the source's silhouettes.

    Parameters
    ----------
    body
        That it was made with.
    seen
        What it was made from.
    aside
        Of :func:`set_apart`, over the same frames; where there are some the walk has one view.
    """
    for masks in aside[:1]:
        rows = np.searchsorted(seen.frame_ids, fit.frame_ids)
        own = replace(masks, images=masks.images[rows], seen=masks.seen[rows])
        fit = _placed(body, fit, own, manifest.fit.thresholds)
    if not is_aligned(manifest.source.silhouettes):
        return fit
    views = {masks.view for masks in (*seen.masks, *aside)}
    cameras = {name: _without_border(one) if name in views else one for name, one in fit.cameras.items()}
    return replace(fit, cameras=cameras)


def as_shown(seen: Observations, aside: Sequence[Masks], manifest: Manifest) -> Observations:
    """What a finished fit is to be drawn over: the silhouettes as the source has them, and what is in their pixels."""
    if aside:
        seen = replace(seen, masks=tuple(aside), keypoints=())
    if not is_aligned(manifest.source.silhouettes):
        return seen
    inner = slice(_BORDER, -_BORDER)
    return replace(seen, masks=tuple(replace(masks, images=masks.images[:, inner, inner]) for masks in seen.masks))


def _placed(body: Body, fit: Fit, masks: Masks, thresholds: Thresholds) -> Fit:
    camera = crop_camera(masks.view, (masks.images.shape[2], masks.images.shape[1]))
    before = fit.cameras.get(masks.view, camera)
    # Turned as the old camera saw it; where it is follows from the masks.
    turned = move(body, fit.params, camera.rotation.T @ before.rotation, np.zeros(3))
    params = placed_by_masks(body, turned, masks, camera)
    overlap = np.where(masks.seen, body_iou(forward(body, params).vertices, body.faces, masks.images, camera), np.nan)
    name = f"mask_iou:{masks.view}"
    residuals = {**fit.residuals, name: overlap.astype(np.float32)}
    fit = replace(fit, params=params, cameras={**fit.cameras, masks.view: camera}, residuals=residuals)
    verdict, reasons = fit.verdict.copy(), list(fit.reasons)
    limits = thresholds.limits(name)
    for level, limit in ((FLAGGED, limits[0]), (REJECTED, limits[1])):
        low = overlap < (-np.inf if limit is None else limit)
        if low.any():
            reasons.append(f"{VERDICTS[level]}: {name} is below {limit:g} in {low.sum()} frames")
        verdict[low] = np.maximum(verdict[low], level)
    return replace(fit, verdict=verdict, reasons=tuple(reasons))


def _without_border(camera: Camera) -> Camera:
    intrinsics = camera.intrinsics.copy()
    intrinsics[:2, 2] -= _BORDER
    width, height = camera.size
    return replace(camera, intrinsics=intrinsics, size=(width - 2 * _BORDER, height - 2 * _BORDER))
