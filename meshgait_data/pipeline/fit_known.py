"""What a manifest says about fitting, as the engine takes it: priors, correspondences, cameras, use of each kind."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from meshgait_data.body.files import find_body, load_body
from meshgait_data.body.joint_files import load_regressor, load_skin_points
from meshgait_data.body.joint_sets import SkinPoints
from meshgait_data.body.joints import JointRegressor
from meshgait_data.body.model import Body
from meshgait_data.body.placement import PlacedMarkers
from meshgait_data.body.placement_files import load_markers
from meshgait_data.fit.adopt import GivenSettings
from meshgait_data.fit.cameras import CameraSpread, nominal_cameras
from meshgait_data.fit.from_markers import MarkerSettings
from meshgait_data.fit.from_masks import MaskOptions
from meshgait_data.fit.keypoints_seen import KeypointOptions
from meshgait_data.fit.known import Known
from meshgait_data.manifest import JointMap, Manifest, load_joint_map
from meshgait_data.pipeline.prior_files import Priors, load_priors, prior_path
from meshgait_data.strict import build
from meshgait_data.types import Camera, Observations

T = TypeVar("T")


def known_for(body: Body, manifest: Manifest, seen: Sequence[Observations] = ()) -> Known:
    """Everything that the fits of some captures need beside their observations.

    Parameters
    ----------
    body
        To be fitted.
    manifest
        Of the dataset.
    seen
        Captures whose images of one view are of one size, see :func:`image_sizes`.

    Raises
    ------
    ManifestError
        Where ``fit`` or the cameras of the manifest have keys or values that do not exist.
    UsageError
        Where priors, a joint set or a marker set are named that do not exist.
    BodyNotFound
        Where ``fit: given_body`` names a body that is not there.
    """
    section, cameras = manifest.fit, manifest.source.cameras
    priors = _priors_of(section.priors, _stamp(prior_path(section.priors)))
    spread = _settings(CameraSpread, cameras.spread if cameras else {}, f"{manifest.name}: source: cameras: spread")
    nominal = _nominal(manifest, seen)
    where = f"{manifest.name}: fit"
    keypoints = _settings(KeypointOptions, section.keypoints, f"{where}: keypoints")
    masks = _settings(MaskOptions, section.masks, f"{where}: masks")
    crops = cameras is not None and cameras.format == "crops"
    return Known(
        pose=priors.pose,
        gait=priors.gait,
        maps=joint_maps(body, manifest, set[str]().union(*map(joint_sets, seen))),
        placements=placements(body, {one.markers.point_set for one in seen if one.markers is not None}),
        markers=_settings(MarkerSettings, section.markers, f"{where}: markers"),
        keypoints=replace(keypoints, nominal=nominal, spread=spread),
        masks=replace(masks, nominal=nominal, spread=spread, crops=crops),
        given=_settings(GivenSettings, section.given, f"{where}: given"),
        source=_body_of(section.given_body, _stamp(find_body(section.given_body).path)) if section.given_body else None,
        skin=_skin() if any(one.given is not None for one in seen) else None,
        thresholds=section.thresholds,
    )


def _settings(cls: type[T], data: Mapping[str, Any], where: str) -> T:
    return build(cls, dict(data), where)


def priors_sha256(manifest: Manifest) -> str:
    """Hash of the priors that a manifest's fits use; raises UsageError where they do not exist."""
    return hashlib.sha256(prior_path(manifest.fit.priors).read_bytes()).hexdigest()


def image_sizes(seen: Observations) -> tuple[tuple[str, tuple[int, int]], ...]:
    """Width and height of the images of each view, as its masks or its keypoints say."""
    sizes = {view.view: view.size for view in seen.keypoints if all(view.size)}
    sizes |= {masks.view: (masks.images.shape[2], masks.images.shape[1]) for masks in seen.masks}
    return tuple(sorted(sizes.items()))


def _nominal(manifest: Manifest, seen: Sequence[Observations]) -> dict[str, Camera]:
    """Cameras of the rig that saw the walks, each with its images' own size."""
    cameras = manifest.source.cameras
    if cameras is None or cameras.rig is None:
        return {}
    found = nominal_cameras(cameras.rig)
    sizes = dict(pair for one in seen for pair in image_sizes(one))
    return {name: resized_camera(camera, sizes.get(name, camera.size)) for name, camera in found.items()}


def resized_camera(camera: Camera, size: tuple[int, int]) -> Camera:
    """The camera with images of another size: the same height of the scene on them, in the middle."""
    if size == camera.size:
        return camera
    intrinsics = camera.intrinsics.copy()
    intrinsics[:2, :2] *= size[1] / camera.size[1]
    intrinsics[:2, 2] = (size[0] - 1) / 2, (size[1] - 1) / 2
    return replace(camera, intrinsics=intrinsics, size=size)


def joint_sets(seen: Observations) -> set[str]:
    """Joint sets that the observations are in."""
    return ({seen.joint_set} if seen.joint_names else set()) | {view.joint_set for view in seen.keypoints}


def joint_maps(body: Body, manifest: Manifest, sets: Collection[str]) -> Mapping[str, JointMap | JointRegressor]:
    """How the joints of each set follow from the body: the manifest's map for its set, else the shipped definition.

    Raises
    ------
    UsageError
        Where a joint set is neither.
    """
    own = own_map(manifest)
    regressed = {name: _regressor(body, name) for name in sets if own is None or name != own.joint_set}
    return regressed | ({own.joint_set: own} if own is not None else {})


def own_map(manifest: Manifest) -> JointMap | None:
    """The joint map that a manifest names."""
    name = manifest.source.joint_map_name
    return load_joint_map(name) if name else None


def placements(body: Body, sets: Collection[str]) -> dict[str, PlacedMarkers]:
    """Where the markers of each set sit on the body; raises UsageError where a set is not known."""
    return {name: _placed(body, name) for name in sets}


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file, so that one that changed is read again."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=2)
def _body_of(name: str, stamp: tuple[int, int]) -> Body:
    """Read once for all captures: it takes longer than to keep the parameters of one."""
    del stamp
    return load_body(name)


@lru_cache(maxsize=2)
def _priors_of(name: str, stamp: tuple[int, int]) -> Priors:
    del stamp
    return load_priors(name)


@lru_cache(maxsize=1)
def _skin() -> SkinPoints:
    return load_skin_points()


@lru_cache(maxsize=8)
def _regressor(body: Body, name: str) -> JointRegressor:
    return load_regressor(body, name)


@lru_cache(maxsize=8)
def _placed(body: Body, name: str) -> PlacedMarkers:
    return load_markers(body, name)
