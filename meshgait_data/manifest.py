"""Manifests: one YAML describes a dataset; read strictly, so that a misspelt key is an error and not a default."""

import hashlib
import json
import re
import string
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.strict import build, to_plain
from meshgait_data.types import CameraModel
from meshgait_data.yaml_files import read_yaml

SCHEMA = 1
"""Version of the manifest schema that this code reads."""


@dataclass(frozen=True, slots=True)
class Licence:
    """What users may do with the data and with what is derived from it."""

    name: str
    summary: str
    """One sentence that cards and reports repeat."""
    acknowledgement: str = ""
    """Text that the owners ask publications to carry."""
    may_share_labels: bool = False
    """Whether packed labels and silhouettes may be given on."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How paths below the root name a capture."""

    pattern: str
    """Path with ``{subject}`` and ``{condition}``; a name that occurs twice must be the same text twice."""
    subject: str = r"[^/]+"
    """Regular expression of a subject."""
    condition: str = r"[^/]+"
    """Regular expression of a condition."""

    def __post_init__(self) -> None:
        _check_template("pattern", self.pattern, needed={"subject", "condition"}, known={"subject", "condition"})
        try:
            self.regex()
        except re.error as error:
            raise ValueError(f"subject or condition is not a regular expression: {error}") from error

    def regex(self) -> re.Pattern[str]:
        """Expression whose groups ``subject`` and ``condition`` a full match of a path below the root names."""
        parts, seen = [], set[str]()
        for literal, name in _template_parts(self.pattern):
            parts.append(re.escape(literal))
            if name:
                parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{getattr(self, name)})")
                seen.add(name)
        return re.compile("".join(parts))

    def path(self, subject: str, condition: str) -> str:
        """Path below the root of one capture."""
        return self.pattern.format(subject=subject, condition=condition)


@dataclass(frozen=True, slots=True)
class Source:
    """What the files are and how they are sampled in time."""

    format: Literal["asf_amc"]
    skeleton: str
    """Path of the skeleton file below the root; may use ``{subject}``."""
    joint_map: str
    """Name of the map to SMPL's joints, a file in ``manifests/skeletons/``."""
    fps: float
    """Frames per second of the files."""
    keep_every: int = 1
    """Thinning: every n-th frame is used; frames keep their source ids."""
    min_seconds: float = 1.5
    """Least duration of a usable capture: one gait cycle (two steps) of a slow walker at 80 steps a minute."""

    def __post_init__(self) -> None:
        _check_template("skeleton", self.skeleton, needed=set(), known={"subject"})
        if self.fps <= 0 or self.keep_every < 1:
            raise ValueError(f"fps={self.fps} must be positive and keep_every={self.keep_every} at least 1")
        if self.min_seconds < 0:
            raise ValueError(f"min_seconds={self.min_seconds} must not be negative")

    def skeleton_path(self, subject: str) -> str:
        """Path below the root of a subject's skeleton file."""
        return self.skeleton.format(subject=subject)

    @property
    def working_fps(self) -> float:
        """Frames per second after thinning."""
        return self.fps / self.keep_every


@dataclass(frozen=True, slots=True)
class ViewChange:
    """What one view of a ring has otherwise than the ring."""

    distance_m: float | None = None
    height_m: float | None = None
    target_m: float | None = None
    focal_px: float | None = None
    roll_deg: float = 0.0
    """Turn about the optical axis; positive turns the image against the clock."""


@dataclass(frozen=True, slots=True)
class RandomViews:
    """Ranges that every view of every capture draws from, evenly; by capture, view and seed, so always the same."""

    seed: int = 0
    azimuth_deg: tuple[float, float] = (0.0, 0.0)
    """Added to the azimuth of the view."""
    roll_deg: tuple[float, float] = (0.0, 0.0)
    """Added to the roll of the view."""
    distance_m: tuple[float, float] | None = None
    """Instead of the ring's, like the following ones."""
    height_m: tuple[float, float] | None = None
    focal_px: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("azimuth_deg", "roll_deg", "distance_m", "height_m", "focal_px"):
            low, high = getattr(self, name) or (0.0, 0.0)
            if low > high or (name in ("distance_m", "focal_px") and low < 0):
                raise ValueError(f"{name} from {low} to {high} is not a range")


