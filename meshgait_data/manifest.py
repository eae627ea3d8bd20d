"""Manifests: one YAML describes a dataset; read strictly, so that a misspelt key is an error and not a default."""

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import ManifestError, UsageError
from meshgait_data.strict import build, to_plain

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

    def __post_init__(self) -> None:
        if self.fps <= 0 or self.keep_every < 1:
            raise ValueError(f"fps={self.fps} must be positive and keep_every={self.keep_every} at least 1")


@dataclass(frozen=True, slots=True)
class CameraRing:
    """Virtual cameras on a circle around the middle of the walk, for captures that no camera saw.

    Azimuth 0 looks at the walker's front, 90 at the left side, 180 at the back.
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
    image_size: tuple[int, int]
    """Width and height in pixels."""


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


def load_manifest(name_or_path: str) -> Manifest:
    """Read a dataset manifest by its shipped name (``cmu_walk``) or by path.

    Raises
    ------
    UsageError
        Where there is neither.
    ManifestError
        Where the YAML is not a manifest.
    """
    data, where = read_yaml(name_or_path, "datasets")
    return build(Manifest, data, where)


def load_joint_map(name_or_path: str) -> JointMap:
    """Read a joint map from ``manifests/skeletons/`` or by path; raises like :func:`load_manifest`."""
    data, where = read_yaml(name_or_path, "skeletons")
    return build(JointMap, data, where)


def read_yaml(name_or_path: str, folder: str) -> tuple[Any, str]:
    """Plain data and display name of a YAML file, shipped (by name) or the user's (by path)."""
    shipped = files("meshgait_data.manifests") / folder
    names = sorted(item.name.removesuffix(".yaml") for item in shipped.iterdir() if item.name.endswith(".yaml"))
    if name_or_path in names:
        text, where = (shipped / f"{name_or_path}.yaml").read_text(encoding="utf-8"), f"{name_or_path}.yaml"
    elif Path(name_or_path).is_file():
        text, where = Path(name_or_path).read_text(encoding="utf-8"), name_or_path
    else:
        raise UsageError(
            f"no file and no shipped name {name_or_path!r} among {folder}",
            hint=f"give the path of a .yaml file or one of: {', '.join(names)}",
        )
    try:
        return yaml.safe_load(text), where
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}:{mark.line + 1}" if mark else where
        raise ManifestError(f"not valid YAML: {getattr(error, 'problem', error)}", where=place) from error


def dump_yaml(value: Any) -> str:
    """YAML text of a manifest, map or config; reading it gives the same value back."""
    return yaml.safe_dump(to_plain(value), sort_keys=False, allow_unicode=True, width=110)
