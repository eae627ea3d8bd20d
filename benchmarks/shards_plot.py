"""Plot of the benchmark of shards: CPU time of a clip, and size on disk, of ours and of others.

``python benchmarks/shards_plot.py FILE`` draws the newest recorded run again.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from common import RESULTS
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from meshgait_data.atomic import write_with

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "shards.png"

OURS, OTHERS, BOUND = "#1b6ca8", "#9aa0a6", "#2a9d5c"

CLIPS = {
    "copy": ("copy of memory, frames cut before", BOUND),
    "limit": ("plain array, cut while copying (limit)", BOUND),
    "ram": ("ours, decoded in memory", OURS),
    "mmap": ("ours, decoded on disk, mapped", OURS),
    "compressed": ("ours, straight from Zarr", OURS),
    "hdf5": ("ours, straight from HDF5", OURS),
    "h5py": ("the same HDF5, plain h5py", OTHERS),
    "webdataset": ("WebDataset, in the order of the tar", OTHERS),
    "opengait": ("OpenGait's pickles, with transform", OTHERS),
    "zarr_python": ("the same Zarr, plain zarr-python", OTHERS),
}
"""Ways to draw a clip: what to call each, and its colour."""

SIZES = {
    "size_rendered_vs_opengait": ("Zarr, rendered silhouettes", OURS),
    "size_spoiled_vs_opengait": ("Zarr, with holes and rough outline", OURS),
    "size_real_vs_opengait": ("Zarr, silhouettes of real films", OURS),
    "size_hdf5_vs_opengait": ("HDF5, rendered silhouettes", OURS),
}
"""Sizes of folders over that of the pickles."""


def draw(figures: Mapping[str, float]) -> Figure:
    """Two rows of bars."""
    figure = Figure(figsize=(8, 5), dpi=110, layout="constrained")
    clips, sizes = figure.subplots(2, 1, height_ratios=[10, 4.6])
    _bars(clips, {label: (figures.get(f"clip_us_{name}"), colour) for name, (label, colour) in CLIPS.items()})
    clips.set(xscale="log", xlim=(3, 3000))
    _title(clips, "A clip of 30 frames, 64 x 44, files in memory: CPU microseconds, one core")
    _bars(sizes, {label: (figures.get(name), colour) for name, (label, colour) in SIZES.items()}, inside=True)
    sizes.axvline(0.1, color="#b3261e", linewidth=1)
    sizes.set(xlim=(0, 0.12))
    _title(sizes, "Size on disk, lossless, as a part of OpenGait's pickles; red: one tenth")
    return figure


def _title(axes: Axes, text: str) -> None:
    # Above the names of the bars too, which begin further to the left.
    axes.set_title(text, loc="left", x=-0.42, fontsize=10)


def _bars(axes: Axes, bars: Mapping[str, tuple[float | None, str]], *, inside: bool = False) -> None:
    known = {label: (value, colour) for label, (value, colour) in bars.items() if value is not None}
    values = [value for value, _ in known.values()]
    drawn = axes.barh(list(known), values, color=[colour for _, colour in known.values()], height=0.7)
    if inside:
        axes.bar_label(drawn, [f"1/{1 / value:.1f}" for value in values], padding=-32, fontsize=8, color="white")
    else:
        axes.bar_label(drawn, [f"{value:,.0f}" for value in values], padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def save(figures: Mapping[str, float], path: Path = PICTURE) -> None:
    """Write the picture as PNG."""
    figure = draw(figures)
    write_with(path, lambda file: figure.savefig(file, format="png", metadata={"Software": None}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Plot the newest recorded run of the benchmark of shards.")
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE, help="PNG to write")
    last = (RESULTS / "shards.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    save(json.loads(last), parser.parse_args().file)
