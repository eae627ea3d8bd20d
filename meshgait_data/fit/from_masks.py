"""What masks say of the body: the silhouette term over all views, and the start.

Masks alone tell neither phase nor side of a gait at first sight, so every start is the best of several hypotheses in
gait space (``gait_start.py``), with the walker where the boxes of the masks say (``mask_start.py``); cameras that are
known about are first brought to where these want them (``mask_cameras.py``).

In one view from the side left and right look nearly alike: :attr:`Started.ambiguity` near one says that the masks do
not decide, and the body may walk with the wrong leg first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body
from meshgait_data.errors import BodyNotFound, FitError
from meshgait_data.fit.cameras import EXTRA, CameraPrior, CameraSpread, Views, camera_extra, crop_camera
from meshgait_data.fit.contours import Contours, mask_contours
from meshgait_data.fit.from_keypoints import Started
from meshgait_data.fit.gait_space import Path
from meshgait_data.fit.gait_start import gait_start
from meshgait_data.fit.keypoint_track import Track
from meshgait_data.fit.mask_cameras import place_cameras
from meshgait_data.fit.mask_start import track
from meshgait_data.fit.minimise import Extra, Problem, Stopping, minimise
from meshgait_data.fit.priors import GaitPrior
from meshgait_data.fit.scene import Evidence, Scene
from meshgait_data.fit.terms.base import Term
from meshgait_data.fit.terms.shape import ShapePrior
from meshgait_data.fit.terms.silhouette import UNIT_M, OutlineRule, Outlines, SilhouetteResidual, Silhouettes, Surface
from meshgait_data.render.lens import undistort
from meshgait_data.types import BoolArray, Camera, FloatArray, Masks, Observations

FAR = OutlineRule(reach=60.0, robust=5.0, spacing=6.0, pixel=2.0)
"""Of starts in gait space: far-reaching and coarse."""
NEAR = OutlineRule(reach=30.0, robust=4.0, spacing=6.0, pixel=2.0)
"""Of the first steps with free poses."""
COST_NOISE = 1e-3
"""Share of the cost: outlines are sampled and matched anew at every state."""
_STYLES = 8
"""Style components of starts; more are left to free poses."""
_FIRST_STEPS = 5
_FIRST_SIGMA = 1.0
_CYCLE = 3.0
"""Units of the rule (27 mm): how far the outlines of people are from those of the best walk in gait space."""
_RASTER = 0.6
"""Units of the rule: spread of outlines of masks without any error, from pixels and the coarser mesh, for a person 190
pixels tall (measured)."""
_SPARSE_S = 0.09
"""Seconds between the frames that starts look at."""
_LEAST_TALL = 0.6
"""A mask less tall than that share of the usual one shows a part of the body only."""
_HANDS = frozenset({22, 23})
"""Joints that outlines hardly feel."""


@dataclass(frozen=True, slots=True)
class MaskStart(Started):
    """Where to start, and how well masks can be filled."""

    evidence: Evidence
    """Takes the place of the evidence that the start was made from."""


@dataclass(frozen=True, slots=True)
class MaskOptions:
    """How masks are taken."""

    nominal: Mapping[str, Camera] = field(default_factory=dict)
    """Cameras by view that are only about right, see ``cameras.py``. A view with neither a known nor a nominal camera
    is taken to stand still and level in front of the walker."""
    spread: CameraSpread = field(default_factory=CameraSpread)
    """How far nominal cameras may be off."""
    crops: bool = False
    """Whether views without a camera are crops that follow the walker."""
    rule: OutlineRule = field(default_factory=OutlineRule)
    sigma: float = 1.5
    """Units of the rule: spread of the distance between body and mask, where no start from masks tells it, see
    :func:`reweighted`."""

    def kind(self, seen: Observations, view: str) -> str:
        """``known``, ``nominal`` or ``alone``."""
        return "known" if view in seen.cameras else "nominal" if view in self.nominal else "alone"


def enough(seen: Observations) -> BoolArray:
    """(F,) frames in which some view shows about a whole body."""
    found = np.zeros(len(seen.frame_ids), dtype=bool)
    for each in seen.masks:
        rows = np.asarray(each.images.any(axis=2))
        tall = rows.shape[1] - rows[:, ::-1].argmax(axis=1) - rows.argmax(axis=1)
        there = rows.any(axis=1) & each.seen
        if there.any():
            found |= there & (tall > _LEAST_TALL * np.median(tall[there]))
    return found


def signature(seen: Observations, options: MaskOptions | None = None) -> tuple[object, ...]:
    """What captures that are solved side by side have in common."""
    options = options or MaskOptions()
    return tuple(sorted({options.kind(seen, each.view) for each in seen.masks})), min(len(seen.masks), 2)


def continuous(seen: Observations, options: MaskOptions | None = None) -> bool:
    """Whether the body moves through one world: not in crops, where smoothness must leave the translation alone."""
    options = options or MaskOptions()
    return not options.crops or all(options.kind(seen, each.view) != "alone" for each in seen.masks)


def evidence(scene: Scene, options: MaskOptions | None = None) -> Evidence:
    """The term over all views, and the prior of nominal cameras.

    Raises
    ------
    FitError
        Where several views lack cameras, or masks and frames do not fit.
    """
    options = options or MaskOptions()
    for seen in scene.seen:
        _check(seen, options)
    count = max(len(seen.masks) for seen in scene.seen)
    cameras = [[_camera(seen, k, options) for k in range(count)] for seen in scene.seen]
    contours, heights = [], np.ones((len(scene.seen), count))
    for n, seen in enumerate(scene.seen):
        row = [_contours(seen.masks[k], cameras[n][k]) for k in range(len(seen.masks))]
        row += [_nothing(len(seen.frame_ids))] * (count - len(row))
        contours.append(row)
        for k, contour in enumerate(row):
            tall = (contour.boxes[:, 3] - contour.boxes[:, 2] + 1)[~contour.cut & contour.seen]
            heights[n, k] = np.median(tall) if len(tall) else 1.0
    plain = [[camera and replace(camera, distortion=()) for camera in row] for row in cameras]
    nominal = any(options.kind(seen, each.view) == "nominal" for seen in scene.seen for each in seen.masks)
    views = Views.of(plain, targets=scene.seconds.new_zeros(len(scene.seen), 3), device=scene.seconds.device)
    sigma = torch.full((len(scene.seen),), options.sigma, dtype=torch.float64, device=scene.seconds.device)
    outlines = Outlines.of(contours, views, heights)
    source = np.arange(scene.layout.frames)
    terms: list[Term] = [Silhouettes(_surface(scene), outlines, source, options.rule, sigma)]
    extras: list[Extra] = []
    if nominal:
        terms.append(CameraPrior.of(views, options.spread))
        extras.append(camera_extra(views))
    movers = frozenset(range(len(scene.chain.parents))) - _HANDS
    return Evidence(
        tuple(terms),
        movers,
        shape_precision=sigma * 0,
        white_share=sigma * 0 + 1,
        extras=tuple(extras),
    )


def _check(seen: Observations, options: MaskOptions) -> None:
    alone = [each.view for each in seen.masks if options.kind(seen, each.view) == "alone"]
    if alone and len(seen.masks) > 1:
        raise FitError(
            f"several views, and no camera for {', '.join(alone)}",
            where=str(seen.key),
            hint="give known or nominal cameras for all views, or fit one view",
        )
    for each in seen.masks:
        if len(each.images) != len(seen.frame_ids):
            raise FitError(
                f"{len(each.images)} masks for {len(seen.frame_ids)} frames",
                where=f"{seen.key} {each.view}",
                hint="give every frame a mask, empty where there is none",
            )


def _camera(seen: Observations, k: int, options: MaskOptions) -> Camera | None:
    if k >= len(seen.masks):
        return None
    view, images = seen.masks[k].view, seen.masks[k].images
    size = (images.shape[2], images.shape[1])
    camera = seen.cameras.get(view) or options.nominal.get(view) or crop_camera(view, size)
    if tuple(camera.size) != size:
        raise FitError(
            f"masks of {size[0]}x{size[1]} pixels from a camera of {camera.size[0]}x{camera.size[1]}",
            where=f"{seen.key} {view}",
            hint="scale the intrinsics, or give the masks in the camera's resolution",
        )
    return camera


def _nothing(frames: int) -> Contours:
    return mask_contours(np.zeros((frames, 2, 2), bool))


def _contours(masks: Masks, camera: Camera | None) -> Contours:
    """Outlines without lens distortion; a person 190 pixels tall has a point every three pixels."""
    images = np.where(masks.seen[:, None, None], masks.images, 0).astype(np.uint8)
    rows = np.asarray(images.any(axis=2))
    tall = np.median(rows.sum(axis=1)[rows.any(axis=1)]) if rows.any() else 1.0
    found = mask_contours(images, spacing=3 * float(tall) * UNIT_M / 1.75)
    if camera is None or not camera.distortion:
        return found
    points = _straightened(camera, found.points)
    away = _straightened(camera, found.points + found.normals) - points
    size = np.linalg.norm(away, axis=1, keepdims=True)
    corners = _straightened(camera, found.boxes.reshape(-1, 2, 2).transpose(0, 2, 1).reshape(-1, 2))
    boxes = corners.reshape(-1, 2, 2).transpose(0, 2, 1).reshape(-1, 4)
    return replace(
        found,
        points=points.astype(np.float32),
        normals=(away / size).astype(np.float32),
        lengths=(found.lengths * size[:, 0]).astype(np.float32),
        boxes=boxes.astype(np.float32),
    )


def _straightened(camera: Camera, pixels: FloatArray) -> FloatArray:
    """Where pixels (P, 2) would be without the lens' distortion."""
    lens, centre = camera.intrinsics[:2, :2], camera.intrinsics[:2, 2]
    known = np.isfinite(pixels).all(axis=1)
    rays = undistort((pixels[known] - centre) @ np.linalg.inv(lens).T, camera.distortion)
    result = np.full(pixels.shape, np.nan)
    result[known] = rays @ lens.T + centre
    return result


