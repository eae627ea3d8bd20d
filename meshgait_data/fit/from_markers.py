"""What labelled surface markers say of the body: where this person wears them, their term, and a start.

Nobody's markers sit exactly where a protocol says. Shape and placement are therefore found together, once a person,
from a few frames in different poses (the static trial among them, where there is one); then they hold, and each walk
only has poses to find. After Loper, Mahmood, Black, *MoSh: Motion and Shape Capture from Sparse Markers*, SIGGRAPH Asia
2014, whose first stage this is, with our solver and with priors that say what laboratories know of a placement.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from meshgait_data.body.model import Body
from meshgait_data.body.placement import PlacedMarkers
from meshgait_data.errors import FitError
from meshgait_data.fit.batch import Layout, State
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.marker_check import in_words, suspects
from meshgait_data.fit.minimise import Extra, Problem, Solution, Stopping, minimise
from meshgait_data.fit.noise import white_noise, with_bias
from meshgait_data.fit.points import BodyPoints
from meshgait_data.fit.scene import Evidence, Scene
from meshgait_data.fit.start import first_guess
from meshgait_data.fit.terms.base import Term
from meshgait_data.fit.terms.markers import OFFSETS, Markers, MarkersResidual, PlacementPrior, retract
from meshgait_data.fit.terms.shape import ShapePrior
from meshgait_data.types import BoolArray, FloatArray, IntArray, Observations, Points3D


@dataclass(frozen=True, slots=True)
class MarkerSettings:
    """How markers are weighed."""

    learn_sigma_m: float = 0.010
    """Metres: one coordinate of a marker against the body while shape and placement are learned. Skin moves over bone
    by about that much (Leardini, Chiari, Della Croce, Cappozzo, Gait & Posture 2005), alike in equal postures."""
    learn_pose_weight: float = 0.1
    """Times that the prior of poses counts in each frame meanwhile: a person's frames share a posture, and are no draws
    of their own. In full it bends bodies until their posture is the usual one, see ``docs/mocap.md``."""
    pose_sigma_m: float = 0.006
    """Metres: the same once the placement is known, beside the noise of the capture system."""
    huber: float = 3.0
    """Standard deviations beyond which a marker pulls no harder."""
    still_frames: int = 6
    """Frames of a static trial that shape and placement are learned from: they are all alike."""
    moving_frames: int = 40
    """Frames of the walks of a session that they are learned from, spread evenly."""
    least_markers: int = 12
    """Markers of the layout that a recording needs."""
    least_seen: float = 0.5
    """Share of them that a frame needs."""
    max_iterations: int = 60


_DEFAULT = MarkerSettings()
_ROUNDS = 4
"""In which mislabelled markers are looked for; each may uncover others."""
_STRANGE_M = 0.12
"""Metres from its place after that round from which on a marker is no longer just worn elsewhere: it is mislabelled."""
_SEGMENT_SHARE = 0.25
"""Share of a segment's markers that are mislabelled from which on none of them is believed."""
_EXACT_M = 1e-3
"""Placements whose markers are surer than that are not learned."""


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """Recordings of one person who wore the same markers all the time."""

    walks: tuple[Points3D, ...]
    static: Points3D | None = None
    """The person standing still."""

    @property
    def recordings(self) -> tuple[Points3D, ...]:
        """All of them."""
        return self.walks if self.static is None else (self.static, *self.walks)


@dataclass(frozen=True, slots=True, eq=False)
class Worn:
    """How one person wears a marker layout: holds for all recordings of a session."""

    markers: PlacedMarkers
    """P markers of the layout."""
    offsets: FloatArray
    """(P, 3) metres from the point of the skin to the marker's centre, in the rest pose."""
    betas: FloatArray
    """(B,)"""
    residual_m: FloatArray
    """(P,) mean distance over the frames that this was learned from; NaN where never seen."""
    mislabelled: BoolArray
    """(R, P) markers that are somewhere else in a recording of the session and played no part there."""
    converged: bool


@dataclass(frozen=True, slots=True)
class PosePriors:
    """What is known of poses beforehand, as the engine has it."""

    mean: Tensor
    """(J, 3, 3) mean pose."""
    terms: Sequence[Term] = ()
    """Terms that tie no frame to another."""


def exact_markers(body: Body, vertex_ids: IntArray, labels: Sequence[str], name: str) -> PlacedMarkers:
    """Markers that are vertices of the body, such as virtual markers: nothing about their place is unsure."""
    ids = np.asarray(vertex_ids)
    rows = np.zeros((len(ids), body.num_vertices + len(body.parents)))
    rows[np.arange(len(ids)), ids] = 1.0
    spread = np.tile((_EXACT_M / 10) ** 2 * np.eye(3), (len(ids), 1, 1))
    upper = tuple((label.upper(),) for label in labels)
    return PlacedMarkers(name, tuple(labels), upper, rows, np.zeros((len(ids), 3)), spread)


