"""Scores as text for people."""

import numpy as np

from meshgait_model.evaluate import Evaluation


def table(result: Evaluation) -> str:
    """Rows are probe views, columns are ranks; means, chance and label errors follow."""
    ranks = result.ranks
    per_view, mean, chance = ranks.per_probe_view(), ranks.mean(), ranks.mean_chance()
    head = [f"Rank-{k}" for k in ranks.ranks]
    lines = [_row("probe view", ["probes", *head])]
    for column, view in enumerate(ranks.views):
        if np.isfinite(per_view[:, column]).all():
            lines.append(_row(view, [str(ranks.probes[column]), *_percent(per_view[:, column])]))
    lines += [
        _row("mean", [str(ranks.probes.sum()), *_percent(mean)]),
        _row("chance", ["", *_percent(chance)]),
        "",
        f"mAP {100 * result.mean_ap:.1f} % (random embeddings {100 * result.mean_ap_chance:.1f} %), "
        f"{result.people} people enrolled, {result.sequences} sequences, {result.frames} frames",
    ]
    if ranks.unscorable:
        lines.append(f"{ranks.unscorable} pairs of probe and gallery view lack the person and do not count")
    if result.label_errors:
        errors = ", ".join(f"{name} {value:.1f}" for name, value in result.label_errors.items())
        lines.append(f"mean error on test people in mm, aligned at the pelvis: {errors}")
    if result.joints_of_mean_pose is not None:
        lines.append(f"the mean training pose of each view would have: joints {result.joints_of_mean_pose:.1f}")
    return "\n".join(lines)


def _row(name: str, cells: list[str]) -> str:
    return f"{name:12s}" + "".join(f"{cell:>10s}" for cell in cells)


def _percent(values: np.ndarray) -> list[str]:
    return [f"{100 * value:.1f}" for value in values]