@dataclass(frozen=True, slots=True)
class CameraRing:
    """Virtual cameras on a circle around the middle of the walk, for captures that no camera saw.

    Azimuth 0 looks at the walker's front, 90 at the left side, 180 at the back. The cameras stand still while the
    walker passes, so the angle between walker and camera drifts, as in the datasets.
    """

    azimuths_deg: dict[str, float]
    """View name to azimuth from the walking direction."""
    distance_m: float
    """Radius of the circle."""
    height_m: float
    """Height of the cameras above the lowest point of the walk."""
    target_m: float
    """Height of the point that they look at."""
    focal_px: float
    """Focal length. Weak-perspective and orthographic cameras get the scale that this lens has at the target."""
    image_size: tuple[int, int]
    """Width and height in pixels."""
    model: CameraModel = "perspective"
    distortion: tuple[float, ...] = ()
    """Coefficients of the lens in OpenCV's order; labels need a camera without."""
    views: dict[str, ViewChange] = field(default_factory=dict)
    """Views that differ from the ring, by name."""
    random: RandomViews | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.views) - set(self.azimuths_deg))
        if unknown:
            raise ValueError(f"views {unknown} have no azimuth in azimuths_deg")
        if min(self.distance_m, self.focal_px, *self.image_size) <= 0:
            raise ValueError("distance_m, focal_px and image_size must be positive")


@dataclass(frozen=True, slots=True)
class Rig:
    """A layout of cameras that any walk can be seen by."""

    title: str
    origin: str
    """Whose layout it is and which of its numbers are published."""
    cameras: CameraRing


@dataclass(frozen=True, slots=True)
class Split:
    """Identities to train on and to test on; they never overlap."""

    train: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        both = sorted(set(self.train) & set(self.test))
        if both:
            raise ValueError(f"identities {both} are both in train and in test")


@dataclass(frozen=True, slots=True)
class Protocol:
    """How recognition is scored on the test identities, as in CASIA-B: each probe view against each gallery view."""

    gallery: tuple[str, ...]
    """``subject/condition`` of the enrolled walks."""
    probe: Literal["rest"] | tuple[str, ...] = "rest"
    """``subject/condition`` of the walks to recognise; ``rest``: all other walks of enrolled test subjects."""
    exclude_identical_view: bool = True
    """Leave out probe view = gallery view."""
    ranks: tuple[int, ...] = (1, 5)

    def __post_init__(self) -> None:
        walks = self.gallery + (() if self.probe == "rest" else self.probe)
        bad = [walk for walk in walks if len(walk.split("/")) != 2]
        if bad:
            raise ValueError(f"{bad[0]!r} is not subject/condition")
        twice = sorted({walk for walk in walks if walks.count(walk) > 1})
        if twice:
            raise ValueError(f"walks {twice} are named twice, in the gallery or in gallery and probe")


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything about a dataset that is not in its files."""

    schema: int
    name: str
    """First word of every key."""
    title: str
    homepage: str
    citation: str
    licence: Licence
    layout: Layout
    source: Source
    cameras: CameraRing
    split: Split
    protocol: Protocol
    description: str = ""
    root: str = ""
    """Default folder; ``package:NAME`` is data that ships with meshgait."""
    aligned_size: int = 64
    """Side of the aligned silhouettes in pixels."""
    same_person: tuple[tuple[str, ...], ...] = ()
    """Subjects that are, or may be, one person; the first of each group names the identity."""

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise ValueError(f"schema {self.schema} is not {SCHEMA}, the version that this meshgait reads")
        for group in self.same_person:
            sides = {side for side in ("train", "test") for s in group if s in getattr(self.split, side)}
            if len(sides) > 1:
                raise ValueError(f"subjects {list(group)} may be one person but stand on both sides of the split")

    def identity(self, subject: str) -> str:
        """Person as the protocol counts them."""
        return next((group[0] for group in self.same_person if subject in group), subject)

    def side(self, subject: str) -> Literal["train", "test", "unused"]:
        """Side of the split that a subject is on."""
        identity = self.identity(subject)
        if identity in self.split.train:
            return "train"
        return "test" if identity in self.split.test else "unused"

    def default_root(self) -> Path | None:
        """Folder of the data that ships with meshgait, or None where the user must say."""
        if self.root.startswith("package:"):
            return Path(str(files("meshgait_data"))) / "assets" / self.root.removeprefix("package:")
        return Path(self.root).expanduser() if self.root else None

    def sha256(self) -> str:
        """Hash over the content, for provenance."""
        return hashlib.sha256(json.dumps(to_plain(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class MappedJoint:
    """One row of a joint map: an observed joint and the point of the body that it corresponds to."""

    observed: str
    """Name in the source's joint set."""
    body: str
    """SMPL joint that the point moves with."""
    weight: float = 1.0
    """Relative trust; 0 keeps the row for reports only."""
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Metres in the rest frame of the SMPL joint: where in the body the source's joint centre lies."""

    def __post_init__(self) -> None:
        if self.body not in SMPL_JOINTS:
            raise ValueError(f"body={self.body!r} is not one of SMPL's joints: {', '.join(SMPL_JOINTS)}")
        if self.weight < 0:
            raise ValueError(f"weight={self.weight} of {self.observed!r} is negative")


