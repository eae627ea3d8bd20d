"""From a layout's numbers to one convention: smplx's parameters, y up or a named camera's frame, one shape a walk.

smplx turns the body about its own pelvis, whose rest place depends on the shape: ``x = R (x_rest - J0) + J0 + t``. A
frame that is turned by Q about its origin hence has ``R' = Q R`` and ``t' = Q (J0 + t) - J0``, and parameters that turn
about the origin (``x = R x_rest + T``) have ``t = T + R J0 - J0``.
"""

from dataclasses import replace

import numpy as np

from meshgait_data.body.model import Body, rest_joints
from meshgait_data.errors import SourceError
from meshgait_data.rotations import between, exp, log
from meshgait_data.sources.smpl_params.entries import BODY_JOINTS
from meshgait_data.sources.smpl_params.records import (
    NOMINAL_FOCAL,
    Axis,
    ParamsFile,
    Raw,
    ReadOptions,
    WeakPerspective,
)
from meshgait_data.types import BodyParams, BoolArray, Camera, FloatArray, GivenParams

NOMINAL_PELVIS = np.array([0.0, -0.22, 0.03])
"""Rest place of the pelvis, metres, where the body is not at hand: SMPL's and the free body's mean shapes are within
1 cm of it, and other shapes within 4 cm."""
NOMINAL_SIDE = 512
"""Side in pixels of an image whose size nobody tells."""
_LONGEST_TURN = 3 * np.pi
_FARTHEST_M = 300.0
_FASTEST_M_S = 15.0
_UPRIGHT = 0.5
"""Cosine between the trunk and what is up, in the mean of a walk: people who walk have 0.95 and more."""
_STEADY_BETAS = 0.5
_AXES: tuple[Axis, ...] = ("x", "y", "z", "-x", "-y", "-z")


def settle(raw: Raw, layout: str, options: ReadOptions, body: Body | None, where: str) -> ParamsFile:
    """Bring parameters into one convention, after a look at what can be wrong with them.

    Parameters
    ----------
    raw
        As the layout has them.
    layout
        Its name.
    options
        What the caller knows.
    body
        The body that they are of; where it is not given its pelvis is taken where that of a mean shape is.
    where
        File, for messages.

    Raises
    ------
    SourceError
        On angles in degrees, millimetres, an upside-down world, or where no frame has parameters.
    """
    seen = _seen(raw)
    if not seen.any():
        raise SourceError("no frame has finite parameters", where=where, hint="look for NaN in the file")
    _check_angles(raw, seen, where)
    frame_betas = np.broadcast_to(np.atleast_2d(raw.betas), (len(seen), np.shape(raw.betas)[-1])).astype(np.float64)
    betas = np.median(frame_betas[seen], axis=0)
    notes = [*raw.notes, *_note_betas(frame_betas[seen])]
    turn, more = _turn(raw, options, seen, where)
    pelvis = NOMINAL_PELVIS if body is None else _pelvis(body, betas, where)
    matters = raw.pivot == "origin" or not np.allclose(turn, np.eye(3))
    if body is None and matters and raw.transl is not None:
        more.append("the body is not at hand: places are those of a mean pelvis, up to 4 cm off")
    rotations = np.where(seen[:, None, None], exp(np.where(seen[:, None], raw.global_orient, 0.0)), np.eye(3))
    transl, camera, weak, told = _place(replace(raw, seen=seen), options, rotations, pelvis, where)
    if raw.weak is None:
        transl = (transl + pelvis) @ turn.T - pelvis
    params = _clean(log(turn @ rotations), raw.body_pose, betas, transl, seen)
    frame = "world" if raw.space == "world" else options.view
    return ParamsFile(
        given=GivenParams(params, raw.body, layout, seen, frame),
        frame_ids=np.asarray(raw.frame_ids, np.int64),
        fps=options.fps or raw.fps,
        frame_betas=np.where(seen[:, None], frame_betas, 0.0),
        camera=camera,
        weak=weak,
        joints=raw.joints,
        notes=tuple(notes + more + told),
    )


def _seen(raw: Raw) -> BoolArray:
    """(F,) frames that are there, finite, and have a camera of positive scale where they have one."""
    finite = np.isfinite(raw.global_orient).all(1) & np.isfinite(raw.body_pose).all(1)
    for part in (raw.transl, raw.weak, raw.betas if np.ndim(raw.betas) == 2 else None):
        finite &= True if part is None else np.isfinite(part).all(1)
    if raw.weak is not None:
        finite &= raw.weak[:, 0] > 0
    return np.asarray(finite if raw.seen is None else finite & raw.seen)


def _check_angles(raw: Raw, seen: BoolArray, where: str) -> None:
    angles = np.concatenate([raw.global_orient, raw.body_pose], 1)[seen].reshape(-1, 24, 3)
    longest = float(np.linalg.norm(angles, axis=-1).max())
    if longest > _LONGEST_TURN:
        what = f"a joint turns by {longest:.1f} rad"
        raise SourceError(what, where=where, hint="are these degrees, or is the order of the numbers another one?")


def _note_betas(betas: FloatArray) -> list[str]:
    spread = float(betas.std(axis=0).max())
    if spread <= _STEADY_BETAS:
        return []
    return [f"the shape differs between frames by {spread:.1f} standard deviations: its median is used"]


def trunk(global_orient: FloatArray) -> FloatArray:
    """(3,) mean direction of the trunk, from the pelvis up, in the file's frame; at most one long."""
    return np.asarray(exp(global_orient.astype(np.float64))[:, :, 1].mean(0))


