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
from meshgait_data.errors import EnvironmentLacks
from meshgait_data.export.pickled import pickled
from meshgait_data.manifest import Licence, Manifest, Protocol, Split, load_manifest
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
BESIDE = frozenset({STATE, FACTS, PARTITION, CONFIG, TREE_FINDINGS, TREE_MARKERS})
"""Files at the root of a tree that are not part of it."""

BETAS = "betas"
"""Modality (F, B): the shape of the body, the same in each frame; shards keep it once a sequence."""
GROUPS: Mapping[str, tuple[str, ...]] = {"smpl": ("global_orient", "body_pose", "transl", BETAS)}
"""Short names of several fields."""
_CUT = "BaseSilCuttingTransform"
"""OpenGait's transform that cuts silhouettes to the width of networks and divides them by 255."""

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

    def __post_init__(self) -> None:
        if self.fps <= 0:
            raise ValueError(f"fps={self.fps} must be positive")

    @classmethod
    def of_manifest(cls, manifest: Manifest) -> Self:
        """What a manifest says."""
        return cls(
            name=manifest.name,
            title=manifest.title,
            homepage=manifest.homepage,
            citation=manifest.citation,
            licence=manifest.licence,
            split=manifest.split,
            protocol=manifest.protocol,
            fps=manifest.source.working_fps,
            same_person=manifest.same_person,
            manifest_sha256=manifest.sha256(),
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


def load_facts(name_or_path: str) -> TreeFacts:
    """Read facts from a manifest, shipped or the user's, or from a YAML with the fields of :class:`TreeFacts` alone.

    Raises
    ------
    UsageError
        Where there is no such file.
    ManifestError
        Where it is neither.
    """
    data, where = read_yaml(name_or_path, "datasets")
    if isinstance(data, dict) and ("layout" in data or "source" in data):
        return TreeFacts.of_manifest(load_manifest(name_or_path))
    return build(TreeFacts, data, where)


def expand(fields: Sequence[str]) -> tuple[str, ...]:
    """Names of modalities, each once and silhouettes first: ``smpl`` stands for four.

    >>> expand(["joints", "smpl"])
    ('silhouettes', 'joints', 'global_orient', 'body_pose', 'transl', 'betas')
    """
    names = [name for field in fields for name in GROUPS.get(field, (field,))]
    first = [name for name in names if name.startswith("silhouettes")] or ["silhouettes"]
    return tuple(dict.fromkeys(first + names))


def file_names(fields: Sequence[str]) -> tuple[str, ...]:
    """Names of the files of a leaf, whose order is that of the fields.

    >>> file_names(["silhouettes", "joints"])
    ('0_silhouettes.pkl', '1_joints.pkl')
    """
    digits = len(str(len(fields) - 1))
    return tuple(f"{number:0{digits}d}_{field}.pkl" for number, field in enumerate(fields))


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

    ``PROBE_SET`` and ``GALLERY_SET`` hold ``subject-condition-view``, as the JSON of Gait3D does.
    """
    subjects = sorted({key.subject for key in keys})
    tested = sorted(key for key in keys if facts.side(key.subject) == "test")
    galleries = [key for key in tested if _walk(key) in facts.protocol.gallery]
    enrolled = {facts.identity(key.subject) for key in galleries}
    rest = [key for key in tested if _walk(key) not in facts.protocol.gallery]
    if facts.protocol.probe == "rest":
        probes = [key for key in rest if facts.identity(key.subject) in enrolled]
    else:
        probes = [key for key in rest if _walk(key) in facts.protocol.probe]
    return {
        "TRAIN_SET": [subject for subject in subjects if facts.side(subject) == "train"],
        "TEST_SET": [subject for subject in subjects if facts.side(subject) == "test"],
        "PROBE_SET": [joined(key) for key in probes],
        "GALLERY_SET": [joined(key) for key in galleries],
    }


def _walk(key: SequenceKey) -> str:
    return f"{key.subject}/{key.condition}"


def joined(key: SequenceKey) -> str:
    """Name of a sequence in ``PROBE_SET``."""
    return f"{key.subject}-{key.condition}-{key.view}"


def config(root: Path, facts: TreeFacts, fields: Sequence[str]) -> str:
    """YAML fragment for a config of OpenGait that trains on the silhouettes of this tree."""
    place = root.resolve()
    data = {
        "dataset_name": facts.name,
        "dataset_root": str(place),
        "dataset_partition": str(place / PARTITION),
        "data_in_use": [number == 0 for number in range(len(fields))],
        "num_workers": 1,
        "remove_no_gallery": False,
        "test_dataset_name": facts.name,
    }
    keys = {"data_cfg": data, **{name: {"transform": [{"type": _CUT}]} for name in ("trainer_cfg", "evaluator_cfg")}}
    listed = "".join(f"#   {name}\n" for name in file_names(fields))
    return (
        "# Merge into a config of OpenGait. data_in_use says which of these files are read, one transform each:\n"
        f"{listed}"
        "# test_dataset_name chooses how OpenGait's evaluator scores: name the set whose protocol this one follows.\n"
        f"{yaml.safe_dump(keys, sort_keys=False, width=110)}"
    )


def write_beside(root: Path, facts: TreeFacts, keys: Sequence[SequenceKey], fields: Sequence[str]) -> None:
    """Write partition, config and facts of a tree; raises EnvironmentLacks."""
    write_text(root / PARTITION, json.dumps(partition(facts, keys), indent=1) + "\n")
    write_text(root / CONFIG, config(root, facts, fields))
    write_text(root / FACTS, yaml.safe_dump(to_plain(facts), sort_keys=False, allow_unicode=True, width=110))
