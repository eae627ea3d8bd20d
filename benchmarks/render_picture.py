"""Plot of the raster backends' speeds, from the newest recorded value of each.

Peers that need environments of their own are recorded by runs of ``benchmarks/render.py`` there. Then:
``python benchmarks/render_picture.py docs/images/render_speed.png``.
"""

import argparse
import json
from pathlib import Path

from common import RESULTS
from matplotlib.figure import Figure
from render_peers import SIDES

from meshgait_data.atomic import write_with

STYLES = {
    "numba": ("#1b6ca8", "-", "numba (default)"),
    "numpy": ("#2a9d5c", "-", "numpy (where numba is missing)"),
    "opencv": ("#c77d0a", "-", "opencv 5"),
    "torch": ("#8e4ec6", "-", "torch, CPU"),
    "torch_gpu": ("#8e4ec6", ":", "torch, GPU"),
    "pyrender": ("#555555", "--", "pyrender (OSMesa)"),
    "pytorch3d": ("#b3261e", "--", "pytorch3d, CPU"),
    "pytorch3d_gpu": ("#b3261e", ":", "pytorch3d, GPU"),
}
"""Colour, line and name of each backend; dashes are other projects, dots a GPU."""


def newest() -> dict[str, float]:
    """Each figure's last recorded value."""
    figures: dict[str, float] = {}
    for line in (RESULTS / "render.jsonl").read_text(encoding="utf-8").splitlines():
        figures.update(json.loads(line))
    return figures


def draw(figures: dict[str, float]) -> Figure:
    """Frames a second by image side, both logarithmic."""
    figure = Figure(figsize=(7.5, 4.2), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for name, (colour, line, label) in STYLES.items():
        sides = [side for side in SIDES if f"fps_{name}_{side}" in figures]
        if sides:
            speeds = [figures[f"fps_{name}_{side}"] for side in sides]
            axes.plot(sides, speeds, line, color=colour, marker="o", markersize=4, label=label)
    axes.set(xscale="log", yscale="log", xlabel="side of the image, pixels", ylabel="masks a second, one core")
    axes.set_xticks(SIDES, [str(side) for side in SIDES])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Plot the recorded speeds of the raster backends.")
    parser.add_argument("file", type=Path, help="PNG to write")
    plot = draw(newest())
    write_with(parser.parse_args().file, lambda file: plot.savefig(file, format="png", metadata={"Software": None}))
