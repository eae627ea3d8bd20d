"""Partition files of fakes, and shipped manifests that take them: the originals are known by their content."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from meshgait_data.manifest import Split, dump_yaml, load_manifest


def write_partition(out: Path, name: str, lists: Mapping[str, Sequence[str]]) -> str:
    """Write the partition file of a shipped manifest, with content of its own.

    Returns
    -------
    Path of a manifest that differs from the shipped one in taking any content.
    """
    manifest = load_manifest(name)
    partition = manifest.split.partition
    assert partition is not None
    (out / partition.path).write_text(json.dumps(lists, indent=1), encoding="utf-8")
    taking = replace(manifest, split=Split(partition=replace(partition, content_sha256="", counts={})))
    path = out.with_name(f"{out.name}.yaml")
    path.write_text(dump_yaml(taking), encoding="utf-8")
    return str(path)
