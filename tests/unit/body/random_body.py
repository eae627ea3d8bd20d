"""Small random bodies in SMPL's schema and poses for them, so that tests of the mathematics need no model file."""

import numpy as np

from meshgait_data.body.model import Body
from meshgait_data.conventions import SMPL_MIRROR, SMPL_PARENTS
from meshgait_data.types import BodyParams

FLIP = np.array([-1.0, 1.0, 1.0])


def make_body(vertices: int = 60, betas: int = 10, seed: int = 0) -> Body:
    """Random vertices, exactly symmetric: pairs (i, i + half) and a few on the mid-line, SMPL's tree."""
    rng = np.random.default_rng(seed)
    middle = 6
    half = (vertices - middle) // 2
    mirror = np.concatenate([np.arange(half) + half, np.arange(half), np.arange(2 * half, vertices)])

    def symmetric(values: np.ndarray) -> np.ndarray:
        flip = FLIP.reshape(1, 3, *[1] * (values.ndim - 2))
        return 0.5 * (values + flip * values[mirror])

    template = symmetric(rng.normal(size=(vertices, 3)) * [0.3, 0.8, 0.1])
    regressor = rng.dirichlet(np.full(vertices, 0.1), size=24)
    weights = rng.dirichlet(np.full(24, 0.05), size=vertices)
    weights[weights < 0.02] = 0.0
    weights /= weights.sum(1, keepdims=True)
    pose = 0.01 * rng.normal(size=(vertices, 3, 23, 3, 3))
    # Mirroring turns R into S R S, so a symmetric corrective flips its rows and both axes of R - I.
    signs = np.einsum("a,b->ab", FLIP, FLIP)
    mirrored = FLIP[None, :, None, None, None] * pose[mirror][:, :, SMPL_MIRROR[1:] - 1] * signs
    return Body(
        name="random",
        sha256=f"{seed:064d}",
        licence="none: random numbers",
        v_template=template.astype(np.float32),
        shapedirs=symmetric(0.02 * rng.normal(size=(vertices, 3, betas))).astype(np.float32),
        posedirs=(0.5 * (pose + mirrored)).reshape(vertices, 3, 207).astype(np.float32),
        J_regressor=(0.5 * (regressor + regressor[SMPL_MIRROR][:, mirror])).astype(np.float32),
        weights=(0.5 * (weights + weights[mirror][:, SMPL_MIRROR])).astype(np.float32),
        parents=np.array(SMPL_PARENTS),
        faces=rng.permuted(np.tile(np.arange(vertices), (40, 1)), axis=1)[:, :3].astype(np.int32),
        mirror=mirror,
        vertex_ids={"nose": vertices - 1},
    )


def make_params(frames: int, betas: int = 10, seed: int = 0) -> BodyParams:
    """Random shape and poses."""
    rng = np.random.default_rng(seed)
    draw = lambda *shape, scale=1.0: (scale * rng.normal(size=shape)).astype(np.float32)  # noqa: E731
    return BodyParams(draw(betas), draw(frames, 3), draw(frames, 69, scale=0.4), draw(frames, 3))
