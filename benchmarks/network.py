"""What the 3D branch costs: one training step and one frame of inference, with it and without it."""

from dataclasses import replace
from functools import partial

import torch
from common import Figures, cpu_seconds, main

from meshgait_data.body.files import load_body
from meshgait_data.body.marker_files import load_markers
from meshgait_model.config.experiment import ExperimentConfig, load_config
from meshgait_model.losses import label_l1
from meshgait_model.nn.meshgait import MeshGait
from meshgait_model.objective import recognition_losses

CLIPS, FRAMES = 8, 8
"""Of the batches that are timed; two clips of each of four people."""


def make(config: ExperimentConfig, *, branch_3d: bool) -> MeshGait:
    """The network of a setting, with the markers of the free body."""
    torch.manual_seed(0)
    markers = load_markers(load_body("free"))
    network = replace(config.network, branch_3d=branch_3d)
    made = MeshGait(network, classes=CLIPS, window=(64, 44), coefficients=markers.signed)
    return made.to(memory_format=torch.channels_last)


def train_step(network: MeshGait, config: ExperimentConfig) -> None:
    """Forward and backward pass of all losses on random silhouettes and labels."""
    silhouettes = torch.rand(CLIPS, FRAMES, 64, 44)
    identities = torch.arange(CLIPS // 2).repeat_interleave(2)
    output = network(silhouettes, points=network.branch_3d)
    loss = torch.stack(list(recognition_losses(output, identities, config.loss).values())).sum()
    if output.joints is not None and output.markers is not None:
        valid = torch.ones(CLIPS, FRAMES, dtype=torch.bool)
        ids = torch.arange(0, len(network.coefficients), len(network.coefficients) // config.loss.mesh_vertices)
        mesh = network.vertices(output.markers, ids)
        loss = loss + sum(label_l1(p, torch.zeros_like(p), valid, 64) for p in (output.joints, output.markers, mesh))
    loss.backward()


def infer(network: MeshGait) -> None:
    """Embeddings of clips; no coordinates, no mesh."""
    with torch.inference_mode():
        network(torch.rand(CLIPS, FRAMES, 64, 44), points=False)


def costs(name: str, repeat: int) -> Figures:
    """Ratios and CPU times of the network of a setting."""
    config = load_config(name)
    full, plain = make(config, branch_3d=True), make(config, branch_3d=False)
    train = [cpu_seconds(partial(train_step, network, config), repeat) for network in (full, plain)]
    inference = [cpu_seconds(partial(infer, network.eval()), repeat) for network in (full, plain)]
    return {
        "train_cost_ratio": train[0] / train[1],
        "infer_cost_ratio": inference[0] / inference[1],
        "train_ms_frame": 1e3 * train[0] / CLIPS / FRAMES,
        "infer_ms_frame": 1e3 * inference[0] / CLIPS / FRAMES,
        "weights_m": sum(weight.numel() for weight in full.parameters()) / 1e6,
    }


def measure(quick: bool) -> Figures:
    """Figures of the demo's network and, in the full run, of the one of paper size."""
    torch.set_num_threads(1)
    figures = costs("demo", 7 if quick else 25)
    if not quick:
        figures |= {f"{name}_paper": value for name, value in costs("paper", 5).items()}
    return figures


if __name__ == "__main__":
    main("network", measure, "Mesh-Gait: what the 3D branch costs, CPU time with it against without it")
