"""Observed 2D keypoints as arrays over frames and views: columns of the map's points, trust, cameras."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from meshgait_data.errors import FitError
from meshgait_data.fit.cameras import CameraSpread, Views, crop_camera
from meshgait_data.fit.from_joints import names_of
from meshgait_data.fit.scene import Correspondence, Scene
from meshgait_data.types import BoolArray, Camera, FloatArray, Keypoints, Observations


@dataclass(frozen=True, slots=True)
class KeypointOptions:
    """How keypoints and their cameras are taken."""

    nominal: Mapping[str, Camera] = field(default_factory=dict)
    """Cameras by view that are only about right, see ``cameras.py``. Views with neither a known nor a nominal camera
    are taken for crops: in every frame the body lives in front of a camera of its own."""
    spread: CameraSpread = field(default_factory=CameraSpread)
    """How far nominal cameras may be off."""
    bias_m: float = 0.0
    """Metres: spread of a person's constant offsets between detected and regressed keypoints, estimated with the body;
    0 for none. Needs two views or a person who turns: in one view offsets and shape look alike."""

    def kind(self, seen: Observations, view: str) -> str:
        """``known``, ``nominal`` or ``crop``."""
        return "known" if view in seen.cameras else "nominal" if view in self.nominal else "crop"


@dataclass(frozen=True, slots=True)
class Images:
    """All keypoints of one set in a batch."""

    views: Views
    """Of the captures; the same for all sets."""
    pixels: Tensor
    """(T, V, P, 2) as the cameras took them; 0 where unseen."""
    weights: Tensor
    """(T, V, P) confidence times the map's weight; 0 where unseen."""


def joint_sets(scene: Scene) -> tuple[str, ...]:
    """Sets that occur, in alphabetical order."""
    return tuple(sorted({each.joint_set for seen in scene.seen for each in seen.keypoints}))


def view_names(seen: Observations) -> tuple[str, ...]:
    """Views with keypoints, in their order; two sets in one view are one view."""
    return tuple(dict.fromkeys(each.view for each in seen.keypoints))


def enough(seen: Observations, maps: Mapping[str, Correspondence], min_seen: float) -> BoolArray:
    """(F,) frames in which some view shows at least that share of the mapped keypoints, by the map's weights.

    Raises
    ------
    FitError
        Where a view's keypoints are of a set that no map knows, or lack points that the map names.
    """
    found = np.zeros(len(seen.frame_ids), dtype=bool)
    for each in seen.keypoints:
        columns, weights = columns_of(seen, each, maps)
        found |= (trust(each, columns) > 0) @ weights / weights.sum() >= min_seen
    return found


def columns_of(seen: Observations, each: Keypoints, maps: Mapping[str, Correspondence]) -> tuple[list[int], FloatArray]:
    """Observed columns in the order of the map's points, and the points' weights; raises like :func:`enough`."""
    where, correspondence = f"{seen.key} {each.view}", maps.get(each.joint_set)
    if correspondence is None:
        raise FitError(
            f"no map for the keypoints {each.joint_set!r}",
            where=where,
            hint=f"name the right joint set; known here: {', '.join(sorted(maps)) or 'none'}",
        )
    names, weights = names_of(correspondence)
    missing = sorted(set(names) - set(each.names))
    if missing or not names:
        raise FitError(
            f"the map names keypoints that were not observed: {', '.join(missing)}" if missing else "empty map",
            where=where,
            hint=f"observed are: {', '.join(each.names)}",
        )
    return [each.names.index(name) for name in names], np.array(weights)


def trust(each: Keypoints, columns: list[int]) -> FloatArray:
    """(F, P) confidence; 0 where not seen."""
    there = np.isfinite(each.points[:, columns]).all(-1)
    confidence = np.nan_to_num(each.confidence[:, columns].astype(np.float64))
    return np.where(there, np.clip(confidence, 0.0, 1.0), 0.0)


def stack_views(scene: Scene, options: KeypointOptions) -> Views:
    """The cameras of all captures; nominal ones turn about the world's origin, where the walk's middle is."""
    rows: list[list[Camera | None]] = [
        [_camera(seen, view, options) for view in view_names(seen)] for seen in scene.seen
    ]
    width = max(map(len, rows))
    return Views.of([row + [None] * (width - len(row)) for row in rows], device=scene.seconds.device)


def _camera(seen: Observations, view: str, options: KeypointOptions) -> Camera:
    kind = options.kind(seen, view)
    if kind == "known":
        return seen.cameras[view]
    if kind == "nominal":
        return options.nominal[view]
    sizes = [each.size for each in seen.keypoints if each.view == view and all(each.size)]
    if sizes:
        return crop_camera(view, sizes[0])
    spans = [np.nanmax(each.points, (0, 1), initial=1.0) for each in seen.keypoints if each.view == view]
    width, height = (int(np.ceil(side)) for side in np.max(spans, 0))
    return crop_camera(view, (width, height))


def gather(scene: Scene, joint_set: str, views: Views) -> Images:
    """Keypoints of one set in all views of all captures."""
    count, parts = len(names_of(scene.maps[joint_set])[0]), []
    for seen in scene.seen:
        pixels = np.zeros((len(seen.frame_ids), len(views), count, 2))
        weights = np.zeros(pixels.shape[:-1])
        order = view_names(seen)
        for each in seen.keypoints:
            if each.joint_set == joint_set:
                columns, importance = columns_of(seen, each, scene.maps)
                slot, confidence = order.index(each.view), trust(each, columns)
                there = confidence > 0
                pixels[:, slot] = np.where(there[..., None], each.points[:, columns], 0.0)
                weights[:, slot] = confidence * importance
        parts.append((pixels, weights))
    pixels, weights = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Images(views, torch.as_tensor(pixels, device=scene.seconds.device), scene.tensor(weights))
