"""Somebody's SMPL parameters as those of the body that is fitted, in a world with y up."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from meshgait_data.body.joint_sets import SkinPoints
from meshgait_data.body.model import Body, local_rotations, move
from meshgait_data.conventions import FLAGGED, SMPL_JOINTS, VERDICTS
from meshgait_data.errors import FitError
from meshgait_data.fit import retarget as retargeting
from meshgait_data.fit.cameras import crop_camera
from meshgait_data.fit.in_pictures import placed_by_masks
from meshgait_data.fit.judging import take_frames
from meshgait_data.fit.quality import listed
from meshgait_data.fit.retarget import Retargeted, RetargetSettings
from meshgait_data.rotations import exp, log
from meshgait_data.sources.smpl_params.settle import NOMINAL_PELVIS
from meshgait_data.types import BodyParams, BoolArray, Camera, FloatArray, GivenParams, IntArray, Observations

WORLD = "world"
_CAMERA_UP = np.diag([1.0, -1.0, -1.0])
"""From an OpenCV camera's frame to one with y up: half a turn about x."""


@dataclass(frozen=True, slots=True)
class GivenSettings:
    """How existing parameters are used."""

    mode: Literal["keep", "refine"] = "keep"
    """``keep`` takes them as the fit; ``refine`` starts from them and weighs them against all else."""
    turn_deg: float = 8.0
    """Degrees: error of a joint's rotation. Video estimators have 5 to 10 on walking people."""
    place_m: float = 0.03
    """Metres: error of the pelvis across the view, or in the world."""
    depth_share: float = 0.03
    """Error along the view of a single camera, as a share of the distance."""
    shape_sd: float = 0.5
    """Standard deviations: error of each of the betas."""
    max_gap: int = 5
    """Missing frames in a row that refining fills from their neighbours, and flags; more are dropped."""
    retarget: RetargetSettings = field(default_factory=RetargetSettings)


@dataclass(frozen=True, slots=True, eq=False)
class Adopted:
    """A walk whose given parameters are of the body that is fitted."""

    observations: Observations
    """Only with the frames that take part; ``given`` is in the world, y up, and ``cameras`` has the camera that it
    came from."""
    filled: IntArray
    """Ids of frames that lie between given ones."""
    dropped: IntArray
    """Ids of frames that were left out."""
    how: str
    """How the parameters came to be of this body, see :class:`meshgait_data.fit.retarget.Retargeted`."""
    error_m: FloatArray
    """(F,) of the retargeting, metres; NaN where there was nothing to compare with."""
    origin: GivenParams
    """As given."""
    converged: bool = True
    """Whether the retargeting did."""


_DEFAULT = GivenSettings()


def adopt(
    body: Body,
    seen: Observations,
    settings: GivenSettings = _DEFAULT,
    *,
    source: Body | None = None,
    skin: SkinPoints | None = None,
    pelvis: FloatArray | None = None,
    crops: bool = False,
) -> Adopted:
    """Make given parameters those of the body, in a world with y up, and drop the frames without.

    Parameters
    ----------
    body
        The body that is fitted.
    seen
        A walk with ``given``. Its ``joints``, where they are of the set ``smpl24`` or ``smpl``, give the shape if the
        source is not at hand.
    settings
        How long a gap may be, and how bodies are retargeted.
    source
        The body that the parameters are of, where its file is at hand; ``body`` itself where they are of it.
    skin
        Rules for places on the skin, needed to fit one body to another.
    pelvis
        (3,) rest place of the source's pelvis where its file is not at hand, metres; that of mean shapes by default.
    crops
        Whether views without a camera are crops that follow the walker: bodies are then put to where the masks are.

    Returns
    -------
    The walk with other parameters in place of those given.

    Raises
    ------
    FitError
        Where nothing is given, no frame is left, or the camera that parameters are in the frame of is not known.
    """
    given = given_of(seen)
    kept, between = usable(given.seen, seen.frame_ids, settings.max_gap if settings.mode == "refine" else 0)
    if not kept.any():
        raise FitError("no frame has parameters", where=str(seen.key), hint="leave this capture out")
    whole = fill(given.params, given.seen, seen.frame_ids)
    used = take_frames(replace(seen, given=replace(given, params=whole)), kept)
    found = _retargeted(body, used, settings.retarget, source, skin, pelvis)
    params, cameras = found.params, dict(seen.cameras)
    if given.frame != WORLD:
        masks = next((each for each in used.masks if crops and each.view == given.frame), None)
        camera = cameras.get(given.frame)
        if camera is None and masks is not None:
            camera = crop_camera(given.frame, (masks.images.shape[2], masks.images.shape[1]))
            params = placed_by_masks(body, to_world(body, params, camera, given.frame, "")[0], masks, camera)
            cameras[given.frame] = camera
        else:
            params, cameras[given.frame] = to_world(body, params, camera, given.frame, str(seen.key))
    adopted = GivenParams(params, body.name, given.layout, given.seen[kept], WORLD)
    return Adopted(
        observations=replace(used, given=adopted, cameras=cameras),
        filled=seen.frame_ids[between],
        dropped=seen.frame_ids[~kept],
        how=found.how,
        error_m=found.error_m,
        origin=given,
        converged=found.converged,
    )


