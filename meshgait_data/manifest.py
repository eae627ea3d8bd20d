"""Manifests: one YAML describes a dataset; read strictly, so that a misspelt key is an error and not a default."""

import fnmatch
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml

from meshgait_data.errors import InvalidData, ManifestError, MeshgaitError, Problem, UsageError
from meshgait_data.manifest_fit import FitSection
from meshgait_data.manifest_joints import JointMap, MappedJoint
from meshgait_data.manifest_layout import Counted, Layout
from meshgait_data.manifest_partition import resolved_split
from meshgait_data.manifest_paths import FOLDER, Paths, over_parts
from meshgait_data.manifest_protocol import Protocol
from meshgait_data.manifest_rigs import CameraRing, RandomViews, Rig, ViewChange
from meshgait_data.manifest_source import Source
from meshgait_data.manifest_split import Partition, Split
from meshgait_data.manifest_terms import Expected, Licence
from meshgait_data.shipped import ASSETS
from meshgait_data.strict import build, error_of, run_checks, to_plain
from meshgait_data.templates import check_names
from meshgait_data.types import CaptureKey, SequenceKey
from meshgait_data.yaml_files import read_yaml

__all__ = [
    "SCHEMA",
    "CameraRing",
    "Counted",
    "Expected",
    "FitSection",
    "JointMap",
    "Layout",
    "Licence",
    "Manifest",
    "MappedJoint",
    "Partition",
    "Paths",
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
    "manifest_of",
]

SCHEMA = 1
"""Version of the manifest schema that this code reads."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything about a dataset that is not in its files."""

    schema: int
    """Version of this language: 1."""
    name: str
    """First word of every key."""
    title: str
    """Name for people."""
    homepage: str
    """Where the dataset is described."""
    citation: str
    """What publications cite."""
    licence: Licence
    """What may be done with it."""
    layout: Layout
    """Where sequences lie, and what their paths say."""
    source: Source
    """What the files hold."""
    cameras: Annotated[CameraRing, "Name of a rig that ships, such as casia_b, or path of one."]
    """Virtual cameras, for walks that no camera saw."""
    split: Split
    """Who is trained on and who is tested on."""
    protocol: Protocol = field(default_factory=Protocol)
    """How recognition is scored during training and by default."""
    protocols: dict[str, Protocol] = field(default_factory=dict)
    """Published ways to score by name."""
    further_layouts: tuple[Layout, ...] = ()
    """Other places of the same root where sequences lie; a path is of the first layout that it matches."""
    expected: Expected = field(default_factory=Expected)
    """What the complete dataset holds."""
    defects: tuple[str, ...] = ()
    """What is known to be wrong with the dataset, a sentence each."""
    description: str = ""
    """What it is, in a few sentences."""
    root: str = ""
    """Default folder; ``package:NAME`` is data that ships with meshgait."""
    aligned_size: int = 64
    """Side of the aligned silhouettes in pixels."""
    same_person: tuple[tuple[str, ...], ...] = ()
    """Subjects that are, or may be, one person; the first of each group names the identity."""
    fit: FitSection = field(default_factory=FitSection)
    """Settings of the fit that this dataset wants otherwise."""

    CHECKS: ClassVar[tuple[str, ...]] = ("_check_schema", "_check_people", "_check_paths", "_check_names")

    def __post_init__(self) -> None:
        run_checks(self)

    def _check_schema(self) -> None:
        if self.schema != SCHEMA:
            raise ValueError(f"schema {self.schema} is not {SCHEMA}, the version that this meshgait reads")

    def _check_people(self) -> None:
        for group in self.same_person:
            sides = {side for side in ("train", "test") for s in group if s in getattr(self.split, side)}
            if len(sides) > 1:
                raise ValueError(f"subjects {list(group)} may be one person but stand on both sides of the split")

    def _check_paths(self) -> None:
        for layout in self.layouts:
            _check_templates(self.source.templates(), layout.known_parts | {FOLDER})

    def _check_names(self) -> None:
        for layout in self.layouts:
            _check_templates(self.source.names(), layout.known_parts | {"frame"})

    def identity(self, subject: str) -> str:
        """Person as the protocol counts them."""
        return next((group[0] for group in self.same_person if subject in group), subject)

    def side(self, subject: str) -> Literal["train", "test", "unused"]:
        """Side of the split that a subject is on."""
        identity = self.identity(subject)
        if identity in self.split.train:
            return "train"
        return "test" if identity in self.split.test else "unused"

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """All layouts, in the order in which they claim paths and keys."""
        return (self.layout, *self.further_layouts)

    def layout_of(self, key: SequenceKey | CaptureKey) -> Layout:
        """The first layout that makes such keys.

        Raises
        ------
        UsageError
            Where none does.
        """
        return self._parts_of(key)[0]

    def _parts_of(self, key: SequenceKey | CaptureKey) -> tuple[Layout, dict[str, str]]:
        for layout in self.layouts:
            parts = layout.parts_of(key)
            if parts is not None:
                return layout, parts
        patterns = ", ".join(layout.pattern for layout in self.layouts)
        raise UsageError(f"{key} is no key of {self.name}", hint=f"its layout is {patterns}")

    def capture(self, key: SequenceKey) -> CaptureKey:
        """The walk that a sequence is a view of."""
        for layout in self.layouts if self.further_layouts else ():
            if layout.parts_of(key) is not None:
                return layout.capture(key)
        return self.layout.capture(key)

    def paths_of(self, key: SequenceKey | CaptureKey, template: str = "{folder}") -> Paths:
        """Where the files of a walk, or of one view of it, lie by a template of the source or by the layout itself.

        Raises
        ------
        UsageError
            Where no layout makes such keys.
        """
        layout, parts = self._parts_of(key)
        return Paths(layout, key, over_parts(template, layout), parts)

    def excluded(self, path: str) -> str:
        """Glob of a layout by which a path below the root is none of a sequence; empty where there is none."""
        patterns = (pattern for layout in self.layouts for pattern in layout.exclude)
        return next((pattern for pattern in patterns if fnmatch.fnmatchcase(path, pattern)), "")

    def resolved(self, root: Path) -> "Manifest":
        """The same with the lists of its partition file, which may lie below the root, in the split.

        Raises
        ------
        UsageError
            Where there is no such file.
        InvalidData
            Where it is not a partition, or another one than the manifest means.
        """
        partition = self.split.partition
        if partition is None:
            return self
        try:
            split = resolved_split(partition, root)
            lists = {"PROBE_SET": split.probe, "GALLERY_SET": split.gallery}
            protocols = {name: protocol.resolved(lists) for name, protocol in self.protocols.items()}
            return replace(self, split=split, protocol=self.protocol.resolved(lists), protocols=protocols)
        except ValueError as error:
            if isinstance(error, MeshgaitError):
                raise
            raise InvalidData(
                str(error), where=partition.path, hint="correct same_person or protocols, or take the right file"
            ) from error

    def default_root(self) -> Path | None:
        """Folder of the data that ships with meshgait, or None where the user must say."""
        if self.root.startswith("package:"):
            return ASSETS / self.root.removeprefix("package:")
        return Path(self.root).expanduser() if self.root else None

    def sha256(self) -> str:
        """Hash over the content, for provenance."""
        return hashlib.sha256(json.dumps(to_plain(self), sort_keys=True).encode()).hexdigest()


