"""Embeddings on disk, with all that scoring needs: scored again by other protocols without the network."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from meshgait_data.atomic import write_with
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.manifest_protocol import Protocol
from meshgait_data.strict import build, to_plain
from meshgait_data.types import SequenceKey
from meshgait_model.protocols.scoring import Embedded

EMBEDDINGS = "embeddings.npz"
SCHEMA = 1
_HINT = "write it again with 'mgtrain eval'"
_LARGEST = 1 << 36
"""Bytes of embeddings that are read: 64 GiB."""
_DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError, RecursionError),
    *(MemoryError, zipfile.BadZipFile, zlib.error),
)
"""What numpy, zipfile and json raise over files that are cut off, altered or something else."""


def write_embeddings(
    path: Path, embedded: Embedded, protocols: Mapping[str, Protocol], made: Mapping[str, Any] | None = None
) -> None:
    """Write embeddings and the protocols that score them; ``docs/protocols.md`` tells the arrays.

    Parameters
    ----------
    made
        What they were made of, plain data: :func:`read_made` gives it again.

    Raises
    ------
    EnvironmentLacks
        Where the file cannot be written.
    """
    about: dict[str, Any] = {
        "schema": SCHEMA,
        "lists": {name: list(keys) for name, keys in embedded.lists.items()},
        "protocols": {name: to_plain(protocol) for name, protocol in protocols.items()},
    }
    if made is not None:
        about["made"] = made
    arrays: dict[str, Any] = {
        "embeddings": np.asarray(embedded.embeddings, np.float32),
        "keys": np.array([str(key) for key in embedded.keys], np.str_),
        "identities": np.array(embedded.identities, np.str_),
        "about": np.array(json.dumps(about)),
    }
    # Not compressed: the numbers are noise to a compressor, and there may be gigabytes of them.
    write_with(path, lambda file: np.savez(file, **arrays))


def read_embeddings(path: Path) -> tuple[Embedded, dict[str, Protocol]]:
    """Read what :func:`write_embeddings` wrote.

    Raises
    ------
    UsageError
        Where there is no such file.
    InvalidData
        Where it is damaged or something else.
    """
    if not path.is_file():
        hint = "'mgtrain eval RUN' writes RUN/embeddings.npz"
        raise UsageError("no such file of embeddings", where=str(path), hint=hint)
    try:
        with np.load(path, allow_pickle=False) as archive:
            if sum(info.file_size for info in archive.zip.infolist()) > _LARGEST:
                raise ValueError("it says to hold more than 64 GiB")
            arrays = {name: archive[name] for name in ("embeddings", "keys", "identities", "about")}
        about = json.loads(str(arrays["about"]))
        if about["schema"] != SCHEMA:
            raise ValueError(f"schema {about['schema']} is not {SCHEMA}")
        if arrays["embeddings"].dtype != np.float32:
            raise ValueError(f"embeddings are {arrays['embeddings'].dtype}, not float32")
        embedded = Embedded(
            arrays["embeddings"],
            tuple(SequenceKey.parse(str(key)) for key in arrays["keys"]),
            tuple(str(identity) for identity in arrays["identities"]),
            {str(name): tuple(map(str, keys)) for name, keys in about["lists"].items()},
        )
        protocols = {name: build(Protocol, plain, f"{path}: {name}") for name, plain in about["protocols"].items()}
    except InvalidData as error:
        raise InvalidData(error.what, where=error.where or str(path), hint=error.hint or _HINT) from error
    except _DAMAGE as error:
        raise InvalidData(f"no embeddings, or damaged: {error}", where=str(path), hint=_HINT) from error
    return embedded, protocols


def read_made(path: Path) -> dict[str, Any]:
    """What embeddings were made of, as far as the file says; empty where it does not, or there is none to read."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            made = json.loads(str(archive["about"])).get("made", {})
        return made if isinstance(made, dict) else {}
    except _DAMAGE:
        return {}
