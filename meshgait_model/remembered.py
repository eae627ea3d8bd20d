"""Embeddings on disk: whether they are of a checkpoint and some shards, and what else that evaluation found."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from meshgait_data.errors import InvalidData
from meshgait_data.manifest_protocol import Protocol
from meshgait_data.shards.reader import Shards
from meshgait_data.strict import build
from meshgait_model.evaluate import Findings
from meshgait_model.protocols.files import read_embeddings, read_made, write_embeddings

_VERSION = 1
"""Raised when embeddings of the same checkpoint would differ from those of before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Figures:
    """What was found beside the embeddings."""

    step: int
    branch_3d: bool
    frames: int
    label_errors: dict[str, float]
    joints_by_view: dict[str, float]
    joints_of_mean_pose: float | None


def origin_of(checkpoint: Path, shards: Shards) -> dict[str, Any]:
    """What embeddings are made of: hashes of the checkpoint's file, and of the checksums of the shards."""
    with checkpoint.open("rb") as file:
        weights = hashlib.file_digest(file, "sha256").hexdigest()
    info = shards.info
    plain = [[asdict(part) for part in info.parts], info.index_crc32c, repr(shards.split)]
    return {
        "version": _VERSION,
        "checkpoint": weights,
        "shards": hashlib.sha256(json.dumps(plain).encode()).hexdigest(),
    }


def remember(path: Path, found: Findings, protocols: Mapping[str, Protocol], origin: Mapping[str, Any]) -> None:
    """Write what an evaluation found, and what it was made of."""
    write_embeddings(path, found.embedded, protocols, {**origin, "found": found.figures()})


def recall(path: Path, origin: Mapping[str, Any]) -> Findings | None:
    """What was found before; None where the file is not there, of something else, or damaged."""
    made = read_made(path)
    figures = made.pop("found", None)
    if made != origin:
        return None
    try:
        plain = build(_Figures, figures, str(path))
        return Findings(embedded=read_embeddings(path)[0], **asdict(plain))
    except InvalidData:
        return None
