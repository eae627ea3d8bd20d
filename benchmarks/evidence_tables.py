"""Tables and plot of the evidence, written into ``docs/results.md`` between its marks."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from meshgait_data.atomic import write_text, write_with

DOCS = Path(__file__).resolve().parents[1] / "docs"
RESULTS, PICTURE = DOCS / "results.md", DOCS / "images" / "results.png"
START, END = "<!-- evidence {}: written by 'python benchmarks/evidence.py', do not edit -->\n", "<!-- end -->\n"

FORMS = {
    "meshgait": "Mesh-Gait",
    "no_labels": "the same without 3D labels",
    "without_3d": "without the 3D branch",
    "joints": "labels: joints only",
    "markers": "labels: markers only",
    "mesh": "labels: mesh only",
    "gei": "GEI, nearest neighbour",
}
"""Rows, and what to call them."""

UNTAUGHT = {
    "joints": ("markers_mm", "mesh_mm"),
    "markers": ("joints_mm", "markers_mm", "mesh_mm"),
    "mesh": ("joints_mm", "markers_mm", "mesh_mm"),
}
"""Label errors that mean nothing, for all are measured from the pelvis, a joint that the form was not taught."""

COLUMNS = {
    "synth": {
        "rank1_NM": "normal",
        "rank1_BG": "bag",
        "rank1_CL": "clothes",
        "rank1": "mean Rank-1",
        "map": "mAP",
        "joints_mm": "joints mm",
        "markers_mm": "markers mm",
        "mesh_mm": "mesh mm",
    },
    "cmu": {
        "before_rank1": "before: Rank-1",
        "before_map": "before: mAP",
        "rank1": "Rank-1",
        "map": "mAP",
        "joints_mm": "joints mm",
        "markers_mm": "markers mm",
        "mesh_mm": "mesh mm",
    },
    "kth": {
        "before_rank1_d3": "before: d1 to d3",
        "before_rank1_d4": "before: d1 to d4",
        "before_rank1": "before: mean",
        "rank1_d1": "d1 to d1",
        "rank1_d3": "d1 to d3",
        "rank1_d4": "d1 to d4",
        "rank1": "mean Rank-1",
        "map": "mAP",
    },
}
"""Figures of each dataset, and what to call them."""

Records = Sequence[Mapping[str, Any]]


def table(data: str, records: Records) -> str:
    """Markdown: a row for each form, mean and standard deviation over seeds, seeds and failures."""
    columns = COLUMNS[data]
    lines = ["| | " + " | ".join(columns.values()) + " | seeds |", "|---|" + "---:|" * len(columns) + "---|"]
    for form, title in FORMS.items():
        runs = [record for record in records if record["data"] == data and record["form"] == form]
        if runs:
            good = [run for run in runs if "rank1" in run]
            names = [name for name in columns if name not in UNTAUGHT.get(form, ())]
            cells = [_cell(name, [run[name] for run in good if name in run and name in names]) for name in columns]
            lines.append(f"| {title} | " + " | ".join(cells) + f" | {_seeds(runs)} |")
    dates = sorted({str(record["date"]) for record in records if record["data"] == data})
    machines = sorted({str(record["machine"]) for record in records if record["data"] == data})
    revisions = sorted({str(record["revision"]) for record in records if record["data"] == data})
    return "\n".join(lines) + f"\n\n{', '.join(dates)}; {'; '.join(machines)}; revision {', '.join(revisions)}.\n"


def _cell(name: str, values: Sequence[float]) -> str:
    if not values:
        return "–"
    factor = 1 if name.endswith("_mm") else 100
    spread = f" ± {factor * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{factor * statistics.mean(values):.1f}{spread}"


def _seeds(runs: Records) -> str:
    good = [str(run["seed"]) for run in runs if "rank1" in run]
    bad = [f"{run['seed']} failed: {' '.join(run['error'])}" for run in runs if "error" in run]
    return ", ".join([*sorted(good), *bad]) if any(run["seed"] for run in runs) else "–"


def write(records: Records) -> None:
    """Bring tables and plot up to date."""
    text = RESULTS.read_text(encoding="utf-8")
    for data in COLUMNS:
        start = START.format(data)
        if start in text and any(record["data"] == data for record in records):
            before, rest = text.split(start)
            text = before + start + "\n" + table(data, records) + "\n" + rest[rest.index(END) :]
    write_text(RESULTS, text)
    write_with(PICTURE, lambda file: draw(records).savefig(file, format="png"))


def draw(records: Records) -> Figure:
    """Rank-1 of each form on each dataset: a dot for each seed, a line at the mean."""
    figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
    present = [data for data in COLUMNS if any(record["data"] == data for record in records)]
    for axes, data in zip(figure.subplots(1, len(present), sharey=True, squeeze=False)[0], present, strict=True):
        for row, form in enumerate(FORMS):
            found = [
                100 * record["rank1"]
                for record in records
                if record["data"] == data and record["form"] == form and "rank1" in record
            ]
            if found:
                colour = "#1b6ca8" if form == "meshgait" else "#7a7f85"
                axes.plot(found, [row] * len(found), "o", color=colour, alpha=0.6)
                axes.plot([statistics.mean(found)] * 2, [row - 0.3, row + 0.3], color=colour, linewidth=2)
        axes.set(title=NAMES[data], xlabel="Rank-1 %")
        axes.set_yticks(range(len(FORMS)), FORMS.values())
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    if present:
        figure.axes[0].invert_yaxis()
    return figure


NAMES = {"synth": "unseen synthetic walkers", "cmu": "unseen CMU people", "kth": "unseen people on film (KTH)"}
"""What plots call the datasets."""
