"""Recognition with an exported network: no body model, no labels, no shards, no training identities.

Shape letters: T frames, A rows and columns of an aligned silhouette, S parts of a description, E embedding.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load

from meshgait_data.errors import InvalidData, MissingExtra, UsageError
from meshgait_data.strict import build
from meshgait_model.exported import FILES, INPUT, SETTING, Exported
from meshgait_model.nn.blocks import channels_last
from meshgait_model.nn.grey import GreyRecognition
from meshgait_model.nn.recognition import Recognition

Backend = Literal["safetensors", "onnx"]
Silhouettes = NDArray[np.uint8]
Embeddings = NDArray[np.float32]

_CHUNK = 256
"""Frames that go through the network together."""

_AGAIN = "export again: mgtrain export RUN --out DIR"


class Recogniser(ABC):
    """An exported network that describes walks.

    Parameters
    ----------
    about
        What it says about itself.
    """

    def __init__(self, about: Exported) -> None:
        self.about = about

    def embed(self, silhouettes: Silhouettes) -> Embeddings:
        """Description (S, E) of a walk.

        Parameters
        ----------
        silhouettes
            (T, A, A) aligned silhouettes, grey 0..255, as in the field ``silhouettes`` of shards. Frames beyond
            ``about.frames_limit`` are not looked at.

        Raises
        ------
        InvalidData
            Where they are of another size or type, or there are none.
        """
        side = self.about.aligned_size
        if silhouettes.dtype != np.uint8 or silhouettes.shape[1:] != (side, side) or not len(silhouettes):
            raise InvalidData(
                f"silhouettes are {silhouettes.dtype} {silhouettes.shape}, not uint8 (frames, {side}, {side})",
                hint="align masks as 'mgdata pack' does: meshgait_data.render.align.align",
            )
        return self._embed(np.ascontiguousarray(silhouettes[: self.about.frames_limit]))

    @abstractmethod
    def _embed(self, silhouettes: Silhouettes) -> Embeddings: ...


class TorchRecogniser(Recogniser):
    """On torch, from ``model.safetensors``; a long walk goes through in parts."""

    def __init__(self, about: Exported, network: GreyRecognition, device: str) -> None:
        super().__init__(about)
        self.network, self.device = network.to(device).eval(), device

    def _embed(self, silhouettes: Silhouettes) -> Embeddings:
        with torch.inference_mode():
            described = self.network.in_parts(torch.from_numpy(silhouettes).to(self.device)[None], _CHUNK)
        return described[0].float().cpu().numpy()


class OnnxRecogniser(Recogniser):
    """On ONNX Runtime, from ``model.onnx``; a walk goes through as a whole."""

    def __init__(self, about: Exported, session: Any) -> None:
        super().__init__(about)
        self.session = session

    def _embed(self, silhouettes: Silhouettes) -> Embeddings:
        return np.asarray(self.session.run(None, {INPUT: silhouettes[None]})[0][0], np.float32)


def distances(probe: Embeddings, gallery: Embeddings) -> NDArray[np.float64]:
    """Distance of a walk (S, E) to each of others (N, S, E): mean over parts of the Euclidean distance, (N,)."""
    difference = gallery.astype(np.float64) - probe
    return np.sqrt(np.square(difference).sum(-1)).mean(-1)


def load_exported(folder: Path | str, *, backend: Backend = "safetensors", device: str = "cpu") -> Recogniser:
    """Read what ``mgtrain export`` wrote.

    Parameters
    ----------
    backend
        ``safetensors`` runs on torch, on ``device``; ``onnx`` on ONNX Runtime (extra ``onnx``), on the CPU.

    Raises
    ------
    UsageError
        Where there is no such export.
    InvalidData
        Where a file is damaged, or the weights are not those of the setting.
    MissingExtra
        Where ONNX Runtime is not installed.
    """
    root = Path(folder)
    path = root / FILES[backend]
    if not path.is_file():
        hint = f"mgtrain export RUN --out {root} --format {backend}"
        raise UsageError(f"no exported network here: {path.name} is missing", where=str(root), hint=hint)
    about = read_setting(root)
    if backend == "onnx":
        return OnnxRecogniser(about, onnx_session(path))
    return TorchRecogniser(about, _network(about, path), device)


def read_setting(root: Path) -> Exported:
    """What an exported network says about itself; raises UsageError and InvalidData like :func:`load_exported`."""
    path = root / SETTING
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError("no exported network here", where=str(root), hint=_AGAIN) from error
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"this is no JSON: {error}", where=str(path), hint=_AGAIN) from error
    return build(Exported, plain, str(path))


def onnx_session(path: Path) -> Any:
    """A model on ONNX Runtime, on the CPU; raises MissingExtra and InvalidData."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(f"ONNX Runtime is missing: {error}", hint="pip install 'meshgait[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own exceptions have no common base but this one
        raise InvalidData(f"ONNX Runtime cannot read this: {error}", where=str(path), hint=_AGAIN) from error


def recognition(about: Exported) -> GreyRecognition:
    """The network of a setting, with fresh weights."""
    network = Recognition(about.network, window=about.window, markers=about.markers, joints=about.joints)
    return GreyRecognition(channels_last(network), about.cut)


def _network(about: Exported, path: Path) -> GreyRecognition:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != about.weights_sha256:
        raise InvalidData(f"these are not the weights that {SETTING} was written for", where=str(path), hint=_AGAIN)
    try:
        weights = load(data)
    except SafetensorError as error:
        raise InvalidData(f"this is no safetensors file: {error}", where=str(path), hint=_AGAIN) from error
    with torch.device("meta"):
        # Without memory: a setting may ask for more than there is.
        expected = {name: value.shape for name, value in recognition(about).network.state_dict().items()}
    if expected != {name: value.shape for name, value in weights.items()}:
        raise InvalidData(f"the weights do not fit the network of {SETTING}", where=str(path), hint=_AGAIN)
    network = recognition(about)
    network.network.load_state_dict(weights)
    return network
