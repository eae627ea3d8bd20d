"""Learn priors from the fits of a work folder: what ``mgdata priors learn`` does."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from meshgait_data import __version__
from meshgait_data.body.model import Body, forward, rest_joints
from meshgait_data.conventions import REJECTED, SMPL_JOINTS
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.fit.priors.gait_learn import GaitSettings
from meshgait_data.fit.priors.held_out import gait_figures, pose_likelihood, rounded, strike_spread_deg
from meshgait_data.fit.priors.learn import learn_gait
from meshgait_data.fit.priors.phase import first_phase
from meshgait_data.fit.priors.pose import learn_pose
from meshgait_data.fit.priors.walks import Walk
from meshgait_data.fits import read_fit
from meshgait_data.manifest import Manifest, load_manifest
from meshgait_data.pipeline.prior_files import Priors
from meshgait_data.rotations import exp
from meshgait_data.types import Fit, IntArray

_FEET = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("ankle", "foot"))
SIZES = (0, 2, 4, 8, 12, 16)
"""Numbers of styles that are measured on people left out."""


@dataclass(frozen=True, slots=True)
class Learned:
    """Priors, and walks that could not be used."""

    priors: Priors
    unused: dict[str, str] = field(default_factory=dict)
    """Name of a walk to why it is not one."""


def learn(
    work: Path,
    body: Body,
    *,
    name: str,
    exclude_subjects: Collection[str] = (),
    settings: GaitSettings | None = None,
    general: bool = False,
) -> Learned:
    """Learn a pose prior and, unless it is to be a general one, a gait-cycle prior.

    Parameters
    ----------
    work
        Folder with fits of walks.
    body
        The body that was fitted.
    name
        Name of the priors.
    exclude_subjects
        Subjects to leave out, with everybody who may be the same person.
    settings
        Of the gait cycle.
    general
        Whether the prior is for people who do anything.

    Raises
    ------
    UsageError
        Where there are no fits, they are of another body, or an excluded subject does not exist.
    InvalidData
        Where too few people are left.
    """
    settings = settings or GaitSettings()
    manifest = _manifest(work)
    walks, unused = walks_of(work, body)
    unknown = sorted(set(exclude_subjects) - {walk.name.split("/")[1] for walk in walks})
    if unknown:
        raise UsageError(f"no walk of subject {', '.join(unknown)} in this work folder", where=str(work))
    excluded = {manifest.identity(subject) for subject in exclude_subjects}
    kept = [walk for walk in walks if walk.person not in excluded]
    about = _origin(manifest, body, kept) | {"excluded": sorted(excluded)}
    # Several threads add in another order, and wait for each other: the matrices are small.
    with threadpool_limits(1):
        pose = learn_pose(kept, name=name, wide=general)
        if general:
            about |= {"synthetic_poses": about["frames"]}
            return Learned(Priors(name, replace(pose, provenance=about), None, about), unused)
        gait = learn_gait(kept, settings, name=name)
        about |= _measured(kept, settings)
    return Learned(Priors(name, replace(pose, provenance=about), replace(gait, provenance=about), about), unused)


def _origin(manifest: Manifest, body: Body, walks: Sequence[Walk]) -> dict[str, Any]:
    """Whose walks these are, and what may be done with what was learned from them."""
    return {
        "meshgait": __version__,
        "body": body.name,
        "body_sha256": body.sha256,
        "data": manifest.title,
        "licence": manifest.licence.summary,
        "acknowledgement": manifest.licence.acknowledgement,
        "contents": "means, covariances and Fourier coefficients over people; no captured motion can be restored",
        "people": sorted({walk.person for walk in walks}),
        "walks": len(walks),
        "frames": sum(len(walk.times) for walk in walks),
    }


def _measured(walks: Sequence[Walk], settings: GaitSettings) -> dict[str, Any]:
    """Settings, and figures of people left out."""
    figures: list[dict[str, float]] = []
    # A space without one person needs two others at least.
    if len({walk.person for walk in walks}) > 3:
        sizes = [(settings.harmonics, count) for count in sorted({*SIZES, settings.styles})]
        sizes += [(count, settings.styles) for count in (2, 3, 5) if count != settings.harmonics]
        figures = [rounded(one) for one in gait_figures(walks, sizes, settings)]
    full, diagonal = pose_likelihood(walks)
    likelihood = {"full": round(full, 2), "diagonal": round(diagonal, 2)}
    return {
        "settings": asdict(settings),
        "held_out": figures,
        "held_out_pose_nats": likelihood,
        "heel_strike_spread_deg": round(strike_spread_deg(walks, settings), 2),
    }


def walks_of(work: Path, body: Body) -> tuple[list[Walk], dict[str, str]]:
    """Fitted walks as the priors learn from them, and why others are none: name to reason.

    Raises
    ------
    UsageError
        Where there are no fits, or they are of another body.
    InvalidData
        Where a fit file is damaged.
    """
    manifest = _manifest(work)
    paths = sorted((work / "fits").rglob("*.npz"))
    if not paths:
        raise UsageError("no fits in this work folder", where=str(work), hint="run 'mgdata fit-smpl' on it first")
    soles = np.flatnonzero(body.weights[:, [SMPL_JOINTS.index(name) for name in _FEET]].sum(axis=1) > 0.5)
    walks, unused = [], {}
    for path in paths:
        fit = read_fit(path)
        if fit.body_sha256 != body.sha256:
            raise UsageError(
                f"fitted with body {fit.body_name!r} ({fit.body_sha256[:12]}), not {body.name!r} ({body.sha256[:12]})",
                where=str(path),
                hint="name the body of the fits with --body",
            )
        try:
            walk = to_walk(fit, body, manifest.identity(fit.key.subject), soles)
            first_phase(walk)
        except InvalidData as error:
            unused[str(fit.key)] = error.what
        else:
            walks.append(walk)
    return walks, unused


def to_walk(fit: Fit, body: Body, person: str, soles: IntArray) -> Walk:
    """A fit as a walk; rejected frames are left out.

    Parameters
    ----------
    fit
        Of one walk.
    body
        Its body.
    person
        Identity of the walker.
    soles
        Vertices of the feet: the floor is the median over frames of the lowest of them, which is that of feet that
        stand; toes that push off often dip below it.

    Raises
    ------
    InvalidData
        Where hardly any frames are left.
    """
    kept = fit.verdict != REJECTED
    if kept.sum() < 20:
        raise InvalidData(f"only {kept.sum()} frames that are not rejected; a gait cycle needs 20", where=str(fit.key))
    params = fit.params.take(kept)
    template, directions = rest_joints(body)
    posed = forward(body, params, soles)
    angles = np.concatenate([params.global_orient, params.body_pose], axis=1).reshape(-1, 24, 3)
    ids = fit.frame_ids[kept]
    return Walk(
        name=str(fit.key),
        person=person,
        times=(ids - ids[0]) / (np.median(np.diff(ids)) * fit.fps),
        rotations=exp(angles.astype(np.float64)),
        joints=posed.joints.astype(np.float64),
        rest=template + directions[..., : len(params.betas)] @ params.betas,
        ground_m=float(np.median(posed.vertices[..., 1].min(axis=1))),
    )


def _manifest(work: Path) -> Manifest:
    path = work / "manifest.yaml"
    if not path.is_file():
        raise UsageError("not a work folder", where=str(work), hint="make one with 'mgdata index'")
    return load_manifest(str(path))