def _turn(raw: Raw, options: ReadOptions, seen: BoolArray, where: str) -> tuple[FloatArray, list[str]]:
    """Rotation from the file's frame to one that is y up, or to the camera's, and what was assumed."""
    upward = trunk(raw.global_orient[seen])
    axis: Axis | None = raw.up if options.up == "auto" else options.up
    notes = []
    if axis is None:
        axis = _AXES[int(np.argmax([upward @ _unit(name) for name in _AXES]))]
        notes.append(f"the file does not say what is up; the bodies stand along {axis}")
    if upward @ _unit(axis) < _UPRIGHT:
        found = _AXES[int(np.argmax([upward @ _unit(name) for name in _AXES]))]
        what = f"{axis} should point up, but the bodies stand along {found}"
        raise SourceError(what, where=where, hint=f"say up={found!r} if that is right; fallen people are not read")
    target = _unit("y") if raw.space == "world" else _unit("-y")
    if axis in ("y", "-y") and not np.allclose(_unit(axis), target):
        # Upside down: x stays what it is.
        return np.diag([1.0, -1.0, -1.0]), notes
    return np.asarray(between(_unit(axis), target)), notes


def _unit(axis: Axis) -> FloatArray:
    return (-1.0 if axis[0] == "-" else 1.0) * np.eye(3)["xyz".index(axis[-1])]


def _pelvis(body: Body, betas: FloatArray, where: str) -> FloatArray:
    """(3,) rest place of the pelvis of a shape."""
    if len(betas) > body.num_betas:
        raise SourceError(
            f"the file has {len(betas)} shape components, but body {body.name!r} only {body.num_betas}",
            where=where,
            hint="give the body that the parameters are of",
        )
    template, directions = rest_joints(body)
    return np.asarray(template[0] + directions[0, :, : len(betas)] @ betas)


def _place(
    raw: Raw, options: ReadOptions, rotations: FloatArray, pelvis: FloatArray, where: str
) -> tuple[FloatArray, Camera | None, WeakPerspective | None, list[str]]:
    """Translation in smplx's convention, in the file's own frame, and the camera."""
    size = options.image_size or raw.image_size
    if raw.weak is not None:
        notes = [] if size else [f"the size of the image is not known: {NOMINAL_SIDE} x {NOMINAL_SIDE} is assumed"]
        weak, camera, transl = place_weak(raw.weak, size or (NOMINAL_SIDE, NOMINAL_SIDE), options)
        return transl, camera, weak, notes
    count = len(rotations)
    if raw.transl is None:
        return np.zeros((count, 3)), None, None, []
    transl = raw.transl * (0.001 if options.unit == "mm" else 1.0)
    _check_unit(transl, raw, options, where)
    if raw.pivot == "origin":
        transl = transl + rotations @ pelvis - pelvis
    if raw.focal_by_side is None:
        return transl, None, None, []
    notes = [] if size else [f"the size of the image is not known: {NOMINAL_SIDE} x {NOMINAL_SIDE} is assumed"]
    camera = _camera(options.view, size or (NOMINAL_SIDE, NOMINAL_SIDE), options.focal_px, raw.focal_by_side)
    return transl, camera, None, notes


def _check_unit(transl: FloatArray, raw: Raw, options: ReadOptions, where: str) -> None:
    places, ids = transl[raw.seen], raw.frame_ids[raw.seen]
    far = float(np.abs(places).max()) if raw.space == "world" else 0.0
    fps = options.fps or raw.fps
    speed = 0.0
    if fps and len(places) > 1:
        steps = np.linalg.norm(np.diff(places, axis=0), axis=1) / np.maximum(np.diff(ids), 1)
        speed = float(np.median(steps)) * fps
    if far > _FARTHEST_M or speed > _FASTEST_M_S:
        what = f"people move by {speed:.0f} m/s" if speed > _FASTEST_M_S else f"people are {far:.0f} m away"
        raise SourceError(what, where=where, hint="are translations in millimetres? Then say unit='mm'")


def _camera(view: str, size: tuple[int, int], focal_px: float | None, by_side: float) -> Camera:
    width, height = size
    focal = focal_px or by_side * max(size)
    intrinsics = np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    return Camera(view, intrinsics, np.eye(3), np.zeros(3), size)


def place_weak(
    weak: FloatArray, size: tuple[int, int], options: ReadOptions
) -> tuple[WeakPerspective, Camera, FloatArray]:
    """Weak perspective in pixels, and a perspective camera with translations that shows nearly the same.

    Parameters
    ----------
    weak
        (F, 3) s, tx, ty: ``s * (x, y) + (tx, ty)`` is -1 to 1 in the smallest square around the image.
    size
        Width and height of the image, pixels.
    options
        Focal length and name of the view.

    Returns
    -------
    weak
        The estimator's own camera in pixels.
    camera
        Nominal, from far away: points in the plane of the body's origin have the same pixels exactly, others
        ``z / distance`` nearer to the centre or farther from it.
    transl
        (F, 3) metres in its frame.
    """
    side = max(size)
    camera = _camera(options.view, size, options.focal_px, NOMINAL_FOCAL)
    focal, centre = camera.intrinsics[0, 0], camera.intrinsics[:2, 2]
    # Unseen frames have no scale.
    scale = np.where(weak[:, 0] > 0, weak[:, 0], np.nan) * side / 2
    offset = weak[:, 1:] * side / 2
    transl = np.column_stack([offset / scale[:, None], focal / scale])
    return WeakPerspective(scale, offset + centre), camera, transl


def _clean(root: FloatArray, pose: FloatArray, betas: FloatArray, transl: FloatArray, seen: BoolArray) -> BodyParams:
    """float32, with zeros where nothing was seen."""
    assert pose.shape[1] == 3 * (BODY_JOINTS + 2)
    columns = [np.where(seen[:, None], values, 0.0).astype(np.float32) for values in (root, pose, transl)]
    return BodyParams(betas.astype(np.float32), *columns)
