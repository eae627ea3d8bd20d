"""Other ways to draw a batch of clips, written from their descriptions, and the limit that memory sets.

All give silhouettes of 64 x 44 and are told which sequences a batch is made of. OpenGait's loader and WebDataset draw
their frames themselves; the others are given them, drawn in advance. Shape letters: B clips, T frames of a clip.
"""

import importlib.util
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from shards_data import SHORTEST, pickle_path

from meshgait_data.shards.reader import Shards
from meshgait_data.types import ByteArray, IntArray, SequenceData, SequenceKey
from meshgait_model.data.picks import Picks

CLIP, CUT = 30, 10
"""Frames of a clip, and columns that are cut off on each side."""

Draw = Callable[[np.random.Generator], IntArray]


def some_of_a_window(rng: np.random.Generator) -> IntArray:
    """OpenGait's ``fixed_ordered`` with ``frames_num`` 30 and ``frames_skip_num`` 4: places in the window, in order."""
    return np.sort(rng.choice(SHORTEST, CLIP, replace=False))


class OpenGait:
    """A tree of pickles, read as OpenGait's loader documents.

    Each sequence is unpickled whole. Frames are drawn, put into a list and stacked, sequence by sequence. The
    transform cuts the columns and divides by 255, which makes float64; the batch is stacked once more and becomes
    float32.
    """

    def __init__(self, root: Path, keys: Sequence[SequenceKey]) -> None:
        self.root = root
        self._paths = [pickle_path(root, key) for key in keys]

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, number: int) -> ByteArray:
        """All frames (F, S, S) of a sequence."""
        with self._paths[number].open("rb") as file:
            # Our own file of a moment ago; this is how the peer reads.
            silhouettes: ByteArray = pickle.load(file)  # noqa: S301, TID251
        return silhouettes

    def batch(self, picks: Picks) -> torch.Tensor:
        """(B, T, 64, 44) float32, from frames that are drawn here."""
        rng = np.random.default_rng(picks.step)
        clips = []
        for number in picks.sequences:
            frames = self.read(number)
            start = int(rng.integers(len(frames) - SHORTEST + 1))
            clips.append(self.collate(frames, start + some_of_a_window(rng)))
        return self.transform(clips)

    @staticmethod
    def collate(frames: ByteArray, chosen: IntArray) -> ByteArray:
        """The chosen frames one by one, stacked."""
        return np.asarray([frames[place] for place in chosen])

    @staticmethod
    def transform(clips: Sequence[ByteArray]) -> torch.Tensor:
        """(B, T, 64, 44) float32."""
        cut = [clip[..., CUT:-CUT] / 255.0 for clip in clips]
        return torch.from_numpy(np.asarray(cut)).float()


class Tars:
    """WebDataset: tar files with one ``.npy`` a sequence, which can only be read one after the other."""

    @staticmethod
    def missing() -> bool:
        """Whether the package is not installed."""
        return importlib.util.find_spec("webdataset") is None

    @staticmethod
    def write(sequences: Sequence[SequenceData], root: Path) -> None:
        """Tar files of 256 sequences."""
        import webdataset

        root.mkdir()
        with webdataset.ShardWriter(f"file:{root}/tars-%05d.tar", maxcount=256, verbose=0) as writer:
            for number, one in enumerate(sequences):
                writer.write({"__key__": f"{number:06d}", "silhouettes.npy": one.arrays["silhouettes"]})

    def __init__(self, root: Path) -> None:
        self._urls = [f"file:{path}" for path in sorted(root.glob("*.tar"))]
        self._stream = self._sequences()

    def _sequences(self) -> Iterator[ByteArray]:
        import webdataset

        while True:
            for sample in webdataset.WebDataset(self._urls, shardshuffle=False, empty_check=False).decode():
                yield sample["silhouettes.npy"]

    def batch(self, picks: Picks) -> ByteArray:
        """(B, T, 64, 44) of the sequences that come next, whichever were asked for."""
        rng = np.random.default_rng(picks.step)
        out = np.zeros((len(picks.sequences), CLIP, 64, 64 - 2 * CUT), np.uint8)
        for clip in out:
            frames = next(self._stream)
            start = int(rng.integers(len(frames) - SHORTEST + 1))
            clip[...] = frames[start + some_of_a_window(rng), :, CUT:-CUT]
        return out


class Limit:
    """The limit: T consecutive frames of an uncompressed array, mapped into memory, copied with one call a clip.

    Frames are cut while they are copied, or were cut before (then it is a plain copy of memory). The batch is there
    already; nothing is drawn, checked or made into a tensor.
    """

    def __init__(self, frames: ByteArray, lengths: IntArray) -> None:
        self._frames, self._begins = frames, np.cumsum(lengths) - lengths
        self._columns = slice(CUT, -CUT) if frames.shape[2] == 64 else slice(None)
        self._out = np.zeros((0, CLIP, 64, 64 - 2 * CUT), np.uint8)

    def frames(self, number: int) -> ByteArray:
        """Frames (.., 64, 44) from the first one of a sequence on."""
        return self._frames[self._begins[number] :, :, self._columns]

    def batch(self, picks: Picks) -> ByteArray:
        """(B, T, 64, 44), where each clip begins with the first of its frames and leaves none out."""
        if len(self._out) != len(picks.sequences):
            self._out = np.zeros((len(picks.sequences), *self._out.shape[1:]), np.uint8)
        for clip, first in zip(self._out, (self._begins[picks.sequences] + picks.frames[:, 0]).tolist(), strict=True):
            clip[...] = self._frames[first : first + CLIP, :, self._columns]
        return self._out


class Plain:
    """Our own files, clip by clip, through a container's own library: what those do who have never heard of us."""

    def __init__(self, shards: Shards, open_array: Callable[[Path], Any]) -> None:
        parts = {name: open_array(Path(shards.url) / name) for name in shards.sequences.part_names}
        table = shards.sequences
        self._arrays = [parts[table.part_names[number]] for number in table.part_numbers]
        self._rows = table.rows("silhouettes").tolist()

    def batch(self, picks: Picks) -> ByteArray:
        """(B, T, 64, 44)."""
        out = np.zeros((len(picks.sequences), CLIP, 64, 64 - 2 * CUT), np.uint8)
        for clip, number, frames in zip(out, picks.sequences, picks.frames, strict=True):
            begin, first = self._rows[number], int(frames[0])
            window: NDArray[np.uint8] = self._arrays[number][begin + first : begin + int(frames[-1]) + 1]
            clip[...] = window[frames - first, :, CUT:-CUT]
        return out


def with_h5py(part: Path) -> Any:
    """Silhouettes of a part, by h5py."""
    import h5py

    return h5py.File(part, locking=False)["silhouettes"]


def with_zarr(part: Path) -> Any:
    """Silhouettes of a part, by zarr-python."""
    import zarr

    return zarr.open_group(part, mode="r")["silhouettes"]
