"""People whose bodies are known: shipped CMU walks, fitted, then re-posed on random shapes; and priors without them.

Every benchmark of the fit draws its truth from here, so that figures of different inputs are about the same walks.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from time import process_time

import numpy as np
import torch

from meshgait_data.body.files import load_body
from meshgait_data.body.measure import measure
from meshgait_data.body.model import Body, forward
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import FitError, InvalidData
from meshgait_data.fit import Known, fit_captures
from meshgait_data.fit.priors.learn import learn_gait
from meshgait_data.fit.priors.phase import first_phase
from meshgait_data.fit.priors.pose import learn_pose
from meshgait_data.fit.priors.walks import Walk
from meshgait_data.fit.settings import FitSettings
from meshgait_data.index import scan
from meshgait_data.manifest import JointMap, MappedJoint, load_joint_map, load_manifest
from meshgait_data.pipeline.prior_files import Priors, load_priors
from meshgait_data.pipeline.priors import to_walk
from meshgait_data.sources import observe
from meshgait_data.types import BodyParams, CaptureKey, Fit, FloatArray, Observations

_MOST = {"walks": 1000, "subjects": 1000}
"""Walks of a subject, and subjects, that take part."""
EVERY_COMPONENT = FitSettings(num_betas=30)
"""For labelled markers: children are no small adults."""
OWN = JointMap("smpl", "the body's own joints", tuple(MappedJoint(name, name) for name in SMPL_JOINTS))


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """A walk whose body is known."""

    key: CaptureKey
    person: str
    params: BodyParams
    """Poses of a real walk on a random shape: betas are standard normal."""
    fps: float

    def observed(self, **seen: object) -> Observations:
        """Observations of this walk; without arguments, of nothing."""
        nothing = {"joints": np.zeros((len(self.params), 0, 3)), "joint_names": (), "joint_set": ""}
        return Observations(
            **{  # type: ignore[arg-type]  # the caller names fields of Observations
                "key": self.key,
                "frame_ids": np.arange(len(self.params)),
                "fps": self.fps,
                **nothing,
                **seen,
            }
        )


@lru_cache
def body() -> Body:
    """The free body."""
    return load_body("free")


@lru_cache
def walks() -> tuple[Observations, ...]:
    """All shipped walks, subject by subject; after :func:`be_quick` the first of each of six subjects."""
    manifest = load_manifest("cmu_walk")
    root = manifest.default_root()
    assert root is not None
    keys, taken = [], dict[str, int]()
    for key in scan(manifest, root)[0].captures():
        taken[key.subject] = taken.get(key.subject, 0) + 1
        if taken[key.subject] <= _MOST["walks"] and len(taken) <= _MOST["subjects"]:
            keys.append(key)
    return tuple(observe(manifest, root, key) for key in keys)


def be_quick() -> None:
    """Take one walk of six subjects from now on, as few as priors can be learned from; call it before anything else."""
    _MOST.update(walks=1, subjects=6)


def person_of(key: CaptureKey) -> str:
    """Identity of a walker: subject numbers that may be one person share it."""
    return load_manifest("cmu_walk").identity(key.subject)


def good(results: list[Fit | FitError]) -> list[Fit]:
    """The fits; raises the first error."""
    for result in results:
        if isinstance(result, FitError):
            raise result
    return [result for result in results if isinstance(result, Fit)]


@lru_cache
def cmu_fits() -> tuple[Fit, ...]:
    """Fits of all shipped walks, with the prior that knows least of how these people walk."""
    known = Known(load_priors("general").pose, maps={"cmu": load_joint_map("cmu")})
    return tuple(good(fit_captures(body(), walks(), known)))


def truths(most_frames: int = 100, a_person: int = 1, *, seed: int = 0) -> list[Truth]:
    """The first walks of every person, re-posed on random shapes.

    Parameters
    ----------
    most_frames
        From the middle of each walk, at 30 a second.
    a_person
        Walks of each person.
    seed
        Of the shapes.
    """
    rng, taken = np.random.default_rng(seed), dict[str, int]()
    found = []
    for fit in cmu_fits():
        person = person_of(fit.key)
        taken[person] = taken.get(person, 0) + 1
        if taken[person] > a_person:
            continue
        first = max(0, (len(fit.params) - most_frames) // 2)
        params = fit.params.take(slice(first, first + most_frames))
        betas = rng.normal(size=10).astype(np.float32)
        found.append(Truth(fit.key, person, replace(params, betas=betas), fit.fps))
    return found


@lru_cache
def learnable() -> tuple[Walk, ...]:
    """The fitted walks that priors can be learned from."""
    feet = [SMPL_JOINTS.index(f"{side}_{part}") for side in ("left", "right") for part in ("ankle", "foot")]
    soles = np.flatnonzero(body().weights[:, feet].sum(1) > 0.5)
    found = []
    for fit in cmu_fits():
        try:
            walk = to_walk(fit, body(), person_of(fit.key), soles)
            first_phase(walk)
        except InvalidData:
            continue
        found.append(walk)
    return tuple(found)


@lru_cache
def priors_without(*people: str) -> Priors:
    """Priors learned from everybody else."""
    kept = [walk for walk in learnable() if walk.person not in people]
    return Priors("held-out", learn_pose(kept), learn_gait(kept))


def halves(found: list[Truth]) -> list[tuple[list[Truth], Priors]]:
    """People in two halves, each with priors learned without them: two priors serve all of them."""
    people = sorted({truth.person for truth in found})
    result = []
    for half in (people[::2], people[1::2]):
        own = [truth for truth in found if truth.person in half]
        if own:
            result.append((own, priors_without(*half)))
    return result


def joints_of(params: BodyParams) -> FloatArray:
    """(F, 24, 3) metres."""
    return forward(body(), params, np.array([0])).joints.astype(np.float64)


def joint_error_mm(found: BodyParams, truth: BodyParams) -> float:
    """Mean distance of the 24 joints."""
    return 1e3 * float(np.linalg.norm(joints_of(found) - joints_of(truth), axis=-1).mean())


def mesh_error_mm(found: BodyParams, truth: BodyParams, every: int = 8) -> float:
    """Mean distance of all vertices, of every so manieth frame."""
    pair = [forward(body(), params.take(slice(None, None, every))).vertices for params in (found, truth)]
    return 1e3 * float(np.linalg.norm(pair[0] - pair[1], axis=-1).mean())


def rooted_error_mm(found: BodyParams, truth: BodyParams) -> float:
    """Mean distance of the joints where both pelvises are in one place."""
    pair = [joints - joints[:, :1] for joints in (joints_of(found), joints_of(truth))]
    return 1e3 * float(np.linalg.norm(pair[0] - pair[1], axis=-1).mean())


def aligned_error_mm(found: BodyParams, truth: BodyParams) -> float:
    """Mean distance of the joints after the best similarity of each frame (PA-MPJPE)."""
    a, b = (joints - joints.mean(1, keepdims=True) for joints in (joints_of(found), joints_of(truth)))
    u, s, vt = np.linalg.svd(a.swapaxes(1, 2) @ b)
    sign = np.sign(np.linalg.det(u @ vt))
    s[:, 2] *= sign
    vt[:, 2] *= sign[:, None]
    scale = s.sum(1) / np.square(a).sum((1, 2))
    return 1e3 * float(np.linalg.norm(scale[:, None, None] * (a @ (u @ vt)) - b, axis=-1).mean())


def height_mm(params: BodyParams) -> float:
    """Stature of a body."""
    return 1e3 * float(measure(body(), params.betas, ["height"])["height"])


def frames_a_second(tasks: list[tuple[list[Observations], Known]]) -> float:
    """Of two processes with one thread each, side by side; each by its own CPU time, whatever else the machine does."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return sum(pool.map(_frames_a_second, tasks))


def _frames_a_second(task: tuple[list[Observations], Known]) -> float:
    """Of one process, from observations to judged fits, batches of eight walks; the first walk is fitted before."""
    torch.set_num_threads(1)
    seen, known = task
    fit_captures(body(), seen[:1], known)
    start = process_time()
    for first in range(0, len(seen), 8):
        fit_captures(body(), seen[first : first + 8], known)
    return sum(len(each.frame_ids) for each in seen) / (process_time() - start)
