"""Synthetic walkers: how long they take, how they compare with the real walks that their gait space was learned from.

The real walks are the shipped ones, fitted. ``--picture FILE.png`` draws the first people instead of measuring.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from common import Figures, main

from meshgait_data.atomic import write_bytes
from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body, forward
from meshgait_data.fit.contact import skating, sole_rows, stances
from meshgait_data.fits import read_fit
from meshgait_data.index import scan, write_index
from meshgait_data.manifest import load_manifest
from meshgait_data.pipeline.build import build
from meshgait_data.pipeline.fit import FitStageSettings, fit_work
from meshgait_data.pipeline.pack import PackSettings
from meshgait_data.pipeline.prior_files import load_gait
from meshgait_data.pipeline.synth import SynthSettings, synthesize
from meshgait_data.shards import Shards, open_shards
from meshgait_data.synth.draws import draw_person
from meshgait_data.synth.gait import GaitSpace
from meshgait_data.synth.outfit import Figure
from meshgait_data.synth.values import KINDS, Population
from meshgait_data.synth.walker import make_walk
from meshgait_data.types import BodyParams
from meshgait_data.view.mesh import montage

ABOUT = "Synthetic walkers beside real ones"
SEED = 1
BEYOND_DEG = 3.0
"""A component of a joint's rotation vector that is farther outside the range of the real walks counts as beyond it."""
DENSITY = 985.0
"""kg per cubic metre, as in the body's card."""


def real_walks(work: Path) -> list[tuple[BodyParams, float]]:
    """Parameters and rate of the shipped walks."""
    manifest = load_manifest("cmu_walk")
    root = manifest.default_root()
    assert root is not None
    write_index(work, *scan(manifest, root, progress=False))
    fit_work(work, FitStageSettings(progress=False))
    fits = [read_fit(path) for path in sorted((work / "fits").rglob("*.npz"))]
    return [(fit.params, fit.fps) for fit in fits]


def slide_mm(body: Body, walks: Iterable[tuple[BodyParams, float]]) -> float:
    """How far a sole that stands moves over the ground in a thirtieth of a second: median over walks."""
    rows, slides = sole_rows(body), []
    for params, fps in walks:
        posed = forward(body, params, dtype=np.float64)
        points = np.stack([rows @ np.concatenate(one) for one in zip(posed.vertices, posed.joints, strict=True)])
        slides.append(skating(points, stances(points, np.arange(len(points)) / fps)) * fps / 30)
    return 1e3 * float(np.nanmedian(slides))


def poses(walks: Iterable[tuple[BodyParams, float]]) -> np.ndarray:
    """(N, 69) of all frames."""
    return np.concatenate([params.body_pose for params, _ in walks])


def speeds(walks: Iterable[tuple[BodyParams, float]]) -> list[float]:
    """Metres a second of each walk."""
    return [
        float(np.linalg.norm((params.transl[-1] - params.transl[0])[[0, 2]])) * fps / (len(params) - 1)
        for params, fps in walks
    ]


def gei_rank1(shards: Shards, kind: str) -> tuple[float, float]:
    """Percent of walks of a kind whose nearest enrolled gait energy image is of their person, same view and others."""
    images = {record.key: shards.read(record, "silhouettes").mean(0).ravel() / 255 for record in shards.sequences}
    enrolled = {key: image for key, image in images.items() if key.condition in ("nm-01", "nm-02")}
    views, right = sorted({key.view for key in images}), dict[bool, list[bool]]({True: [], False: []})
    for view in views:
        keys = [key for key in enrolled if key.view == view]
        gallery = np.array([enrolled[key] for key in keys])
        for key, image in images.items():
            if key.condition.startswith(kind) and key not in enrolled:
                nearest = keys[int(np.square(gallery - image).sum(axis=1).argmin())]
                right[key.view == view].append(nearest.subject == key.subject)
    return 100 * float(np.mean(right[True])), 100 * float(np.mean(right[False]))