@dataclass(frozen=True, slots=True)
class JointMap:
    """Explicit correspondence between a source's joint set and SMPL's."""

    joint_set: str
    origin: str
    """Where the numbers come from."""
    joints: tuple[MappedJoint, ...]


def _template_parts(template: str) -> list[tuple[str, str]]:
    """Literal text and the name in braces that follows it ("" at the end)."""
    # A format spec or conversion stays part of the name, which then is not a known one.
    parts = string.Formatter().parse(template)
    return [(text, "" if name is None else f"{name}{spec}{conv or ''}") for text, name, spec, conv in parts]


def _check_template(field: str, template: str, *, needed: set[str], known: set[str]) -> None:
    """A path below the root with plain names in braces, or ValueError."""
    names = {name for _, name in _template_parts(template) if name}
    if names - known or needed - names or "{}" in template:
        words = " and ".join(f"{{{name}}}" for name in sorted(known))
        raise ValueError(f"{field}={template!r} must name {words}, and nothing else, in braces")
    if template.startswith("/") or ".." in template.split("/"):
        raise ValueError(f"{field}={template!r} must be a path below the root, without '..'")


def load_manifest(name_or_path: str) -> Manifest:
    """Read a dataset manifest by its shipped name (``cmu_walk``) or by path; ``cameras`` may be the name of a rig.

    Raises
    ------
    UsageError
        Where there is neither.
    ManifestError
        Where the YAML is not a manifest.
    """
    data, where = read_yaml(name_or_path, "datasets")
    if isinstance(data, dict) and isinstance(data.get("cameras"), str):
        data["cameras"] = to_plain(load_rig(data["cameras"]).cameras)
    return build(Manifest, data, where)


def load_rig(name_or_path: str) -> Rig:
    """Read cameras from ``manifests/rigs/`` or by path; raises like :func:`load_manifest`."""
    data, where = read_yaml(name_or_path, "rigs")
    return build(Rig, data, where)


def load_joint_map(name_or_path: str) -> JointMap:
    """Read a joint map from ``manifests/skeletons/`` or by path; raises like :func:`load_manifest`."""
    data, where = read_yaml(name_or_path, "skeletons")
    return build(JointMap, data, where)


def dump_yaml(value: Any) -> str:
    """YAML text of a manifest, map or config; reading it gives the same value back."""
    return yaml.safe_dump(to_plain(value), sort_keys=False, allow_unicode=True, width=110)
