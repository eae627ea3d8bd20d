"""Values of the readers of SMPL parameters: what a layout's module gives, what the caller gets, what it may ask for.

Shape letters: F frames, B shape components.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from meshgait_data.findings import Finding
from meshgait_data.sources.frames import FileNames
from meshgait_data.types import BodyParams, BoolArray, Camera, FloatArray, GivenParams, IntArray

Axis = Literal["x", "y", "z", "-x", "-y", "-z"]
"""A direction of a file's frame."""

NOMINAL_FOCAL = 5000.0 / 224.0
"""Focal length by the side of the image, of cameras that no file tells: HMR's and SPIN's (5000 px for 224 px).

From so far away perspective and weak perspective differ by less than one percent of a limb's length.
"""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a reader cannot know by itself."""

    up: Axis | Literal["auto"] = "auto"
    """Axis of the file's frame that points up; by default the layout's own, else what the bodies say."""
    unit: Literal["m", "mm"] = "m"
    """Of translations."""
    person: int = 0
    """Which of the people, in the order in which the file has them."""
    fps: float = 0.0
    """Frames per second, where the file does not say; 0 where unknown."""
    image_size: tuple[int, int] | None = None
    """Width and height in pixels of the images that the parameters were estimated from."""
    focal_px: float | None = None
    """Focal length of the nominal camera of weak-perspective layouts; by default ``NOMINAL_FOCAL`` times the side."""
    view: str = "camera"
    """Name of the view that camera-frame parameters are in."""
    names: FileNames | None = None
    """Which files of a folder are frames."""


@dataclass(frozen=True, slots=True, eq=False)
class WeakPerspective:
    """A weak-perspective camera of its own for every frame: ``pixel = scale * (x, y) + shift`` whatever z is."""

    scale: FloatArray
    """(F,) pixels per metre."""
    shift: FloatArray
    """(F, 2) pixels: image of the camera frame's origin, where the body stands without any translation."""

    def project(self, points: FloatArray) -> FloatArray:
        """Pixels (F, ..., 2) of points (F, ..., 3) of bodies without translation, camera axes."""
        shape = (len(self.scale), *[1] * (points.ndim - 2))
        return points[..., :2] * self.scale.reshape(*shape, 1) + self.shift.reshape(*shape, 2)


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """Parameters as a file has them."""

    body: str
    """Body that the layout is of, e.g. ``smpl`` or ``smplh_male``."""
    global_orient: FloatArray
    """(F, 3) axis-angle."""
    body_pose: FloatArray
    """(F, 69) axis-angle."""
    betas: FloatArray
    """(F, B) or (B,)"""
    frame_ids: IntArray
    """(F,)"""
    transl: FloatArray | None = None
    """(F, 3) in the file's unit; None where there is a weak-perspective camera or nothing."""
    weak: FloatArray | None = None
    """(F, 3) s, tx, ty: ``s * (x, y) + (tx, ty)`` is -1 to 1 in the smallest square around the image, centred."""
    space: Literal["world", "camera"] = "camera"
    up: Axis | None = "-y"
    """Axis that points up in this layout; None where the layout does not say."""
    pivot: Literal["pelvis", "origin"] = "pelvis"
    """What ``global_orient`` turns about: the pelvis as in smplx, or the origin as in EasyMocap."""
    fps: float = 0.0
    focal_by_side: float | None = None
    """Focal length, by the longer side of the image, that ``transl`` belongs to."""
    image_size: tuple[int, int] | None = None
    seen: BoolArray | None = None
    """(F,) None where all frames are."""
    joints: FloatArray | None = None
    """(F, 24, 3) joints that the file has along with the parameters, as they are there."""
    notes: tuple[str, ...] = ()
    counted: bool = False
    """Whether the layout itself says which frames these are."""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ParamsFile:
    """Somebody else's SMPL parameters of one walk, in smplx's convention, and what is known about them."""

    given: GivenParams
    """World frame with y up, or the OpenCV frame of the camera that it names."""
    frame_ids: IntArray
    """(F,) ids of the frames in the source."""
    fps: float
    """Frames per second; 0 where the file does not say."""
    frame_betas: FloatArray
    """(F, B) the shape that the file has for each frame; ``given`` has their median."""
    camera: Camera | None = None
    """Camera whose frame the parameters are in; nominal where the file has weak perspective only."""
    weak: WeakPerspective | None = None
    """What the estimator's own camera was, frame by frame."""
    joints: FloatArray | None = None
    """(F, 24, 3) joints that came along, in the file's own frame: bone lengths for another body."""
    sha256: str = ""
    """Over the files."""
    notes: tuple[str, ...] = field(default=())
    """What was assumed."""
    findings: tuple[Finding, ...] = ()
    """What was noticed."""
    counted: bool = True
    """Whether the files say which frames these are."""

    def __len__(self) -> int:
        return len(self.frame_ids)

    @property
    def params(self) -> BodyParams:
        """Parameters of all frames; those that were not seen are zero."""
        return self.given.params

    def at(self, frame_ids: IntArray) -> "ParamsFile":
        """The same on other frames, by id: those that the file lacks are not seen, those that it has too many go."""
        order = np.argsort(self.frame_ids, kind="stable")
        place = np.clip(np.searchsorted(self.frame_ids, frame_ids, sorter=order), 0, len(order) - 1)
        found = order[place]
        there = self.frame_ids[found] == frame_ids
        params = self.params.take(found)
        parts = (params.global_orient, params.body_pose, params.transl)
        cleared = BodyParams(params.betas, *(np.where(there[:, None], part, 0).astype(part.dtype) for part in parts))
        weak = self.weak and WeakPerspective(
            np.where(there, self.weak.scale[found], np.nan), np.where(there[:, None], self.weak.shift[found], np.nan)
        )
        return replace(
            self,
            given=replace(self.given, params=cleared, seen=self.given.seen[found] & there),
            frame_ids=np.asarray(frame_ids),
            frame_betas=np.where(there[:, None], self.frame_betas[found], 0.0),
            weak=weak,
            joints=None if self.joints is None else np.where(there[:, None, None], self.joints[found], np.nan),
        )

    @property
    def unseen(self) -> IntArray:
        """Ids of the frames without parameters."""
        return self.frame_ids[np.asarray(~self.given.seen)]
