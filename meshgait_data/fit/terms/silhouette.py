"""Silhouettes: the outline of the body and the outlines of masks pull at each other, both ways.

Points of the body's own outline (edges between triangles that face the camera and triangles that do not, where the body
does not hide them) are matched with the nearest point of the mask's outline that looks the same way, and every point of
the mask's outline with the nearest such point of the body's. What counts is the distance along the normal of the mask's
outline (point to line, as in Chen & Medioni, IVC 10(3), 1992), under a robust kernel. Both ways are needed: a body that
is too small finds partners everywhere, and so does one with a limb where the mask has none.

Matches are found anew at every state, so the cost is that of the state and not of old matches; its gradient holds the
matches, which is exact almost everywhere but for the little that the contour is curved.

Letters as in ``batch.py``; K views, F frames of masks.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.body.model import Body
from meshgait_data.errors import InvalidData
from meshgait_data.fit import silhouette_kernels as kernels
from meshgait_data.fit import silhouette_rows
from meshgait_data.fit.batch import Posed
from meshgait_data.fit.cameras import EXTRA, UNKNOWNS, Views
from meshgait_data.fit.contours import Contours
from meshgait_data.fit.system import System
from meshgait_data.render.soft import Topology
from meshgait_data.types import BoolArray, FloatArray, IntArray

UNIT_M = 1.75 / 190
"""Metres that one unit of length in the image stands for, about: all lengths of :class:`OutlineRule` are given for a
person who is 190 pixels tall, and larger images are taken as if they were smaller."""
_MOST_SAMPLES = 768
"""Of the body's outline in a view: twice what a walking person has at the default spacing."""
_CHUNK_BYTES = 2**25
"""Rows of the Jacobian are held for as many frames at a time as fit into so much memory."""


@dataclass(frozen=True, slots=True)
class OutlineRule:
    """What matches, and how much it weighs. Lengths in pixels of a person 190 pixels tall, about 9 mm each."""

    turn: float = 15.0
    """What a partner whose normal is turned by 60 degrees costs, as a distance."""
    cosine: float = 0.5
    """Least cosine between the normals of partners."""
    reach: float = 20.0
    """Beyond this distance nothing is a partner."""
    robust: float = 3.0
    """Standard deviations that are the scale of Geman-McClure's kernel: there the pull is a quarter of what it would
    be."""
    slide: float = 0.02
    """Share of the squared distance along the outline that counts."""
    grain: float = 10.0
    """Length of outline that errs together: a whole outline is as good as its length over this."""
    spacing: float = 4.0
    """Between samples of the body's outline, at most."""
    pixel: float = 1.0
    """Of the body's own mask, which tells what of its outline is hidden."""


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A body's mesh as the kernels take it; make it once with :meth:`of`."""

    faces: IntArray
    edges: IntArray
    template: Tensor
    """(V, 3) metres."""
    shapedirs: Tensor
    """(V, 3, B)"""
    correctives: tuple[IntArray, IntArray, FloatArray]
    """Sparse pose correctives: where each vertex' begin (V+1,), feature, and (X, 3) what it moves the vertex by."""
    weights: tuple[IntArray, IntArray, FloatArray]
    """Sparse skinning weights: where each vertex' begin, joint, share."""

    @classmethod
    def of(cls, body: Body, *, num_betas: int | None = None) -> "Surface":
        """Take what is needed of a closed body; raises InvalidData where the mesh is open."""
        topology = Topology.of(body.faces)
        used = (body.posedirs != 0).any(axis=1)
        vertices, features = np.nonzero(used)
        followed = body.weights != 0
        return cls(
            faces=topology.faces,
            edges=topology.edges,
            template=torch.as_tensor(body.v_template, dtype=torch.float64),
            shapedirs=torch.as_tensor(body.shapedirs[..., :num_betas].copy(), dtype=torch.float64),
            correctives=(_starts(used), features, body.posedirs.transpose(0, 2, 1)[vertices, features].astype(float)),
            weights=(_starts(followed), np.nonzero(followed)[1], body.weights[followed].astype(float)),
        )