def given_of(seen: Observations) -> GivenParams:
    """Parameters of a walk, which must have as many frames; raises FitError."""
    if seen.given is None:
        raise FitError("no SMPL parameters were given", where=str(seen.key), hint="name them as 'smpl' in the manifest")
    if len(seen.given.params) != len(seen.frame_ids):
        what = f"{len(seen.given.params)} frames of parameters, but {len(seen.frame_ids)} frames"
        raise FitError(what, where=str(seen.key), hint="parameters and frames must be the same frames")
    return seen.given


def usable(seen: BoolArray, frame_ids: IntArray, max_gap: int) -> tuple[BoolArray, BoolArray]:
    """Frames that take part, and those of them that must be filled from their neighbours.

    Parameters
    ----------
    seen
        (F,) whether a frame has parameters.
    frame_ids
        (F,)
    max_gap
        Frames without parameters in a row that may be filled, where there are parameters on both sides.

    Returns
    -------
    (F,) kept and (F,) filled.
    """
    places = np.flatnonzero(seen)
    filled = np.zeros(len(seen), bool)
    step = np.median(np.diff(frame_ids)) if len(frame_ids) > 1 else 1
    for before, after in pairwise(places.tolist()):
        # Ids that are missing altogether make the gap longer too.
        gap = (frame_ids[after] - frame_ids[before]) / step - 1
        if after - before > 1 and gap <= max_gap:
            filled[before + 1 : after] = True
    return np.asarray(seen | filled), filled


def fill(params: BodyParams, seen: BoolArray, frame_ids: IntArray) -> BodyParams:
    """Parameters of missing frames from their neighbours: the shortest turn between rotations, a line between places.

    Frames before the first and after the last one with parameters get those of the next; they are not to be used.
    """
    if seen.all() or not seen.any():
        return params
    places, wanted = np.flatnonzero(seen), np.flatnonzero(~seen)
    after = np.clip(np.searchsorted(places, wanted), 1, max(len(places) - 1, 1))
    first, last = places[np.minimum(after - 1, len(places) - 1)], places[np.minimum(after, len(places) - 1)]
    span = np.maximum(frame_ids[last] - frame_ids[first], 1)
    share = np.clip((frame_ids[wanted] - frame_ids[first]) / span, 0.0, 1.0)
    rotations = local_rotations(params)
    start = rotations[first]
    turned = start @ exp(share[:, None, None] * log(start.swapaxes(-1, -2) @ rotations[last]))
    angles = log(turned).astype(np.float32)
    root, pose, transl = params.global_orient.copy(), params.body_pose.copy(), params.transl.copy()
    root[wanted], pose[wanted] = angles[:, 0], angles[:, 1:].reshape(len(wanted), -1)
    transl[wanted] = params.transl[first] + share[:, None] * (params.transl[last] - params.transl[first])
    return BodyParams(params.betas, root, pose, transl)


def _retargeted(
    body: Body,
    seen: Observations,
    settings: RetargetSettings,
    source: Body | None,
    skin: SkinPoints | None,
    pelvis: FloatArray | None,
) -> Retargeted:
    params = given_of(seen).params
    if source is not None and source.sha256 == body.sha256:
        return Retargeted(params, "same", np.zeros(len(params)))
    if source is not None and skin is not None:
        return retargeting.retarget(params, body, source, skin, settings)
    own = seen.joint_names == SMPL_JOINTS and seen.joints.shape[1] == len(SMPL_JOINTS)
    old = NOMINAL_PELVIS if pelvis is None else pelvis
    if source is not None:
        old = retargeting.rest_pelvis(source, params.betas)
    return retargeting.copy_pose(params, body, old, seen.joints if own else None, settings)


def to_world(
    body: Body, params: BodyParams, camera: Camera | None, view: str, where: str = ""
) -> tuple[BodyParams, Camera]:
    """Parameters in a camera's frame to the world, and that camera in it.

    A camera without a place of its own (rotation and translation of none) gets a world that is its frame with y up:
    half a turn about x.

    Parameters
    ----------
    body
        The body that the parameters are of.
    params
        In the frame of the camera.
    camera
        The camera; its rotation and translation say where it is.
    view, where
        For messages.

    Raises
    ------
    FitError
        Where there is no camera.
    """
    if camera is None:
        raise FitError(
            f"parameters are in the frame of camera {view!r}, which is not known",
            where=where,
            hint="give the size of the images, so that there is a nominal camera, or a calibration",
        )
    if np.allclose(camera.rotation, np.eye(3)) and np.allclose(camera.translation, 0.0):
        camera = replace(camera, rotation=_CAMERA_UP, translation=np.zeros(3))
    inverse = camera.rotation.T
    return move(body, params, inverse, -inverse @ camera.translation), camera


def told(adopted: Adopted, settings: GivenSettings = _DEFAULT) -> dict[str, Any]:
    """Where the parameters come from, for a fit's provenance."""
    origin = adopted.origin
    return {"given": {"layout": origin.layout, "body": origin.body, "how": adopted.how, "mode": settings.mode}}


def reasons(adopted: Adopted) -> tuple[str, ...]:
    """What a fit should say about frames that were left out or filled, and about the body."""
    found = []
    if len(adopted.dropped):
        found.append(f"dropped: {len(adopted.dropped)} frames without parameters ({listed(adopted.dropped.tolist())})")
    if len(adopted.filled):
        level = VERDICTS[FLAGGED]
        found.append(
            f"{level}: {len(adopted.filled)} frames filled from their neighbours ({listed(adopted.filled.tolist())})"
        )
    if adopted.how.startswith("copied"):
        found.append(f"note: the pose of {adopted.origin.body} was copied, its file is not at hand ({adopted.how})")
    return tuple(found)
