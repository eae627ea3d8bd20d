"""Curves of training runs, one small panel for each figure that the runs logged."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from meshgait_data.atomic import write_with
from meshgait_data.errors import UsageError

STEP = "step"
"""Name of the horizontal axis in every record."""


def plot_curves(runs: Mapping[str, Sequence[Mapping[str, Any]]], path: Path, *, names: Sequence[str] = ()) -> None:
    """Draw what runs logged while they trained.

    Parameters
    ----------
    runs
        Name of a run to its records; each has ``step`` and any numbers.
    path
        PNG file to write; equal records give equal bytes.
    names
        Figures to draw, in this order; by default all that are numbers, in the order of their first record.

    Raises
    ------
    UsageError
        Where no run has logged any of them.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [name for name in names or _figures(runs) if any(name in record for log in runs.values() for record in log)]
    if not names:
        raise UsageError("nothing to draw: no record has a number besides its step", where=", ".join(runs))
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.9 * rows), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for panel, name in zip(panels, names, strict=False):
        for run, records in runs.items():
            points = [(record[STEP], record[name]) for record in records if name in record]
            panel.plot(*zip(*points, strict=True), label=run, linewidth=1.4) if points else None
        panel.set_title(name, fontsize=10, loc="left")
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in list(figure.axes)[len(names) :]:
        panel.set_visible(False)
    figure.axes[0].legend(fontsize=8, frameon=False)
    figure.supxlabel(STEP, fontsize=9)
    write_with(path, lambda file: figure.savefig(file, format="png", metadata={"Software": None}))


def _figures(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    found = (name for log in runs.values() for record in log for name, value in record.items() if _number(value))
    return [name for name in dict.fromkeys(found) if name != STEP]


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