def _surface(scene: Scene) -> Surface:
    return _tables(_draft(scene.body), scene.chain.shapedirs.shape[-1])


@lru_cache(maxsize=4)
def _tables(body: Body, num_betas: int) -> Surface:
    return Surface.of(body, num_betas=num_betas)


def _draft(body: Body) -> Body:
    """The coarser level of the free body, whose shape and pose mean the same: a quarter of the time."""
    try:
        return load_body("free-lite") if body.sha256 == load_body("free").sha256 else body
    except BodyNotFound:
        return body


def start(
    scene: Scene, found: Evidence, *, gait: GaitPrior | None, free: Sequence[int], options: MaskOptions | None = None
) -> MaskStart:
    """First guess of all captures of one signature: walks in gait space, then a few steps with free poses.

    Parameters
    ----------
    scene, found
        The captures, and their :func:`evidence`.
    gait
        Gait-cycle prior.
    free
        Joints whose rotation is unknown.
    options
        As given to :func:`evidence`.

    Raises
    ------
    FitError
        Where there is no gait prior, or a capture shows no body.
    """
    options = options or MaskOptions()
    if gait is None:
        raise FitError(
            "masks need a gait-cycle prior", where=str(scene.seen[0].key), hint="fit with priors that have one: 'walk'"
        )
    term = found.terms[0]
    assert isinstance(term, Silhouettes)
    priors = [each for each in found.terms if isinstance(each, CameraPrior)]
    way, values = _tracked(scene, term.outlines, priors, options)
    few, pair = _sparse(scene), term.outlines.only(_crossing(term.outlines))

    def seen(frames: Tensor, captures: Tensor, share: float) -> list[Term]:
        every = bool(torch.equal(frames.cpu(), torch.arange(scene.layout.frames)))
        source = np.where(few, np.arange(len(few)), -1) if every else frames.cpu().numpy()
        strength = share * len(few) / few.sum() if every else share
        sigma = torch.full((len(captures),), _CYCLE, dtype=torch.float64, device=frames.device)
        shown = (term.outlines if every else pair).take(captures.tolist())
        outlines = Silhouettes(term.surface, shown, source, FAR, sigma, strength)
        known = [CameraPrior(prior.precision[captures]) for prior in priors]
        return [outlines, ShapePrior(torch.ones_like(sigma)), *known]

    begun = gait_start(
        scene.chain,
        scene.layout,
        scene.seconds,
        way,
        seen,
        gait=gait.with_styles(min(_STYLES, gait.size)),
        free=free,
        extras=found.extras,
        values=values,
    )
    near = replace(term, rule=NEAR, sigma=torch.full_like(term.sigma, _FIRST_SIGMA))
    terms: list[Term] = [near, begun.deviation, ShapePrior(torch.ones_like(term.sigma)), *priors]
    problem = Problem(scene.chain, scene.layout, tuple(free), terms, found.extras)
    stopping = Stopping(max_iterations=_FIRST_STEPS, cost_tolerance=0.01, damping=1e-3)
    solved = minimise(problem, begun.state, stopping)
    residual = solved.residuals[term.name]
    assert isinstance(residual, SilhouetteResidual)
    return MaskStart(solved.state, begun.deviation, begun.ambiguity, reweighted(found, residual))


