"""Scores as text for people."""

from meshgait_model.evaluate import Evaluation
from meshgait_model.protocols.text import table as scores_table


def table(result: Evaluation) -> str:
    """The table of each protocol; sizes and label errors follow."""
    blocks = [scores_table(scores) + "\n" for scores in result.scores]
    blocks.append(f"{len(result.embedded.keys)} test sequences, {result.frames} frames")
    if result.label_errors:
        errors = ", ".join(f"{name} {value:.1f}" for name, value in result.label_errors.items())
        blocks.append(f"mean error on test people in mm, aligned at the pelvis: {errors}")
    if result.joints_of_mean_pose is not None:
        blocks.append(f"the mean training pose of each view would have: joints {result.joints_of_mean_pose:.1f}")
    return "\n".join(blocks)
