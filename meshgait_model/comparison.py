"""Runs side by side: their figures as a Markdown table, their losses as records to draw."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meshgait_data.errors import InvalidData, UsageError
from meshgait_model.checkpoint import LOSSES, METRICS

ROWS = (
    ("rank1", "Rank-1 %", 100.0),
    ("rank5", "Rank-5 %", 100.0),
    ("map", "mAP %", 100.0),
    ("joints_mm", "joints mm", 1.0),
    ("markers_mm", "markers mm", 1.0),
    ("mesh_mm", "mesh mm", 1.0),
)
"""Key in ``metrics.json``, name in the table, factor."""

CHANCE = {
    "rank1": "rank1_chance",
    "rank5": "rank5_chance",
    "map": "map_chance",
    "joints_mm": "joints_mm_of_mean_pose",
}
"""What knows nothing reaches: random embeddings, and the mean training pose of the view."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run folder says."""

    name: str
    losses: Sequence[Mapping[str, Any]]
    """Records of the training log."""
    metrics: Mapping[str, Any]
    """What ``mgtrain eval`` wrote."""


def read_run(folder: Path) -> Run:
    """Read the log and the figures of a run that was trained and evaluated.

    Raises
    ------
    UsageError
        Where the run was not trained or not evaluated yet.
    InvalidData
        Where a file is damaged.
    """
    texts = {}
    for name, command in ((LOSSES, "run"), (METRICS, "eval")):
        path = folder / name
        if not path.is_file():
            raise UsageError(f"no {name} here", where=str(folder), hint=f"run 'mgtrain {command}' first")
        texts[name] = path.read_text(encoding="utf-8")
    try:
        records = [json.loads(line) for line in texts[LOSSES].splitlines()]
        # Scores during training stand among the losses.
        losses = [record for record in records if "eval" not in record]
        return Run(folder.name, losses, json.loads(texts[METRICS]))
    except ValueError as error:
        raise InvalidData(f"damaged: {error}", where=str(folder), hint="evaluate the run again") from error


def comparison(runs: Sequence[Run]) -> str:
    """Markdown table of what the runs reached on test people, and what guessing reaches; "–" where a run has none."""
    lines = [
        "| on test people | " + " | ".join(run.name for run in runs) + " | guess |",
        "|---|" + "---:|" * (len(runs) + 1),
    ]
    for key, title, factor in ROWS:
        chance = next(
            (run.metrics[CHANCE[key]] for run in runs if run.metrics.get(CHANCE.get(key, "")) is not None), None
        )
        values = [run.metrics.get(key) for run in runs]
        if any(value is not None for value in values):
            cells = ["–" if value is None else f"{factor * value:.1f}" for value in [*values, chance]]
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
