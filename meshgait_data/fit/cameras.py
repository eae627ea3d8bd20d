"""The cameras of a batch of captures: projection with derivatives, and cameras that are estimated with the body.

Letters as in ``batch.py``; V views of each capture (the most that any has; a view that a capture lacks is not
``present``), C = 7 unknowns of a camera. ``x_camera = rotation exp(turn) (x - target) + offset + shift``, then the
model of :class:`meshgait_data.types.Camera`, its lens, and focal lengths times ``exp(zoom)``.

Three cases:

* **Known** cameras have no unknowns: project with ``unknowns=None``.
* **Nominal** cameras (CASIA-B: eleven azimuths 18 degrees apart, OU-MVLP: fourteen; distance, height and lens
  unpublished) are unknown by small amounts, as Gaussians about the nominal camera (:class:`CameraSpread`): a *turn*
  about the middle of the walk in world axes (its y part is the azimuth), a *shift* in camera axes (where it points to,
  and how far it is), a *zoom*. The gauge: a world turned about y, moved or scaled together with its cameras looks the
  same. Turn and place are fixed by the Gaussians' means (no camera is special: over all cameras the turns and shifts
  are zero on average), the vertical by the nominal camera's level, the scale by the shape prior (stature).
  :func:`to_walk` turns the result so that the walk leads along +z and starts above the origin.
* **Weak perspective per frame** (Gait3D's crops, GREW's aligned 64 x 64): every frame was cut out and scaled by an
  unknown amount. The body then lives in the frame of one fixed camera (:func:`crop_camera`), and its translation in
  each frame says where in the crop it is and, by its depth, how large. There are no further unknowns, but the
  translation must not be smoothed in time, and says nothing about where the person went.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from meshgait_data import torch_rotations
from meshgait_data.fit import torch_lens
from meshgait_data.fit.batch import Layout, Posed, State
from meshgait_data.fit.minimise import Extra
from meshgait_data.fit.system import System
from meshgait_data.manifest import CameraRing
from meshgait_data.render.lens import fold_radius
from meshgait_data.render.rigs import ring_cameras
from meshgait_data.types import Camera

UNKNOWNS = 7
"""C: turn about x, y, z of the world (radians), shift along x, y, z of the camera (metres), zoom (log)."""
EXTRA = "cameras"
"""Name of the shared unknowns: (N, V * C), zero at the nominal cameras."""
_NEAR = 0.1
"""Metres: what is nearer, or behind, is projected as if it were at this depth, and is not ``in_front``."""


@dataclass(frozen=True, slots=True)
class Projected:
    """Points in V images."""

    pixels: Tensor
    """(T, V, P, 2)"""
    depth: Tensor
    """(T, V, P) metres along the optical axis."""
    in_front: Tensor
    """(T, V, P) whether the point has an image."""
    slope: Tensor
    """(T, V, P, 2, 3) derivative of the pixels by the point in the world; empty where it was not asked for."""
    by_camera: Tensor | None
    """(T, V, P, 2, C) derivative by the unknowns of that camera; None where cameras are known."""


@dataclass(frozen=True, slots=True)
class Views:
    """V cameras of each of N captures, as tensors."""

    cameras: tuple[tuple[Camera | None, ...], ...]
    """N tuples of V cameras; None where a capture lacks the view."""
    present: Tensor
    """(N, V) bool"""
    rotation: Tensor
    """(N, V, 3, 3) world to camera."""
    target: Tensor
    """(N, V, 3) point in the world that an unknown camera turns about, metres."""
    offset: Tensor
    """(N, V, 3) where that point is in the camera's frame, metres."""
    lens: Tensor
    """(N, V, 2, 2) upper left of the intrinsics."""
    centre: Tensor
    """(N, V, 2) principal point."""
    coefficients: Tensor
    """(N, V, 8) distortion."""
    fold: Tensor
    """(N, V) fold radius of the lens."""
    divisor: Tensor
    """(N, V) what x and y of the camera frame are divided by; 0 for perspective: by their depth."""
    distorted: bool
    """Whether any lens distorts."""

    @classmethod
    def of(
        cls,
        cameras: Sequence[Sequence[Camera | None]],
        *,
        targets: Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> "Views":
        """Stack cameras.

        Parameters
        ----------
        cameras
            N sequences of V cameras each; None where a capture lacks the view.
        targets
            (N, 3) metres: what unknown cameras turn about; the origin if None.
        device
            Of the tensors.
        """
        blank = Camera("", np.eye(3), np.eye(3), np.array([0.0, 0.0, 1.0]), (1, 1))
        filled = [[camera or blank for camera in row] for row in cameras]

        def stack(of: object) -> Tensor:
            rows = np.array([[of(camera) for camera in row] for row in filled], dtype=np.float64)  # type: ignore[operator]
            return torch.as_tensor(rows, device=device)

        rotation = stack(lambda camera: camera.rotation)
        target = torch.zeros(rotation.shape[:-1], dtype=torch.float64, device=device)
        if targets is not None:
            target = targets.to(target)[:, None].expand_as(target)
        coefficients = stack(lambda camera: (*camera.distortion, *(8 - len(camera.distortion)) * (0.0,)))
        return cls(
            cameras=tuple(tuple(row) for row in cameras),
            present=torch.tensor([[camera is not None for camera in row] for row in cameras], device=device),
            rotation=rotation,
            target=target,
            offset=(rotation @ target[..., None])[..., 0] + stack(lambda camera: camera.translation),
            lens=stack(lambda camera: camera.intrinsics[:2, :2]),
            centre=stack(lambda camera: camera.intrinsics[:2, 2]),
            coefficients=coefficients,
            fold=stack(lambda camera: fold_radius(camera.distortion) if any(camera.distortion) else np.inf),
            divisor=stack(_divisor),
            distorted=bool(coefficients.any()),
        )

    def __len__(self) -> int:
        return self.present.shape[1]

    def take(self, captures: Sequence[int] | Tensor, views: slice = slice(None)) -> "Views":
        """Some captures (with repetition: hypotheses), and some of the views."""
        ids = torch.as_tensor(captures, device=self.present.device)
        rows = tuple(self.cameras[i][views] for i in ids.tolist())
        tensors = {name: getattr(self, name)[ids][:, views] for name in _TENSORS}
        return replace(self, cameras=rows, **tensors)

    def project(
        self, points: Tensor, capture: Tensor, unknowns: Tensor | None = None, *, slopes: bool = True
    ) -> Projected:
        """Image positions and their derivatives.

        Parameters
        ----------
        points
            (T, P, 3) metres, world frame: seen by all views; or (T, V, P, 3): others for each view.
        capture
            (T,) capture of each frame.
        unknowns
            (N, V * C) of unknown cameras; None where all are known.
        slopes
            Whether derivatives are wanted.
        """
        points = points[:, None] if points.dim() == 3 else points
        delta = None if unknowns is None else unknowns.reshape(*self.present.shape, UNKNOWNS)
        rotation, offset, scale = self._moved(delta)
        away = points - self.target[capture][:, :, None]
        turned = rotation[capture]
        inside = away @ turned.mT + offset[capture][:, :, None]
        depth, divisor = inside[..., 2], self.divisor[capture][:, :, None]
        safe = torch.where(divisor > 0, divisor, depth.clamp(min=_NEAR))
        rays = inside[..., :2] / safe[..., None]
        lens, image, bent = (scale[..., None, None] * self.lens)[capture][:, :, None], rays, None
        if self.distorted:
            coefficients, fold = (a[capture][:, :, None] for a in (self.coefficients, self.fold))
            image, bent = torch_lens.distort(rays, coefficients, fold)
        offsets = (lens @ image[..., None])[..., 0]
        pixels, in_front = offsets + self.centre[capture][:, :, None], depth > _NEAR
        if not slopes:
            return Projected(pixels, depth, in_front, pixels.new_zeros(0), None)
        # By the point in the camera's frame: what moves along the axis changes the rays of perspective cameras only.
        bent = lens if bent is None else lens @ bent
        inward = torch.where((divisor > 0) | ~in_front, torch.zeros_like(safe), -1 / safe)[..., None] * rays
        by_camera_frame = torch.cat([bent / safe[..., None, None], bent @ inward[..., None]], -1)
        slope = by_camera_frame @ turned[:, :, None]
        by_camera = None
        if delta is not None:
            right = torch.linalg.inv(torch_rotations.log_jacobian(delta[..., :3]))[capture][:, :, None]
            by_turn = -slope @ torch_rotations.skew(away) @ right
            by_camera = torch.cat([by_turn, by_camera_frame, offsets[..., None]], -1)
        return Projected(pixels, depth, in_front, slope, by_camera)

    def _moved(self, delta: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Rotations (N, V, 3, 3), offsets (N, V, 3) and factors of the focal length (N, V) of unknown cameras."""
        if delta is None:
            return self.rotation, self.offset, torch.ones_like(self.divisor)
        turn = torch_rotations.exp(delta[..., :3])
        return self.rotation @ turn, self.offset + delta[..., 3:6], delta[..., 6].exp()

    def rays(self, pixels: Tensor, capture: Tensor) -> Tensor:
        """Undistorted image positions (T, V, P, 2) at depth 1 of pixels (T, V, P, 2); NaN where the lens has none."""
        inverse = torch.linalg.inv(self.lens)[capture][:, :, None]
        image = (inverse @ (pixels - self.centre[capture][:, :, None])[..., None])[..., 0]
        if not self.distorted:
            return image
        return torch_lens.undistort(image, *(a[capture][:, :, None] for a in (self.coefficients, self.fold)))

    def estimated(self, unknowns: Tensor | None = None) -> tuple[tuple[Camera | None, ...], ...]:
        """N tuples of V cameras with their estimated unknowns (N, V * C) worked in."""
        if unknowns is None:
            return self.cameras
        rotation, offset, scale = self._moved(unknowns.reshape(*self.present.shape, UNKNOWNS))
        translation = offset - (rotation @ self.target[..., None])[..., 0]
        arrays = [tensor.detach().cpu().numpy() for tensor in (rotation, translation, scale)]
        return tuple(
            tuple(camera and _changed(camera, *(array[i, v] for array in arrays)) for v, camera in enumerate(row))
            for i, row in enumerate(self.cameras)
        )


_TENSORS = ("present", "rotation", "target", "offset", "lens", "centre", "coefficients", "fold", "divisor")


def _divisor(camera: Camera) -> float:
    return {"perspective": 0.0, "orthographic": 1.0, "weak_perspective": camera.reference_m}[camera.model]


def _changed(camera: Camera, rotation: np.ndarray, translation: np.ndarray, scale: float) -> Camera:
    intrinsics = np.array(camera.intrinsics, dtype=np.float64)
    intrinsics[:2, :2] *= scale
    return replace(camera, intrinsics=intrinsics, rotation=rotation, translation=translation)


def camera_extra(views: Views) -> Extra:
    """The unknowns of all views as the solver takes them; start them at :func:`no_change`."""
    return Extra(EXTRA, UNKNOWNS * len(views))


def no_change(views: Views) -> Tensor:
    """(N, V * C) zeros: the nominal cameras."""
    return views.divisor.new_zeros(len(views.present), UNKNOWNS * len(views))


@dataclass(frozen=True, slots=True)
class CameraSpread:
    """How far cameras may be from where they nominally are: standard deviations."""

    azimuth_deg: float = 3.0
    """Turn about the vertical through the middle of the walk."""
    tilt_deg: float = 3.0
    """Turn about either horizontal axis through it: height of the camera seen from the walk, and roll."""
    aim_m: float = 0.5
    """How far beside the middle of the walk the camera points, either way."""
    distance: float = 0.15
    """Share of the distance."""
    zoom: float = 0.15
    """Share of the focal length. Distance and zoom together make the scale: a fifth."""


@dataclass(frozen=True, slots=True)
class CameraPrior:
    """Nominal cameras: every unknown is normal about zero. A term of the fit's energy; also fixes the gauge."""

    precision: Tensor
    """(N, V * C) inverse variances; one where a capture lacks the view, so that its unknowns stay at zero."""
    name: str = field(default=EXTRA, init=False)
    unit: str = field(default="sd", init=False)

    @classmethod
    def of(cls, views: Views, spread: CameraSpread | None = None) -> "CameraPrior":
        """Prior of all views of all captures."""
        spread = spread or CameraSpread()
        sd = views.divisor.new_ones(*views.present.shape, UNKNOWNS)
        azimuth, tilt = (np.deg2rad(angle) for angle in (spread.azimuth_deg, spread.tilt_deg))
        sd[..., :6] = sd.new_tensor([tilt, azimuth, tilt, spread.aim_m, spread.aim_m, 0.0])
        sd[..., 5] = spread.distance * views.offset[..., 2].abs()
        sd[..., 6] = spread.zoom
        sd[~views.present] = 1.0
        return cls(sd.flatten(1) ** -2)

    def measure(self, posed: Posed) -> "CameraPriorResidual":
        """How far off the cameras are."""
        return CameraPriorResidual(self, posed, posed.state.extras[EXTRA])


@dataclass(frozen=True, slots=True)
class CameraPriorResidual:
    """Departure of the cameras from where they nominally are."""

    term: CameraPrior
    posed: Posed
    off: Tensor

    @property
    def cost(self) -> Tensor:
        """(N,) half the sum of squares."""
        return (self.term.precision * self.off.square()).sum(1) / 2

    @property
    def error(self) -> Tensor:
        """(T,) largest departure, standard deviations."""
        return (self.term.precision.sqrt() * self.off).abs().amax(1)[self.posed.layout.capture]

    def add_to(self, system: System) -> None:
        """Only the corner."""
        columns = system.columns(EXTRA)
        system.corner[:, columns, columns].diagonal(dim1=1, dim2=2).add_(self.term.precision.to(system.dtype))
        system.shared[:, columns] -= (self.term.precision * self.off).to(system.dtype)


def nominal_cameras(ring: CameraRing, *, reach_m: float = 1.0) -> dict[str, Camera]:
    """Cameras of a rig around a walk whose place nobody knows.

    It leads along +z, and its middle is at the origin on the ground (y = 0), which is also what the cameras turn about
    where they are unknown.

    Parameters
    ----------
    ring
        Nominal azimuths and so on.
    reach_m
        Half the length of the walk; only its direction matters.
    """
    path = np.array([[0.0, ring.target_m, -reach_m], [0.0, ring.target_m, reach_m]])
    return {camera.name: camera for camera in ring_cameras(ring, path, 0.0)}


CROP_DEPTH_M = 10.0
"""Depth at which a crop's camera shows a person of 1.75 m over nine tenths of the image: far enough for perspective
not to matter (1 % from the near arm to the far one), as it does not in crops of people far away."""


def crop_camera(name: str, size: tuple[int, int]) -> Camera:
    """The camera that crops of unknown place and scale are taken to come from, see the head of this file.

    It stands ``CROP_DEPTH_M`` in front of the world's origin and looks along -z, level, so that a body at the origin
    that faces +z looks into it; the world's y is up.
    """
    width, height = size
    focal = 0.9 * height * CROP_DEPTH_M / 1.75
    intrinsics = np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
    return Camera(name, intrinsics, np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, CROP_DEPTH_M]), size)