def measure(quick: bool) -> Figures:
    """All figures."""
    body, space = load_body(), GaitSpace.of(load_gait())
    people, frames = (10, 30) if quick else (30, 40)
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        real = real_walks(Path(folder) / "cmu")
        walks = [make_walk(body, space, Population(SEED), number, "nm", 0) for number in range(2 * people)]
        synthetic = [(walk.params, walk.fps) for walk in walks]
        for name, some in (("synth", synthetic), ("real", real)):
            figures[f"slide_mm_{name}"] = slide_mm(body, some)
            figures[f"speed_{name}"], figures[f"speed_sd_{name}"] = np.mean(speeds(some)), np.std(speeds(some))
        low, high = poses(real).min(axis=0), poses(real).max(axis=0)
        drawn, reach = poses(synthetic), np.radians(BEYOND_DEG)
        beyond = ((drawn < low - reach) | (drawn > high + reach)).reshape(len(drawn), 23, 3).any(axis=-1)
        figures["beyond_percent"] = 100 * beyond.mean()
        figures |= shape_figures(body, space, 100 if quick else 500) | built_figures(Path(folder), people, frames)
    return figures


def shape_figures(body: Body, space: GaitSpace, count: int) -> Figures:
    """Statures and masses of the population."""
    height, mass = [], []
    for number in range(count):
        skin = Figure.of(body, draw_person(space, Population(SEED), number).betas).vertices
        a, b, c = (skin[body.faces[:, corner]] for corner in range(3))
        height.append(np.ptp(skin[:, 1]))
        mass.append(DENSITY * np.einsum("ij,ij->", a, np.cross(b, c)) / 6)
    index = np.array(mass) / np.square(height)
    pairs = {"height_m": np.array(height), "bmi": index}
    return {f"{name}{end}": f(values) for name, values in pairs.items() for end, f in (("", np.mean), ("_sd", np.std))}


def built_figures(folder: Path, people: int, frames: int) -> Figures:
    """Seconds of a source and of its shards, and what a baseline that learns nothing makes of them."""
    population = Population(seed=SEED + 1, frames=frames)
    settings = SynthSettings(identities=people, train=0, population=population, progress=False)
    start = time.process_time()
    report = synthesize(folder / "source", settings)
    figures = {"synth_s_per_1000": 1e3 * (time.process_time() - start) / report.walks}
    start = time.process_time()
    manifest = load_manifest(str(report.manifest))
    done = build(manifest, folder / "shards", root=folder / "source", settings=PackSettings(progress=False))
    seconds = time.process_time() - start
    figures |= {"build_s_per_1000": 1e3 * seconds / done.pack.sequences, "build_fps": done.pack.frames / seconds}
    shards = open_shards(folder / "shards")
    for kind in KINDS:
        figures[f"gei_same_{kind}"], figures[f"gei_other_{kind}"] = gei_rank1(shards, kind)
    return figures


def picture(people: int = 6, frames: int = 5) -> bytes:
    """PNG: a row a person, from the side in front; frames of a normal walk, with a bag, and in clothes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = SynthSettings(
            people, people, dict.fromkeys(KINDS, 1), Population(seed=SEED, frames=36), progress=False
        )
        manifest = load_manifest(str(synthesize(folder / "source", settings).manifest))
        packing = PackSettings(select="view=054", size=128, progress=False)
        build(manifest, folder / "shards", root=folder / "source", settings=packing)
        shards = open_shards(folder / "shards")
        rows = []
        for number in range(people):
            keys = [f"synth/{number:05d}/{kind}-01/054" for kind in KINDS]
            strips = [shards.read(shards.find(key), "silhouettes")[..., 14:-14] for key in keys]
            chosen = [strip[np.linspace(0, len(strip) - 1, frames).astype(int)] for strip in strips]
            cells = [255 - np.concatenate(list(strip), axis=1)[..., None].repeat(3, -1) for strip in chosen]
            last = number == people - 1
            texts = ("nm: normal", "bg: with a bag", "cl: in a coat, jacket or skirt") if last else ("", "", "")
            rows.append(list(zip(cells, texts, strict=True)))
    return montage(rows, f"The first {people} people of seed {SEED}, from 54 degrees")


if __name__ == "__main__":
    if "--picture" in sys.argv:
        parser = argparse.ArgumentParser(description=ABOUT)
        parser.add_argument("--picture", type=Path, required=True, metavar="FILE.png")
        write_bytes(parser.parse_args().picture, picture())
    else:
        main("synth", measure, ABOUT)
