"""Starts that data alone do not give: hypotheses of heading and gait phase, tried as captures of one batch.

Captures are cut into windows of a few seconds in which a walk has one rhythm and one style. In each window all
hypotheses are fitted in gait space (``gait_space.py``) to a few frames; the best goes on with all frames and styles.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from meshgait_data.fit.batch import Layout, State
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.gait_space import (
    FLOOR,
    HEADING,
    PHASE,
    RATE,
    STYLE,
    GaitPoint,
    GaitSolution,
    GaitSpace,
    GaitSpreads,
    Path,
    minimise_gait,
)
from meshgait_data.fit.keypoint_track import STILL_M_S, Track
from meshgait_data.fit.minimise import Extra
from meshgait_data.fit.priors import GaitPrior
from meshgait_data.fit.terms.base import Term
from meshgait_data.fit.terms.gait_deviation import GaitDeviation

WINDOW_S = 4.0
"""Seconds of a window at most: some four strides."""
_PHASES, _YAWS = 4, 8
"""Phases that are tried; headings that are tried where the path does not tell."""
_THIN_HZ = 8.0
"""Frames a second that hypotheses are tried on: eight in a stride."""
_FEW_STYLES = 2
"""Style components of hypotheses."""
_TURNED, _SHIFTED = 1.0, 0.8
"""Radians of heading and of phase by which two solutions are different ones."""

Seen = Callable[[Tensor, Tensor, float], Sequence[Term]]
"""Makes the terms of what was observed: from the frames that take part (T',), the capture that each part of the batch
is of (N',), and the share of a frame's evidence that counts."""


@dataclass(frozen=True, slots=True)
class GaitStart:
    """Where to start."""

    state: State
    deviation: GaitDeviation
    """Term of the further fit: poses are spread about the walk that was found, not about the mean pose."""
    ambiguity: Tensor
    """(N,) cost of the best hypothesis over that of the second best that is another one, in the worst window of the
    capture: near 1, data do not decide; 0, there is no other."""


@dataclass(frozen=True, slots=True)
class _Windows:
    """Parts of captures, as captures."""

    layout: Layout
    capture: Tensor
    """(W,) capture that each is of."""

    @classmethod
    def of(cls, layout: Layout, seconds: Tensor) -> "_Windows":
        lengths, captures = [], []
        for index, part in enumerate(layout.slices()):
            count = part.stop - part.start
            span = float(seconds[part][-1] - seconds[part][0])
            pieces = min(count, max(1, -int(-span // WINDOW_S)))
            cuts = [round(count * piece / pieces) for piece in range(pieces + 1)]
            lengths += [end - start for start, end in pairwise(cuts)]
            captures += [index] * pieces
        device = layout.capture.device
        return cls(Layout.of(lengths, device), torch.tensor(captures, device=device))


def gait_start(
    chain: Chain,
    layout: Layout,
    seconds: Tensor,
    found: Track,
    seen: Seen,
    *,
    gait: GaitPrior,
    free: Sequence[int],
    extras: Sequence[Extra] = (),
    values: Mapping[str, Tensor] | None = None,
) -> GaitStart:
    """Try hypotheses, keep the best.

    Parameters
    ----------
    chain, layout, seconds
        Body, captures and the (T,) time of their frames.
    found
        About where the walkers are.
    seen
        Makes the terms of what was observed; their spread should allow for what a gait cycle cannot follow.
    gait
        The gait-cycle prior.
    free
        Joints whose rotation is unknown.
    extras, values
        Further unknowns and where they start (N, ...).
    """
    windows = _Windows.of(layout, seconds)
    path = _windowed(found.path, windows)
    values = {name: value[windows.capture] for name, value in (values or {}).items()}
    problem = _Problem(
        chain, windows, path, found.floor[windows.capture], seen, gait, tuple(free), tuple(extras), values
    )
    point, ambiguity = _best(problem)
    space = GaitSpace(chain, windows.layout, gait, path)
    everything = torch.arange(layout.frames, device=seconds.device)
    terms = seen(everything, windows.capture, _independence(layout, seconds, gait))
    solved = minimise_gait(space, terms, point, extras=extras, free=free, iterations=10)
    style = solved.point.values[windows.layout.capture][:, STYLE:]
    deviation = GaitDeviation.of(gait, space.phases(solved.point.values), style, free)
    worst = ambiguity.new_zeros(len(layout)).scatter_reduce_(0, windows.capture, ambiguity, "amax")
    return GaitStart(_merged(solved.state, windows, layout), deviation, worst)


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is tried in W windows."""

    chain: Chain
    windows: _Windows
    path: Path
    floor: Tensor
    """(W,)"""
    seen: Seen
    gait: GaitPrior
    free: tuple[int, ...]
    extras: tuple[Extra, ...]
    values: Mapping[str, Tensor]
    """(W, ...)"""


def _best(problem: _Problem) -> tuple[GaitPoint, Tensor]:
    """The best hypothesis of each window, and the (W,) cost of it over that of the second that is another one."""
    count, size = len(problem.windows.layout), STYLE + problem.gait.size
    values = problem.path.seconds.new_zeros(count, size)
    betas = values.new_zeros(count, problem.chain.shapedirs.shape[-1])
    extras = {name: value.clone() for name, value in problem.values.items()}
    ambiguity = values.new_zeros(count)
    still = problem.path.speed <= STILL_M_S
    for yaws, group in ((1, ~still), (_YAWS, still)):
        ids = group.nonzero()[:, 0]
        if not len(ids):
            continue
        tried = _try(problem, ids, yaws)
        cost = tried.costs.reshape(-1, len(ids))
        best = cost.argmin(0)
        chosen = best * len(ids) + torch.arange(len(ids), device=ids.device)
        values[ids, : tried.point.values.shape[1]] = tried.point.values[chosen]
        betas[ids] = tried.point.betas[chosen]
        for name, value in tried.point.extras.items():
            extras[name][ids] = value[chosen]
        ambiguity[ids] = _ambiguity(tried.point.values.reshape(*cost.shape, -1), cost, best)
    return GaitPoint(values, betas, extras), ambiguity


def _windowed(path: Path, windows: _Windows) -> Path:
    """The path with times from the middle of each window."""
    middle, speed = path.seconds.clone(), path.speed[windows.capture].clone()
    for part in windows.layout.slices():
        middle[part] = path.seconds[part] - (path.seconds[part][0] + path.seconds[part][-1]) / 2
    return Path(middle, path.ground, path.heading, speed)


def _try(problem: _Problem, ids: Tensor, yaws: int) -> GaitSolution:
    """All hypotheses of some windows, on thinned frames: hypothesis by hypothesis, all windows each."""
    path, chain, parts = problem.path, problem.chain, len(ids)
    frames, lengths = _thinned(problem.windows.layout, path.seconds, ids.tolist())
    count = yaws * _PHASES
    everywhere, window = frames.repeat(count), ids.repeat(count)
    few = problem.gait.with_styles(min(_FEW_STYLES, problem.gait.size))
    # Headings that are tried in steps may move by half a step, those of a path hardly.
    spreads = GaitSpreads(heading=torch.pi / _YAWS) if yaws > 1 else GaitSpreads()
    layout = Layout.of(lengths * count, path.seconds.device)
    space = GaitSpace(chain, layout, few, path.take(everywhere, window), spreads)
    start = path.seconds.new_zeros(count * parts, space.size)
    number = torch.arange(count, device=ids.device).repeat_interleave(parts)
    start[:, PHASE] = (number % _PHASES) * (2 * torch.pi / _PHASES)
    start[:, HEADING] = (number // _PHASES) * (2 * torch.pi / _YAWS)
    leg = float(space.legs(start.new_zeros(1, chain.shapedirs.shape[-1]))[0])
    start[:, RATE] = problem.gait.cadence(leg_m=leg).log()
    start[:, FLOOR] = problem.floor[window]
    betas = start.new_zeros(len(start), chain.shapedirs.shape[-1])
    point = GaitPoint(start, betas, {name: value[window] for name, value in problem.values.items()})
    terms = problem.seen(everywhere, problem.windows.capture[window], 1.0)
    return minimise_gait(space, terms, point, extras=problem.extras, free=problem.free, iterations=8)


def _thinned(layout: Layout, seconds: Tensor, windows: Sequence[int]) -> tuple[Tensor, list[int]]:
    """Some frames of each window, and their number."""
    frames: list[int] = []
    lengths, slices = [], layout.slices()
    for part in (slices[window] for window in windows):
        count = part.stop - part.start
        span = float(seconds[part][-1] - seconds[part][0])
        step = max(1, round((count - 1) / max(span * _THIN_HZ, 1e-9))) if count > 1 else 1
        chosen = range(part.start, part.stop, step)
        frames += chosen
        lengths.append(len(chosen))
    return torch.tensor(frames, device=seconds.device), lengths


def _independence(layout: Layout, seconds: Tensor, gait: GaitPrior) -> float:
    """Share of one frame in what all tell of the cycle: frames closer than its memory err alike."""
    steps = torch.diff(seconds)[layout.capture[1:] == layout.capture[:-1]]
    return min(1.0, float(steps.median()) / gait.memory_s) if len(steps) else 1.0


def _merged(state: State, windows: _Windows, layout: Layout) -> State:
    """Windows of a capture as one: what they share is averaged."""
    counts = torch.bincount(windows.capture, minlength=len(layout)).to(state.betas)

    def mean(values: Tensor) -> Tensor:
        sums = values.new_zeros(len(layout), *values.shape[1:]).index_add_(0, windows.capture, values)
        return sums / counts.reshape(-1, *[1] * (values.dim() - 1))

    extras = {name: mean(value) for name, value in state.extras.items()}
    betas = mean(state.betas)
    return State(state.rotations, state.transl, betas, extras)


def _ambiguity(values: Tensor, cost: Tensor, best: Tensor) -> Tensor:
    """(W,) see :class:`GaitStart`; values (H, W, G), cost (H, W)."""
    ids = torch.arange(len(best), device=best.device)
    off = values - values[best, ids]

    def wrapped(angle: Tensor) -> Tensor:
        return torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi

    other = (wrapped(off[..., HEADING]).abs() > _TURNED) | (wrapped(off[..., PHASE]).abs() > _SHIFTED)
    return cost[best, ids] / torch.where(other, cost, torch.inf).amin(0)
