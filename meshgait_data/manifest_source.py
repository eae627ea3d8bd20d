"""The ``source:`` of a manifest: for each kind of observation where its files lie, their format, and their frames.

A dataset with one mocap file a walk names it in one block (``format: asf_amc``); one that offers several kinds of
observations has a block for each (``keypoints2d: ...``, ``silhouettes: ...``), whose paths may name ``{view}``.

In paths stand the parts of the layout in braces, the words of the key, ``{folder}`` for the whole pattern of the
layout, so that kinds lie relative to their sequence, and ``*`` for any text inside one name.
"""

import re
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from meshgait_data.manifest_rigs import CameraRing
from meshgait_data.strict import run_checks
from meshgait_data.templates import check_template


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Names of files that tell a time and not the number of a frame."""

    written: Literal["decimal", "digits"]
    """``decimal``: seconds with a point, ``1657079013.900059000``; ``digits``: the first ten are seconds, the others
    their fraction, ``1657079013900059``."""
    delay_s: float = 0.0
    """Seconds from the time in the name to the moment that the frame shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What all kinds have: where the files of a walk lie, and how their frames count."""

    path: str
    """File or folder below the root, e.g. ``masks/{subject}/{condition}/{view}`` or ``{folder}/smpl.npz``."""
    first_frame: int | None = None
    """Frame of the walk that this kind's frame 0 shows (or its first one, in formats whose files count no frames);
    by default frames are counted as the files do."""
    every: int = 1
    """Frames of the walk from one frame of this kind to the next: 4 for masks at 30 and a walk at 120 a second."""
    file: str = ""
    """Folders of one file a frame: name of these files, with ``{frame}`` for the number of the frame and parts of the
    layout where they have them, e.g. ``{subject}-{condition}-{view}-{frame}.png``; others are misnamed and not used.
    By default the last number of a name counts."""
    times: Times | None = None
    """``{frame}`` in ``file`` is a time: frames are counted by ``fps`` from the first moment of the walk, and kinds are
    joined where their times differ by no more than ``tolerance_s`` of the source."""
    take: str = ""
    """Files that hold several walks: which of them, e.g. ``2`` for the array ``mask2``; may use parts of the layout."""
    frame_ids: str = ""
    """Files that count no frames: path of a file with their ids, in their order: pickled or saved integers, or a text
    with one number a line."""
    published_order: Literal["number", "text"] = "number"
    """``text`` where tools of the dataset put frames in the order of their names as text, in which ``f10`` comes before
    ``f9``. Frames are always used in the order of their numbers; this tells what order published arrays are in."""
    exclude: tuple[str, ...] = ()
    """Names of files, with ``*`` and ``?``, that lie among those of frames and are none."""
    optional: bool = False
    """Whether walks without this kind are as they should be."""
    fit: bool = True
    """Whether the fit uses it; if not, as masks that are in other pixels than the keypoints, it is packed only."""

    CHECKS: ClassVar[tuple[str, ...]] = ("_check_path", "_check_file", "_check_every", "_check_times")

    def __post_init__(self) -> None:
        run_checks(self)

    def _check_path(self) -> None:
        check_template("path", self.path, needed=set())
        check_template("frame_ids", self.frame_ids, needed=set())

    def _check_file(self) -> None:
        check_template("file", self.file, needed={"frame"} if self.file else set())
        check_template("take", self.take, needed=set())

    def _check_every(self) -> None:
        if self.every < 1:
            raise ValueError(f"every={self.every} must be at least 1")

    def _check_times(self) -> None:
        if self.times is not None and not self.file:
            raise ValueError("times needs file, the name of the files, in which {frame} is the time")
        if self.times is not None and (self.first_frame is not None or self.every > 1 or self.frame_ids):
            raise ValueError("times says which frames these are: leave out first_frame, every and frame_ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mocap(Files):
    """Motion capture: a skeleton's joints (ASF/AMC, BVH) or labelled markers (C3D)."""

    format: Literal["asf_amc", "bvh", "c3d"]
    skeleton: str = ""
    """ASF/AMC: path of the skeleton file; may use ``{subject}``."""
    joint_map: str = ""
    """ASF/AMC and BVH: name of the map to SMPL's joints, a file in ``manifests/skeletons/``, or a path."""
    metres_per_unit: float = 0.0
    """BVH: metres of one unit of length; 0: from how tall the person is."""
    up: Literal["", "x", "y", "z", "-x", "-y", "-z"] = ""
    """BVH: axis of the file's frame that points up; empty: y."""
    static: str = ""
    """C3D: path of the trial in which the person stands still, if there is one."""
    marker_set: str = "plug_in_gait"
    """C3D: vocabulary of the labels."""

    CHECKS: ClassVar[tuple[str, ...]] = (*Files.CHECKS, "_check_templates", "_check_format")

    def _check_templates(self) -> None:
        check_template("skeleton", self.skeleton, needed=set(), known={"subject"})
        check_template("static", self.static, needed=set())

    def _check_format(self) -> None:
        if self.format == "asf_amc" and not (self.skeleton and self.joint_map):
            raise ValueError("format asf_amc needs skeleton and joint_map")
        if self.format == "bvh" and not self.joint_map:
            raise ValueError("format bvh needs joint_map")
        if (self.skeleton and self.format != "asf_amc") or (self.joint_map and self.format == "c3d"):
            raise ValueError(f"skeleton and joint_map belong to format asf_amc, not to {self.format}")
        if self.format != "bvh" and (self.metres_per_unit or self.up):
            raise ValueError(f"metres_per_unit and up belong to format bvh, not to {self.format}")
        if self.metres_per_unit < 0:
            raise ValueError(f"metres_per_unit={self.metres_per_unit} must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Joints3D(Files):
    """3D joints from an estimator or another tool."""

    format: str = "auto"
    """A format of ``docs/formats/observations.md``, or what the files look like."""
    joint_map: str = ""
    """Name of a map to SMPL's joints in ``manifests/skeletons/``, or a path; empty: ``joint_set`` says."""
    joint_set: str = ""
    """Joint set that ships with meshgait, e.g. ``h36m17``; empty where the files say."""
    metres_per_unit: float = 1.0
    """0.001 for files in millimetres."""
    up: Literal["", "x", "y", "z", "-x", "-y", "-z"] = ""
    """Axis of the files' frame that points up; empty: what they, or their format, say."""
    frame: Literal["world", "camera"] = "world"
    """``camera``: each view's joints are in the frame of its own camera (x right, y down, z forward). With a rig under
    cameras, which gives the lens, that camera is then known."""

    CHECKS: ClassVar[tuple[str, ...]] = (*Files.CHECKS, "_check_unit", "_check_frame")

    def _check_unit(self) -> None:
        if self.metres_per_unit <= 0:
            raise ValueError(f"metres_per_unit={self.metres_per_unit} must be positive")

    def _check_frame(self) -> None:
        if self.frame == "camera" and self.up not in ("", "-y"):
            raise ValueError(f"up={self.up!r}: in the frame of a camera y points down, so that -y is up")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keypoints2D(Files):
    """2D keypoints of a detector, one file or folder for each view."""

    format: str = "auto"
    """A format of ``docs/formats/observations.md``, or what the files look like."""
    view: str = "camera"
    """Name of the only view, where paths name none."""
    joint_set: str = ""
    """Vocabulary of the keypoints, e.g. ``coco17``; empty where the files say or the format has only one."""
    size: tuple[int, int] = (0, 0)
    """Width and height of the images in pixels, where the files do not say."""
    min_confidence: float = 0.0
    """Points that the detector trusts less are not used."""
    person: int | None = None
    """Number that the detector's tracker gave to the walker; by default the one seen longest and largest."""

    CHECKS: ClassVar[tuple[str, ...]] = (*Files.CHECKS, "_check_confidence")

    def _check_confidence(self) -> None:
        if not 0 <= self.min_confidence < 1:
            raise ValueError(f"min_confidence={self.min_confidence} must be from 0 to below 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Silhouettes(Files):
    """Masks of the person, one folder or file for each view."""

    format: str = "auto"
    """A format of ``docs/formats/observations.md``, or what the files look like."""
    view: str = "camera"
    """Name of the only view, where paths name none."""
    alignment: str = ""
    """How they become aligned silhouettes, unless ``mgdata pack --alignment`` says: ``as_is`` for those that were
    published aligned; empty: as OpenGait does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Smpl(Files):
    """Somebody else's SMPL parameters."""

    format: str = "auto"
    """Layout of ``docs/formats/smpl_params.md``, or what the files look like."""
    up: Literal["auto", "x", "y", "z", "-x", "-y", "-z"] = "auto"
    """Axis of the files' frame that points up."""
    unit: Literal["m", "mm"] = "m"
    """Of translations."""
    person: int = 0
    """Which of the people, in the order of the files."""
    size: tuple[int, int] | None = None
    """Width and height of the images that the parameters were estimated from."""
    view: str = "camera"
    """Name of the camera that they are in the frame of, where paths name none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Also(Files):
    """A further modality, one value a frame, that is not used but rides along into the shards under its name."""

    format: str = "auto"
    """``pickle`` or ``npy``: one array, frames first; ``npz``: one of its arrays; empty: what the files look like."""
    array: str = ""
    """``npz``: name of the array."""
    clock: str = ""
    """Sensor of another clock whose frames these are, one of ``clocks``: they are counted and compared among themselves
    by ``mgdata index``, and not packed. Point clouds may have such a clock only. Empty: the clock of the walk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Moments at which another sensor recorded, which are no frames of the walk."""

    within: str = ""
    """Another clock, whose moments these are some of: those that both sensors have, for example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cameras:
    """What is known of the cameras that saw the walk."""

    format: str = "auto"
    """``rig``: nominal cameras of unknown rest; ``crops``: a camera of its own for every frame (weak perspective);
    otherwise a format of ``docs/formats/observations.md``, or what the file looks like."""
    path: str = ""
    """Calibration file or folder below the root."""
    up: str = ""
    """Calibration: axis of its world that points up, where its format does not say."""
    metres_per_unit: float = 0.0
    """Calibration: metres of one unit of length; 0: what its format says, else 1."""
    size: tuple[int, int] = (0, 0)
    """Calibration: width and height of the images, where it does not say."""
    rig: Annotated[CameraRing | None, "Name of a rig that ships, such as casia_b, or path of one."] = None
    """``rig``: nominal cameras; views bear its names."""
    spread: dict[str, float] = field(default_factory=dict)
    """``rig``: how far the cameras may be from there: ``azimuth_deg``, ``tilt_deg``, ``aim_m``, ``distance``, ``zoom``;
    standard deviations, see ``docs/fitting.md``."""

    CHECKS: ClassVar[tuple[str, ...]] = ("_check_path", "_check_format", "_check_spread")

    def __post_init__(self) -> None:
        run_checks(self)

    def _check_path(self) -> None:
        check_template("path", self.path, needed=set())

    def _check_format(self) -> None:
        if (self.format in ("rig", "crops")) == bool(self.path):
            raise ValueError(f"format {self.format} of cameras {'has no file' if self.path else 'needs a path'}")
        if (self.format == "rig") != (self.rig is not None):
            raise ValueError("rig and format: rig belong together")

    def _check_spread(self) -> None:
        if self.spread and self.rig is None:
            raise ValueError("spread is that of a rig, and there is none")


@dataclass(frozen=True, slots=True, kw_only=True)
class WornFiles:
    """Clothes and bags that are known of some walks, drawn where bodies are rendered; see ``docs/synth.md``."""

    path: str
    """File below the root; walks without wear nothing."""

    def __post_init__(self) -> None:
        check_template("path", self.path, needed=set())


@dataclass(frozen=True, slots=True)
class Source:
    """What the files are and how they are sampled in time."""

    fps: float | Literal["file"]
    """Frames of the walk per second, before thinning; ``file``: what files of each walk say (BVH, C3D, ``smpl``)."""
    format: Literal["asf_amc"] | None = None
    """Of the one file that ``layout: pattern`` names; leave it out where kinds have blocks of their own."""
    skeleton: str = ""
    """Path of the skeleton file below the root; may use ``{subject}``."""
    joint_map: str = ""
    """Name of the map to SMPL's joints, a file in ``manifests/skeletons/``."""
    keep_every: int = 1
    """Thinning: every n-th frame is used; frames keep their source ids."""
    target_fps: float = 0.0
    """Thinning in place of ``keep_every``: in each walk every n-th frame is used, n being the whole number that comes
    nearest to this rate. Nothing is interpolated, so that 100 a second becomes 33.3 where 30 are wanted."""
    min_seconds: float = 1.5
    """Least duration of a usable capture: one gait cycle (two steps) of a slow walker at 80 steps a minute."""
    mocap: Mocap | None = None
    """Motion capture: joints or markers."""
    joints3d: Joints3D | None = None
    """3D joints of an estimator."""
    keypoints2d: Keypoints2D | None = None
    """2D keypoints of a detector."""
    silhouettes: Silhouettes | None = None
    """Masks."""
    smpl: Smpl | None = None
    """Somebody's SMPL parameters."""
    cameras: Cameras | None = None
    """What is known of the cameras."""
    also: dict[str, Also] = field(default_factory=dict)
    """Further modalities by the names that they have in shards."""
    worn: WornFiles | None = None
    """What people wear and carry, in the rest pose of their own bodies: with ``smpl`` only."""
    tolerance_s: float = 0.0
    """Files named by time: most seconds between two frames of one moment."""
    clocks: dict[str, Clock] = field(default_factory=dict)
    """Clocks of sensors whose moments are no frames of the walk, such as a LiDAR's."""

    CHECKS: ClassVar[tuple[str, ...]] = (
        "_check_names",
        "_check_numbers",
        "_check_kinds",
        "_check_rate",
        "_check_cameras",
        "_check_worn",
        "_check_clocks",
        "_check_tolerance",
    )

    def __post_init__(self) -> None:
        run_checks(self)

    def _check_names(self) -> None:
        bad = [name for name in self.also if not re.fullmatch("[a-z][a-z0-9_]*", name)]
        if bad:
            raise ValueError(f"also: {bad[0]!r} is not a name of small letters, digits and _")
        check_template("skeleton", self.skeleton, needed=set(), known={"subject"})

    def _check_numbers(self) -> None:
        if (self.fps != "file" and self.fps <= 0) or self.keep_every < 1:
            raise ValueError(f"fps={self.fps} must be positive and keep_every={self.keep_every} at least 1")
        if self.target_fps < 0 or (self.target_fps and self.keep_every > 1):
            raise ValueError(f"target_fps={self.target_fps:g} must be positive, and stands in place of keep_every")
        if self.min_seconds < 0:
            raise ValueError(f"min_seconds={self.min_seconds} must not be negative")

    def _check_kinds(self) -> None:
        kinds = self.kinds()
        if self.format is None and not kinds:
            raise ValueError(f"names no files: give a format, or one of {', '.join(KINDS)}")
        if self.format is not None and kinds:
            raise ValueError(f"format {self.format} and blocks of kinds ({', '.join(kinds)}): give one or the other")
        if self.format is not None and not (self.skeleton and self.joint_map):
            raise ValueError(f"format {self.format} needs skeleton and joint_map")
        if self.mocap and self.joints3d and self.mocap.format != "c3d":
            raise ValueError(
                f"mocap of format {self.mocap.format} and joints3d both give 3D joints: a walk has one set of them"
            )

    def _check_rate(self) -> None:
        told = self.smpl is not None or (self.mocap is not None and self.mocap.format != "asf_amc")
        if self.fps == "file" and not told:
            raise ValueError("fps: file needs files that say their rate: smpl, or mocap of format bvh or c3d")

    def _check_cameras(self) -> None:
        seen_by_cameras = self.keypoints2d or self.silhouettes
        if self.cameras is not None and not seen_by_cameras:
            raise ValueError("cameras without keypoints2d or silhouettes: nothing was seen by them")

    def _check_worn(self) -> None:
        if self.worn is not None and self.smpl is None:
            raise ValueError("worn without smpl: clothes are made for the shape of a body, which is then not known")

    def _check_clocks(self) -> None:
        named = {f"also: {name}: clock": block.clock for name, block in self.also.items()}
        named |= {f"clocks: {name}: within": clock.within for name, clock in self.clocks.items()}
        for place, clock in named.items():
            if clock and (clock not in self.clocks or place == f"clocks: {clock}: within"):
                others = ", ".join(self.clocks) or "none"
                raise ValueError(f"{place}: {clock!r} is not another one of clocks ({others})")

    def _check_tolerance(self) -> None:
        timed = [name for name, block in self.blocks().items() if block.times is not None]
        if bool(timed) != (self.tolerance_s > 0):
            raise ValueError(
                f"tolerance_s={self.tolerance_s:g} belongs to blocks with times, and must be positive there"
            )
        if timed and (self.fps == "file" or not set(timed) & set(self.kinds())):
            raise ValueError("times needs fps in numbers, and a kind that is of the walk's own clock")

    def kinds(self) -> dict[str, Files]:
        """Blocks of kinds by name."""
        return {name: block for name in KINDS if (block := getattr(self, name)) is not None}

    def blocks(self) -> dict[str, Files]:
        """All blocks that name files of frames, by where they stand in the source, e.g. ``also.depth``."""
        return self.kinds() | {f"also.{name}": block for name, block in self.also.items()}

    def names(self) -> dict[str, str]:
        """Templates that are no paths, by where they stand in the source."""
        blocks = self.blocks()
        found = {f"{name}.file": block.file for name, block in blocks.items()}
        return found | {f"{name}.take": block.take for name, block in blocks.items()}

    def templates(self) -> dict[str, str]:
        """Paths of all blocks that lie somewhere, by where they stand in the source, e.g. ``smpl.path``."""
        blocks = self.blocks()
        found = {f"{name}.path": block.path for name, block in blocks.items()}
        found |= {f"{name}.frame_ids": block.frame_ids for name, block in blocks.items()}
        found["mocap.static"] = self.mocap.static if self.mocap else ""
        found["worn.path"] = self.worn.path if self.worn else ""
        found["cameras.path"] = self.cameras.path if self.cameras else ""
        return {place: path for place, path in found.items() if path}

    def skeleton_path(self, subject: str) -> str:
        """Path below the root of a subject's skeleton file; empty where there is none."""
        template = self.skeleton or (self.mocap.skeleton if self.mocap else "")
        return template.format(subject=subject)

    @property
    def joint_map_name(self) -> str:
        """Map of the 3D joints to SMPL's; empty where no joints come through a map."""
        if self.joint_map:
            return self.joint_map
        block = self.mocap if self.mocap and self.mocap.joint_map else self.joints3d
        return block.joint_map if block else ""

    def thinning(self, fps: float) -> int:
        """Which every n-th frame of a walk of a rate is used.

        >>> [Source(fps="file", target_fps=30, smpl=Smpl(path="x")).thinning(fps) for fps in (120, 100, 59.94, 25)]
        [4, 3, 2, 1]
        """
        return max(1, round(fps / self.target_fps)) if self.target_fps else self.keep_every

    @property
    def working_fps(self) -> float:
        """Frames per second after thinning; what is wanted, or 0, where the files of each walk say it."""
        if self.fps == "file":
            return self.target_fps
        return self.fps / self.thinning(self.fps)


KINDS = ("mocap", "joints3d", "keypoints2d", "silhouettes", "smpl")
"""Blocks of a source that name files of observations."""
