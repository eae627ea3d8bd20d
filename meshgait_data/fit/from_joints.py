"""What observed 3D joints say of the body: their term, and the start in closed form."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from meshgait_data.body.joints import JointRegressor
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import FitError
from meshgait_data.fit.batch import State
from meshgait_data.fit.noise import white_noise, with_bias
from meshgait_data.fit.points import BodyPoints
from meshgait_data.fit.scene import Correspondence, Evidence, Scene
from meshgait_data.fit.settle import settle
from meshgait_data.fit.start import first_guess
from meshgait_data.fit.terms.points3d import Points3D
from meshgait_data.types import BoolArray, Observations

OWN_SETS = ("smpl", "smpl24")
"""Joint sets that are the body's own: no error of correspondence."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """Which columns of the observed joints are which points of the body."""

    columns: tuple[int, ...]
    weights: tuple[float, ...]


def mapped_columns(seen: Observations, correspondence: Correspondence) -> Mapped:
    """Observed columns in the order of the correspondence's points.

    Raises
    ------
    FitError
        Where the correspondence is for another joint set, names joints that were not observed, or has no weights.
    """
    names, weights = names_of(correspondence)
    where = str(seen.key)
    own_set = correspondence.joint_set
    if own_set != seen.joint_set and not {own_set, seen.joint_set} <= set(OWN_SETS):
        raise FitError(
            f"the joint map is for {own_set!r}, the joints are {seen.joint_set!r}",
            where=where,
            hint="name the right map as 'joint_map' in the manifest",
        )
    unknown = sorted(set(names) - set(seen.joint_names))
    if unknown or not names:
        missing = ", ".join(unknown)
        raise FitError(
            f"the joint map names joints that were not observed: {missing}" if unknown else "empty joint map",
            where=where,
            hint=f"observed are: {', '.join(seen.joint_names)}",
        )
    return Mapped(tuple(seen.joint_names.index(name) for name in names), weights)


def names_of(correspondence: Correspondence) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Names and weights of the points that take part."""
    if isinstance(correspondence, JointRegressor):
        return correspondence.names, (1.0,) * len(correspondence.names)
    rows = [row for row in correspondence.joints if row.weight > 0]
    return tuple(row.observed for row in rows), tuple(row.weight for row in rows)


def body_points(scene: Scene, correspondence: Correspondence) -> BodyPoints:
    """The points of the body that the observed joints are."""
    if isinstance(correspondence, JointRegressor):
        return BodyPoints.regressed(scene.body, scene.chain, correspondence.matrix)
    rows = [row for row in correspondence.joints if row.weight > 0]
    offsets = scene.tensor(np.array([row.offset for row in rows]))
    return BodyPoints.at_joints(scene.chain, [SMPL_JOINTS.index(row.body) for row in rows], offsets)


def enough(seen: Observations, correspondence: Correspondence, min_seen: float) -> BoolArray:
    """(F,) frames that show at least that share of the joints, by weight."""
    mapped = mapped_columns(seen, correspondence)
    weights = np.array(mapped.weights)
    there = np.isfinite(seen.joints[:, mapped.columns]).all(-1)
    return np.asarray(there @ weights / weights.sum() >= min_seen)


def evidence(scene: Scene) -> Evidence:
    """The term of the observed joints, weighted by their own noise and by how well the map can be."""
    correspondence = scene.maps[scene.seen[0].joint_set]
    points, settings = body_points(scene, correspondence), scene.settings
    targets, weights = _targets(scene, correspondence)
    own = scene.seen[0].joint_set in OWN_SETS
    noise = white_noise(targets, weights > 0, scene.layout, settings.least_noise_m, settings.noise_m)
    sigma, precision = with_bias(noise, settings.own_error_m if own else settings.map_error_m)
    term = Points3D(points, targets, weights, sigma, settings.huber)
    return Evidence((term,), frozenset(points.movers(scene.chain)), precision, 1 - precision)


def start(scene: Scene, found: Evidence, *, mean: Tensor, free: tuple[int, ...]) -> State:
    """Closed form, see :func:`meshgait_data.fit.start.first_guess`."""
    term = found.terms[0]
    assert isinstance(term, Points3D)
    return first_guess(
        scene.chain,
        scene.layout,
        term.points,
        settle(scene.layout, scene.seconds, term.targets, term.weights, term.sigma),
        term.weights,
        mean=mean,
        free=free,
        noise=term.sigma,
    )


def _targets(scene: Scene, correspondence: Correspondence) -> tuple[Tensor, Tensor]:
    """(T, P, 3) metres, and (T, P) weights that are zero where unseen."""
    targets, weights = [], []
    for seen in scene.seen:
        mapped = mapped_columns(seen, correspondence)
        joints = seen.joints[:, mapped.columns].astype(np.float64)
        there = np.asarray(np.isfinite(joints).all(-1))
        targets.append(np.where(there[..., None], joints, 0.0))
        weights.append(there * np.array(mapped.weights))
    return scene.tensor(np.concatenate(targets)), scene.tensor(np.concatenate(weights))