def _tracked(
    scene: Scene, outlines: Outlines, priors: Sequence[CameraPrior], options: MaskOptions
) -> tuple[Track, dict[str, Tensor]]:
    """Where the walkers are, and the unknowns of nominal cameras."""
    tracks, cameras, middles = [], [], []
    for index, part in enumerate(scene.layout.slices()):
        seconds = scene.seconds[part].cpu().numpy()
        boxes, views = outlines.boxes[part], outlines.views.take([index])
        if priors:
            unknowns, one = place_cameras(boxes, views, CameraPrior(priors[0].precision[[index]]), seconds)
            cameras.append(unknowns)
        else:
            there = [k for k, camera in enumerate(views.cameras[0]) if camera is not None]
            one = track(boxes[:, there], [camera for camera in views.cameras[0] if camera is not None], seconds)
        tracks.append(one)
        middles.append(seconds - (seconds[0] + seconds[-1]) / 2)
    path = Path(
        scene.tensor(np.concatenate(middles)),
        scene.tensor(np.concatenate([one.ground for one in tracks])),
        scene.tensor(np.concatenate([one.heading for one in tracks])),
        scene.tensor(np.array([one.speed for one in tracks])),
    )
    values = {EXTRA: torch.cat(cameras).to(scene.seconds)} if cameras else {}
    return Track(path, scene.tensor(np.array([one.floor for one in tracks]))), values