def _starts(used: np.ndarray) -> IntArray:
    return np.concatenate([[0], np.cumsum(used.sum(axis=1))]).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """Outlines of K views' masks over F frames, in units of the rule, and the cameras that saw them."""

    views: Views
    """Of N captures, each with K views."""
    points: FloatArray
    normals: FloatArray
    lengths: FloatArray
    starts: IntArray
    """(K, F+1) into the arrays above."""
    units: FloatArray
    """(N, K) units of the rule in a pixel of the view."""
    sizes: FloatArray
    """(N, K, 2) width and height in units."""
    boxes: FloatArray
    """(F, K, 4) least and greatest x, least and greatest y of the masks in pixels; NaN where there is none or the image
    border cuts it."""

    @classmethod
    def of(cls, contours: Sequence[Sequence[Contours]], views: Views, heights: FloatArray) -> "Outlines":
        """Put captures and views together.

        Parameters
        ----------
        contours
            N captures, each K views of its frames, without lens distortion; views that a capture lacks see nothing.
            The frames F are those of all captures, one after the other.
        views
            Cameras.
        heights
            (N, K) how tall the body is in pixels.

        Raises
        ------
        InvalidData
            Where contours, cameras and heights do not fit.
        """
        if {len(row) for row in contours} != {len(views)} or heights.shape != (len(contours), len(views)):
            raise InvalidData(f"outlines of {[len(row) for row in contours]} views for {len(views)} cameras")
        units = 1.75 / UNIT_M / np.maximum(heights, 1.0)
        parts = [
            [_scaled(contour, unit) for contour, unit in zip(row, scales, strict=True)]
            for row, scales in zip(contours, units, strict=True)
        ]
        starts, base = [], 0
        for view in range(len(views)):
            begins = []
            for row in parts:
                begins.append(row[view].starts[:-1] + base)
                base += len(row[view].points)
            starts.append(np.concatenate([*begins, [base]]))
        ordered = [row[view] for view in range(len(views)) for row in parts]
        sizes = [[camera.size if camera else (1, 1) for camera in row] for row in views.cameras]
        return cls(
            views=views,
            points=np.concatenate([part.points for part in ordered]),
            normals=np.concatenate([part.normals for part in ordered]),
            lengths=np.concatenate([part.lengths for part in ordered]),
            starts=np.stack(starts),
            units=units,
            sizes=np.array(sizes, np.float64) * units[..., None],
            boxes=np.concatenate([np.stack([_whole(contour) for contour in row], 1) for row in contours]),
        )

    def only(self, views: Sequence[int]) -> "Outlines":
        """The others see nothing."""
        starts = self.starts.copy()
        for view in set(range(len(starts))) - set(views):
            starts[view] = starts[view, 0]
        return replace(self, starts=starts)

    def take(self, captures: Sequence[int]) -> "Outlines":
        """Some captures, with repetition: hypotheses that see the same masks."""
        ids = list(captures)
        return replace(self, views=self.views.take(ids), units=self.units[ids], sizes=self.sizes[ids])


def _whole(contour: Contours) -> FloatArray:
    return np.where(contour.cut[:, None], np.nan, contour.boxes).astype(np.float64)


