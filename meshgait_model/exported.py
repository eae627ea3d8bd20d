"""What an exported network says about itself: the content of ``model.json``, and the names of the files beside it."""

from dataclasses import dataclass
from typing import Literal

from meshgait_model.config.network import NetworkConfig

FORMAT = 1
"""Version of the keys below, and of what the weights are called."""

SETTING, WEIGHTS, ONNX, TORCH = "model.json", "model.safetensors", "model.onnx", "model.pt2"

Kind = Literal["safetensors", "onnx", "torch"]
FILES: dict[Kind, str] = {"safetensors": WEIGHTS, "onnx": ONNX, "torch": TORCH}
"""File of each kind of export."""

INPUT, OUTPUT = "silhouettes", "embeddings"
"""Names of what the graphs take and give."""

MAX_SIDE = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """An exported network."""

    format: int
    network: NetworkConfig
    """Sizes of its parts; what only training uses among them is of no account."""
    aligned_size: int
    """A: rows and columns of the aligned silhouettes that it takes, grey 0..255."""
    cut: int
    """Columns of them that it leaves out on each side."""
    markers: int
    """K virtual markers of its heatmaps; 0 without them."""
    joints: tuple[str, ...]
    """Joints of its heatmaps, which come before the markers."""
    parts: int
    """S parts of a description, each of ``network.embedding`` numbers."""
    frames_limit: int
    """Frames of a sequence that are looked at; of longer ones, the first."""
    step: int
    """Updates that it was trained for."""
    weights_sha256: str
    """Of ``model.safetensors``."""
    input: str = "uint8 (batch, frames, aligned_size, aligned_size): aligned silhouettes, grey 0..255"
    output: str = "float32 (batch, parts, network.embedding)"
    distance: str = "mean over parts of the Euclidean distance"

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"format {self.format} is not {FORMAT}: export again, or use another version of meshgait")
        if not 0 <= 2 * self.cut < self.aligned_size <= MAX_SIDE:
            raise ValueError(f"aligned_size={self.aligned_size} and cut={self.cut} leave no window")
        if self.markers < 0 or self.frames_limit < 1:
            raise ValueError("markers must not be negative, frames_limit at least 1")

    @property
    def window(self) -> tuple[int, int]:
        """Rows and columns that the network looks at."""
        return self.aligned_size, self.aligned_size - 2 * self.cut
