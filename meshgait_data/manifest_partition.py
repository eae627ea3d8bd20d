"""OpenGait's JSON that names who is trained on and who is tested on: read, checked, put in the place of a split."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.manifest_split import Partition, Split

SETS = {"train": "TRAIN_SET", "test": "TEST_SET", "probe": "PROBE_SET", "gallery": "GALLERY_SET"}
"""Our names of the lists to those in the file."""


@dataclass(frozen=True, slots=True)
class PartitionFile:
    """What a partition file says; lists are in its order."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    probe: tuple[str, ...]
    """Sequences as ``subject-condition-view``."""
    gallery: tuple[str, ...]
    sha256: str
    """Hash over the content, whatever its order: of ``json.dumps({list: sorted names}, sort_keys=True)``."""

    def split(self, origin: str) -> Split:
        """The split that these lists make."""
        return Split(self.train, self.test, probe=self.probe, gallery=self.gallery, origin=origin)


def read_partition(path: Path) -> PartitionFile:
    """Read a partition file.

    Raises
    ------
    UsageError
        Where there is no such file.
    InvalidData
        Where it is not such a JSON, or names somebody twice.
    """
    hint = 'it should be {"TRAIN_SET": ["001", ...], "TEST_SET": ["075", ...]}'
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror}", where=str(path), hint="check that it is a file and its permissions"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"not a partition of OpenGait: {error}", where=str(path), hint=hint) from error
    if not isinstance(plain, dict) or not set(SETS.values()) & set(plain):
        raise InvalidData("not a partition of OpenGait: no TRAIN_SET and TEST_SET", where=str(path), hint=hint)
    for name, listed in plain.items():
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise InvalidData(f"not a partition of OpenGait: {name} must list texts", where=str(path), hint=hint)
        twice = [item for item, count in Counter(listed).items() if count > 1]
        if twice:
            raise InvalidData(f"{name} names {twice[0]!r} twice", where=str(path), hint="name everybody once")
    content = json.dumps({name: sorted(listed) for name, listed in plain.items()}, sort_keys=True)
    lists = {ours: tuple(plain.get(name, ())) for ours, name in SETS.items()}
    return PartitionFile(**lists, sha256=hashlib.sha256(content.encode()).hexdigest())


def resolved_split(partition: Partition, root: Path) -> Split:
    """Lists of a manifest's partition file, whose content is what the manifest expects.

    Raises
    ------
    UsageError, InvalidData
        As :func:`read_partition`, or where the file is another than the manifest means.
    """
    path = Path(partition.path).expanduser()
    path = path if path.is_absolute() else root / path
    if not path.is_file():
        hint = "put it there, or give its path as split: partition: path"
        hint = f"{partition.source}; {hint}" if partition.source else hint
        raise UsageError("no partition file, which says who is trained and tested on", where=str(path), hint=hint)
    file = read_partition(path)
    found = {name: len(getattr(file, name)) for name in SETS}
    wrong = [
        f"{found[name]} in {SETS[name]}, not {count}"
        for name, count in partition.counts.items()
        if found[name] != count
    ]
    hint = "is it the file of this dataset? " + (partition.source or "correct split: partition in the manifest")
    if wrong:
        raise InvalidData(f"not the partition that the manifest means: {'; '.join(wrong)}", where=str(path), hint=hint)
    if not file.sha256.startswith(partition.content_sha256):
        what = f"not the partition that the manifest means: hash of the content {file.sha256}"
        raise InvalidData(f"{what}, not {partition.content_sha256}", where=str(path), hint=hint)
    try:
        return file.split(f"{path.name}, content {file.sha256}")
    except ValueError as error:
        raise InvalidData(str(error), where=str(path), hint=hint) from error
