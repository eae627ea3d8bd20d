"""The kinds of observations side by side: which there are, which frames they show, their evidence and their starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from meshgait_data.body.placement import PlacedMarkers
from meshgait_data.errors import FitError
from meshgait_data.fit import from_joints, from_keypoints, from_markers, from_masks, from_params
from meshgait_data.fit.batch import State
from meshgait_data.fit.cameras import EXTRA, Views, move_camera, to_walk
from meshgait_data.fit.from_markers import MarkerEvidence, PosePriors
from meshgait_data.fit.keypoints_seen import view_names
from meshgait_data.fit.known import Known
from meshgait_data.fit.minimise import Extra, Solution
from meshgait_data.fit.priors.ranges import limits as ranges
from meshgait_data.fit.scene import Correspondence, Evidence, Scene
from meshgait_data.fit.terms.base import Term
from meshgait_data.fit.terms.limits import Limits
from meshgait_data.fit.terms.markers import MarkersResidual
from meshgait_data.fit.terms.pose_prior import PoseTerm
from meshgait_data.fit.terms.reprojection import Reprojection
from meshgait_data.fit.terms.silhouette import Silhouettes
from meshgait_data.types import BoolArray, Camera, Observations

KINDS = ("joints", "markers", "keypoints", "masks", "params")
"""By the names that files, flags and reports use."""


def offered(seen: Observations) -> tuple[str, ...]:
    """Kinds that the observations have."""
    there = {
        "joints": bool(seen.joint_names),
        "markers": seen.markers is not None,
        "keypoints": bool(seen.keypoints),
        "masks": bool(seen.masks),
        "params": seen.given is not None,
    }
    return tuple(kind for kind in KINDS if there[kind])


def signature(seen: Observations, known: Known) -> tuple[object, ...]:
    """What captures that are solved side by side have in common."""
    kinds = offered(seen)
    parts: list[object] = [kinds]
    if "joints" in kinds:
        parts += [seen.joint_set, seen.joint_names]
    if seen.markers is not None:
        parts.append(seen.markers.point_set)
    if "keypoints" in kinds:
        parts.append(from_keypoints.signature(seen, known.keypoints))
    if "masks" in kinds:
        parts.append(from_masks.signature(seen, known.masks))
    return tuple(parts)


def enough(seen: Observations, known: Known, min_seen: float) -> BoolArray:
    """(F,) frames of which some kind sees enough; raises FitError where a kind does not fit its map."""
    found = []
    for kind in offered(seen):
        if kind == "joints":
            found.append(from_joints.enough(seen, map_of(seen, known), min_seen))
        elif kind == "markers" and seen.markers is not None:
            placed = placement_of(seen, known)
            worn = from_markers.worn_markers([seen.markers], placed, least=known.markers.least_markers)
            found.append(from_markers.enough(seen.markers, worn, known.markers.least_seen))
        elif kind == "keypoints":
            found.append(from_keypoints.enough(seen, known.maps, min_seen))
        elif kind == "masks":
            found.append(from_masks.enough(seen))
        elif seen.given is not None:
            found.append(seen.given.seen)
    if not found:
        raise FitError(
            "nothing was observed", where=str(seen.key), hint="name what there is as 'source' in the manifest"
        )
    result = found[0]
    for each in found[1:]:
        result = result | each
    return result


def map_of(seen: Observations, known: Known) -> Correspondence:
    """How the observed joints follow from the body; raises FitError where no map knows their set."""
    if seen.joint_set not in known.maps:
        raise FitError(
            f"no map for the joint set {seen.joint_set!r}",
            where=str(seen.key),
            hint=f"name the right joint set; known here: {', '.join(sorted(known.maps)) or 'none'}",
        )
    return known.maps[seen.joint_set]


def placement_of(seen: Observations, known: Known) -> PlacedMarkers:
    """Where the observed markers sit; raises FitError where no placement knows their set."""
    assert seen.markers is not None
    if seen.markers.point_set not in known.placements:
        raise FitError(
            f"no placement for the markers {seen.markers.point_set!r}",
            where=str(seen.key),
            hint="name the layout that was worn; manifests/marker_placements/ has examples",
        )
    return known.placements[seen.markers.point_set]


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """The evidence of all kinds together."""

    parts: Mapping[str, Evidence]
    markers: MarkerEvidence | None
    free: tuple[int, ...]

    @property
    def terms(self) -> tuple[Term, ...]:
        """Of all kinds, each name once: cameras that two kinds share have one prior."""
        named = {term.name: term for part in self.parts.values() for term in part.terms}
        return tuple(named.values())

    @property
    def extras(self) -> tuple[Extra, ...]:
        """Unknowns that frames share, each name once."""
        return tuple({extra.name: extra for part in self.parts.values() for extra in part.extras}.values())

    def shape_precision(self, lengths: Tensor) -> Tensor:
        """(N,) of the shape prior: one for a standard normal, more where frames share an error."""
        asked = [part.shape_precision * lengths for part in self.parts.values() if part.shape_precision is not None]
        return torch.stack([torch.ones_like(lengths), *asked]).amax(0)

    def white_share(self, lengths: Tensor) -> Tensor:
        """(N,) what smoothing may take for noise: the least that any kind says."""
        asked = [part.white_share for part in self.parts.values() if part.white_share is not None]
        return torch.stack([torch.ones_like(lengths), *asked]).amin(0)

    @property
    def held(self) -> frozenset[str]:
        """Unknowns that are known by now: shapes learned with the placement of markers."""
        return frozenset() if self.markers is None or self.markers.betas is None else frozenset({"betas"})


def gather(scene: Scene, known: Known) -> Gathered:
    """Evidence of everything that the captures of a scene offer."""
    kinds, parts, markers = offered(scene.seen[0]), dict[str, Evidence](), None
    if "markers" in kinds:
        markers = from_markers.evidence(
            scene, placement_of(scene.seen[0], known), marker_priors(scene, known), known.markers
        )
        parts["markers"] = markers.evidence
    if "joints" in kinds:
        parts["joints"] = from_joints.evidence(scene)
    if "keypoints" in kinds:
        parts["keypoints"] = from_keypoints.evidence(scene, known.keypoints)
    if "masks" in kinds:
        parts["masks"] = from_masks.evidence(scene, known.masks)
    if "params" in kinds:
        parts["params"] = from_params.evidence(scene, known.given)
    free = tuple(sorted(frozenset[int]().union(*(part.movers for part in parts.values()))))
    return Gathered(parts, markers, free)


def marker_priors(scene: Scene, known: Known) -> PosePriors:
    """What marker placements are learned with: poses of single frames."""
    pose = known.pose.to(scene.seconds.device)
    joints = range(len(scene.chain.parents))
    term = PoseTerm.of(pose, joints, weight=known.markers.learn_pose_weight)
    return PosePriors(pose.mean, (term, limits(scene, joints)))


def limits(scene: Scene, free: Sequence[int]) -> Limits:
    """Stops at the ends of the joints' ranges."""
    return Limits.of(scene.tensor(ranges()), free, sd_deg=scene.settings.limit_sd_deg)


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """Where the solver starts."""

    state: State
    pose_prior: Term | None = None
    """Takes the place of the general pose prior where phase and style of the walk were found."""
    ambiguity: Tensor | None = None
    """(N,) near 1: another start explains the observations as well."""
    kind: str = ""
    """The kind that it comes from."""
    notes: tuple[str, ...] = field(default=())
    parts: Mapping[str, Evidence] = field(default_factory=dict)
    """Evidence that the start taught to weigh better, by kind."""
    cost_noise: float = 0.0
    """Share of the cost below which changes mean nothing."""


