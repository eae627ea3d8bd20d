"""What 2D keypoints say of the body: their term over all views, and the start.

Two calibrated views or more are triangulated, and the closed form for 3D joints starts from there. One view, and
cameras known by their nominal place only, start from hypotheses in gait space (``gait_start.py``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from meshgait_data.errors import FitError
from meshgait_data.fit.batch import State
from meshgait_data.fit.cameras import EXTRA, CameraPrior, Views, camera_extra, no_change
from meshgait_data.fit.from_joints import OWN_SETS, body_points
from meshgait_data.fit.gait_start import gait_start
from meshgait_data.fit.keypoint_track import places, track, usual_heights
from meshgait_data.fit.keypoints_seen import KeypointOptions, enough, gather, joint_sets, stack_views
from meshgait_data.fit.minimise import Extra, choose
from meshgait_data.fit.noise import white_noise
from meshgait_data.fit.priors import GaitPrior
from meshgait_data.fit.scene import Evidence, Scene
from meshgait_data.fit.start import first_guess
from meshgait_data.fit.terms.base import Term
from meshgait_data.fit.terms.reprojection import BIAS, Reprojection
from meshgait_data.fit.triangulate import triangulate
from meshgait_data.types import Observations

__all__ = ["KeypointOptions", "Started", "continuous", "enough", "evidence", "signature", "start"]

LEAST_NOISE_PX = 0.25
"""Keypoints are never trusted more than that: detectors and annotators round."""
_UNKNOWN_M = 0.02
"""Metres: noise of keypoints in captures too short to measure it."""
_CYCLE_M = 0.05
"""Metres: how far joints are from those of the best walk in gait space (held-out people: 27 mm with a dozen styles,
more with two and at an even pace). Hypotheses are compared with this spread."""
_PERSON_M = 0.5
"""Metres: usual spread (standard deviation) of the heights of a standing body's keypoints; turns pixels to metres."""
_OUTLIERS = 3.0
"""Standard deviations (of noise and map) at which a view's weight in triangulation has dropped to a quarter."""
_LEAST_POINTS, _LEAST_SHARE = 4, 0.3
"""Triangulated points that a frame needs to start from them, and the share of such frames that a capture needs."""


@dataclass(frozen=True, slots=True)
class Started:
    """Where to start, and what was learned on the way."""

    state: State
    prior: Term | None
    """Takes the place of the pose prior where phase and style of the walk were found; None where they were not."""
    ambiguity: Tensor
    """(N,) see ``gait_start.GaitStart``; 0 where the start was triangulated."""


def signature(seen: Observations, options: KeypointOptions | None = None) -> tuple[object, ...]:
    """What captures that are solved side by side have in common."""
    options = options or KeypointOptions()
    kinds = [options.kind(seen, each.view) for each in seen.keypoints]
    sets = tuple(sorted({each.joint_set for each in seen.keypoints}))
    return sets, tuple(sorted(set(kinds))), min(len({each.view for each in seen.keypoints}), 2)


def continuous(seen: Observations, options: KeypointOptions | None = None) -> bool:
    """Whether the body moves through one world: not in crops, where smoothness must leave the translation alone."""
    options = options or KeypointOptions()
    return all(options.kind(seen, each.view) != "crop" for each in seen.keypoints)


