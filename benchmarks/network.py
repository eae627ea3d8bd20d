"""The network: speed against plain transcriptions of its backbones, cost of the 3D branch, and what training reaches.

Ratios without the name of a size are the worst of all sizes. ``--gpu`` measures them at paper size on a GPU instead, in
bfloat16: 32 people, 4 clips of each, 30 frames.
"""

import statistics
import sys

import torch
from common import Figures, main
from evidence_runs import records
from network_costs import Clock, costs, gpu_clock
from network_data import setting
from network_speed import against_plain, waiting

ABOUT = "The network: clips/s against plain transcriptions, cost of the 3D branch, label errors, Rank-1"
PAPER = ("data.people=32", "data.clips=4", "data.frames=30", "data.workers=4", "run.amp=bf16", "run.device=cuda")
WORST = {"train_vs_plain": min, "train_cost_ratio": max, "infer_cost_ratio": max, "loader_wait_share": max}
EVIDENCE = "synth"
"""Dataset whose records give label errors and Rank-1: synthetic walkers that training never saw."""


def speed(sizes: dict[str, int], overrides: tuple[str, ...] = (), clock: Clock | None = None) -> Figures:
    """Ratios of some sizes, each with how often it is timed."""
    figures: Figures = {}
    for size, repeat in sizes.items():
        config = setting(size, overrides)
        found = costs(config, repeat, clock) | against_plain(config, repeat, clock)
        figures |= {f"{name}_{size}": value for name, value in found.items()}
    return figures


def worst(figures: Figures) -> Figures:
    """Of each ratio that has a limit, the size that is farthest from keeping it; then all figures."""
    found = {}
    for name, pick in WORST.items():
        values = [value for known, value in figures.items() if known.startswith(f"{name}_")]
        if values:
            found[name] = pick(values)
    return found | figures


def evidence() -> Figures:
    """Means over seeds of the recorded runs (``benchmarks/evidence.py``); nothing where there are none."""
    figures: Figures = {}
    wanted = {
        "meshgait": {
            "joints_mm": "joints_mm",
            "markers_mm": "markers_mm",
            "mesh_mm": "mesh_mm",
            "rank1": "rank1_meshgait",
        },
        "without_3d": {"rank1": "rank1_without_3d"},
    }
    for form, names in wanted.items():
        runs = [run for run in records() if (run["data"], run["form"]) == (EVIDENCE, form)]
        for name, figure in names.items():
            values = [run[name] for run in runs if name in run]
            if values:
                figures[figure] = statistics.fmean(values)
    return figures


def measure(quick: bool) -> Figures:
    """All figures on one thread of a CPU."""
    torch.set_num_threads(1)
    figures = speed({"demo": 5, "gaitbase": 2} if quick else {"demo": 15, "gaitbase": 5, "p3d": 3, "2d": 3, "3d": 3})
    loading = ("data.workers=1", "data.frames=30", "run.threads=1")
    figures["loader_wait_share_demo"] = waiting(setting("demo", loading), 10 if quick else 40)
    return worst(figures) | evidence()


def measure_gpu(quick: bool) -> Figures:
    """Speed at paper size."""
    repeat = 5 if quick else 20
    figures = speed({"gaitbase": repeat, "p3d": repeat}, PAPER, gpu_clock)
    for size in ("gaitbase", "p3d"):
        torch.cuda.reset_peak_memory_stats()
        figures[f"loader_wait_share_{size}"] = waiting(setting(size, PAPER), 10 * repeat)
        figures[f"memory_gib_{size}"] = torch.cuda.max_memory_allocated() / 2**30
    return worst(figures)


if __name__ == "__main__":
    if "--gpu" not in sys.argv:
        main("network", measure, ABOUT)
    elif torch.cuda.is_available():
        sys.argv.remove("--gpu")
        main("network_gpu", measure_gpu, f"{ABOUT}; {torch.cuda.get_device_name()}")
    else:
        print("no GPU here: nothing measured", file=sys.stderr)