def _scaled(contour: Contours, unit: float) -> Contours:
    """In other units, and the points of each frame from top to bottom."""
    frame = np.repeat(np.arange(len(contour.starts) - 1), np.diff(contour.starts))
    order = np.lexsort((contour.points[:, 1], frame))
    return replace(
        contour,
        points=(contour.points[order] * unit).astype(np.float32),
        normals=contour.normals[order],
        lengths=(contour.lengths[order] * unit).astype(np.float32),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Silhouettes:
    """The term."""

    surface: Surface
    outlines: Outlines
    source: IntArray
    """(T,) frame of the masks that each frame of the batch is compared with; -1 for none."""
    rule: OutlineRule
    sigma: Tensor
    """(N,) standard deviation of the distance between body and mask, in units of the rule."""
    strength: float = 1.0
    """Factor of all weights."""
    name: str = field(default="masks", init=False)
    unit: str = field(default="px", init=False)
    _last: "list[SilhouetteResidual]" = field(default_factory=list, init=False, repr=False)
    """What was measured last: solvers come back to states, and captures that have arrived stay where they are."""

    def measure(self, posed: Posed) -> "SilhouetteResidual":
        """Find and match the outlines at a state."""
        optics = _Optics.of(self.outlines, posed)
        pose = _pose_arrays(self.surface, posed)
        frames, views = len(self.source), len(self.outlines.views)
        found = (
            np.zeros((frames, views), np.int64),
            np.zeros((frames, views, _MOST_SAMPLES, kernels.SAMPLE), np.float32),
            np.zeros((frames, views, _MOST_SAMPLES, 2), np.int32),
            np.zeros((frames, views, 4)),
        )
        left = self._recalled(pose, optics, found)
        outlines, rule, surface = self.outlines, self.rule, self.surface
        body = (surface.faces, surface.edges, surface.correctives, surface.weights)
        contours = (outlines.points, outlines.normals, outlines.lengths, outlines.starts, self.source)
        numbers = (rule.turn, rule.cosine, rule.reach, rule.slide)
        scales = rule.robust * self.sigma.cpu().numpy()

        def work(first: int, last: int) -> None:
            seen, steps = (optics.matrices, outlines.sizes), (rule.spacing, rule.pixel)
            kernels.measure_frames(left[first:last], body, pose, seen, contours, numbers, scales, steps, found)

        over_frames(work, len(left))
        result = SilhouetteResidual(self, posed, optics, pose, found)
        self._last[:] = [result, *self._last[:1]]
        return result

    def vertices(self, posed: Posed) -> Tensor:
        """(T, V, 3) the mesh at a state."""
        pose, surface = _pose_arrays(self.surface, posed), self.surface
        result = np.zeros((2, len(self.source), *surface.template.shape))
        body = (surface.faces, surface.edges, surface.correctives, surface.weights)

        def work(first: int, last: int) -> None:
            kernels.place_frames((first, last), body, pose, result[0, first:last], result[1, first:last])

        over_frames(work, len(self.source))
        return torch.from_numpy(result[1])

    def _recalled(self, pose: tuple[Any, ...], optics: "_Optics", found: tuple[Any, ...]) -> IntArray:
        """Copy what is known of frames that are where they were; returns the other frames."""
        left = np.arange(len(self.source))
        for old in self._last:
            same = _unmoved(pose, optics, old)[left]
            for values, known in zip(found, old.found, strict=True):
                values[left[same]] = known[left[same]]
            left = left[~same]
        return left


def _unmoved(pose: tuple[Any, ...], optics: "_Optics", old: "SilhouetteResidual") -> BoolArray:
    """(T,) whether shape, pose and cameras of a frame are those of an old residual."""
    shaped, _, _, world, joints, capture = pose
    captures = (shaped == old.pose[0]).all((1, 2)) & (optics.matrices == old.optics.matrices).all((1, 2, 3))
    frames = (world == old.pose[3]).all((1, 2, 3)) & (joints == old.pose[4]).all((1, 2))
    return np.asarray(captures[capture] & frames)


def over_frames(work: Callable[[int, int], None], frames: int) -> None:
    """Do the frames in as many parts as torch has threads; the kernels let each other run."""
    threads = min(torch.get_num_threads(), frames)
    if threads <= 1:
        if frames:
            work(0, frames)
        return
    # Frames differ little: equal parts, four a thread, level out what other processes take.
    borders = np.unique(np.linspace(0, frames, 4 * threads + 1).astype(int)).tolist()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, borders[:-1], borders[1:]))


def _pose_arrays(surface: Surface, posed: Posed) -> tuple[Any, ...]:
    state = posed.state
    shaped = surface.template + torch.einsum(
        "vxb,nb->nvx", surface.shapedirs[..., : state.betas.shape[1]], state.betas.cpu()
    )
    feature = (state.rotations[:, 1:] - torch.eye(3, dtype=torch.float64, device=state.rotations.device)).flatten(1)
    tensors = (shaped, posed.rest, feature, posed.world, posed.joints, posed.layout.capture)
    return tuple(np.ascontiguousarray(tensor.cpu().numpy()) for tensor in tensors)