def _check_templates(templates: Mapping[str, str], known: set[str]) -> None:
    """Refuse names in braces that no layout knows; all of them at once."""
    problems = []
    for place, template in templates.items():
        try:
            check_names(place.rpartition(".")[2], template, needed=set(), known=known)
        except ValueError as error:
            problems.append(Problem(str(error), f"source.{place}"))
    if problems:
        raise ManifestError(problems[0].what, where=problems[0].path, problems=tuple(problems))


def load_manifest(name_or_path: str) -> Manifest:
    """Read a dataset manifest by its shipped name (``cmu_walk``) or by path; cameras may be the name of a rig.

    Raises
    ------
    UsageError
        Where there is neither.
    ManifestError
        Where the YAML is not a manifest.
    """
    return manifest_of(*read_yaml(name_or_path, "datasets"))


def manifest_of(data: Any, where: str) -> Manifest:
    """Build a manifest from the content of its YAML; raises ManifestError."""
    source = data.get("source") if isinstance(data, dict) else None
    named = {"cameras": (data, "cameras"), "source.cameras.rig": (_inner(source, "cameras"), "rig")}
    unknown = {path: error for path, (inner, key) in named.items() if (error := _name_rig(inner, key)) is not None}
    try:
        return build(Manifest, data, where)
    except ManifestError as error:
        if not unknown:
            raise
        # The name still stands in the place of the rig, so each has a problem.
        told = [
            replace(one, what=str(unknown[one.path]), hint=unknown[one.path].hint) if one.path in unknown else one
            for one in error.problems
        ]
        raise error_of(told, where) from error


def _inner(data: Any, key: str) -> Any:
    return data.get(key) if isinstance(data, dict) else None


def _name_rig(data: Any, key: str) -> MeshgaitError | None:
    """Put the cameras of a rig in the place of its name; gives what went wrong."""
    name = _inner(data, key)
    try:
        if isinstance(name, str):
            data[key] = to_plain(load_rig(name).cameras)
    except MeshgaitError as error:
        return error
    return None


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
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(to_plain(value), Dumper=dumper, sort_keys=False, allow_unicode=True, width=110))
