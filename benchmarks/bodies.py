"""The free body: speed of our forward passes beside smplx and smplfitter in one run, agreement with them, error.

Peers that are not installed are left out: ``pip install smplx==0.1.28`` and ``pip install smplfitter==0.6.0``.
"""

import json
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Figures, cpu_seconds, main
from threadpoolctl import threadpool_limits
from torch import Tensor

from meshgait_data.body.files import find_body, load_body
from meshgait_data.body.model import Body, forward
from meshgait_data.body.torch_body import TorchBody
from meshgait_data.types import BodyParams

BATCHES = (1, 64, 512)
BETAS = 10
"""Shape components that vary: of files with fewer than 300, smplx takes no more."""
CHOSEN = 64
"""Vertices of the sparse case."""
PARAMETERS = ("betas", "global_orient", "body_pose", "transl")

Run = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """One size that everybody computes."""

    name: str
    params: BodyParams
    ids: np.ndarray | None
    """Vertices; None for all."""

    def tensors(self) -> list[Tensor]:
        """The parameters, one shape a frame, as the peers want them."""
        arrays = asdict(self.params)
        arrays["betas"] = np.tile(self.params.betas, (len(self.params), 1))
        return [torch.from_numpy(arrays[name]) for name in PARAMETERS]


def cases(body: Body) -> list[Case]:
    """Full mesh and chosen vertices at every batch size."""
    rng = np.random.default_rng(0)
    ids = np.sort(rng.choice(body.num_vertices, CHOSEN, replace=False))
    found = []
    for frames in BATCHES:
        params = random_params(body, frames)
        found += [Case(f"{frames}", params, None), Case(f"{frames}_{CHOSEN}v", params, ids)]
    return found


def random_params(body: Body, frames: int) -> BodyParams:
    """Random shapes and poses of walking size."""
    rng = np.random.default_rng(0)
    sizes = {"global_orient": 3, "body_pose": 69, "transl": 3}
    arrays = {name: rng.normal(0, 0.3, (frames, width)).astype(np.float32) for name, width in sizes.items()}
    return BodyParams(rng.normal(size=BETAS).astype(np.float32), **arrays)


