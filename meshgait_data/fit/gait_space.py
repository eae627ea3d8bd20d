"""Walks in the space of the gait-cycle prior: a dozen numbers a capture instead of 75 a frame.

Unknowns of a capture, G = 8 + K of them: phase in the middle of the capture (radians), log cadence, heading against the
path, shift of the path along world x and z (metres) and change of its velocity (m/s), height of the floor, then the K
styles; beside them the betas and the extras, which keep their places in the shared equations. Any term works here as it
does on free poses: its normal equations by the unknowns of the frames are pulled back, ``D^T A D`` with the slopes D of
poses and places by the unknowns. Damped and accepted capture by capture, as in ``minimise.py``.

Letters as in ``batch.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit.batch import Layout, Posed, State, pose
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.minimise import Extra
from meshgait_data.fit.priors import GaitPrior
from meshgait_data.fit.system import System
from meshgait_data.fit.terms.base import Residual, Term

PHASE, RATE, HEADING, SHIFT, DRIFT, FLOOR, STYLE = 0, 1, 2, slice(3, 5), slice(5, 7), 7, 8
"""Columns of the unknowns; the styles are the last."""
_LEG = [SMPL_JOINTS.index(f"left_{name}") for name in ("hip", "knee", "ankle")]


@dataclass(frozen=True, slots=True)
class Path:
    """Where a capture's body about is in each frame, from whatever was tracked."""

    seconds: Tensor
    """(T,) from the middle of the capture."""
    ground: Tensor
    """(T, 2) x and z under the pelvis, metres."""
    heading: Tensor
    """(T,) radians about y, 0 along +z."""
    speed: Tensor
    """(N,) m/s"""

    def take(self, frames: Tensor, captures: Tensor) -> "Path":
        """Some frames of some captures."""
        return Path(self.seconds[frames], self.ground[frames], self.heading[frames], self.speed[captures])


@dataclass(frozen=True, slots=True)
class GaitSpreads:
    """Standard deviations of the unknowns about their start."""

    heading: float = 0.15
    """Radians between the walker's heading and the path."""
    drift: float = 0.15
    """m/s of the path's velocity, either way."""
    shift: float = 0.3
    """Metres."""
    floor: float = 0.5
    """Metres."""


