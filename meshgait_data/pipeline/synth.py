"""Write a source of synthetic walkers: one file of SMPL parameters a walk, and the manifest that ``build`` takes."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshgait_data.atomic import new_folder, write_npz, write_text
from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body
from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.manifest import CameraRing, RandomViews, dump_yaml, load_rig, manifest_of
from meshgait_data.pipeline.prior_files import load_gait
from meshgait_data.pipeline.runner import run_jobs
from meshgait_data.strict import to_plain
from meshgait_data.synth.gait import GaitSpace
from meshgait_data.synth.values import KINDS, Population
from meshgait_data.synth.walker import make_walk
from meshgait_data.types import CaptureKey, Worn

MANIFEST = "manifest.yaml"
_JITTER = RandomViews(azimuth_deg=(-4.0, 4.0), roll_deg=(-1.5, 1.5))
"""What cameras of a rig differ by from walk to walk where the rig itself is not random; with the following shares."""
_JITTER_DISTANCE, _JITTER_HEIGHT_M = 0.06, 0.15


@dataclass(frozen=True, slots=True)
class SynthSettings:
    """What to make."""

    identities: int = 100
    train: int | None = None
    """Identities of the train side, the first ones; two thirds by default."""
    walks: Mapping[str, int] = field(default_factory=lambda: {"nm": 4, "bg": 2, "cl": 2})
    """Kind to number of walks of each identity."""
    population: Population = field(default_factory=Population)
    rig: str = "casia_b"
    """Name or path of the rig that the manifest names."""
    jitter: bool = True
    """Whether cameras stand a little differently in every walk."""
    body: str | None = None
    """Name or path of the body; the free one by default."""
    name: str = "synth"
    """Of the dataset: first word of every key."""
    jobs: int = 1
    progress: bool = True

    def __post_init__(self) -> None:
        unknown = sorted(set(self.walks) - set(KINDS))
        if unknown or not any(self.walks.values()) or min(self.walks.values()) < 0 or max(self.walks.values()) > 99:
            what = (
                f"no kind of walk is called {unknown[0]!r}" if unknown else "walks must be 0 to 99 of a kind, and some"
            )
            raise UsageError(what, hint=f"kinds are {', '.join(KINDS)}, e.g. --walks nm=4,bg=2,cl=2")
        if self.identities < 1 or not 0 <= self.train_size <= self.identities or self.identities > 99999:
            what = f"{self.identities} identities, {self.train_size} of them to train on"
            raise UsageError(what, hint="1 to 99999 identities, and no more than these to train on")
        try:
            CaptureKey(self.name, "subject", "condition")
        except ValueError as error:
            raise UsageError(f"no name of a dataset: {error}", hint="a word such as synth") from error

    @property
    def train_size(self) -> int:
        """Identities of the train side."""
        return self.identities * 2 // 3 if self.train is None else self.train


@dataclass(frozen=True, slots=True)
class SynthReport:
    """What was made."""

    manifest: Path
    identities: int
    walks: int
    frames: int
    seconds: float


def parse_walks(text: str) -> dict[str, int]:
    """Kinds and numbers of walks.

    >>> parse_walks("nm=4,bg=2")
    {'nm': 4, 'bg': 2}
    """
    found: dict[str, int] = {}
    for word in filter(None, (word.strip() for word in text.split(","))):
        match = re.fullmatch(r"([a-z]+)=(\d+)", word)
        if match is None or match[1] in found:
            raise UsageError(f"--walks {word!r} is not KIND=NUMBER, each kind once", hint="e.g. nm=4,bg=2,cl=2")
        found[match[1]] = int(match[2])
    return found


def synthesize(out: Path, settings: SynthSettings | None = None) -> SynthReport:
    """Write walks and manifest of synthetic walkers into a new folder, all or nothing.

    Raises
    ------
    UsageError
        Where the folder is there already, or no rig or body is called so.
    InvalidData
        Where a walk could not be made.
    """
    settings = settings or SynthSettings()
    start = time.perf_counter()
    if out.exists():
        raise UsageError("there is something of that name already", where=str(out), hint="choose a new folder")
    text = dump_yaml(manifest_plain(settings))
    manifest_of(manifest_plain(settings), str(out / MANIFEST))
    load_body(settings.body)
    with new_folder(out) as folder:
        jobs = [(f"{number:05d}", (folder, number, settings)) for number in range(settings.identities)]
        report = run_jobs("synth", _write_person, jobs, workers=settings.jobs, progress=settings.progress)
        if report.failures:
            first = report.failures[0]
            raise InvalidData(f"identity {first.key} cannot be made: {first.error}", hint=first.hint)
        write_text(folder / MANIFEST, text)
    walks = settings.identities * sum(settings.walks.values())
    frames = walks * settings.population.frames
    return SynthReport(out / MANIFEST, settings.identities, walks, frames, time.perf_counter() - start)


def _write_person(folder: Path, number: int, settings: SynthSettings) -> None:
    body, space = _shared(settings.body)
    for kind, count in settings.walks.items():
        for take in range(count):
            walk = make_walk(body, space, settings.population, number, kind, take)
            arrays: dict[str, NDArray[Any]] = {
                "betas": walk.params.betas,
                "global_orient": walk.params.global_orient,
                "body_pose": walk.params.body_pose,
                "transl": walk.params.transl,
                "fps": np.array(walk.fps),
                "body": np.array(body.name),
            }
            name = f"{number:05d}/{condition(kind, take)}.npz"
            write_npz(folder / "walks" / name, arrays)
            if walk.worn is not None:
                write_npz(folder / "worn" / name, {each.name: getattr(walk.worn, each.name) for each in fields(Worn)})


def condition(kind: str, take: int) -> str:
    """Name of a walk in its key.

    >>> condition("nm", 0)
    'nm-01'
    """
    return f"{kind}-{take + 1:02d}"


@lru_cache(maxsize=1)
def _shared(name: str | None) -> tuple[Body, GaitSpace]:
    return load_body(name), GaitSpace.of(load_gait())


def manifest_plain(settings: SynthSettings) -> dict[str, Any]:
    """The manifest of a source, as its YAML has it."""
    body, gait = load_body(settings.body), load_gait()
    population = settings.population
    made = ", ".join(f"{count} {kind}" for kind, count in settings.walks.items() if count)
    people = [f"{number:05d}" for number in range(settings.identities)]
    sides = {"train": people[: settings.train_size], "test": people[settings.train_size :]}
    return {
        "schema": 1,
        "name": settings.name,
        "title": f"Synthetic walkers, seed {population.seed}",
        "homepage": "https://mocap.cs.cmu.edu",
        "description": (
            f"{settings.identities} people of the shape space of the body {body.name!r} in styles of the gait space "
            f"{gait.name!r}; walks of each: {made}. Nobody of them exists."
        ),
        "citation": "Gait space: CMU Graphics Lab Motion Capture Database, http://mocap.cs.cmu.edu.",
        "licence": {
            "name": "CMU mocap terms (gait space) and that of the body",
            "summary": f"{gait.provenance['licence']} Body: {body.licence}",
            "acknowledgement": gait.provenance["acknowledgement"],
            "may_share_labels": True,
        },
        "layout": {
            "pattern": "walks/{subject}/{condition}.npz",
            "subject": r"\d{5}",
            "condition": r"(?:nm|bg|cl)-\d{2}",
        },
        "source": {
            "fps": population.fps,
            "min_seconds": 0,
            "smpl": {"path": "{folder}", "format": "smplx", "up": "y"},
            "worn": {"path": "worn/{subject}/{condition}.npz"},
        },
        "fit": {"given_body": body.name if settings.body is None else _lasting(settings.body)},
        "cameras": to_plain(_cameras(settings)),
        "split": {side: [f"{ids[0]}..{ids[-1]}"] for side, ids in sides.items() if ids},
        "protocol": _protocol(settings.walks),
    }


def _lasting(body: str) -> str:
    """The name of a body, or a path of it that means the same in every folder."""
    path = Path(body).expanduser()
    return str(path.resolve()) if path.exists() else body


def _cameras(settings: SynthSettings) -> CameraRing:
    ring = load_rig(settings.rig).cameras
    seed = settings.population.seed
    if ring.random is not None:
        return replace(ring, random=replace(ring.random, seed=seed))
    if not settings.jitter:
        return ring
    away = round((1 - _JITTER_DISTANCE) * ring.distance_m, 3), round((1 + _JITTER_DISTANCE) * ring.distance_m, 3)
    height = round(ring.height_m - _JITTER_HEIGHT_M, 3), round(ring.height_m + _JITTER_HEIGHT_M, 3)
    return replace(ring, random=replace(_JITTER, seed=seed, distance_m=away, height_m=height))


def _protocol(walks: Mapping[str, int]) -> dict[str, Any]:
    """CASIA-B's: normal walks enrolled, all but the last two (or the last), everything else compared with them."""
    normal = [condition("nm", take) for take in range(walks.get("nm", 0))]
    enrolled = max(1, len(normal) - 2)
    groups = {"NM": normal[enrolled:]}
    groups |= {kind.upper(): [condition(kind, take) for take in range(walks.get(kind, 0))] for kind in ("bg", "cl")}
    probes = {name: {"probe": {"conditions": conditions}} for name, conditions in groups.items() if conditions}
    if not normal or not probes:
        return {}
    gallery = {"conditions": normal[:enrolled]}
    return {
        "title": "Normal walks enrolled, identical view excluded",
        "kind": "view_pairs",
        "gallery": gallery,
        "groups": probes,
        "ranks": [1],
    }