@dataclass(frozen=True, slots=True, eq=False)
class _Optics:
    """The cameras at a state; the last three are empty where cameras are known."""

    matrices: FloatArray
    """(N, K, 3, 4) to homogeneous image positions in units of the rule."""
    frames: FloatArray
    """(N, K, 3, 4) from world to camera."""
    targets: FloatArray
    """(N, K, 3) what the cameras turn about."""
    rights: FloatArray
    """(N, K, 3, 3) right Jacobians of their turns."""

    @classmethod
    def of(cls, outlines: Outlines, posed: Posed) -> "_Optics":
        views, unknowns = outlines.views, posed.state.extras.get(EXTRA)
        units = torch.as_tensor(outlines.units)
        rotation, offset, scale = (tensor.cpu() for tensor in (views.rotation, views.offset, views.divisor * 0 + 1))
        right = torch.zeros(len(rotation), 0, 3, 3, dtype=torch.float64)
        if unknowns is not None:
            delta = unknowns.cpu().reshape(len(unknowns), len(views), UNKNOWNS)
            rotation = rotation @ torch_rotations.exp(delta[..., :3])
            offset, scale = offset + delta[..., 3:6], scale * delta[..., 6].exp()
            right = torch.linalg.inv(torch_rotations.log_jacobian(delta[..., :3]))
        target, divisor = views.target.cpu(), views.divisor.cpu()
        translation = offset - (rotation @ target[..., None])[..., 0]
        frame = torch.cat([rotation, translation[..., None]], -1)
        # Affine cameras divide by one number, whatever the depth.
        flat = torch.zeros_like(frame[..., 2, :])
        flat[..., 3] = divisor
        depth = torch.where(divisor[..., None] > 0, flat, frame[..., 2, :])
        lens = (scale * units)[..., None, None] * views.lens.cpu()
        centre = views.centre.cpu() * units[..., None]
        across = lens @ frame[..., :2, :] + centre[..., None] * depth[..., None, :]
        matrices = torch.cat([across, depth[..., None, :]], -2)
        views_left = right.shape[1]
        arrays = (matrices, frame[:, :views_left], target[:, :views_left], right)
        return cls(*(np.ascontiguousarray(array.numpy()) for array in arrays))


