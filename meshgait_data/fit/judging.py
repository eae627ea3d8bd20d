"""The verdict on a fit: everything that can be measured of it against its observations, then judged frame by frame.

It looks at the fit from outside, at its parameters and cameras only, so that fits from anywhere are judged alike:
those of the engine, refined ones, somebody else's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from meshgait_data.body.model import Body, forward
from meshgait_data.fit.batch import Layout, Posed, State, pose
from meshgait_data.fit.cameras import Views
from meshgait_data.fit.chain import Chain
from meshgait_data.fit.from_joints import body_points, mapped_columns, names_of
from meshgait_data.fit.mask_check import body_iou
from meshgait_data.fit.measures import bone_asymmetry, depth_observed, jumps, skating_speed, slipped_way, unseen_share
from meshgait_data.fit.quality import FrameErrors, WalkFacts, judge
from meshgait_data.fit.scene import Correspondence, Scene
from meshgait_data.fit.settings import FitSettings
from meshgait_data.fit.triangulate import triangulate
from meshgait_data.manifest import JointMap
from meshgait_data.manifest_fit import Thresholds
from meshgait_data.rotations import exp
from meshgait_data.types import BodyParams, BoolArray, Fit, FloatArray, IntArray, Keypoints, Masks, Observations

_DEFAULT = Thresholds()
_MOST_BONES = 200
"""Frames that lengths of bones are measured in, about."""
_CHUNK = 256
"""Frames whose meshes are in memory at the same time."""


def judged(
    body: Body,
    fit: Fit,
    seen: Observations,
    maps: Mapping[str, Correspondence],
    thresholds: Thresholds = _DEFAULT,
    *,
    world: bool = True,
) -> Fit:
    """Measure and judge a fit.

    Parameters
    ----------
    body
        That it was made with.
    fit
        Its verdict is not looked at; residuals that are not measured here (of markers, of priors) are kept and judged.
    seen
        What it was made from; frames are matched by their ids.
    maps
        For each joint set that was observed, how its joints follow from the body.
    thresholds
        Of the manifest.
    world
        Whether places in the world mean anything; not where each frame has a camera of its own.

    Returns
    -------
    The fit with residuals, verdict and reasons. Provenance says whether its depth was observed.
    """
    looked = _Look.at(body, fit, matched(seen, fit), maps)
    errors = {name: FrameErrors(values) for name, values in fit.residuals.items()} | looked.errors()
    joints = looked.posed.joints.numpy()
    seconds = looked.scene.seconds.numpy()
    if world:
        errors["skating"] = FrameErrors(skating_speed(joints, seconds))
        errors["slip"] = FrameErrors(slipped_way(joints, seconds))
        errors["jump"] = FrameErrors(jumps(joints, seconds))
    errors["unseen"] = FrameErrors(unseen_share(looked.seen))
    has_depth = depth_observed(seen)
    facts = WalkFacts(fit.frame_ids, fit.converged, fit.params.betas, has_depth, fit.reasons)
    result = judge(errors, facts, thresholds)
    return replace(
        fit,
        residuals=result.residuals,
        verdict=result.verdict,
        reasons=result.reasons,
        provenance={**fit.provenance, "depth_observed": has_depth},
    )


def point_errors(
    body: Body, fit: Fit, seen: Observations, maps: Mapping[str, Correspondence]
) -> dict[str, FrameErrors]:
    """How far every observed joint and keypoint is from the fitted body, by measure; see :func:`judged`."""
    return _Look.at(body, fit, matched(seen, fit), maps).errors()


def matched(seen: Observations, fit: Fit) -> Observations:
    """The observations at the fit's frames."""
    rows = np.searchsorted(seen.frame_ids, fit.frame_ids)
    return take_frames(seen, rows)


