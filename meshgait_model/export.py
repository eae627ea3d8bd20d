"""Write a trained network for use elsewhere: what recognition needs of it and nothing else.

``model.json`` and ``model.safetensors`` are read by :mod:`meshgait_model.inference`. ``model.onnx`` and ``model.pt2``
are whole graphs that need nothing of this package: they take grey silhouettes uint8 (batch, frames, A, A), with any
number of clips and frames, and give embeddings float32 (batch, S, E).
"""

import hashlib
import json
import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from meshgait_data.atomic import new_folder
from meshgait_data.errors import InvalidData, MissingExtra, UsageError
from meshgait_data.shards.reader import Shards
from meshgait_data.strict import to_plain
from meshgait_model.assembly import load_network
from meshgait_model.checkpoint import Checkpoint
from meshgait_model.exported import FILES, FORMAT, INPUT, ONNX, OUTPUT, SETTING, TORCH, WEIGHTS, Exported, Kind
from meshgait_model.inference import load_exported, onnx_session
from meshgait_model.nn.grey import GreyRecognition

_EXAMPLE, _CHECK = (2, 12), (3, 7)
"""Clips and frames of the example that graphs are traced with, and of another size that they are checked with."""

_TOLERANCE = 1e-4
"""Largest difference of an embedding, relative to the largest number in it, that is only rounding."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written."""

    about: Exported
    files: dict[str, int]
    """Bytes of each."""
    weights: int
    left_out: int
    """Weights of the trained network that recognition does not need."""
    differences: dict[str, float]
    """Largest difference from the trained network's embeddings, by file; graphs that could not be run here are not
    among them."""


def export(state: Checkpoint, shards: Shards, out: Path, kinds: Iterable[Kind] = ("safetensors",)) -> ExportReport:
    """Write the folder ``out``, and check what was written against the trained network.

    Parameters
    ----------
    state
        The trained network.
    shards
        Those that it was trained on, or others with the same joints and markers: they say the size of silhouettes.
    kinds
        ``model.json`` and ``model.safetensors`` are always written.

    Raises
    ------
    UsageError
        Where ``out`` exists.
    MissingExtra
        Where ``onnx`` is asked for and not installed.
    InvalidData
        Where the network does not fit the shards, or what was written says something else than the network.
    """
    if out.exists():
        raise UsageError("this folder exists", where=str(out), hint="choose another --out, or remove it")
    wanted = {"safetensors", *kinds}
    trained = load_network(state, shards)
    network = GreyRecognition(trained.recognition_only().cpu(), state.config.data.cut).eval()
    weights = save({name: value.contiguous() for name, value in network.network.state_dict().items()})
    about = Exported(
        format=FORMAT,
        network=state.config.network,
        aligned_size=shards.aligned_size,
        cut=state.config.data.cut,
        markers=network.network.markers,
        joints=network.network.joint_names,
        parts=network.network.parts,
        frames_limit=state.config.eval.frames_limit,
        step=state.step,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )
    with new_folder(out) as folder:
        (folder / SETTING).write_text(json.dumps(to_plain(about), indent=1) + "\n", encoding="utf-8")
        (folder / WEIGHTS).write_bytes(weights)
        if wanted - {"safetensors"}:
            _write_graphs(network, about, folder, wanted)
        differences = _check(network, about, folder)
        files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    needed = sum(weight.numel() for weight in network.parameters())
    left_out = sum(weight.numel() for weight in trained.parameters()) - needed
    return ExportReport(about, files, needed, left_out, differences)


def grey_clips(about: Exported, clips: int, frames: int) -> Tensor:
    """Silhouettes to try a network with: uint8 noise (clips, frames, A, A), always the same."""
    generator = torch.Generator().manual_seed(clips * frames)
    shape = (clips, frames, about.aligned_size, about.aligned_size)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def _write_graphs(network: GreyRecognition, about: Exported, folder: Path, wanted: set[Kind]) -> None:
    example = (grey_clips(about, *_EXAMPLE),)
    sizes = ({0: torch.export.Dim("batch"), 1: torch.export.Dim("frames")},)
    with torch.inference_mode(False), torch.no_grad():
        graph = torch.export.export(network, example, dynamic_shapes=sizes)
    if "torch" in wanted:
        torch.export.save(graph, folder / TORCH)
    if "onnx" in wanted:
        with _quiet():
            try:
                program = torch.onnx.export(
                    graph, example, dynamo=True, input_names=[INPUT], output_names=[OUTPUT], verbose=False
                )
            except ImportError as error:
                hint = "pip install 'meshgait[onnx]', or leave out --format onnx"
                raise MissingExtra(f"ONNX needs packages that are missing: {error}", hint=hint) from error
        assert program is not None
        program.save(folder / ONNX)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the remarks of the ONNX exporter about packages that nothing here needs."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logger.setLevel(level)


def _check(network: GreyRecognition, about: Exported, folder: Path) -> dict[str, float]:
    """Compare each file with the network, on clips of another size than the traced ones."""
    clips = grey_clips(about, *_CHECK)
    with torch.inference_mode():
        expected = network(clips).numpy()
    found = {WEIGHTS: np.stack([load_exported(folder).embed(clip) for clip in clips.numpy()])}
    if (folder / TORCH).exists():
        with torch.no_grad():
            found[TORCH] = torch.export.load(folder / TORCH).module()(clips).numpy()
    if (folder / ONNX).exists():
        try:
            session = onnx_session(folder / ONNX)
        except MissingExtra:
            session = None
        if session is not None:
            found[ONNX] = session.run(None, {INPUT: clips.numpy()})[0]
    differences = {name: float(np.abs(said - expected).max() / np.abs(expected).max()) for name, said in found.items()}
    for name, difference in differences.items():
        if not difference < _TOLERANCE:
            raise InvalidData(
                f"{name} gives other embeddings than the network it was made of, by {difference:.2g} of the largest",
                hint=f"leave out --format {next(kind for kind, file in FILES.items() if file == name)}",
            )
    return differences
