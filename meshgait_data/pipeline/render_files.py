"""Files of rendered sequences: our npz, OpenGait's pickle tree, images, and plain Zarr groups."""

import json
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from meshgait_data.atomic import new_folder, write_bytes, write_npz
from meshgait_data.conventions import SMPL_SET
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.render.channels import CHANNELS
from meshgait_data.shards.records import plain_camera, restore_camera
from meshgait_data.types import SequenceData, SequenceKey

SCHEMA = 1
"""Version of the file layout of npz and zarr."""

Format = Literal["npz", "pkl", "png", "zarr"]
FORMATS: tuple[str, ...] = get_args(Format)
LABELLED = ("npz", "zarr")
"""Formats that hold labels; the others hold pictures only."""

CHUNK_FRAMES = 32
"""Frames of a chunk of a Zarr array, about a training clip."""


def render_path(folder: Path, key: SequenceKey, format: Format = "npz") -> Path:
    """Where a sequence lies below the folder of a run: ``subject/condition/view`` with what its format adds."""
    place = folder / key.subject / key.condition / key.view
    if format == "pkl":
        return place / f"{key.view}.pkl"
    return place if format == "png" else place.with_name(f"{key.view}.{format}")


def write_sequence(folder: Path, sequence: SequenceData, format: Format) -> None:
    """Write one sequence below a folder; complete or absent.

    ``npz`` and ``zarr`` hold every array by name and what describes the sequence; ``pkl`` holds uint8 silhouettes
    (F, S, S) as OpenGait's loader reads them, and each channel in a file of its own beside it; ``png`` holds one
    image a frame, named after its number in the source, and one a channel.

    Raises
    ------
    EnvironmentLacks
        Where there is no space or no right to write.
    """
    path = render_path(folder, sequence.key, format)
    writers = {"npz": write_render, "pkl": _write_pickles, "png": _write_images, "zarr": _write_zarr}
    writers[format](path, sequence)


def write_render(path: Path, sequence: SequenceData) -> None:
    """Write a sequence as npz: its arrays by name, ``betas``, and everything else as JSON in ``meta``."""
    arrays: dict[str, NDArray[Any]] = {**sequence.arrays, "betas": sequence.betas}
    write_npz(path, {**arrays, "meta": np.array(json.dumps(_meta(sequence), sort_keys=True))})


def read_render(path: Path) -> SequenceData:
    """Read what :func:`write_render` wrote; raises UsageError without a file, InvalidData on a damaged one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop("meta")))
        if meta["schema"] != SCHEMA:
            raise ValueError(f"schema {meta['schema']} is not {SCHEMA}")
        key, camera = SequenceKey.parse(meta["key"]), restore_camera(meta["camera"])
        betas = arrays.pop("betas")
        dropped, joint_set = tuple(meta["dropped"]), meta.get("joint_set", SMPL_SET)
        return SequenceData(key, meta["identity"], meta["fps"], camera, betas, arrays, dropped, joint_set)
    except FileNotFoundError:
        raise UsageError("nothing rendered here", where=str(path), hint="run 'mgdata render' first") from None
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        hint = "run 'mgdata render' on the work folder again"
        raise InvalidData(f"not a rendered sequence: {error}", where=str(path), hint=hint) from error


def _meta(sequence: SequenceData) -> dict[str, Any]:
    # It was rendered through one.
    assert sequence.camera is not None
    return {
        "schema": SCHEMA,
        "key": str(sequence.key),
        "identity": sequence.identity,
        "fps": sequence.fps,
        "dropped": list(sequence.dropped),
        "joint_set": sequence.joint_set,
        "camera": plain_camera(sequence.camera),
    }


def pictures(sequence: SequenceData) -> dict[str, NDArray[Any]]:
    """Arrays (F, S, S) of a sequence that are pictures: ``silhouettes`` and the channels, by name."""
    return {name: sequence.arrays[name] for name in ("silhouettes", *CHANNELS) if name in sequence.arrays}


def _write_pickles(path: Path, sequence: SequenceData) -> None:
    for name, array in pictures(sequence).items():
        suffix = "" if name == "silhouettes" else f"-{name}"
        write_bytes(path.with_name(f"{path.stem}{suffix}.pkl"), pickled(array))


def pickled(array: NDArray[Any]) -> bytes:
    """An array as ``pickle.load`` reads it under any numpy since 1.0 and any Python since 3.0.

    numpy 2 names the function that rebuilds arrays by a module that numpy before 1.26 does not have; both know the
    older name, which is written here. Protocol 3 writes names as plain text.
    """
    data = pickle.dumps(np.ascontiguousarray(array), protocol=3)
    return data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n", 1)


def _write_images(path: Path, sequence: SequenceData) -> None:
    _remove(path)
    with new_folder(path) as folder:
        for name, array in pictures(sequence).items():
            suffix = "" if name == "silhouettes" else f"-{name}"
            for number, image in zip(sequence.arrays["frame_ids"].tolist(), array, strict=True):
                done, encoded = cv2.imencode(".png", image)
                if not done:
                    raise InvalidData(f"{name} of frame {number} cannot be a PNG file", where=str(sequence.key))
                (folder / f"{number:06d}{suffix}.png").write_bytes(encoded.tobytes())


def _write_zarr(path: Path, sequence: SequenceData) -> None:
    import zarr
    from zarr.codecs import ZstdCodec

    _remove(path)
    with new_folder(path) as folder:
        group = zarr.open_group(folder, mode="w", zarr_format=3)
        for name, array in {**sequence.arrays, "betas": sequence.betas}.items():
            stored = group.create_array(
                name,
                shape=array.shape,
                dtype=array.dtype,
                chunks=(max(min(CHUNK_FRAMES, len(array)), 1), *array.shape[1:]),
                compressors=[ZstdCodec(level=3)],
                config={"write_empty_chunks": True},
            )
            stored[...] = array
        group.attrs["meshgait"] = _meta(sequence)


def _remove(path: Path) -> None:
    """Take an older result out of the way, so that no half of it is ever seen under its name."""
    if path.exists():
        gone = path.with_name(f".{path.name}.removed.tmp")
        path.rename(gone)
        shutil.rmtree(gone)