def begin(scene: Scene, found: Gathered, known: Known) -> Begun:
    """The best start that the observations offer: points in space, then parameters, then views, then masks."""
    mean, parts = known.pose.to(scene.seconds.device).mean, found.parts
    gait = None if known.gait is None else known.gait.to(scene.seconds.device)
    if found.markers is not None:
        return Begun(from_markers.start(scene, found.markers, mean=mean, free=found.free), kind="markers")
    if "joints" in parts:
        return Begun(from_joints.start(scene, parts["joints"], mean=mean, free=found.free), kind="joints")
    if "params" in parts:
        return Begun(from_params.start(scene), kind="params")
    if "keypoints" in parts:
        started = from_keypoints.start(
            scene, parts["keypoints"], mean=mean, free=found.free, gait=gait, options=known.keypoints
        )
        return Begun(started.state, started.prior, started.ambiguity, "keypoints")
    started = from_masks.start(scene, parts["masks"], gait=gait, free=found.free, options=known.masks)
    better = {"masks": started.evidence}
    return Begun(
        started.state, started.prior, started.ambiguity, "masks", parts=better, cost_noise=from_masks.COST_NOISE
    )


def continuous(scene: Scene, known: Known) -> bool:
    """Whether the body moves through one world: not in crops, whose camera follows it."""
    kinds = set(offered(scene.seen[0]))
    if kinds & {"joints", "markers"}:
        return True
    walks = [from_keypoints.continuous(seen, known.keypoints) for seen in scene.seen if seen.keypoints]
    walks += [from_masks.continuous(seen, known.masks) for seen in scene.seen if seen.masks]
    return all(walks)


def in_their_world(solution: Solution, found: Gathered, scene: Scene) -> tuple[State, list[dict[str, Camera]]]:
    """Bodies and cameras, known or estimated, by view; where cameras were estimated, in the world of each walk.

    A world turned or moved with its cameras looks the same: such walks lead along +z from the origin (see
    ``cameras.py``).
    """
    state = solution.state
    cameras = [dict(seen.cameras) for seen in scene.seen]
    for term in found.terms:
        views = _views(term)
        for capture, row in enumerate(views.estimated(state.extras.get(EXTRA)) if views else ()):
            for name, camera in zip(_view_names(scene.seen[capture], term), row, strict=False):
                if camera is not None:
                    cameras[capture].setdefault(name, camera)
    if EXTRA not in state.extras:
        return state, cameras
    state, turn, move = to_walk(scene.layout, solution.posed.rest, state)
    turns, moves = turn.cpu().numpy(), move.cpu().numpy()
    moved = [
        {name: move_camera(camera, turns[index], moves[index]) for name, camera in row.items()}
        for index, row in enumerate(cameras)
    ]
    return state, moved


def wrong_markers(scene: Scene, found: Gathered, solution: Solution) -> list[tuple[str, ...]]:
    """For each capture what to say of markers that do not belong to the body that the others fit."""
    if found.markers is None:
        return [() for _ in scene.seen]
    residual = solution.residuals[found.markers.term.name]
    assert isinstance(residual, MarkersResidual)
    return from_markers.told(found.markers, residual, scene.seen)


def _views(term: Term) -> Views | None:
    if isinstance(term, Reprojection):
        return term.views
    return term.outlines.views if isinstance(term, Silhouettes) else None


def _view_names(seen: Observations, term: Term) -> list[str]:
    return list(view_names(seen)) if isinstance(term, Reprojection) else [masks.view for masks in seen.masks]
