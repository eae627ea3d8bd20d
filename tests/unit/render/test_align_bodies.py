"""The promise of alignment: joints of a rendered body go through the window onto the aligned silhouette, whatever
the body, camera and crop are."""

from collections.abc import Iterator

import numpy as np
import pytest

from meshgait_data import rotations
from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body, forward
from meshgait_data.render.align import align, through
from meshgait_data.render.cameras import look_at, plain_scene, project
from meshgait_data.render.raster import silhouettes
from meshgait_data.render.roi_align import roi_align
from meshgait_data.types import Aligned, BodyParams, ByteArray, Camera, FloatArray

COUNT = 1000


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body("free-lite")


def people(body: Body, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """(COUNT, V, 3) vertices and (COUNT, 24, 3) joints of bodies of any shape in walking-like and stranger poses."""
    pose = (rng.normal(size=(COUNT, 23, 3)) * 0.2).astype(np.float32)
    pose[:, [0, 1], 0] += rng.normal(size=(COUNT, 2)) * 0.4
    zero = np.zeros((1, 3), np.float32)
    parts = []
    for i in range(COUNT):
        betas = rng.normal(size=body.num_betas).astype(np.float32)
        orient = (rng.normal(size=(1, 3)) * [0.2, 3, 0.2]).astype(np.float32)
        parts.append(forward(body, BodyParams(betas, orient, pose[i : i + 1].reshape(1, 69), zero)))
    return np.concatenate([p.vertices for p in parts]), np.concatenate([p.joints for p in parts])


def camera(rng: np.random.Generator, middle: FloatArray) -> Camera:
    """Anywhere around a body, level or from above, tilted, with any lens, whose image holds the whole body."""
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(3, 12)
    position = middle + distance * np.array([np.sin(angle), rng.uniform(-0.1, 0.6), np.cos(angle)])
    aim = middle + rng.normal(size=3) * 0.1
    rotation = rotations.exp(np.array([0, 0, rng.normal() * 0.1])) @ look_at(position, aim)
    size = int(rng.integers(150, 700)), int(rng.integers(150, 500))
    focal = min(size) / 3.2 * distance
    intrinsics = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1.0]])
    changes = [
        {},
        {"distortion": (-0.2, 0.05, 0.001, -0.001)},
        {"model": "weak_perspective", "reference_m": distance},
    ][int(rng.integers(3))]
    return Camera("any", intrinsics, rotation, -rotation @ position, size, **changes)  # type: ignore[arg-type]


def cut(mask: ByteArray, rng: np.random.Generator) -> tuple[ByteArray, FloatArray]:
    """A crop around the body with random margins, like a detector's box, and the pixel that became its first."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = max(rows[0] - rng.integers(0, 40), 0), max(columns[0] - rng.integers(0, 40), 0)
    return mask[top : rows[-1] + 1 + rng.integers(0, 40), left : columns[-1] + 1 + rng.integers(0, 40)], np.array(
        [left, top]
    )


def scenes(body: Body) -> Iterator[tuple[ByteArray, FloatArray]]:
    """Cropped masks and the joints (24, 2) in their pixels."""
    rng = np.random.default_rng(11)
    vertices, joints = people(body, rng)
    for one, points in zip(vertices, joints, strict=True):
        view = camera(rng, one.mean(axis=0).astype(np.float64))
        flat, plain = plain_scene(one[None], view)
        mask, corner = cut(silhouettes(flat, body.faces, plain)[0], rng)
        yield mask, project(view, points.astype(np.float64))[0] - corner


WAYS = {
    "opengait 64": lambda masks: align(masks, 64),
    "opengait 128": lambda masks: align(masks, 128),
    "ccpg 64": lambda masks: align(masks, 64, variant="ccpg"),
    "casia_b_star 64": lambda masks: align(masks, 64, variant="casia_b_star"),
    "casia_b_star": roi_align,
}


def test_joints_land_on_the_aligned_silhouette(body):
    lost: dict[str, list[int]] = {name: [] for name in WAYS}
    shown = []
    for mask, joints in scenes(body):
        x, y = joints.round().astype(int).T
        # Joints lie inside the body; a hand's may miss the pixel centres of a mask of 60 pixels.
        shown.append(mask[y, x] > 0)
        for name, way in WAYS.items():
            lost[name].append(
                misses(way(np.ascontiguousarray(mask[None])), joints[shown[-1]], blank=name == "casia_b_star 64")
            )
    assert np.shape(shown) == (COUNT, 24)
    assert np.mean(shown) > 0.998
    assert {name: sum(counts) for name, counts in lost.items()} == dict.fromkeys(WAYS, 0)
    assert {len(counts) for counts in lost.values()} == {COUNT}


def misses(aligned: Aligned, joints: FloatArray, *, blank: bool) -> int:
    """Joints inside the window around which no pixel of the silhouette is at least half white."""
    [silhouette], [window] = aligned.silhouettes, aligned.windows
    u, v = through(window, joints).T
    rows, columns = silhouette.shape
    # The square of casia_b_star shows 44 of its 64 columns.
    edge = 10 if blank else 0
    inside = (u > edge - 0.5) & (u < columns - edge - 0.5) & (v > -0.5) & (v < rows - 0.5)
    column, row = (np.floor(axis[inside]).astype(int) + 1 for axis in (u, v))
    padded = np.pad(silhouette, 1)
    around = [padded[row + i, column + j] for i in (0, 1) for j in (0, 1)]
    return int(np.count_nonzero(np.max(around, axis=0) < 128))
