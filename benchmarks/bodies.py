"""The free body: speed and agreement of our forward pass with the stock smplx package, error against the source."""

import json
from dataclasses import asdict

import numpy as np
import torch
from common import Figures, cpu_seconds, main
from threadpoolctl import threadpool_limits

from meshgait_data.body.files import find_body, load_body
from meshgait_data.body.model import Body, forward
from meshgait_data.types import BodyParams


def random_params(body: Body, frames: int) -> BodyParams:
    """Random shapes and poses of walking size."""
    rng = np.random.default_rng(0)
    sizes = {"global_orient": 3, "body_pose": 69, "transl": 3}
    arrays = {name: rng.normal(0, 0.3, (frames, width)).astype(np.float32) for name, width in sizes.items()}
    return BodyParams(rng.normal(size=body.num_betas).astype(np.float32), **arrays)


def against_smplx(body: Body, params: BodyParams, repeat: int) -> Figures:
    """Ratio of CPU time and largest vertex difference; nothing where smplx is not installed."""
    try:
        import smplx
    except ImportError:
        return {}
    parents = body.parents.astype(np.int64).copy()
    parents[0] = 2**32 - 1
    data = {name: getattr(body, name) for name in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")}
    struct = smplx.utils.Struct(**data, f=body.faces, kintree_table=np.stack([parents, np.arange(24)]))
    stock = smplx.SMPLLayer("", data_struct=struct, vertex_ids=dict(body.vertex_ids), num_betas=body.num_betas)
    arrays = {name: torch.from_numpy(value) for name, value in asdict(params).items()}
    matrices = {
        name: smplx.lbs.batch_rodrigues(arrays[name].reshape(-1, 3)).reshape(len(params), -1, 3, 3)
        for name in ("global_orient", "body_pose")
    }
    betas = arrays["betas"].expand(len(params), -1)

    def run() -> torch.Tensor:
        with torch.no_grad():
            return stock(betas=betas, transl=arrays["transl"], **matrices).vertices

    difference = np.abs(run().numpy() - forward(body, params).vertices).max()
    ratio = cpu_seconds(run, repeat) / cpu_seconds(lambda: forward(body, params), repeat)
    return {"forward_vs_smplx": ratio, "smplx_max_diff_m": float(difference)}


def measure(quick: bool) -> Figures:
    """Figures of the shipped body."""
    torch.set_num_threads(1)
    threadpool_limits(1)
    body = load_body("free")
    params = random_params(body, 64)
    with np.load(find_body("free").path, allow_pickle=False) as file:
        card = json.loads(str(file["card"]))
    return {
        **against_smplx(body, params, 3 if quick else 15),
        "forward_ms_frame": 1e3 * cpu_seconds(lambda: forward(body, params), 3 if quick else 15) / len(params),
        "source_error_mm": card["errors_mm"]["shape"]["plain"]["mean"],
        "vertices": body.num_vertices,
    }


if __name__ == "__main__":
    main("bodies", measure, "Free body: forward pass against smplx, error against the source")