def is_exact(markers: PlacedMarkers) -> bool:
    """Whether the placement is so sure that there is nothing to learn."""
    return bool(np.trace(markers.spread, axis1=1, axis2=2).max() < 3 * _EXACT_M**2)


def worn_markers(recordings: Sequence[Points3D], placed: PlacedMarkers, *, least: int = 1) -> PlacedMarkers:
    """Markers of the layout that some recording has.

    Raises
    ------
    FitError
        Where there are fewer than ``least``.
    """
    found = sorted({marker for each in recordings for marker, _ in placed.match(each.names)})
    if len(found) < least:
        labels = [name for each in recordings for name in each.names]
        more = f" and {len(labels) - 12} more" if len(labels) > 12 else ""
        raise FitError(
            f"{len(found)} markers of the layout {placed.placement!r} are there, {least} are needed; "
            f"labels: {', '.join(labels[:12])}{more}",
            hint="name the layout that was worn, or write its YAML: manifests/marker_placements/ has examples",
        )
    return placed.take(found)


def columns_of(recording: Points3D, markers: PlacedMarkers) -> FloatArray:
    """(F, P, 3) points in the order of the markers; NaN where a recording lacks one."""
    result = np.full((len(recording.points), len(markers), 3), np.nan)
    for marker, column in markers.match(recording.names):
        result[:, marker] = recording.points[:, column]
    result[~np.isfinite(result).all(-1)] = np.nan
    return result


def enough(recording: Points3D, markers: PlacedMarkers, share: float) -> BoolArray:
    """(F,) frames that show at least that share of the markers."""
    return np.asarray(np.isfinite(columns_of(recording, markers)[..., 0]).mean(1) >= share)


def body_points(body: Body, chain: Chain, markers: PlacedMarkers) -> BodyPoints:
    """Points of the skin below the markers' centres."""
    return BodyPoints.regressed(body, chain, sp.csr_matrix(markers.rows), bends=False)


def learn_worn(
    body: Body,
    chain: Chain,
    sessions: Sequence[Session],
    placed: PlacedMarkers,
    priors: PosePriors,
    settings: MarkerSettings = _DEFAULT,
) -> tuple[Worn, ...]:
    """Find the shape of people and where they wear their markers, all of them side by side.

    Parameters
    ----------
    body, chain
        The body, and its chain with as many shape components as are wanted: all, where children are among them.
    sessions
        N people.
    placed
        The layout on this body.
    priors
        Of poses.
    settings
        Weights.

    Returns
    -------
    N results with the same P markers. What a person does not wear stays where the layout has it.

    Raises
    ------
    FitError
        Where a session has too few markers of the layout, or no frame with enough of them.
    """
    for session in sessions:
        worn_markers(session.recordings, placed, least=settings.least_markers)
    markers = worn_markers([each for session in sessions for each in session.recordings], placed)
    chosen = [_chosen(session, markers, settings) for session in sessions]
    device = chain.template.device
    targets, weights = _tensors(np.concatenate([part for parts in chosen for part in parts]), device)
    layout = Layout.of([sum(map(len, parts)) for parts in chosen], device)
    skin = body_points(body, chain, markers)
    free = tuple(sorted(skin.movers(chain)))
    mean = torch.as_tensor(markers.offsets, dtype=torch.float64, device=device).expand(len(sessions), -1, -1)
    precision = torch.linalg.inv(torch.as_tensor(markers.spread, dtype=torch.float64, device=device))
    sigma = targets.new_full((len(sessions),), settings.learn_sigma_m)
    term = Markers(skin, mean, targets, weights, sigma, settings.huber)
    begin = start_of(chain, layout, term, priors.mean, free)
    # The closed form sees strange shapes in markers that sit elsewhere: only poses are taken from it.
    begin = replace(begin, betas=torch.zeros_like(begin.betas), extras={OFFSETS: mean.clone()})
    parts = (markers.rows[:, : body.num_vertices] @ body.weights).argmax(1)
    extra, stopping = Extra(OFFSETS, 3 * len(markers), retract, 10.0), Stopping(settings.max_iterations)
    # First with markers where the layout has them: an error that all frames share, so more of them say no more.
    shared = ShapePrior(targets.new_tensor(layout.lengths))
    wrong: list[BoolArray] = []
    held = Problem(chain, layout, free, (), (extra,), frozenset({OFFSETS}))
    for _ in range(_ROUNDS):
        rough = minimise(replace(held, terms=(term, shared, *priors.terms)), begin, stopping)
        begin = rough.state
        wrong = _strangers(rough, targets, weights, chosen, parts)
        trusted = weights * ~torch.as_tensor(np.repeat(np.concatenate(wrong), _lengths(chosen), axis=0), device=device)
        if bool((trusted == term.weights).all()):
            break
        term = replace(term, weights=trusted)
    known = PlacementPrior(mean, precision.expand(len(sessions), -1, -1, -1))
    terms: tuple[Term, ...] = (term, known, ShapePrior(torch.ones_like(sigma)), *priors.terms)
    return _worn(minimise(Problem(chain, layout, free, terms, (extra,)), begin, stopping), markers, wrong)


