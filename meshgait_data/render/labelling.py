"""All labels of one view of a fitted walk, for any body, joint set and marker set.

Shape letters: F frames, P joints of the set, K markers, V vertices.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from meshgait_data.body.model import Body, BodyOutput, forward, move
from meshgait_data.conventions import SMPL_SET
from meshgait_data.errors import InvalidData
from meshgait_data.render.cameras import to_camera
from meshgait_data.render.depth import DepthMaps, depth_maps
from meshgait_data.render.labels import to_window, window_scale
from meshgait_data.render.visibility import SLACK_M, Flesh, joints_visible, skin_visible, thickness
from meshgait_data.types import BodyParams, Camera, FloatArray, IntArray, Labels, MarkerSet

if TYPE_CHECKING:
    from meshgait_data.body.joints import JointRegressor


def make_labels(
    body: Body,
    markers: MarkerSet,
    params: BodyParams,
    camera: Camera,
    windows: FloatArray,
    *,
    joints: "JointRegressor | None" = None,
    posed: BodyOutput | None = None,
    depth: DepthMaps | None = None,
) -> Labels:
    """Label one view.

    Parameters
    ----------
    body, markers
        Any body, and markers learned on it.
    params
        F frames in the world frame.
    camera
        That sees them.
    windows
        (F, 2, 3) image pixels to pixels of the aligned silhouettes.
    joints
        The joint set, for this body; None: the 24 joints of the body's own tree.
    posed, depth
        All vertices and joints of these frames, and what the camera sees of them, where the caller has them.

    Raises
    ------
    InvalidData
        Where markers, joints or arrays do not belong to the body or to each other.
    """
    check_body(body, markers.body_sha256, f"markers {markers.name!r}")
    if joints is not None:
        check_body(body, joints.body_sha256, f"joint set {joints.joint_set!r}")
    posed = posed or forward(body, params)
    depth = depth or depth_maps(posed.vertices, body.faces, camera)
    lengths = len(params), len(posed.vertices), len(depth.depth), len(windows)
    if len(set(lengths)) > 1:
        raise InvalidData(f"parameters, posed body, depth and windows have {lengths} frames")
    moved = move(body, params, camera.rotation, camera.translation)
    world_joints = regressed(joints, posed)
    world_markers = posed.vertices[:, markers.vertex_ids]
    pelvis_z = to_camera(camera, posed.joints[:, 0])[:, 2]
    joints_m, markers_m = to_camera(camera, world_joints), to_camera(camera, world_markers)
    affine = windows.astype(np.float64)
    return Labels(
        joint_set=SMPL_SET if joints is None else joints.joint_set,
        marker_set=markers.name,
        joints_m=joints_m.astype(np.float32),
        joints=to_window(joints_m, pelvis_z, camera.intrinsics, affine).astype(np.float32),
        joints_visible=joints_visible(world_joints, camera, depth, flesh(body, params.betas, joints)),
        markers_m=markers_m.astype(np.float32),
        markers=to_window(markers_m, pelvis_z, camera.intrinsics, affine).astype(np.float32),
        markers_visible=skin_visible(world_markers, camera, depth),
        params=moved,
        scale=window_scale(pelvis_z, camera.intrinsics, affine).astype(np.float32),
        windows=windows.astype(np.float32),
    )


def regressed(joints: "JointRegressor | None", posed: BodyOutput) -> FloatArray:
    """Joints (F, P, 3) of a set, in the frame of the posed body; the body's own joints for None."""
    if joints is None:
        return posed.joints
    from meshgait_data.body.joints import regress

    return regress(joints, posed)


def flesh(body: Body, betas: FloatArray, joints: "JointRegressor | None" = None) -> Flesh:
    """What may lie in front of the joints of a set without hiding them, for a body of some shape in the rest pose.

    A triangle belongs to the joint of the tree that most of its skin follows; so does a joint of the set, by the
    vertices and joints that it is regressed from.
    """
    return _flesh(body, tuple(float(beta) for beta in betas), joints)


@lru_cache(maxsize=16)
def _flesh(body: Body, betas: tuple[float, ...], joints: "JointRegressor | None") -> Flesh:
    angles = 3 * (len(body.parents) - 1)
    zero = np.zeros((1, 3), np.float32)
    rest = forward(body, BodyParams(np.array(betas, np.float32), zero, np.zeros((1, angles), np.float32), zero))
    points = regressed(joints, rest)[0].astype(np.float64)
    reach = thickness(points, rest.vertices[0].astype(np.float64), body.faces) + SLACK_M
    return Flesh(reach, _part_of_joint(body, joints), body.weights[body.faces].sum(axis=1).argmax(axis=1))


def _part_of_joint(body: Body, joints: "JointRegressor | None") -> IntArray:
    tree = np.eye(len(body.parents))
    if joints is None:
        return tree.argmax(axis=1)
    return (abs(joints.matrix) @ np.concatenate([body.weights, tree])).argmax(axis=1)


def check_body(body: Body, sha256: str, what: str) -> None:
    """Raise InvalidData where something was made with another body."""
    if sha256 != body.sha256:
        raise InvalidData(
            f"{what} was made with another body than {body.name!r} ({sha256[:12]} is not {body.sha256[:12]})",
            hint="name the body that it was made with (--body or MESHGAIT_BODY), or make it again",
        )