def schema(body: Body) -> dict[str, Any]:
    """The body in the layout of SMPL's files."""
    parents = body.parents.astype(np.int64).copy()
    parents[0] = 2**32 - 1
    data = {name: getattr(body, name) for name in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")}
    return {**data, "f": body.faces, "kintree_table": np.stack([parents, np.arange(24)])}


def stock_smplx(body: Body) -> Callable[..., Tensor] | None:
    """``smplx.SMPL``: betas, global_orient, body_pose and transl to all vertices."""
    try:
        import smplx
    except ImportError:
        return None
    made = dict.fromkeys(("create_betas", "create_global_orient", "create_body_pose", "create_transl"), False)
    names = {"vertex_ids": dict(body.vertex_ids), "num_betas": BETAS}
    model = smplx.SMPL("", data_struct=smplx.utils.Struct(**schema(body)), **names, **made)
    return lambda *inputs: model(**dict(zip(PARAMETERS, inputs, strict=True))).vertices


def smplfitter_runs(body: Body, case: Case) -> dict[str, Run]:
    """Both back ends of smplfitter on our body, written into a temporary folder in the layout that it loads."""
    try:
        from smplfitter.np import BodyModel as NumpyModel
        from smplfitter.pt import BodyModel as TorchModel
    except ImportError:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl").open("wb") as file:
            pickle.dump(schema(body), file)
        np.save(Path(folder) / "kid_template.npy", np.zeros_like(body.v_template))
        options = {"model_root": folder, "vertex_subset": case.ids}
        in_torch, in_numpy = TorchModel("smpl", "neutral", **options), NumpyModel("smpl", "neutral", **options)
    betas, orient, pose, transl = case.tensors()
    whole = torch.cat([orient, pose], 1)
    arrays = [tensor.numpy() for tensor in (whole, betas, transl)]
    runs: dict[str, Run] = {"smplfitter_pt": lambda: in_torch(whole, betas, transl)["vertices"].numpy()}
    if len(case.params) * (case.ids is None) <= BATCHES[1]:  # numpy's einsum takes 4 s for 512 meshes
        runs["smplfitter_np"] = lambda: in_numpy(*arrays)["vertices"]
    return runs


def forward_figures(body: Body, repeat: int) -> Figures:
    """Ratios of CPU time at every size, and largest differences in metres."""
    stock, figures = stock_smplx(body), Figures()
    differences: dict[str, float] = {}
    for case in cases(body):
        inputs, ids = case.tensors(), case.ids
        peers = smplfitter_runs(body, case)
        if stock is not None and ids is None:  # it cannot compute some vertices only
            peers["smplx"] = lambda inputs=inputs: stock(*inputs).numpy()
        ours = forward(body, case.params, ids).vertices
        seconds = cpu_seconds(lambda case=case: forward(body, case.params, case.ids), 4 * repeat)
        figures[f"forward_ms_{case.name}"] = 1e3 * seconds
        with torch.no_grad():
            for name, run in peers.items():
                figures[f"forward_vs_{name}_{case.name}"] = cpu_seconds(run, repeat) / seconds
                difference = float(np.abs(run() - ours).max())
                differences[name] = max(differences.get(name, 0.0), difference)
    return figures | {f"{name}_max_diff_m": value for name, value in differences.items()}


def torch_figures(body: Body, repeat: int) -> Figures:
    """Ratios of our torch module to the stock package, forward alone and with gradients of all parameters."""
    stock, module, figures = stock_smplx(body), TorchBody(body), Figures()
    if stock is None:
        return figures
    for frames in BATCHES:
        inputs = [t.requires_grad_() for t in Case("", random_params(body, frames), None).tensors()]

        def both(run: Callable[..., Tensor], inputs: list[Tensor] = inputs) -> Run:
            return lambda: torch.autograd.grad(run(*inputs).square().sum(), inputs)

        def alone(run: Callable[..., Tensor], inputs: list[Tensor] = inputs) -> Run:
            return torch.no_grad()(lambda: run(*inputs))

        for name, way in (("torch_vs_smplx", alone), ("torch_backward_vs_smplx", both)):
            ours, theirs = (cpu_seconds(way(run), repeat) for run in (lambda *x: module(*x)[0], stock))
            figures[f"{name}_{frames}"] = theirs / ours
    return figures


def headline(figures: Figures) -> Figures:
    """The figures of the contract: 64 full meshes, against each peer's fastest back end."""
    found = {"forward_ms_frame": figures["forward_ms_64"] / 64}
    for name in ("smplx", "smplfitter"):
        ratios = [figures[key] for key in figures if key.startswith(f"forward_vs_{name}") and key.endswith("_64")]
        if ratios:
            found[f"forward_vs_{name}"] = min(ratios)
    for name in ("torch_vs_smplx", "torch_backward_vs_smplx"):
        if f"{name}_64" in figures:
            found[name] = figures[f"{name}_64"]
    return found


def measure(quick: bool) -> Figures:
    """Figures of the shipped body."""
    torch.set_num_threads(1)
    threadpool_limits(1)
    body = load_body("free")
    repeat = 3 if quick else 15
    figures = forward_figures(body, repeat) | torch_figures(body, repeat)
    with np.load(find_body("free").path, allow_pickle=False) as file:
        errors = json.loads(str(file["card"]))["errors_mm"]["shape"]["plain"]
    return {
        **headline(figures),
        **figures,
        "source_error_mm": errors[f"{BETAS}"]["mean"],
        "source_error_mm_all": errors[max(errors, key=int)]["mean"],
        "vertices": body.num_vertices,
    }


if __name__ == "__main__":
    main("bodies", measure, "Free body: forward pass beside smplx and smplfitter, error against the source")
