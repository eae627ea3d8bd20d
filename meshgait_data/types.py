"""Frozen values that cross module borders: keys, cameras, observations, fits, windows, labels.

Units are metres, seconds, radians and pixels. World frame: y up. Camera frame: OpenCV's (x right, y down,
z forward). Pixel centres lie at integer coordinates. Shape letters: F frames, J joints, K markers,
V vertices, B shape components, S side of the aligned silhouette.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]
ByteArray = NDArray[np.uint8]

CameraModel = Literal["perspective", "weak_perspective", "orthographic"]
"""How depth enters the image, see :class:`Camera`."""

_FORBIDDEN = frozenset("/\\ ")


def _check_parts(key: Any) -> None:
    for name in key.__slots__:
        text = getattr(key, name)
        if not _can_be_part(text) and (text or name != "group"):
            raise ValueError(f"{name}={text!r} cannot be one part of a key: no spaces, slashes or dots alone")


# A large dataset has few words, each of them in very many keys.
@lru_cache(maxsize=1 << 14)
def _can_be_part(text: str) -> bool:
    return bool(text) and text not in {".", ".."} and _FORBIDDEN.isdisjoint(text) and text.isprintable()


@dataclass(frozen=True, order=True, slots=True)
class CaptureKey:
    """Identity of one walk, which one or more synchronous cameras may see.

    >>> str(CaptureKey.parse("cmu_walk/07/01"))
    'cmu_walk/07/01'
    """

    dataset: str
    """Name of the manifest it comes from."""
    subject: str
    """Person as the dataset names them; OpenGait calls it *label*."""
    condition: str
    """Clothing, bag, take; OpenGait calls it *type*."""
    group: str = ""
    """Which of the walks of this subject and condition, where their views are not all of one: the name of a group of
    synchronous views, or the view itself where each is a walk of its own."""

    def __post_init__(self) -> None:
        _check_parts(self)

    def __str__(self) -> str:
        return f"{self.dataset}/{self.subject}/{self.condition}" + (f"/{self.group}" if self.group else "")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``dataset/subject/condition`` or ``dataset/subject/condition/group``; raises ValueError otherwise."""
        parts = text.split("/")
        if len(parts) not in (3, 4):
            raise ValueError(f"{text!r}: expected dataset/subject/condition, and a group where there are some")
        return cls(*parts)

    def sequence(self, view: str) -> "SequenceKey":
        """Key of one view of this walk."""
        return SequenceKey(self.dataset, self.subject, self.condition, view)


@dataclass(frozen=True, order=True, slots=True)
class SequenceKey:
    """Identity of one view of one walk; the same four words in every file and message.

    >>> SequenceKey.parse("cmu_walk/07/01/090").view
    '090'
    """

    dataset: str
    """Name of the manifest it comes from."""
    subject: str
    """Person as the dataset names them; OpenGait calls it *label*."""
    condition: str
    """Clothing, bag, take; OpenGait calls it *type*."""
    view: str
    """Camera or azimuth; OpenGait calls it *view*."""

    def __post_init__(self) -> None:
        _check_parts(self)

    def __str__(self) -> str:
        return f"{self.dataset}/{self.subject}/{self.condition}/{self.view}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``dataset/subject/condition/view``; raises ValueError otherwise."""
        parts = text.split("/")
        if len(parts) != 4:
            raise ValueError(f"{text!r}: expected dataset/subject/condition/view")
        return cls(*parts)

    @property
    def walk(self) -> str:
        """The key without its view. Which views are of one and the same walk the manifest knows."""
        return f"{self.dataset}/{self.subject}/{self.condition}"


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A camera: ``x_cam = rotation @ x_world + translation``, its model, the lens, then ``intrinsics``.

    What the model does with (x, y, z) of the camera frame: ``perspective`` divides x and y by z, ``weak_perspective``
    by ``reference_m`` whatever z is, ``orthographic`` by nothing, so that its focal lengths are pixels per metre.
    """

    name: str
    """View that it gives, e.g. ``090``."""
    intrinsics: FloatArray
    """(3, 3) focal lengths and principal point in pixels; pixel centres at integers."""
    rotation: FloatArray
    """(3, 3) world to camera."""
    translation: FloatArray
    """(3,) metres."""
    size: tuple[int, int]
    """Width and height of the image in pixels."""
    model: CameraModel = "perspective"
    distortion: tuple[float, ...] = ()
    """Coefficients of the lens in OpenCV's order: none, k1 k2 p1 p2, then k3, then k4 k5 k6."""
    reference_m: float = 0.0
    """Depth at which a weak-perspective camera has the scale of a perspective one; 0 for the other models."""

    def __post_init__(self) -> None:
        if self.model not in get_args(CameraModel):
            raise ValueError(f"model={self.model!r} is not one of {', '.join(get_args(CameraModel))}")
        if len(self.distortion) not in (0, 4, 5, 8):
            raise ValueError(f"{len(self.distortion)} distortion coefficients: a lens has 0, 4, 5 or 8 of them")
        if self.model == "orthographic" and self.distortion:
            raise ValueError("an orthographic camera has no lens: distortion is a function of angles")
        if (self.reference_m > 0) != (self.model == "weak_perspective"):
            raise ValueError(f"reference_m={self.reference_m}: weak-perspective cameras need one, no others have one")

    @property
    def plain(self) -> bool:
        """Whether ``intrinsics`` say it all: perspective without distortion."""
        return self.model == "perspective" and not self.distortion


