"""What a network sees in silhouettes of somebody whom it never saw: joints in the picture and turned by 90 degrees.

``python benchmarks/evidence_picture.py RUN KEY [KEY ...]`` draws test sequences such as ``synth/00123/nm-02/036``.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from evidence_tables import DOCS
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from meshgait_data.atomic import write_with
from meshgait_data.conventions import SMPL_PARENTS
from meshgait_data.shards.reader import Shards, open_shards
from meshgait_data.types import FloatArray
from meshgait_model.assembly import load_network
from meshgait_model.checkpoint import load_checkpoint
from meshgait_model.nn.meshgait import MeshGait

PICTURE = DOCS / "images" / "results_joints.png"
FRAMES = (3, 8, 13, 18)
COLOURS = ("#1b6ca8", "#c2452d", "#555555")
"""Left, right, middle."""


def main() -> None:
    """Draw what the command line names."""
    run, keys = Path(sys.argv[1]), sys.argv[2:]
    state = load_checkpoint(run / "checkpoint.pt")
    shards = open_shards(state.config.data.shards)
    network = load_network(state, shards).eval()
    figure = Figure(figsize=(9, 1.75 * len(keys)), dpi=110, layout="constrained")
    for row, key in zip(figure.subplots(len(keys), 2 * len(FRAMES), squeeze=False), keys, strict=True):
        draw(list(row), network, shards, key, state.config.data.cut)
    write_with(PICTURE, lambda file: figure.savefig(file, format="png"))


def draw(row: list[Axes], network: MeshGait, shards: Shards, key: str, cut: int) -> None:
    """Two pictures for each frame: over the silhouette, and seen from where its depth shows."""
    record = shards.find(key)
    images = shards.read(record, "silhouettes")[..., cut:-cut]
    truth = shards.read(record, "joints").astype(np.float64) - [cut, 0, 0]
    with torch.inference_mode():
        look = network.look(torch.from_numpy(images).float()[None] / 255, heatmaps=True)
        assert look.heatmaps is not None
        found = network.points(look.heatmaps)[0][0, :, : truth.shape[1]].double().numpy()
    for place, frame in enumerate(FRAMES):
        front, side = row[2 * place : 2 * place + 2]
        front.imshow(images[frame], cmap="gray", vmin=0, vmax=510)
        for axes, across in ((front, 0), (side, 2)):
            skeleton(axes, truth[frame][:, [across, 1]], "-", 0.35)
            skeleton(axes, found[frame][:, [across, 1]], ":", 1.0)
            axes.set(xticks=[], yticks=[])
        side.set(xlim=(-22, 22), ylim=front.get_ylim(), aspect="equal")
        front.set_title(f"frame {frame}", fontsize=8)
        side.set_title("turned by 90°", fontsize=8)
    row[0].set_ylabel(key.split("/", 1)[1], fontsize=8)


def skeleton(axes: Axes, joints: FloatArray, style: str, strength: float) -> None:
    """Bones between joints (24, 2)."""
    for joint, parent in enumerate(SMPL_PARENTS):
        if parent >= 0:
            side = 2 if joint in (3, 6, 9, 12, 15) else 0 if joint in (1, 4, 7, 10, 13, 16, 18, 20, 22) else 1
            ends = joints[[parent, joint]]
            axes.plot(ends[:, 0], ends[:, 1], style, color=COLOURS[side], alpha=strength, linewidth=1.8)


if __name__ == "__main__":
    main()
