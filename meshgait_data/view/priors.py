"""Pictures of a gait-cycle prior: joint angles over the cycle with their spread, and bodies that walk."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from meshgait_data.atomic import write_with
from meshgait_data.body.model import Body, forward
from meshgait_data.conventions import SMPL_JOINTS, SMPL_PARENTS
from meshgait_data.fit.priors.gait import GaitPrior
from meshgait_data.rotations import exp, log
from meshgait_data.types import BodyParams, FloatArray
from meshgait_data.view.mesh import Cell, draw_mesh, montage

_STEPS = 73
_WALKERS = 400
"""Random people whose spread is drawn."""
_PHASES = 8
_SHOWN_SD = 2.0
_LEG = [SMPL_JOINTS.index(f"left_{name}") for name in ("hip", "knee", "ankle")]


def plot_cycle(gait: GaitPrior, path: Path) -> None:
    """Draw flexion of hip, knee, ankle, shoulder and elbow and the pelvis' height over the cycle; equal in, equal out.

    Parameters
    ----------
    gait
        The prior. The band is one standard deviation among people: random styles, and deviations from the cycle.
    path
        PNG file to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    phases = torch.linspace(0, 2 * np.pi, _STEPS, dtype=gait.cycle.dtype)
    mean = _angles(gait, gait.channels(phases))
    generator = torch.Generator().manual_seed(0)
    root = torch.linalg.cholesky(gait.covariance)
    walkers = []
    for _ in range(_WALKERS):
        style = torch.randn(gait.size, generator=generator, dtype=root.dtype)
        off = root @ torch.randn(len(root), generator=generator, dtype=root.dtype)
        walkers.append(_angles(gait, gait.channels(phases, style) + off))
    figure = Figure(figsize=(11, 5.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    percent = np.linspace(0, 100, _STEPS)
    for panel, title in zip(figure.subplots(2, 3).flat, mean, strict=True):
        middle = mean[title]
        spread = np.std([walker[title] for walker in walkers], axis=0)
        panel.fill_between(percent, middle - spread, middle + spread, alpha=0.25, linewidth=0)
        panel.plot(percent, middle, linewidth=1.6)
        panel.axvline(50, color="0.6", linewidth=0.8, linestyle=":")
        panel.set_title(title, fontsize=10, loc="left")
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_xlim(0, 100)
    figure.supxlabel("% of the cycle; 0: left heel strike, 50: right heel strike; left side shown", fontsize=9)
    write_with(path, lambda file: figure.savefig(file, format="png", metadata={"Software": None}))


def _angles(gait: GaitPrior, channels: Tensor) -> dict[str, FloatArray]:
    """Title of a panel to (T,) values: degrees, and centimetres of a leg of one metre."""
    local = (gait.mean @ _exp(channels)).numpy()
    vectors = np.degrees(log(local))
    world = local.copy()
    for joint in range(1, 24):
        world[:, joint] = world[:, SMPL_PARENTS[joint]] @ local[:, joint]
    arm = world[:, SMPL_JOINTS.index("left_shoulder"), :, 0]
    at = {name: vectors[:, SMPL_JOINTS.index(f"left_{name}")] for name in ("hip", "knee", "ankle", "elbow")}
    return {
        "hip flexion, degrees": -at["hip"][:, 0],
        "knee flexion, degrees": at["knee"][:, 0],
        "ankle, toes up, degrees": -at["ankle"][:, 0],
        "upper arm ahead of vertical, degrees": np.degrees(np.arctan2(arm[:, 2], -arm[:, 1])),
        "elbow flexion, degrees": -at["elbow"][:, 1],
        "pelvis above floor, % of leg": 100 * channels[:, 72].numpy(),
    }


def _exp(channels: Tensor) -> Tensor:
    return torch.as_tensor(exp(channels[:, :72].reshape(-1, 24, 3).numpy()))


def draw_cycle(body: Body, gait: GaitPrior) -> bytes:
    """A body over the cycle (PNG): the mean from the side and from the front, then the first style from the side."""
    rows = [
        _row(body, gait, None, 90.0, "mean"),
        _row(body, gait, None, 20.0, "mean"),
    ]
    if gait.size:
        first = torch.eye(gait.size, dtype=gait.cycle.dtype)[0]
        rows += [_row(body, gait, sd * first, 90.0, f"style 1: {sd:+.0f} SD") for sd in (-_SHOWN_SD, _SHOWN_SD)]
    return montage(rows, "The gait cycle: left heel strike first; the line is the floor")


def _row(body: Body, gait: GaitPrior, style: Tensor | None, azimuth: float, name: str) -> list[Cell]:
    phases = 2 * torch.pi * torch.arange(_PHASES, dtype=gait.cycle.dtype) / _PHASES
    angles = log(gait.rotations(phases, style).numpy())
    zeros = np.zeros((_PHASES, 3))
    params = BodyParams(np.zeros(1), angles[:, 0], angles[:, 1:].reshape(_PHASES, 69), zeros)
    posed = forward(body, params)
    leg = np.linalg.norm(np.diff(posed.joints[0, _LEG], axis=0), axis=1).sum()
    root = leg * gait.root(phases, style).numpy()
    cells: list[Cell] = []
    for number, (vertices, joints) in enumerate(zip(posed.vertices, posed.joints, strict=True)):
        standing = vertices - joints[0] + [0.0, root[number, 0], 0.0]
        image = draw_mesh(
            standing, body.faces, size=(150, 300), azimuth_deg=azimuth, height_m=2.0, centre=np.array([0, 0.88, 0])
        )
        floor = round(149.5 + 0.88 / 2.0 * 300)
        image[floor : floor + 1] = (120, 120, 120)
        caption = f"{name}, {100 * number // _PHASES} %" if number == 0 else f"{100 * number / _PHASES:.0f} %"
        cells.append((image, caption))
    return cells