def _crossing(outlines: Outlines) -> tuple[int, ...]:
    """The view that sees most, and the one that looks most across it: enough to choose between hypotheses."""
    seen = (np.diff(outlines.starts, axis=1) > 0).sum(axis=1)
    first = int(seen.argmax())
    ways = outlines.views.rotation[:, :, 2].cpu().numpy()
    across = np.linalg.norm(np.cross(ways[:, first, None], ways), axis=-1).mean(axis=0)
    return first, int((across * seen).argmax())


def _sparse(scene: Scene) -> BoolArray:
    """(T,) every so many frames of each capture."""
    chosen = np.zeros(scene.layout.frames, dtype=bool)
    for part in scene.layout.slices():
        seconds = scene.seconds[part].cpu().numpy()
        gap = float(np.median(np.diff(seconds))) if len(seconds) > 1 else _SPARSE_S
        step = max(1, round(_SPARSE_S / gap))
        chosen[part.start + min(step // 2, len(seconds) - 1) : part.stop : step] = True
    return chosen


def reweighted(found: Evidence, residual: SilhouetteResidual) -> Evidence:
    """The evidence once a first fit showed how far the masks are from what any body can fill.

    Clothes and segmentation put outlines beside the body in all frames alike, so what is more than pixels explain is an
    error that more frames do not make smaller: it weakens the term, and the shape does not follow it.
    """
    term = found.terms[0]
    assert isinstance(term, Silhouettes)
    units = torch.as_tensor(term.outlines.units.max(axis=1)).to(term.sigma)
    least = _RASTER * units.clamp(min=1.0)
    sigma = torch.maximum(residual.spread, least)
    bias = 1 - (least / sigma) ** 2
    return replace(
        found, terms=(replace(term, sigma=sigma), *found.terms[1:]), shape_precision=bias, white_share=1 - bias
    )