def _lengths(chosen: Sequence[Sequence[FloatArray]]) -> list[int]:
    return [len(part) for parts in chosen for part in parts]


def _strangers(
    rough: Solution, targets: Tensor, weights: Tensor, chosen: Sequence[Sequence[FloatArray]], owner: IntArray
) -> list[BoolArray]:
    """For each session, (R, P) whether a marker is nowhere near its place in most frames of a recording.

    With a good part of the markers of one segment go the others: a band turned about the head is such a case.
    """
    residual = rough.residuals["markers"]
    assert isinstance(residual, MarkersResidual)
    seen = (weights > 0).cpu().numpy()
    far = ((targets - residual.placed.points).norm(dim=-1) > _STRANGE_M).cpu().numpy() & seen
    found, start = [], 0
    for parts in chosen:
        rows = []
        for length in map(len, parts):
            part = slice(start, start + length)
            strange = far[part].sum(0) > np.maximum(seen[part].sum(0), 1) / 2
            share = np.bincount(owner, strange) / np.maximum(np.bincount(owner, seen[part].any(0)), 1)
            rows.append(strange | (share[owner] >= _SEGMENT_SHARE))
            start += length
        found.append(np.array(rows))
    return found


def _chosen(session: Session, markers: PlacedMarkers, settings: MarkerSettings) -> list[FloatArray]:
    """(T, P, 3) frames spread over each recording; none of a recording that never shows enough markers."""
    still = settings.still_frames if session.walks else settings.moving_frames
    shares = [(each, max(1, settings.moving_frames // len(session.walks))) for each in session.walks]
    if session.static is not None:
        shares.insert(0, (session.static, still))
    chosen = []
    for recording, count in shares:
        worn = np.isin(np.arange(len(markers)), [marker for marker, _ in markers.match(recording.names)])
        points = columns_of(recording, markers)
        points = points[np.isfinite(points[..., 0]).sum(1) >= settings.least_seen * worn.sum()]
        steps = np.linspace(0, len(points) - 1, count if len(points) else 0)
        chosen.append(points[np.unique(steps.round().astype(int))])
    if not sum(map(len, chosen)):
        what = f"no frame shows {settings.least_seen:.0%} of the markers of the layout {markers.placement!r}"
        raise FitError(what, hint="fill the gaps in the capture software, or leave this capture out")
    return chosen


def _tensors(points: FloatArray, device: torch.device) -> tuple[Tensor, Tensor]:
    """Targets (T, P, 3), finite everywhere, and weights (T, P) that are zero where unseen."""
    seen = np.asarray(np.isfinite(points).all(-1))
    targets = torch.as_tensor(np.where(seen[..., None], points, 0.0), dtype=torch.float64, device=device)
    return targets, torch.as_tensor(seen, dtype=torch.float64, device=device)


def start_of(chain: Chain, layout: Layout, term: Markers, mean: Tensor, free: Sequence[int]) -> State:
    """Closed form, with the markers where the layout or the people have them on average."""
    points, offsets = term.points, term.offsets.mean(0)
    # The guess knows no offsets: they become part of the points' rest places.
    moved = replace(points, rest=points.rest + points.weight[:, None] * offsets[points.point])
    return first_guess(chain, layout, moved, term.targets, term.weights, mean=mean, free=free)


def _worn(solution: Solution, markers: PlacedMarkers, wrong: Sequence[BoolArray]) -> tuple[Worn, ...]:
    residual = solution.residuals["markers"]
    assert isinstance(residual, MarkersResidual)
    distances, offsets = per_marker(residual), solution.state.extras[OFFSETS].cpu().numpy()
    betas, converged = solution.state.betas.cpu().numpy(), solution.converged.cpu().numpy()
    results = zip(offsets, betas, distances, wrong, converged, strict=True)
    return tuple(Worn(markers, each, shape, far, bad, bool(done)) for each, shape, far, bad, done in results)


def per_marker(residual: MarkersResidual) -> FloatArray:
    """(N, P) mean distance of each marker in each capture, metres; NaN where never seen."""
    layout, seen = residual.posed.layout, (residual.term.weights > 0).to(residual.distance.dtype)
    means: FloatArray = (layout.sums(residual.distance * seen) / layout.sums(seen)).cpu().numpy()
    return means


@dataclass(frozen=True, slots=True)
class MarkerEvidence:
    """What markers add to the problem of a scene."""

    evidence: Evidence
    term: Markers
    worn: tuple[Worn, ...] = field(default=())
    """N; empty where the placement is exact and the shape is found with the poses."""

    @property
    def betas(self) -> Tensor | None:
        """(N, B) shape that holds; None where it is unknown."""
        if not self.worn:
            return None
        return self.term.offsets.new_tensor(np.stack([each.betas for each in self.worn]))


def evidence(
    scene: Scene, placed: PlacedMarkers, priors: PosePriors, settings: MarkerSettings = _DEFAULT
) -> MarkerEvidence:
    """The term of a scene's markers, after learning how its people wear them.

    Captures of one subject with equal static trials are one session: they share shape and placement.

    Parameters
    ----------
    scene
        Captures that all have ``markers``.
    placed
        The layout on the scene's body.
    priors
        Of poses.
    settings
        Weights.
    """
    seen = [each.markers for each in scene.seen if each.markers is not None]
    if len(seen) != len(scene.seen):
        raise ValueError("every capture of the scene needs markers")
    worn: tuple[Worn, ...] = ()
    if is_exact(placed):
        markers = worn_markers(seen, placed, least=settings.least_markers)
        offsets = np.tile(markers.offsets, (len(seen), 1, 1))
    else:
        groups = sessions_of(scene.seen)
        sessions = [_session([scene.seen[i] for i in ids]) for ids in groups]
        learned = learn_worn(scene.body, scene.chain, sessions, placed, priors, settings)
        place = {index: (row, at) for row, ids in enumerate(groups) for at, index in enumerate(ids)}
        worn = tuple(
            _own_recording(learned[row], at + (sessions[row].static is not None))
            for row, at in (place[index] for index in range(len(seen)))
        )
        markers, offsets = worn[0].markers, np.stack([each.offsets for each in worn])
    targets, weights = _tensors(np.concatenate([columns_of(each, markers) for each in seen]), scene.seconds.device)
    if worn:
        wrong = np.stack([each.mislabelled[0] for each in worn])
        weights = weights * ~torch.as_tensor(wrong, device=weights.device)[scene.layout.capture]
    noise = white_noise(targets, weights > 0, scene.layout, scene.settings.least_noise_m, scene.settings.noise_m)
    sigma, share = with_bias(noise, settings.pose_sigma_m if worn else scene.settings.own_error_m)
    points = body_points(scene.body, scene.chain, markers)
    term = Markers(points, scene.tensor(offsets), targets, weights, sigma, settings.huber)
    return MarkerEvidence(Evidence((term,), frozenset(points.movers(scene.chain)), share, 1 - share), term, worn)


def sessions_of(seen: Sequence[Observations]) -> list[list[int]]:
    """Indices of captures that share a person and a static trial."""
    groups: dict[object, list[int]] = {}
    for index, each in enumerate(seen):
        static = each.static
        same: object = index if static is None else (each.key.subject, static.names, static.points.tobytes())
        groups.setdefault(same, []).append(index)
    return list(groups.values())


def _own_recording(worn: Worn, recording: int) -> Worn:
    """What holds for one recording of the session."""
    return replace(worn, mislabelled=worn.mislabelled[recording : recording + 1])


def _session(seen: Sequence[Observations]) -> Session:
    return Session(tuple(each.markers for each in seen if each.markers is not None), seen[0].static)


def start(scene: Scene, found: MarkerEvidence, *, mean: Tensor, free: Sequence[int]) -> State:
    """Closed form; with the people's own shape where it was learned."""
    state = start_of(scene.chain, scene.layout, found.term, mean, free)
    return state if found.betas is None else replace(state, betas=found.betas)


def told(found: MarkerEvidence, residual: MarkersResidual, seen: Sequence[Observations]) -> list[tuple[str, ...]]:
    """Reasons for each capture: markers that do not belong to the body that the others fit."""
    markers = found.worn[0].markers if found.worn else None
    if markers is None:
        return [() for _ in seen]
    labels, body = [names[0] for names in markers.labels], residual.placed.points.cpu().numpy()
    result = []
    for each, frames in zip(seen, residual.posed.layout.slices(), strict=True):
        assert each.markers is not None
        result.append(in_words(suspects(columns_of(each.markers, markers), body[frames], each.frame_ids), labels))
    return result