@dataclass(frozen=True, slots=True, eq=False)
class BodyParams:
    """Parameters of an SMPL-family body with smplx's names; rotations are axis-angle in radians."""

    betas: FloatArray
    """(B,) shape, shared by all frames, in standard deviations."""
    global_orient: FloatArray
    """(F, 3) rotation of the pelvis."""
    body_pose: FloatArray
    """(F, 69) rotations of the other 23 joints, each relative to its parent."""
    transl: FloatArray
    """(F, 3) metres, added after posing."""

    def __len__(self) -> int:
        return len(self.transl)

    def take(self, frames: Any) -> "BodyParams":
        """The same body at some of its frames (any numpy index that keeps the frame axis)."""
        return BodyParams(self.betas, self.global_orient[frames], self.body_pose[frames], self.transl[frames])


@dataclass(frozen=True, slots=True, eq=False)
class Points3D:
    """Named points in space over the frames of one walk: labelled markers of a capture system."""

    points: FloatArray
    """(F, P, 3) metres, world frame; NaN where a point was not seen."""
    names: tuple[str, ...]
    """P names, in the vocabulary of ``point_set``."""
    point_set: str
    """Name of the marker set, e.g. ``plug_in_gait``."""


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """2D keypoints of one view over the frames of one walk."""

    view: str
    """Camera that saw them."""
    points: FloatArray
    """(F, P, 2) pixels of the image as the camera took it (distorted); NaN where not seen."""
    confidence: FloatArray
    """(F, P) 0..1, as the detector says; 0 where not seen."""
    names: tuple[str, ...]
    """P names, in the vocabulary of ``joint_set``."""
    joint_set: str
    """Name of the joint set, e.g. ``coco17``."""
    size: tuple[int, int] = (0, 0)
    """Width and height of the image in pixels; 0 where unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """Silhouettes of one view over the frames of one walk."""

    view: str
    """Camera that saw them."""
    images: ByteArray
    """(F, H, W) 0 background, 255 person."""
    seen: BoolArray
    """(F,) whether there is a mask of this frame."""
    grey: ByteArray | None = None
    """(F, H, W) the levels that the files have, which published alignments go by; None where they are ``images``."""
    sizes: IntArray | None = None
    """(F, 2) width and height of each picture, which lies at the upper left of its image; None where all fill it."""
    rows: IntArray | None = None
    """(F,) which of the file's own frames each is, -1 where it has none; None: they are the same."""
    file_frames: int | None = None
    """How many the file has, where ``rows`` says which they are."""


@dataclass(frozen=True, slots=True, eq=False)
class GivenParams:
    """Somebody else's SMPL parameters of one walk."""

    params: BodyParams
    """World frame where the layout has one, else the frame of the camera, see ``frame``."""
    body: str
    """Body that they are of, e.g. ``smpl``."""
    layout: str
    """Name of the file layout that they came in."""
    seen: BoolArray
    """(F,) whether there are parameters for this frame."""
    frame: str = "world"
    """``world``, or the name of the view whose camera frame they are in."""


