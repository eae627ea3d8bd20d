"""The fit of bodies to whatever was observed: one problem for all kinds of evidence, many captures side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from meshgait_data.body.model import Body
from meshgait_data.errors import FitError
from meshgait_data.fit import from_params, kinds
from meshgait_data.fit.adopt import adopt, reasons, told
from meshgait_data.fit.batch import State
from meshgait_data.fit.contact import contact_term, sole_points
from meshgait_data.fit.judging import judged, take_frames
from meshgait_data.fit.kinds import Begun, Gathered
from meshgait_data.fit.known import Known
from meshgait_data.fit.minimise import Problem, Solution, Stopping, minimise
from meshgait_data.fit.priors import PosePrior
from meshgait_data.fit.quality import listed
from meshgait_data.fit.sanity_observed import check_observations
from meshgait_data.fit.scene import Scene
from meshgait_data.fit.settings import FitSettings
from meshgait_data.fit.terms.base import Term
from meshgait_data.fit.terms.pose_prior import PoseTerm
from meshgait_data.fit.terms.shape import ShapePrior
from meshgait_data.fit.terms.smoothness import Smoothness, stencils
from meshgait_data.manifest import JointMap
from meshgait_data.rotations import log
from meshgait_data.types import BodyParams, Camera, Fit, FloatArray, Observations

_DEFAULT = FitSettings()
_MEMORY_S = 0.5
"""Seconds that a pose's departure from the mean lasts, where no gait prior says (measured on the shipped walks): frames
that are closer are no independent evidence for or against the prior."""


@dataclass(frozen=True, slots=True, eq=False)
class Usable:
    """A capture that can be fitted."""

    seen: Observations
    """Only with the frames that take part."""
    notes: tuple[str, ...] = ()
    """What the fit should say about frames that were left out."""
    provenance: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """A batch at its solution."""

    scene: Scene
    found: Gathered
    begun: Begun
    problem: Problem
    solution: Solution
    continuous: bool
    """Whether places in the world mean anything; not where each frame has a camera of its own."""


def fit_joints(
    body: Body,
    observations: Observations,
    joint_map: JointMap,
    prior: PosePrior,
    settings: FitSettings = _DEFAULT,
    *,
    device: torch.device | str = "cpu",
) -> Fit:
    """Fit one walk to its 3D joints; raises the FitError that :func:`fit_captures` returns."""
    known = Known(prior, maps={observations.joint_set: joint_map})
    result = fit_captures(body, [observations], known, settings, device=device)[0]
    if isinstance(result, FitError):
        raise result
    return result


def fit_captures(
    body: Body,
    seen: Sequence[Observations],
    known: Known,
    settings: FitSettings = _DEFAULT,
    *,
    device: torch.device | str = "cpu",
) -> list[Fit | FitError]:
    """Fit shape (one for a walk), pose and place (one a frame) to all that was observed of each walk.

    The same input gives the same bytes on the same machine and number of threads.

    Parameters
    ----------
    body
        Body to fit.
    seen
        Walks; those that offer the same kinds of observations are solved side by side.
    known
        Priors, correspondences, how each kind is taken, thresholds of the verdict.
    settings
        Weights and stopping rules.
    device
        Where to compute, e.g. ``cuda``.

    Returns
    -------
    For each walk its judged fit, or the error that says why there is none. Frames with too few observations are left
    out and named in ``reasons``.
    """
    results: dict[int, Fit | FitError] = {}
    looked = dict(enumerate(seen))
    groups: dict[tuple[object, ...], list[tuple[int, Usable]]] = {}
    for index, each in enumerate(seen):
        try:
            usable = prepare(body, each, known, settings)
        except FitError as error:
            results[index] = error
            continue
        if isinstance(usable, Fit):
            results[index] = usable
        else:
            # Judged by what was fitted: repaired where that was asked for.
            looked[index] = usable.seen
            groups.setdefault(kinds.signature(usable.seen, known), []).append((index, usable))
    for group in groups.values():
        fits = fit_alike(body, [usable for _, usable in group], known, settings, device=device)
        results.update(zip((index for index, _ in group), fits, strict=True))
    return [_judged(body, looked[index], results[index], known) for index in range(len(seen))]


def _judged(body: Body, seen: Observations, fit: Fit | FitError, known: Known) -> Fit | FitError:
    if isinstance(fit, FitError):
        return fit
    world = bool(fit.provenance.get("continuous", True))
    judgement = judged(body, fit, seen, known.maps, known.thresholds, world=world)
    return replace(judgement, worn=seen.worn)


def prepare(body: Body, seen: Observations, known: Known, settings: FitSettings = _DEFAULT) -> Usable | Fit:
    """The frames that take part; or the fit, where given parameters are kept as they are.

    Raises
    ------
    FitError
        Where there are too few frames, a kind of observation does not fit its map, or what was observed cannot be a
        person as it stands (unit, axes, joint set).
    """
    notes: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    provenance: Mapping[str, Any] | None = None
    if seen.given is not None:
        adopted = adopt(body, seen, known.given, source=known.source, skin=known.skin, crops=known.masks.crops)
        if known.given.mode == "keep":
            # What was placed by a nominal camera, frame by frame, neither walks nor slips.
            return from_params.keep(body, adopted, known.given, provenance={"continuous": seen.given.frame == "world"})
        seen, notes, provenance = adopted.observations, reasons(adopted), told(adopted, known.given)
    kept = kinds.enough(seen, known, settings.min_seen)
    if kept.any():
        checked = check_observations(body, seen, {**known.maps, **known.placements}, repair=known.repair)
        seen, kept = checked.seen, kinds.enough(checked.seen, known, settings.min_seen)
        said = tuple(f"note: {finding.message}" for finding in checked.findings)
    if kept.sum() < settings.min_frames:
        raise FitError(
            f"only {kept.sum()} of {len(kept)} frames show {settings.min_seen:.0%} of what was to be seen; "
            f"{settings.min_frames} {'is' if settings.min_frames == 1 else 'are'} needed",
            where=str(seen.key),
            hint="check the source file, or leave this capture out",
        )
    lost = seen.frame_ids[~kept].tolist()
    if lost:
        notes = (*notes, f"dropped: {len(lost)} frames with too few observations ({listed(lost)})")
    return Usable(take_frames(seen, kept), (*notes, *said), provenance)


def fit_alike(
    body: Body,
    usable: Sequence[Usable],
    known: Known,
    settings: FitSettings = _DEFAULT,
    *,
    device: torch.device | str = "cpu",
) -> list[Fit | FitError]:
    """Fit captures of one signature side by side; where one cannot be started, it is left out and the others go on."""
    try:
        return list(to_fits(solve(body, [each.seen for each in usable], known, settings, device=device), usable))
    except FitError as error:
        if len(usable) == 1:
            return [error]
    return [fit_alike(body, [each], known, settings, device=device)[0] for each in usable]


def solve(
    body: Body,
    seen: Sequence[Observations],
    known: Known,
    settings: FitSettings = _DEFAULT,
    *,
    device: torch.device | str = "cpu",
) -> Solved:
    """Solve captures of one signature side by side; all of their frames take part.

    Raises
    ------
    FitError
        Where a capture cannot be fitted.
    """
    scene = Scene.of(body, seen, known.maps, settings, device=device)
    found = kinds.gather(scene, known)
    begun = kinds.begin(scene, found, known)
    found = replace(found, parts={**found.parts, **begun.parts})
    start = replace(begun.state, extras=_extras(scene, found, begun.state))
    terms = (*found.terms, *prior_terms(scene, found, begun, known))
    problem = Problem(scene.chain, scene.layout, found.free, terms, found.extras, found.held)
    flat = max(settings.cost_tolerance, begun.cost_noise)
    stopping = Stopping(settings.max_iterations, settings.step_tolerance, flat)
    solution = minimise(problem, start, stopping)
    world = kinds.continuous(scene, known)
    if settings.contact and world:
        problem, solution = _standing(scene, problem, solution, stopping)
    return Solved(scene, found, begun, problem, solution, world)


def _standing(scene: Scene, problem: Problem, solution: Solution, stopping: Stopping) -> tuple[Problem, Solution]:
    """A second round, in which what rested on the ground in the first one is held still."""
    term = contact_term(sole_points(scene.body, scene.chain), solution.posed, scene.seconds)
    if term is None:
        return problem, solution
    held = replace(problem, terms=(*problem.terms, term))
    again = minimise(held, solution.state, stopping)
    return held, replace(again, iterations=again.iterations + solution.iterations)


def _extras(scene: Scene, found: Gathered, state: State) -> dict[str, Tensor]:
    """Values of all further unknowns: zero is their nominal value."""
    zeros = {extra.name: scene.seconds.new_zeros(len(scene.layout), extra.size) for extra in found.extras}
    return {**zeros, **state.extras}


def prior_terms(scene: Scene, found: Gathered, begun: Begun, known: Known) -> tuple[Term, ...]:
    """What is known of people: poses, joint limits, shapes, accelerations."""
    lengths = torch.tensor(scene.layout.lengths, dtype=torch.float64, device=scene.seconds.device)
    pose, white_share = known.pose.to(scene.seconds.device), found.white_share(lengths)
    pose_prior = begun.pose_prior
    if pose_prior is None:
        memory = known.gait.memory_s if known.gait else _MEMORY_S
        pose_prior = PoseTerm.of(pose, found.free, weight=pose_weight(scene, memory, white_share))
    smoothness = Smoothness(
        stencils(scene.layout, scene.seconds),
        1 / pose.acceleration,
        1 / pose.transl_acceleration if kinds.continuous(scene, known) else 0.0,
        found.free,
        white_share,
    )
    return kinds.limits(scene, found.free), pose_prior, ShapePrior(found.shape_precision(lengths)), smoothness


def pose_weight(scene: Scene, memory_s: float, white_share: Tensor) -> Tensor:
    """(N,) how much the pose prior counts in each frame, against observations that count as one each.

    Departures of a pose from the mean last for ``memory_s``: frames that are closer are no independent evidence of the
    prior. Nor are they of observations whose error is the same in all frames, so against these the prior counts fully;
    against noise that differs from frame to frame it counts as many times as there are independent frames.
    """
    shares = []
    for part in scene.layout.slices():
        seconds = scene.seconds[part]
        span = float(seconds[-1] - seconds[0])
        shares.append(min(1.0, max(1.0, span / memory_s) / len(seconds)))
    alone = scene.seconds.new_tensor(shares)
    return alone * white_share + (1 - white_share)


def to_fits(solved: Solved, usable: Sequence[Usable]) -> list[Fit]:
    """Fits with the residuals of every term, capture by capture; not judged yet."""
    scene, solution = solved.scene, solved.solution
    errors = {name: residual.error.cpu().numpy() for name, residual in solution.residuals.items()}
    state, cameras = kinds.in_their_world(solution, solved.found, scene)
    wrong = kinds.wrong_markers(scene, solved.found, solution)
    fits = []
    for index, frames in enumerate(scene.layout.slices()):
        seen, params = scene.seen[index], to_params(state, index, frames)
        fits.append(
            Fit(
                key=seen.key,
                params=params,
                frame_ids=seen.frame_ids,
                fps=seen.fps,
                residuals=_residuals(errors, frames) | _overlaps(scene, params, seen, cameras[index]),
                verdict=np.zeros(len(params), np.uint8),
                reasons=(*usable[index].notes, *wrong[index]),
                converged=bool(solution.converged[index]),
                body_name=scene.body.name,
                body_sha256=scene.body.sha256,
                cameras=cameras[index],
                provenance={
                    **(usable[index].provenance or {}),
                    **_told(solved, index),
                    "continuous": solved.continuous,
                },
            )
        )
    return fits


def _residuals(errors: Mapping[str, FloatArray], frames: slice) -> dict[str, FloatArray]:
    """Of one capture; a term that says nothing about any frame is left out."""
    found = {name: values[frames].astype(np.float32) for name, values in errors.items()}
    return {name: values for name, values in found.items() if np.isfinite(values).any()}


def _overlaps(
    scene: Scene, params: BodyParams, seen: Observations, cameras: Mapping[str, Camera]
) -> dict[str, FloatArray]:
    """Intersection over union with the masks of each view."""
    if not seen.masks:
        return {}
    found = from_params.mask_ious(scene.body, params, replace(seen, cameras=cameras))
    return {f"mask_iou:{view}": values.astype(np.float32) for view, values in found.items()}


def _told(solved: Solved, capture: int) -> dict[str, Any]:
    """How the solver got there: what each term contributed."""
    solution = solved.solution
    costs = {name: float(residual.cost[capture]) for name, residual in solution.residuals.items()}
    total = sum(costs.values()) or 1.0
    sigma = {term.name: getattr(term, "sigma", None) for term in solved.problem.terms}
    terms = {}
    for term in solved.problem.terms:
        row: dict[str, Any] = {"unit": term.unit, "share": round(costs[term.name] / total, 6)}
        if isinstance(spread := sigma[term.name], Tensor):
            row["sigma"] = round(float(spread[capture].mean()), 6)
        terms[term.name] = row
    told: dict[str, Any] = {"iterations": int(solution.iterations[capture]), "terms": terms, "start": solved.begun.kind}
    if solved.begun.ambiguity is not None:
        told["ambiguity"] = round(float(solved.begun.ambiguity[capture]), 4)
    return told


def to_params(state: State, capture: int, frames: slice) -> BodyParams:
    """Axis-angle in single precision, with smplx's names."""

    def single(values: Tensor) -> FloatArray:
        return np.asarray(values.cpu().numpy().astype(np.float32))

    angles = log(state.rotations[frames].cpu().numpy()).astype(np.float32)
    return BodyParams(
        betas=single(state.betas[capture]),
        global_orient=angles[:, 0].copy(),
        body_pose=angles[:, 1:].reshape(len(angles), -1),
        transl=single(state.transl[frames]),
    )