def evidence(scene: Scene, options: KeypointOptions | None = None) -> Evidence:
    """A term for each set of keypoints over all views, weighted by the noise of each view; and nominal cameras' prior.

    Raises
    ------
    FitError
        Where crops are mixed with other views, or keypoints and maps do not fit.
    """
    options = options or KeypointOptions()
    for seen in scene.seen:
        kinds = {options.kind(seen, each.view) for each in seen.keypoints}
        if (len(kinds) > 1 and "crop" in kinds) or (kinds == {"crop"} and len({k.view for k in seen.keypoints}) > 1):
            raise FitError(
                "several views, some of which have no camera",
                where=str(seen.key),
                hint="give known or nominal cameras for all views, or fit one view",
            )
    views, sets = stack_views(scene, options), joint_sets(scene)
    parts = [_term(scene, name, views, options, alone=len(sets) == 1) for name in sets]
    terms: list[Term] = [part.term for part in parts]
    extras: list[Extra] = []
    if any(options.kind(seen, each.view) == "nominal" for seen in scene.seen for each in seen.keypoints):
        terms.append(CameraPrior.of(views, options.spread))
        extras.append(camera_extra(views))
    if options.bias_m:
        extras.append(Extra(BIAS, 3 * parts[0].term.points.count))
    return Evidence(
        terms=tuple(terms),
        movers=frozenset().union(*(part.term.points.movers(scene.chain) for part in parts)),
        shape_precision=torch.stack([part.precision for part in parts]).amax(0),
        white_share=torch.stack([part.share for part in parts]).amin(0),
        extras=tuple(extras),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    term: Reprojection
    precision: Tensor
    share: Tensor


def _term(scene: Scene, joint_set: str, views: Views, options: KeypointOptions, *, alone: bool) -> _Part:
    images = gather(scene, joint_set, views)
    metre, layout = _pixels_per_metre(images.pixels, images.weights, scene), scene.layout
    settings = scene.settings
    bias = metre * (settings.own_error_m if joint_set in OWN_SETS else settings.map_error_m)
    noise = torch.stack(
        [
            white_noise(images.pixels[:, view], images.weights[:, view] > 0, layout, LEAST_NOISE_PX, torch.nan)
            for view in range(images.pixels.shape[1])
        ],
        1,
    )
    noise = torch.where(noise.isnan(), _UNKNOWN_M * metre, noise)
    sigma = torch.hypot(noise, bias)
    seen = layout.sums(images.weights.sum(2)) > 0
    term = Reprojection(
        points=body_points(scene, scene.maps[joint_set]),
        views=images.views,
        pixels=images.pixels,
        weights=images.weights,
        sigma=sigma,
        bias_m=options.bias_m if alone else 0.0,
        name="keypoints" if alone else f"keypoints_{joint_set}",
    )
    share = (bias / sigma) ** 2 * seen
    return _Part(term, share.amax(1), (1 - share).amin(1))


def _pixels_per_metre(pixels: Tensor, weights: Tensor, scene: Scene) -> Tensor:
    """(N, V) from how far the points of a frame are apart upright; the median of the frames."""
    seen = weights > 0
    count = seen.sum(2)
    middle = (pixels[..., 1] * seen).sum(2) / count.clamp(min=1)
    spread = (((pixels[..., 1] - middle[..., None]).square() * seen).sum(2) / count.clamp(min=1)).sqrt()
    spread = torch.where(count > 3, spread, torch.nan)
    found = torch.stack([spread[part].nanmedian(0).values for part in scene.layout.slices()])
    # A view that never shows four points: what the others show.
    found = torch.where(found.isnan(), found.nanmedian(1, keepdim=True).values, found)
    return torch.nan_to_num(found, nan=100.0).clamp(min=1.0) / _PERSON_M


def start(
    scene: Scene,
    found: Evidence,
    *,
    mean: Tensor,
    free: Sequence[int],
    gait: GaitPrior | None = None,
    options: KeypointOptions | None = None,
) -> Started:
    """First guess of all captures of one signature.

    Parameters
    ----------
    scene, found
        The captures, and their :func:`evidence`.
    mean
        (24, 3, 3) mean pose, for what triangulated points leave open.
    free
        Joints whose rotation is unknown.
    gait
        Gait-cycle prior, which single views and nominal cameras need.
    options
        As given to :func:`evidence`.

    Raises
    ------
    FitError
        Where a gait prior is needed and there is none.
    """
    options = options or KeypointOptions()
    term = found.terms[0]
    assert isinstance(term, Reprojection)
    several = bool((term.views.present.sum(1) > 1).all())
    biases = {extra.name: scene.seconds.new_zeros(len(scene.layout), extra.size) for extra in found.extras}
    if several and EXTRA not in biases:
        state, sure = _triangulated(scene, term, mean, free)
        state = replace(state, extras=biases)
        ambiguity = scene.seconds.new_zeros(len(scene.layout))
        if gait is not None and not bool(sure.all()):
            # Views that hardly overlap are single views of one walk.
            walking = _walking(scene, found, term, free, gait, options)
            state = choose(scene.layout, sure, state, walking.state)
            ambiguity = torch.where(sure, ambiguity, walking.ambiguity)
        return Started(state, None, ambiguity)
    if gait is None:
        raise FitError(
            "one view, or views of unknown cameras, need a gait-cycle prior",
            where=str(scene.seen[0].key),
            hint="fit with priors that have one, e.g. 'walk'",
        )
    return _walking(scene, found, term, free, gait, options)


def _triangulated(scene: Scene, term: Reprojection, mean: Tensor, free: Sequence[int]) -> tuple[State, Tensor]:
    """The closed form's state; (N,) bool whether enough frames of the capture were triangulated."""
    sigma = torch.where(term.views.present, term.sigma, torch.nan)
    scale = _OUTLIERS * sigma.nanmedian(1).values
    points = triangulate(term.views, term.pixels, term.weights, scene.layout.capture, scale=scale)
    known = points.points.isfinite().all(-1)
    eye = torch.eye(3, dtype=points.points.dtype, device=points.points.device)
    variance = torch.where(known[..., None, None], points.covariance, eye).diagonal(dim1=-2, dim2=-1).mean(-1)
    weights = torch.where(known, 1 / variance.clamp(min=1e-12), 0.0)
    targets = torch.nan_to_num(points.points)
    noise = torch.stack(
        [
            variance[part][known[part]].median() if bool(known[part].any()) else eye[0, 0]
            for part in scene.layout.slices()
        ]
    ).sqrt() * torch.where(term.views.present, term.sigma, torch.inf).amin(1)
    state = first_guess(
        scene.chain, scene.layout, term.points, targets, weights, mean=mean, free=list(free), noise=noise
    )
    there = known.sum(1) >= min(_LEAST_POINTS, known.shape[1])
    lengths = torch.tensor(scene.layout.lengths, device=there.device)
    return _filled(state, there, scene), scene.layout.sums(there.long()) >= _LEAST_SHARE * lengths


def _filled(state: State, there: Tensor, scene: Scene) -> State:
    """Frames that were not triangulated start as the nearest one that was."""
    source = torch.arange(len(there), device=there.device)
    for part in scene.layout.slices():
        good = source[part][there[part]]
        if len(good) < part.stop - part.start and len(good):
            gaps = (scene.seconds[part, None] - scene.seconds[good]).abs()
            source[part] = good[gaps.argmin(1)]
    return replace(state, rotations=state.rotations[source], transl=state.transl[source])


def _walking(
    scene: Scene, found: Evidence, term: Reprojection, free: Sequence[int], gait: GaitPrior, options: KeypointOptions
) -> Started:
    """Hypotheses of walks; the spread of the term allows for what a gait cycle cannot follow."""
    layout, views = scene.layout, term.views
    even = all(continuous(seen, options) for seen in scene.seen)
    heights, standing = usual_heights(scene.chain, term.points, gait)
    there, good = places(views, term.pixels, term.weights, layout.capture, heights)
    way = track(there, good, layout, scene.seconds, standing, even=even)
    sigma = torch.hypot(term.sigma, _CYCLE_M * _pixels_per_metre(term.pixels, term.weights, scene))

    priors = [each for each in found.terms if isinstance(each, CameraPrior)]

    def seen(frames: Tensor, captures: Tensor, share: float) -> list[Term]:
        weights = share * term.weights[frames]
        images = Reprojection(term.points, views.take(captures), term.pixels[frames], weights, sigma[captures])
        return [images, *(CameraPrior(prior.precision[captures]) for prior in priors)]

    cameras = tuple(extra for extra in found.extras if extra.name == EXTRA)
    values = {EXTRA: no_change(views)} if cameras else {}
    begun = gait_start(
        scene.chain, layout, scene.seconds, way, seen, gait=gait, free=free, extras=cameras, values=values
    )
    zeros = {extra.name: scene.seconds.new_zeros(len(layout), extra.size) for extra in found.extras}
    state = replace(begun.state, extras={**zeros, **begun.state.extras})
    return Started(state, begun.deviation, begun.ambiguity)