@dataclass(frozen=True, slots=True, eq=False)
class Worn:
    """What somebody wears or carries: it is drawn into rendered silhouettes, while labels stay those of the body.

    Objects are one mesh in the rest pose of the person's own body that follows its joints like skin: a rigid thing
    follows one joint, a skirt several.
    """

    thickness: FloatArray
    """(24,) metres that skin which follows each joint is thicker, along its normals."""
    vertices: FloatArray
    """(N, 3) metres, rest pose; N may be 0."""
    weights: FloatArray
    """(N, 24) shares of the joints that a vertex follows; rows sum to one."""
    faces: IntArray
    """(M, 3) triangles."""


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """What a source saw of one walk; every kind that is there takes part in the fit. All kinds share the frames."""

    key: CaptureKey
    joints: FloatArray
    """(F, J, 3) metres, world frame; NaN where a joint was not seen. J is 0 where no 3D joints were observed."""
    joint_names: tuple[str, ...]
    """J names, in the vocabulary of ``joint_set``."""
    joint_set: str
    """Name of the joint set, e.g. ``cmu``."""
    frame_ids: IntArray
    """(F,) ids of the frames in the source."""
    fps: float
    """Frames per second of these frames (after thinning)."""
    source_sha256: str = ""
    """Hash over the source files, for provenance."""
    markers: Points3D | None = None
    """Surface markers in space."""
    static: Points3D | None = None
    """The same markers on the person standing still, frames of their own: tells where the markers sit."""
    keypoints: tuple[Keypoints, ...] = ()
    """One for each view that has them."""
    masks: tuple[Masks, ...] = ()
    """One for each view that has them."""
    given: GivenParams | None = None
    """Existing SMPL parameters."""
    cameras: Mapping[str, Camera] = field(default_factory=dict)
    """Known calibration by view; views without are estimated with the body."""
    worn: Worn | None = None
    """Clothes and bags that are known; no evidence, it is passed on to the fit."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A body fitted to one walk, with what is needed to judge it."""

    key: CaptureKey
    params: BodyParams
    """In the world frame of the observations."""
    frame_ids: IntArray
    """(F,) ids of the frames in the source."""
    fps: float
    """Frames per second."""
    residuals: Mapping[str, FloatArray]
    """Term name to (F,) residual; ``joints`` is the mean distance in metres to the mapped observed joints."""
    verdict: ByteArray
    """(F,) 0 accepted, 1 flagged, 2 rejected."""
    reasons: tuple[str, ...]
    """What was flagged or rejected and why; empty for a clean fit."""
    converged: bool
    """Whether the solver's step fell below its tolerance."""
    body_name: str
    body_sha256: str
    """Hash of the body's arrays; a fit is only valid with the body it was made with."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Versions, settings and source hash."""
    cameras: Mapping[str, Camera] = field(default_factory=dict)
    """Cameras by view in the frame of the fit, known or estimated; empty where none saw the walk."""
    worn: Worn | None = None
    """What is drawn over the body where the fit is rendered."""


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """Silhouettes after the published pretreatment, and where each pixel came from."""

    silhouettes: ByteArray
    """(N, S, S) grey 0..255 of the frames that survived."""
    windows: FloatArray
    """(N, 2, 3) affine that takes image pixels (x, y, 1) to the aligned silhouette's pixels (u, v)."""
    kept: BoolArray
    """(F,) which input frames survived; ``kept.sum() == N``."""
    fates: ByteArray
    """(F,) why the others did not: number in ``render.align.FATES``; 0 for those that did."""


@dataclass(frozen=True, slots=True, eq=False)
class SequenceData:
    """One view of one walk, ready to be packed: what identifies it, and named arrays over its frames."""

    key: SequenceKey
    identity: str
    """Person as the protocol counts them: subjects that may be one person share an identity."""
    fps: float
    camera: Camera | None
    """Camera that saw it; None where nobody knows it."""
    betas: FloatArray
    """(B,) shape of the fitted body; of length 0 where none was fitted."""
    arrays: Mapping[str, NDArray[Any]]
    """Name of a field to an array whose first axis is frames: fields of the shard schema, of which ``frame_ids`` is
    always there, and whatever rides along under a name of its own."""
    dropped: tuple[int, ...] = ()
    """Source ids of frames that were dropped, from every field together."""
    joint_set: str = "smpl24"
    """Name of the joint set that the field ``joints`` is in."""

    def __len__(self) -> int:
        return len(self.arrays["frame_ids"])


@dataclass(frozen=True, slots=True, eq=False)
class MarkerSet:
    """Virtual markers of one body: K of its vertices, and how all vertices follow from them.

    Ma et al., *3D Human Mesh Estimation from Virtual Markers*, CVPR 2023: every marker is a mesh vertex, and
    ``vertices = coefficients @ markers``.
    """

    name: str
    body_sha256: str
    """Body that the markers were learned on; they mean nothing on another one."""
    vertex_ids: IntArray
    """(K,) the vertex that each marker is."""
    mirror: IntArray
    """(K,) marker on the other side of the body; itself on the mid-line."""
    convex: FloatArray
    """(V, K) non-negative coefficients whose rows sum to one: a vertex never leaves the markers' hull."""
    signed: FloatArray
    """(V, K) coefficients whose rows sum to one but may be negative: smaller error."""
    names: tuple[str, ...] = ()
    """K names that differ from each other: side, part of the body, direction of the skin, e.g. ``left_thigh_front``;
    empty where nobody named them."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Held-out reconstruction errors in mm, settings, versions."""

    def __len__(self) -> int:
        return len(self.vertex_ids)


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """All 3D labels of one view of one walk, frame by frame. P joints of any set, K markers of any set."""

    joint_set: str
    """Name of the joint set that ``joints`` are in."""
    marker_set: str
    """Name of the marker set that ``markers`` are in."""
    joints_m: FloatArray
    """(F, P, 3) float32 metres, camera frame."""
    joints: FloatArray
    """(F, P, 3) float32 (u, v, d) in the aligned window."""
    joints_visible: BoolArray
    """(F, P) whether the camera sees the joint's part of the body there."""
    markers_m: FloatArray
    """(F, K, 3) float32 metres, camera frame."""
    markers: FloatArray
    """(F, K, 3) float32 (u, v, d) in the aligned window."""
    markers_visible: BoolArray
    """(F, K) whether the camera sees the marker."""
    params: BodyParams
    """The body in the camera frame."""
    scale: FloatArray
    """(F,) float32 window pixels of one metre at the depth of the pelvis."""
    windows: FloatArray
    """(F, 2, 3) float32 affine that takes image pixels to pixels of the window."""

    def __len__(self) -> int:
        return len(self.scale)