def take_frames(seen: Observations, rows: IntArray | BoolArray) -> Observations:
    """Observations at some of their frames (any numpy index), every kind of them."""
    markers, given = seen.markers, seen.given
    return replace(
        seen,
        joints=seen.joints[rows],
        frame_ids=seen.frame_ids[rows],
        markers=None if markers is None else replace(markers, points=markers.points[rows]),
        keypoints=tuple(replace(k, points=k.points[rows], confidence=k.confidence[rows]) for k in seen.keypoints),
        masks=tuple(replace(m, images=m.images[rows], seen=m.seen[rows]) for m in seen.masks),
        given=None if given is None else replace(given, params=given.params.take(rows), seen=given.seen[rows]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """One fit, posed, beside its observations."""

    scene: Scene
    posed: Posed
    seen: Observations
    fit: Fit

    @classmethod
    def at(cls, body: Body, fit: Fit, seen: Observations, maps: Mapping[str, Correspondence]) -> "_Look":
        scene = Scene.of(body, [seen], maps, FitSettings(num_betas=len(fit.params.betas)))
        return cls(scene, posed_fit(scene.chain, fit.params), seen, fit)

    def errors(self) -> dict[str, FrameErrors]:
        """Distances of the points that were observed."""
        found: dict[str, FrameErrors] = {}
        if self.seen.joint_names:
            found |= self._joint_errors()
        found |= self._all_keypoint_errors()
        for masks in self.seen.masks:
            name = f"mask_iou:{masks.view}"
            if masks.view in self.fit.cameras and name not in self.fit.residuals:
                found[name] = FrameErrors(self._overlap(masks))
        return found

    def _overlap(self, masks: Masks) -> FloatArray:
        """(T,) intersection over union; NaN in frames without a mask."""
        found = np.full(len(masks.seen), np.nan)
        rows = np.flatnonzero(masks.seen)
        for some in (rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)):
            vertices = forward(self.scene.body, self.fit.params.take(some)).vertices
            found[some] = body_iou(vertices, self.scene.body.faces, masks.images[some], self.fit.cameras[masks.view])
        return found

    def _joint_errors(self) -> dict[str, FrameErrors]:
        correspondence = self.scene.maps[self.seen.joint_set]
        mapped = mapped_columns(self.seen, correspondence)
        observed = self.seen.joints[:, mapped.columns].astype(np.float64)
        placed = self._points(correspondence).numpy()
        names, _ = names_of(correspondence)
        bones = bone_asymmetry(observed, _body_names(correspondence))
        return {
            "joints": FrameErrors(np.linalg.norm(placed - observed, axis=-1), names),
            "bones": FrameErrors(np.full(len(observed), bones)),
        }

    def _all_keypoint_errors(self) -> dict[str, FrameErrors]:
        """By view; where three views or more saw the walk, judged by the middle one.

        A view that is outvoted is wrong itself, not the body.
        """
        views: dict[str, list[Keypoints]] = {}
        for view in self.seen.keypoints:
            if view.view in self.fit.cameras and view.joint_set in self.scene.maps:
                views.setdefault(view.joint_set, []).append(view)
        found: dict[str, FrameErrors] = {}
        for joint_set, group in views.items():
            misses = {view.view: self._keypoint_errors(view) for view in group}
            several = len(group) > 2
            found |= {f"keypoints:{name}": replace(errors, judged=not several) for name, errors in misses.items()}
            if several:
                found["keypoints"] = _middle(list(misses.values()))
            if len(group) > 1 and "bones" not in found:
                found["bones"] = self._bones(joint_set, group)
        return found

    def _keypoint_errors(self, view: Keypoints) -> FrameErrors:
        correspondence = self.scene.maps[view.joint_set]
        names, _ = names_of(correspondence)
        columns = [view.names.index(name) for name in names]
        views = Views.of([[self.fit.cameras[view.view]]])
        pixels = views.project(self._points(correspondence), self.posed.layout.capture, slopes=False).pixels[:, 0]
        distance = np.linalg.norm(pixels.numpy() - view.points[:, columns], axis=-1)
        return FrameErrors(np.where(view.confidence[:, columns] > 0, distance, np.nan), names)

    def _bones(self, joint_set: str, group: Sequence[Keypoints]) -> FrameErrors:
        """Of the points where the views' rays meet, in some of the frames."""
        correspondence = self.scene.maps[joint_set]
        names, _ = names_of(correspondence)
        frames = np.arange(0, len(self.fit.frame_ids), 1 + len(self.fit.frame_ids) // _MOST_BONES)
        columns = [[view.names.index(name) for name in names] for view in group]
        pixels = [view.points[frames][:, rows] for view, rows in zip(group, columns, strict=True)]
        confidence = [view.confidence[frames][:, rows] for view, rows in zip(group, columns, strict=True)]
        stacked = [torch.as_tensor(np.stack(arrays, 1), dtype=torch.float64) for arrays in (pixels, confidence)]
        views = Views.of([[self.fit.cameras[view.view] for view in group]])
        found = triangulate(views, stacked[0], stacked[1], torch.zeros(len(frames), dtype=torch.long))
        points = found.points.numpy()
        bones = bone_asymmetry(points, _body_names(correspondence))
        return FrameErrors(np.full(len(self.fit.frame_ids), bones))

    def _points(self, correspondence: Correspondence) -> Tensor:
        """(T, P, 3) points of the body, metres."""
        return body_points(self.scene, correspondence).place(self.posed).points


def _middle(views: Sequence[FrameErrors]) -> FrameErrors:
    """The median of several views' misses, point by point."""
    stacked = np.stack([errors.values for errors in views])
    seen = np.isfinite(stacked).any(0)
    middle = np.nanmedian(np.where(seen, stacked, 0.0), axis=0)
    return FrameErrors(np.where(seen, middle, np.nan), views[0].names)


def posed_fit(chain: Chain, params: BodyParams) -> Posed:
    """The joints of fitted parameters in double precision."""
    angles = np.concatenate([params.global_orient, params.body_pose], 1).reshape(len(params), -1, 3)
    rotations, transl, betas = (
        torch.as_tensor(array.astype(np.float64))
        for array in (exp(angles.astype(np.float64)), params.transl, params.betas[None])
    )
    return pose(chain, Layout.of([len(params)]), State(rotations, transl, betas))


def _body_names(correspondence: Correspondence) -> tuple[str, ...]:
    """SMPL joint that each point stands for; regressed joints bear its name where they are one."""
    if isinstance(correspondence, JointMap):
        return tuple(row.body for row in correspondence.joints if row.weight > 0)
    return correspondence.names