def to_walk(layout: Layout, rest: Tensor, state: State) -> tuple[State, Tensor, Tensor]:
    """Turn and move the worlds of walks with unknown cameras: they lead along +z and start above the origin.

    Parameters
    ----------
    layout, state
        The bodies.
    rest
        (N, J, 3) rest joints of their shapes, metres.

    Returns
    -------
    The state in the new world; and rotations (N, 3, 3) and translations (N, 3) that take the old world to it, for
    :func:`move_camera`. Walks that lead nowhere (under 0.3 m) keep their direction. Heights stay as they are.
    """
    pelvis = rest[layout.capture, 0] + state.transl
    turns, moves = [], []
    for part in layout.slices():
        first, way = pelvis[part][0], pelvis[part][-1] - pelvis[part][0]
        length = (way[0] ** 2 + way[2] ** 2).sqrt()
        sine, cosine = (way[0] / length, way[2] / length) if length > 0.3 else (way.new_zeros(()), way.new_ones(()))
        zero, one = torch.zeros_like(sine), torch.ones_like(sine)
        turn = torch.stack([cosine, zero, -sine, zero, one, zero, sine, zero, cosine]).reshape(3, 3)
        turns.append(turn)
        moves.append(-(turn @ first) * first.new_tensor([1.0, 0.0, 1.0]))
    turn, move = torch.stack(turns), torch.stack(moves)
    rotations = state.rotations.clone()
    rotations[:, 0] = turn[layout.capture] @ rotations[:, 0]
    placed = (turn[layout.capture] @ pelvis[..., None])[..., 0] + move[layout.capture]
    return replace(state, rotations=rotations, transl=placed - rest[layout.capture, 0]), turn, move


def move_camera(camera: Camera, turn: np.ndarray, move: np.ndarray) -> Camera:
    """The same camera in a world where points x are at ``turn @ x + move``."""
    rotation = camera.rotation @ turn.T
    return replace(camera, rotation=rotation, translation=camera.translation - rotation @ move)
