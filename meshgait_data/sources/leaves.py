"""Leaves of OpenGait's trees: a folder with a pickle for each modality, told apart by their names."""

import re
from collections.abc import Sequence
from pathlib import Path

from meshgait_data.errors import SourceError
from meshgait_data.sources.reading import Source

_ENDING = ".pkl"


def pickle_of(source: Source, modalities: Sequence[str]) -> Path:
    """The pickle of a modality: the file itself, or the one of a folder whose name says so, or its only one.

    OpenGait takes a modality by its place in the sorted names, so that a missing file turns one modality into
    another. Here names decide: ``sils-seq0.pkl``, ``000-aligned-sils.pkl``, ``06-000-Camera-Sils_aligned.pkl``.

    Parameters
    ----------
    source
        File or folder.
    modalities
        Words of the modality's name, joined by ``_``; of several that are there the first counts.

    Raises
    ------
    SourceError
        Where the folder has several pickles and none, or more than one, of the modality.
    """
    if not source.is_folder:
        return source.path
    files = [name for name in source.listed if name.lower().endswith(_ENDING)]
    if len(files) == 1:
        return source.path / files[0]
    for modality in modalities:
        found = [name for name in files if _says(name, modality)]
        if len(found) == 1:
            return source.path / found[0]
        if found:
            what = f"{len(found)} files are {modality}: {', '.join(found[:4])}"
            raise SourceError(what, where=source.where, hint="name one of them in the path of the manifest")
    what = f"none of {len(files)} pickles bears the name of {modalities[0]}: {', '.join(files[:6])}"
    raise SourceError(what, where=source.where, hint="name the file in the path of the manifest")


def _says(name: str, modality: str) -> bool:
    words = "_".join(word for word in re.split(r"[^a-z0-9]+", name.lower().removesuffix(_ENDING)) if word)
    return f"_{modality}_" in f"_{words}_"