@dataclass(frozen=True, slots=True)
class GaitPoint:
    """Unknowns of N captures."""

    values: Tensor
    """(N, G)"""
    betas: Tensor
    """(N, B)"""
    extras: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GaitSpace:
    """What stays the same while solving."""

    chain: Chain
    layout: Layout
    prior: GaitPrior
    path: Path
    spreads: GaitSpreads = GaitSpreads()

    @property
    def size(self) -> int:
        """G."""
        return STYLE + self.prior.size

    def legs(self, betas: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) thigh and shank in metres, and their slope (N, B) by the shape."""
        bones = self.chain.template[_LEG] + torch.einsum("jxb,nb->njx", self.chain.shapedirs[_LEG], betas)
        bones, slopes = bones[:, 1:] - bones[:, :-1], self.chain.shapedirs[_LEG][1:] - self.chain.shapedirs[_LEG][:-1]
        length = bones.norm(dim=-1)
        return length.sum(1), torch.einsum("njx,jxb->nb", bones / length[..., None], slopes)

    def phases(self, values: Tensor) -> Tensor:
        """(T,) radians."""
        values = values[self.layout.capture]
        return values[:, PHASE] + values[:, RATE].exp() * (2 * torch.pi) * self.path.seconds

    def state(self, point: GaitPoint) -> State:
        """The bodies at a point."""
        return self.linearised(point, slopes=False)[0]

    def linearised(self, point: GaitPoint, *, slopes: bool = True) -> tuple[State, Tensor, Tensor]:
        """The bodies, and the slopes of all their 75 unknowns a frame: (T, 75, G) and by the shape (T, 75, B)."""
        capture, path, prior = self.layout.capture, self.path, self.prior
        values = point.values[capture]
        cycle = prior.linearised(self.phases(point.values), values[:, STYLE:] if prior.size else None)
        legs, leg_slopes = (part[capture] for part in self.legs(point.betas))
        angle = path.heading + values[:, HEADING]
        sine, cosine = angle.sin(), angle.cos()
        zero, one = torch.zeros_like(sine), torch.ones_like(sine)
        # Columns: to the left, up, ahead.
        turn = torch.stack([cosine, zero, sine, zero, one, zero, -sine, zero, cosine], -1).reshape(-1, 3, 3)
        vectors = cycle.channels[:, :72].reshape(-1, 24, 3)
        rotations = prior.mean @ torch_rotations.exp(vectors)
        rotations[:, 0] = turn @ rotations[:, 0]
        rises, sways, leads = cycle.channels[:, 72:].unbind(1)
        local = torch.stack([sways, rises, leads], 1)
        base = values[:, SHIFT] + values[:, DRIFT] * path.seconds[:, None] + path.ground
        pelvis = torch.stack([base[:, 0], values[:, FLOOR], base[:, 1]], 1)
        swing = (turn @ local[..., None])[..., 0]
        pelvis = pelvis + legs[:, None] * swing
        rest = self.chain.template[0] + torch.einsum("xb,nb->nx", self.chain.shapedirs[0], point.betas)[capture]
        state = State(rotations, pelvis - rest, point.betas, point.extras)
        if not slopes:
            return state, rotations, rotations
        rate = values[:, RATE].exp() * (2 * torch.pi) * path.seconds
        by_channel = torch.cat(
            [cycle.by_phase[..., None], (cycle.by_phase * rate[:, None])[..., None], cycle.by_style], 2
        )
        right = torch.linalg.inv(torch_rotations.log_jacobian(vectors))
        D = values.new_zeros(len(values), 75, self.size)
        where = [PHASE, RATE, *range(STYLE, self.size)]
        D[:, :72, where] = (right @ by_channel[:, :72].reshape(len(values), 24, 3, -1)).flatten(1, 2)
        moved = by_channel[:, [73, 72, 74]]
        D[:, 72:, where] = legs[:, None, None] * (turn @ moved)
        D[:, :3, HEADING] = rotations[:, 0, 1]
        D[:, 72:, HEADING] = legs[:, None] * torch.stack([swing[:, 2], zero, -swing[:, 0]], 1)
        for axis, column in ((72, 0), (74, 1)):
            D[:, axis, SHIFT.start + column] = 1
            D[:, axis, DRIFT.start + column] = path.seconds
        D[:, 73, FLOOR] = 1
        E = values.new_zeros(len(values), 75, point.betas.shape[1])
        E[:, 72:] = swing[..., None] * leg_slopes[:, None] - self.chain.shapedirs[0]
        return state, D, E

    def prior_terms(self, point: GaitPoint, start: GaitPoint) -> tuple[Tensor, Tensor, Tensor]:
        """Cost (N,), matrix (N, G+B, G+B) and downhill force (N, G+B) of what is known before anything is seen."""
        values, betas, spreads = point.values, point.betas, self.spreads
        count, size, shapes = len(values), self.size, betas.shape[1]
        scale = values.new_zeros(size)
        scale[HEADING], scale[SHIFT], scale[DRIFT] = 1 / spreads.heading, 1 / spreads.shift, 1 / spreads.drift
        scale[FLOOR], scale[STYLE:] = 1 / spreads.floor, 1.0
        off = values - start.values
        off = torch.cat([off[:, :STYLE], values[:, STYLE:]], 1) * scale
        # Cadence and stride go with style and legs; the stride follows from path and cadence.
        legs, leg_slopes = self.legs(betas)
        speed = self.path.speed
        usual = self.prior.log_rhythm(values[:, STYLE:]) if self.prior.size else self.prior.rhythm.expand(count, 2)
        rate = values[:, RATE]
        found = torch.stack([rate + (legs / 9.81).log() / 2, (speed / legs).log() - rate], 1)
        root = torch.linalg.cholesky(torch.linalg.inv(self.prior.rhythm_covariance)).mT
        miss = (found - usual) @ root.mT
        slope = values.new_zeros(count, 2, size + shapes)
        slope[:, 0, RATE], slope[:, 1, RATE] = 1, -1
        if self.prior.size:
            slope[:, :, STYLE:size] = -self.prior.rhythm_styles.mT
        slope[:, 0, size:], slope[:, 1, size:] = leg_slopes / legs[:, None] / 2, -leg_slopes / legs[:, None]
        slope = root @ slope
        # A standstill tells nothing of strides.
        walking = (speed > 0.3).to(values)[:, None]
        miss, slope = miss * walking, slope * walking[..., None]
        matrix = slope.mT @ slope
        matrix.diagonal(dim1=1, dim2=2)[:, :size] += scale**2
        force = -(slope.mT @ miss[..., None])[..., 0]
        force[:, :size] -= scale * off
        return (off.square().sum(1) + miss.square().sum(1)) / 2, matrix, force


@dataclass(frozen=True, slots=True)
class GaitSolution:
    """Where the solver stopped."""

    point: GaitPoint
    state: State
    costs: Tensor
    """(N,)"""
    posed: Posed
    residuals: Mapping[str, Residual]


def minimise_gait(
    space: GaitSpace,
    terms: Sequence[Term],
    start: GaitPoint,
    *,
    extras: Sequence[Extra] = (),
    free: Sequence[int] = tuple(range(22)),
    iterations: int = 10,
    damping: float = 1e-3,
) -> GaitSolution:
    """Levenberg-Marquardt over the unknowns of each capture.

    Parameters
    ----------
    space, terms
        What is minimised, with the priors of the space.
    start
        First guess.
    extras
        Further unknowns that terms have; their values are in ``start.extras``.
    free
        Joints whose rotations terms look at.
    iterations
        Steps that are tried.
    damping
        Marquardt's factor at the start.
    """
    point, factor = start, torch.full_like(start.values[:, 0], damping)
    posed, residuals, costs = _evaluate(space, terms, point, start)
    for _ in range(iterations):
        matrix, force = _equations(space, posed, residuals, point, start, extras, free)
        scaled = matrix + torch.diag_embed(factor[:, None] * matrix.diagonal(dim1=1, dim2=2) + 1e-9)
        step = torch.linalg.solve(scaled, force)
        trial = _moved(space, point, step, extras)
        reached = _evaluate(space, terms, trial, start)
        better = reached[2] <= costs
        factor = torch.where(better, (factor / 10).clamp(min=1e-6), factor * 10)
        gain = ((costs - reached[2]) / costs.clamp(min=1e-9))[better]
        if bool(better.all()):
            point, (posed, residuals, costs) = trial, reached
        elif bool(better.any()):
            point = _choose(better, trial, point)
            posed, residuals, costs = _evaluate(space, terms, point, start)
        if bool(better.any()) and bool((gain < 1e-3).all()) and bool((factor[~better] > 1).all()):
            break
        if bool((factor > 1e4).all()):
            break
    named = {term.name: residual for term, residual in zip(terms, residuals, strict=True)}
    return GaitSolution(point, posed.state, costs, posed, named)


def _evaluate(
    space: GaitSpace, terms: Sequence[Term], point: GaitPoint, start: GaitPoint
) -> tuple[Posed, list[Residual], Tensor]:
    posed = pose(space.chain, space.layout, space.state(point))
    residuals = [term.measure(posed) for term in terms]
    costs = space.prior_terms(point, start)[0]
    for residual in residuals:
        costs = costs + residual.cost
    return posed, residuals, costs


def _equations(
    space: GaitSpace,
    posed: Posed,
    residuals: Sequence[Residual],
    point: GaitPoint,
    start: GaitPoint,
    extras: Sequence[Extra],
    free: Sequence[int],
) -> tuple[Tensor, Tensor]:
    """Normal equations (N, G+S, G+S) and force (N, G+S) by the unknowns of the captures."""
    shapes, layout = point.betas.shape[1], space.layout
    sizes = {"betas": shapes, **{extra.name: extra.size for extra in extras}}
    system = System.zeros(layout, tuple(free), sizes)
    for residual in residuals:
        residual.add_to(system)
    _, D, E = space.linearised(point)
    rows = [3 * joint + axis for joint in free for axis in range(3)] + [72, 73, 74]
    shared = system.border.shape[-1]
    slopes = torch.cat([D[:, rows], E[:, rows], D.new_zeros(len(D), len(rows), shared - shapes)], 2).to(system.dtype)
    size = space.size
    matrix = slopes.mT @ (system.diagonal @ slopes)
    tied = slopes.mT @ system.border
    matrix[:, :, size:] += tied
    matrix[:, size:] += tied.mT
    total = layout.sums(matrix).double()
    total[:, size:, size:] += system.corner
    force = layout.sums((slopes.mT @ system.gradient[..., None])[..., 0]).double()
    force[:, size:] += system.shared
    _, known, pull = space.prior_terms(point, start)
    both = size + shapes
    total[:, :both, :both] += known
    force[:, :both] += pull
    return total, force


def _moved(space: GaitSpace, point: GaitPoint, step: Tensor, extras: Sequence[Extra]) -> GaitPoint:
    size, shapes = space.size, point.betas.shape[1]
    changed, first = dict(point.extras), size + shapes
    for extra in extras:
        changed[extra.name] = extra.retract(changed[extra.name], step[:, first : first + extra.size])
        first += extra.size
    return replace(
        point, values=point.values + step[:, :size], betas=point.betas + step[:, size:][:, :shapes], extras=changed
    )


def _choose(first: Tensor, yes: GaitPoint, no: GaitPoint) -> GaitPoint:
    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(first.reshape(-1, *[1] * (a.dim() - 1)), a, b)

    extras = {name: pick(value, no.extras[name]) for name, value in yes.extras.items()}
    return GaitPoint(pick(yes.values, no.values), pick(yes.betas, no.betas), extras)