@dataclass(frozen=True, slots=True, eq=False)
class SilhouetteResidual:
    """Outlines of all frames and their matches."""

    term: Silhouettes
    posed: Posed
    optics: _Optics
    pose: tuple[Any, ...]
    found: tuple[IntArray, FloatArray, IntArray, FloatArray]
    """Number of samples (T, K), samples (T, K, R, 12), vertices of their edges (T, K, R, 2), sums (T, K, 4)."""
    forces: FloatArray | None = None
    """(T, K, V, 3) at vertices, where terms that find the outline the same way have forces of their own."""
    weights: Tensor | None = None
    """(N,) the weights of these."""

    @property
    def _weights(self) -> Tensor:
        """(N,) of a squared distance over one unit of outline; half for each way."""
        if self.weights is not None:
            return self.weights
        return self.term.strength / (2 * self.term.rule.grain * self.term.sigma**2)

    @property
    def lengths(self) -> Tensor:
        """(T, K) of the body's outline, in pixels of the view."""
        inside = np.arange(self.found[1].shape[2]) < self.found[0][..., None]
        return torch.as_tensor((self.found[1][..., 4] * inside).sum(2) / self.term.outlines.units[self.pose[5]])

    @property
    def cost(self) -> Tensor:
        """(N,) robust."""
        values = torch.as_tensor(self.found[3][..., 0].sum(1)).to(self.posed.state.betas)
        return self._weights * self.posed.layout.sums(values)

    @property
    def spread(self) -> Tensor:
        """(N,) root mean square of the robust distances, in units of the rule: what ``sigma`` should be."""
        sums = torch.as_tensor(self.found[3].sum(1)).to(self.posed.state.betas)
        total = self.posed.layout.sums(sums)
        return (2 * total[:, 0] / total[:, 2].clamp(min=1e-9)).sqrt()

    @property
    def misses(self) -> Tensor:
        """(T, K) mean distance between the outlines in pixels of the view; NaN where it has no mask of the frame."""
        sums, units = self.found[3], self.term.outlines.units[self.pose[5]]
        seen = sums[..., 2] > 0
        return torch.as_tensor(np.where(seen, sums[..., 1] / np.where(seen, sums[..., 2], 1) / units, np.nan))

    @property
    def error(self) -> Tensor:
        """(T,) mean distance between the outlines in pixels; NaN where there is no mask."""
        return self.misses.nanmean(1).to(self.posed.state.betas)

    def add_to(self, system: System) -> None:
        """Rows of the Jacobian along the normals, then one product for each frame."""
        surface, chain = self.term.surface, self.posed.chain
        columns = np.full(len(chain.parents), -1, np.int64)
        columns[list(system.free)] = 3 * np.arange(len(system.free))
        moved = chain.accumulate(self.posed.world, chain.shapedirs).cpu().numpy()
        betas = self.posed.state.betas.shape[1]
        slopes = (
            np.ascontiguousarray(surface.shapedirs[..., :betas].numpy()),
            np.ascontiguousarray(chain.shapedirs[..., :betas].cpu().numpy()),
            np.ascontiguousarray(moved),
            columns,
            np.array(chain.parents),
        )
        unknowns = 3 * len(system.free) + 3
        unknown_cameras = self.optics.frames.shape[1] > 0
        width = unknowns + betas + (UNKNOWNS if unknown_cameras else 0)
        frames, views = self.found[0].shape
        slots = views if unknown_cameras else 1
        # Two rows a vertex at most in one view, three in several; a sample has two vertices, and shares them.
        most = int((self.found[0].max() if unknown_cameras else self.found[0].sum(1).max()) * 3)
        room = max(1, min(most, 3 * len(surface.template)))
        double = system.dtype == torch.float64
        step = max(1, _CHUNK_BYTES // (slots * room * width * (8 if double else 4)))
        body = (surface.faces, surface.edges, surface.correctives, surface.weights)
        optics = (self.optics.matrices, self.optics.frames, self.optics.targets, self.optics.rights)
        forces = np.zeros((0, views, len(surface.template), 3)) if self.forces is None else self.forces
        for start in range(0, frames, step):
            stop = min(start + step, frames)
            count = stop - start
            A = np.zeros((count, slots, room, width), np.float64 if double else np.float32)
            push, used = np.zeros((count, slots, width)), np.zeros((count, slots), np.int64)

            def work(first: int, last: int, base: int = start, rows: Any = (A, push, used)) -> None:
                own, span = tuple(array[first:last] for array in rows), (base + first, base + last)
                vertices = np.zeros((2, last - first, *surface.template.shape))
                kernels.place_frames(span, body, self.pose, vertices[0], vertices[1])
                skin, both = surface.weights, (vertices[0], vertices[1])
                silhouette_rows.build_rows(span, skin, self.pose, both, slopes, optics, self.found, forces, own)

            over_frames(work, count)
            rows = torch.from_numpy(A[:, :, : max(1, int(used.max()))]).to(system.diagonal.device)
            self._add(system, slice(start, stop), rows, torch.from_numpy(push).to(rows), unknowns, betas)

    def _add(self, system: System, part: slice, rows: Tensor, push: Tensor, unknowns: int, betas: int) -> None:
        """Add ``weight A^T A`` of some frames."""
        layout = self.posed.layout
        capture, shape = layout.capture[part], system.columns("betas")
        weight = self._weights[capture].to(rows)[:, None, None]
        own, tied = slice(0, unknowns), slice(unknowns, unknowns + betas)
        cameras = rows.shape[-1] > unknowns + betas
        product = (weight[..., None] * (rows.mT @ rows)).to(system.dtype)
        push = (weight * push).to(system.dtype)
        both, force = product.sum(1), push.sum(1)
        system.diagonal[part] += both[:, own, own]
        system.gradient[part] += force[:, own]
        system.border[part, :, shape] += both[:, own, tied]
        system.corner[:, shape, shape] += _by_capture(both[:, tied, tied], capture, len(layout))
        system.shared[:, shape] += _by_capture(force[:, tied], capture, len(layout))
        if not cameras:
            return
        for view in range(product.shape[1]):
            start = system.columns(EXTRA).start + UNKNOWNS * view
            columns, last = slice(start, start + UNKNOWNS), slice(unknowns + betas, None)
            one = product[:, view]
            system.border[part, :, columns] += one[:, own, last]
            cross = _by_capture(one[:, tied, last], capture, len(layout))
            system.corner[:, shape, columns] += cross
            system.corner[:, columns, shape] += cross.mT
            system.corner[:, columns, columns] += _by_capture(one[:, last, last], capture, len(layout))
            system.shared[:, columns] += _by_capture(push[:, view, last], capture, len(layout))


def _by_capture(values: Tensor, capture: Tensor, count: int) -> Tensor:
    return values.new_zeros(count, *values.shape[1:]).index_add_(0, capture, values)
