"""Writes model files in the exact layouts of SMPL-H and SMPL-X: keys, types and shapes as released, random numbers."""

import numpy as np
from random_body import make_body

from meshgait_data.conventions import SMPL_PARENTS

SMPLH_PARENTS = (*SMPL_PARENTS[:22], 20, 22, 23, 20, 25, 26, 20, 28, 29, 20, 31, 32, 20, 34, 35,
                 21, 37, 38, 21, 40, 41, 21, 43, 44, 21, 46, 47, 21, 49, 50)  # fmt: skip
"""Read off the released ``kintree_table``: five fingers of three joints at each wrist."""
SMPLX_PARENTS = (*SMPL_PARENTS[:22], 15, 15, 15, 20, 25, 26, 20, 28, 29, 20, 31, 32, 20, 34, 35, 20, 37, 38,
                 21, 40, 41, 21, 43, 44, 21, 46, 47, 21, 49, 50, 21, 52, 53)  # fmt: skip
"""The same with jaw and eyes, which hang on the head, before the hands."""


def family_arrays(parents: tuple[int, ...], columns: int, vertices: int = 60, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays of a model with the joints of ``parents`` and ``columns`` shape directions, as its .npz has them."""
    rng, joints = np.random.default_rng(seed), len(parents)
    body = make_body(vertices, seed=seed)
    table = np.stack([np.array(parents), np.arange(joints)]).astype(np.int64)
    table[0, 0] = 2**32 - 1
    hands = {f"hands_mean{side}": rng.normal(size=45) for side in "lr"}
    components = {f"hands_components{side}": rng.normal(size=(45, 45)) for side in "lr"}
    return {
        "v_template": body.v_template.astype(np.float64),
        "shapedirs": 0.02 * rng.normal(size=(vertices, 3, columns)),
        "posedirs": 0.01 * rng.normal(size=(vertices, 3, 9 * (joints - 1))),
        "J_regressor": rng.dirichlet(np.full(vertices, 0.1), size=joints),
        "weights": rng.dirichlet(np.full(joints, 0.05), size=vertices),
        "kintree_table": table,
        "f": body.faces.astype(np.uint32),
        "bs_type": np.array("lrotmin"),
        "bs_style": np.array("lbs"),
        **hands,
        **components,
        "lmk_faces_idx": rng.integers(0, len(body.faces), 51),
        "lmk_bary_coords": rng.dirichlet(np.ones(3), size=51),
    }


def smplh_arrays(columns: int = 16) -> dict[str, np.ndarray]:
    """SMPL-H: 16 shape directions as in the extended model, or 10."""
    return family_arrays(SMPLH_PARENTS, columns)


def smplx_arrays(columns: int = 400) -> dict[str, np.ndarray]:
    """SMPL-X 1.1: 300 shape and 100 expression directions; or 1.0: 10 and 10."""
    return family_arrays(SMPLX_PARENTS, columns)
