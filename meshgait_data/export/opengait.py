"""The tree of pickles that OpenGait trains from: its names, its leaves, and the files beside them.

``<subject>/<condition>/<view>/`` holds one pickled array a modality, frames first, all of the same length; OpenGait
takes them in the order of their names. A JSON names the people to train and to test on.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml
from numpy.typing import NDArray

from meshgait_data.atomic import new_folder, write_text
from meshgait_data.errors import EnvironmentLacks, UsageError
from meshgait_data.export.opengait_config import TreeUsage, opengait_config
from meshgait_data.export.pickled import pickled
from meshgait_data.manifest import (
    SCHEMA,
    Layout,
    Licence,
    Manifest,
    Protocol,
    Source,
    Split,
    dump_yaml,
    load_manifest,
    load_rig,
)
from meshgait_data.manifest_roles import roles
from meshgait_data.manifest_source import Silhouettes
from meshgait_data.shards.dataset import BodyInfo, DatasetInfo, JointSet, MarkersInfo
from meshgait_data.shards.records import SequenceRecord, Side
from meshgait_data.strict import build, to_plain
from meshgait_data.types import SequenceKey
from meshgait_data.yaml_files import read_yaml

STATE = "meshgait.json"
"""What the tree was written from; only trees that we wrote have it."""
FACTS = "dataset.yaml"
"""What the files of the tree do not say, see :class:`TreeFacts`."""
PARTITION = "partition.json"
CONFIG = "opengait.yaml"
TREE_FINDINGS = "findings.jsonl"
TREE_MARKERS = "markers.npz"
MANIFEST = "manifest.yaml"
"""By which ``mgdata index`` reads the tree."""
BESIDE = frozenset({STATE, FACTS, PARTITION, CONFIG, MANIFEST, TREE_FINDINGS, TREE_MARKERS})
"""Files at the root of a tree that are not part of it."""

FRAME_IDS = "frame_ids"
"""Modality (F,) that every tree of ours has: the ids that the frames have in the source."""
BETAS = "betas"
"""Modality (F, B): the shape of the body, the same in each frame; shards keep it once a sequence."""
_RIG = "casia_b"
"""Virtual cameras of the manifest of a tree, which nothing asks for unless fits to it are rendered."""
GROUPS: Mapping[str, tuple[str, ...]] = {"smpl": ("global_orient", "body_pose", "transl", BETAS)}
"""Short names of several fields."""
LEFTOVER = re.compile(r"\..+\.\w+\.tmp")
"""Names of leaves that a killed run left half-written."""


@dataclass(frozen=True, slots=True)
class TreeFacts:
    """What the files of a tree do not say: a manifest without its source, and what labels are labels of."""

    name: str
    title: str
    homepage: str
    citation: str
    licence: Licence
    split: Split
    protocol: Protocol
    fps: float
    """Frames per second; a tree has one figure for all of its sequences."""
    same_person: tuple[tuple[str, ...], ...] = ()
    """Subjects that are, or may be, one person; the first of each group names the identity."""
    manifest_sha256: str = ""
    """Of the manifest that the dataset was packed by."""
    body: BodyInfo | None = None
    markers: MarkersInfo | None = None
    joint_set: JointSet = field(default_factory=JointSet)
    protocols: dict[str, Protocol] = field(default_factory=dict)
    """Further ways to score, by name."""

    def __post_init__(self) -> None:
        if self.fps <= 0:
            raise ValueError(f"fps={self.fps} must be positive")

    @classmethod
    def of_manifest(cls, manifest: Manifest) -> Self:
        """What a manifest says; raises UsageError where it says no frame rate, which trees have no files for."""
        fps = manifest.source.working_fps
        if not fps:
            hint = "give source: fps in frames per second"
            raise UsageError("a tree's files do not say their frame rate", where=manifest.name, hint=hint)
        return cls(
            name=manifest.name,
            title=manifest.title,
            homepage=manifest.homepage,
            citation=manifest.citation,
            licence=manifest.licence,
            split=manifest.split,
            protocol=manifest.protocol,
            fps=fps,
            same_person=manifest.same_person,
            manifest_sha256=manifest.sha256(),
            protocols=dict(manifest.protocols),
        )

    @classmethod
    def of_shards(cls, info: DatasetInfo, records: Iterable[SequenceRecord]) -> Self:
        """What a packed dataset says; of several frame rates the one that most sequences have."""
        groups: dict[str, set[str]] = {}
        rates: Counter[float] = Counter()
        for record in records:
            groups.setdefault(record.identity, {record.identity}).add(record.key.subject)
            rates[record.fps] += 1
        same = [(name, *sorted(members - {name})) for name, members in sorted(groups.items()) if len(members) > 1]
        return cls(
            name=info.name,
            title=info.title,
            homepage=info.homepage,
            citation=info.citation,
            licence=info.licence,
            split=info.split,
            protocol=info.protocol,
            fps=rates.most_common(1)[0][0],
            same_person=tuple(same),
            manifest_sha256=info.manifest_sha256,
            body=info.body,
            markers=info.markers,
            joint_set=info.joint_set,
            protocols=dict(info.protocols),
        )

    def identity(self, subject: str) -> str:
        """Person as the protocol counts them."""
        return next((group[0] for group in self.same_person if subject in group), subject)

    def side(self, subject: str) -> Side:
        """Side of the split that a subject is on."""
        identity = self.identity(subject)
        if identity in self.split.train:
            return "train"
        return "test" if identity in self.split.test else "unused"

    def sha256(self) -> str:
        """Hash over the manifest, or over these facts where there was none."""
        text = json.dumps(to_plain(self), sort_keys=True)
        return self.manifest_sha256 or hashlib.sha256(text.encode()).hexdigest()


def load_facts(name_or_path: str, root: Path | None = None) -> TreeFacts:
    """Read facts from a manifest, shipped or the user's, or from a YAML with the fields of :class:`TreeFacts` alone.

    Parameters
    ----------
    name_or_path
        Of the manifest, or path of the YAML.
    root
        Folder of the tree, below which a manifest's partition file may lie; None where none is to be read.

    Raises
    ------
    UsageError
        Where there is no such file.
    ManifestError
        Where it is neither.
    InvalidData
        Where a partition file is not the one that the manifest means.
    """
    data, where = read_yaml(name_or_path, "datasets")
    if isinstance(data, dict) and ("layout" in data or "source" in data):
        manifest = load_manifest(name_or_path)
        return TreeFacts.of_manifest(manifest if root is None else manifest.resolved(root))
    return build(TreeFacts, data, where)


def expand(fields: Sequence[str]) -> tuple[str, ...]:
    """Names of modalities, each once, silhouettes first and frame ids among them: ``smpl`` stands for four.

    >>> expand(["joints", "smpl"])
    ('silhouettes', 'joints', 'global_orient', 'body_pose', 'transl', 'betas', 'frame_ids')
    """
    names = [name for field in fields for name in GROUPS.get(field, (field,))]
    first = [name for name in names if name.startswith("silhouettes")] or ["silhouettes"]
    return tuple(dict.fromkeys([*first, *names, FRAME_IDS]))


def file_names(fields: Sequence[str]) -> tuple[str, ...]:
    """Names of the files of a leaf, whose order is that of the fields.

    >>> file_names(["silhouettes", "joints"])
    ('00_silhouettes.pkl', '01_joints.pkl')
    """
    return tuple(f"{number:02d}_{field}.pkl" for number, field in enumerate(fields))


def leaf(root: Path, key: SequenceKey) -> Path:
    """Folder of a sequence."""
    return root / key.subject / key.condition / key.view


def has_leaf(root: Path, key: SequenceKey, fields: Sequence[str]) -> bool:
    """Whether a sequence is there already with these files and no others."""
    folder = leaf(root, key)
    return folder.is_dir() and sorted(path.name for path in folder.iterdir()) == sorted(file_names(fields))


def write_leaf(root: Path, key: SequenceKey, modalities: Mapping[str, NDArray[Any]]) -> None:
    """Write the files of one sequence, all or none.

    Parameters
    ----------
    modalities
        Field to (F, ...), in the order that they are to have.

    Raises
    ------
    EnvironmentLacks
        Where there is no space or no right to write.
    """
    folder = leaf(root, key)
    try:
        with new_folder(folder) as temporary:
            for name, array in zip(file_names(tuple(modalities)), modalities.values(), strict=True):
                (temporary / name).write_bytes(pickled(array))
    except OSError as error:
        hint = "free some space or choose another folder"
        raise EnvironmentLacks(f"cannot write: {error.strerror or error}", where=str(folder), hint=hint) from error


def partition(facts: TreeFacts, keys: Sequence[SequenceKey]) -> dict[str, list[str]]:
    """OpenGait's partition of exactly these sequences.

    ``PROBE_SET`` and ``GALLERY_SET`` hold ``subject-condition-view``, as the JSON of Gait3D does: those that any group
    of the protocol's probes names.

    Raises
    ------
    InvalidData
        Where the protocol makes one sequence gallery and probe at once.
    """
    subjects = sorted({key.subject for key in keys})
    tested = sorted(key for key in keys if facts.side(key.subject) == "test")
    groups = roles(facts.protocol, tested, [facts.identity(key.subject) for key in tested]).values()
    return {
        "TRAIN_SET": [subject for subject in subjects if facts.side(subject) == "train"],
        "TEST_SET": [subject for subject in subjects if facts.side(subject) == "test"],
        "PROBE_SET": [joined(key) for number, key in enumerate(tested) if any(group.probe[number] for group in groups)],
        "GALLERY_SET": [
            joined(key) for number, key in enumerate(tested) if any(group.gallery[number] for group in groups)
        ],
    }


def joined(key: SequenceKey) -> str:
    """Name of a sequence in ``PROBE_SET``."""
    return f"{key.subject}-{key.condition}-{key.view}"


def tree_manifest(facts: TreeFacts, fields: Sequence[str]) -> Manifest:
    """Manifest of a tree of ours: its silhouettes, under the ids that their frames have in the source."""
    files = dict(zip(fields, file_names(fields), strict=True))
    block = Silhouettes(
        path="{folder}/" + files[fields[0]], format="opengait", frame_ids="{folder}/" + files[FRAME_IDS]
    )
    return Manifest(
        schema=SCHEMA,
        name=facts.name,
        title=facts.title,
        homepage=facts.homepage,
        citation=facts.citation,
        licence=facts.licence,
        layout=Layout(pattern="{subject}/{condition}/{view}", captures="each"),
        source=Source(fps=facts.fps, min_seconds=0, silhouettes=block),
        cameras=load_rig(_RIG).cameras,
        split=facts.split,
        protocol=facts.protocol,
        protocols=facts.protocols,
        same_person=facts.same_person,
        description="Written by mgdata export: aligned silhouettes only; mgdata convert reads the other files too.",
    )


def write_beside(
    root: Path, facts: TreeFacts, keys: Sequence[SequenceKey], fields: Sequence[str], usage: TreeUsage | None = None
) -> None:
    """Write partition, config, manifest and facts; raises EnvironmentLacks, and InvalidData as :func:`partition`."""
    listed = partition(facts, keys)
    config = opengait_config(
        facts.name,
        facts.protocol,
        root.resolve(),
        partition=PARTITION,
        files=file_names(fields),
        people=len(listed["TRAIN_SET"]),
        usage=usage,
    )
    write_text(root / PARTITION, json.dumps(listed, indent=1) + "\n")
    write_text(root / CONFIG, config)
    write_text(root / MANIFEST, dump_yaml(tree_manifest(facts, fields)))
    write_text(root / FACTS, yaml.safe_dump(to_plain(facts), sort_keys=False, allow_unicode=True, width=110))
