"""Manifests: one YAML describes a dataset; read strictly, so that a misspelt key is an error and not a default."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.manifest_fit import FitSection
from meshgait_data.manifest_rigs import CameraRing, RandomViews, Rig, ViewChange
from meshgait_data.manifest_source import Source
from meshgait_data.strict import build, to_plain
from meshgait_data.templates import check_template, template_regex
from meshgait_data.yaml_files import read_yaml

__all__ = [
    "SCHEMA",
    "CameraRing",
    "FitSection",
    "JointMap",
    "Layout",
    "Licence",
    "Manifest",
    "MappedJoint",
    "Protocol",
    "RandomViews",
    "Rig",
    "Source",
    "Split",
    "ViewChange",
    "dump_yaml",
    "load_joint_map",
    "load_manifest",
    "load_rig",
]

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
    view: str = r"[^/]+"
    """Regular expression of a view, where paths of the source name one."""

    def __post_init__(self) -> None:
        check_template("pattern", self.pattern, needed={"subject", "condition"}, known={"subject", "condition"})
        try:
            self.regex()
            re.compile(self.view)
        except re.error as error:
            raise ValueError(f"subject, condition or view is not a regular expression: {error}") from error

    def regex(self) -> re.Pattern[str]:
        """Expression whose groups ``subject`` and ``condition`` a full match of a path below the root names."""
        return template_regex(self.pattern, {"subject": self.subject, "condition": self.condition})

    def path(self, subject: str, condition: str) -> str:
        """Path below the root of one capture."""
        return self.pattern.format(subject=subject, condition=condition)


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
    fit: FitSection = field(default_factory=FitSection)

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
    """Read a dataset manifest by its shipped name (``cmu_walk``) or by path; cameras may be the name of a rig.

    Raises
    ------
    UsageError
        Where there is neither.
    ManifestError
        Where the YAML is not a manifest.
    """
    data, where = read_yaml(name_or_path, "datasets")
    _name_rig(data, "cameras")
    source = data.get("source") if isinstance(data, dict) else None
    _name_rig(source.get("cameras") if isinstance(source, dict) else None, "rig")
    return build(Manifest, data, where)


def _name_rig(data: Any, key: str) -> None:
    """Put the cameras of a rig in the place of its name."""
    if isinstance(data, dict) and isinstance(data.get(key), str):
        data[key] = to_plain(load_rig(data[key]).cameras)


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
