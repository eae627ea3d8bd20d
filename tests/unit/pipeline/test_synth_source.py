"""Synthetic walkers as a source: an ordinary dataset, whose fits are the parameters that were written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meshgait_data.body.files import load_body
from meshgait_data.errors import UsageError
from meshgait_data.findings import Severity
from meshgait_data.fits import read_fit
from meshgait_data.manifest import load_manifest
from meshgait_data.pipeline.build import build
from meshgait_data.pipeline.pack import PackSettings
from meshgait_data.pipeline.prior_files import load_gait
from meshgait_data.pipeline.synth import SynthSettings, parse_walks, synthesize
from meshgait_data.shards import open_shards
from meshgait_data.synth.gait import GaitSpace
from meshgait_data.synth.values import Population
from meshgait_data.synth.walker import make_walk
from meshgait_data.types import SequenceKey

SMALL = SynthSettings(
    identities=3, walks={"nm": 2, "bg": 1, "cl": 1}, population=Population(seed=5, frames=12, fps=15), progress=False
)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("synth") / "source"
    synthesize(folder, SMALL)
    return folder


@pytest.fixture(scope="module")
def built(source):
    out = source.parent / "shards"
    settings = PackSettings(select="view=036|090", progress=False, rendered=True)
    return out, build(load_manifest(str(source / "manifest.yaml")), out, root=source, settings=settings)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.npz")}


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_more_people_and_more_processes_leave_the_others_as_they_are(source, tmp_path, jobs):
    more = replace(SMALL, identities=4, walks={"cl": 1, "nm": 3, "bg": 1}, jobs=jobs)
    synthesize(tmp_path / "more", more)
    first, second = files_of(source), files_of(tmp_path / "more")
    assert {name: second[name] for name in first} == first
    assert len(second) == 4 * 5 + 4 * 2
    other = replace(SMALL, population=replace(SMALL.population, seed=6))
    synthesize(tmp_path / "other", other)
    third = files_of(tmp_path / "other")
    assert set(third) == set(first)
    assert all(third[name] != first[name] for name in first)


def test_it_is_built_like_any_dataset(built):
    out, report = built
    assert report.exit_code == 0
    assert all(finding.severity is Severity.INFO for finding in report.findings)
    shards = open_shards(out)
    assert len(shards.sequences) == 3 * 4 * 2
    assert shards.split.train == ("00000", "00001")
    assert shards.split.test == ("00002",)
    assert set(shards.protocol.groups) == {"NM", "BG", "CL"}


def test_fits_are_what_was_drawn(built):
    out, _ = built
    body, space = load_body(), GaitSpace.of(load_gait())
    for kind in ("nm", "bg", "cl"):
        walk = make_walk(body, space, SMALL.population, 1, kind, 0)
        fit = read_fit(out.with_name("shards.work") / "fits" / "00001" / f"{kind}-01.npz")
        for name in ("betas", "body_pose", "transl", "global_orient"):
            np.testing.assert_allclose(getattr(fit.params, name), getattr(walk.params, name), atol=2e-6)
        assert fit.body_sha256 == body.sha256
        assert (fit.worn is None) == (kind == "nm")
        assert fit.fps == 15


def test_bags_and_clothes_are_in_the_silhouettes_of_these_walks_alone(built):
    shards = open_shards(built[0])
    for kind in ("nm", "bg", "cl"):
        key = SequenceKey("synth", "00001", f"{kind}-01", "090")
        sequence = shards.sequence(key).arrays
        worn = (sequence["silhouettes"] > 127).sum() - int((sequence["rendered_silhouettes"] > 127).sum())
        assert worn == 0 if kind == "nm" else worn > 200


def test_clothes_that_changed_are_noticed(built, source):
    """The source's hash covers what is worn, so that a fit of other clothes is made anew."""
    from meshgait_data.sources import observe
    from meshgait_data.types import CaptureKey

    manifest, key = load_manifest(str(source / "manifest.yaml")), CaptureKey("synth", "00002", "cl-01")
    before = observe(manifest, source, key)
    path = source / "worn" / "00002" / "cl-01.npz"
    content = path.read_bytes()
    np.savez(path, thickness=np.full(24, 0.01))
    after = observe(manifest, source, key)
    path.write_bytes(content)
    assert before.worn is not None
    assert before.source_sha256 != after.source_sha256


@pytest.mark.parametrize("rig", ["oumvlp", "in_the_wild"])
def test_any_rig_sees_them(tmp_path, rig):
    synthesize(tmp_path / "it", replace(SMALL, identities=1, rig=rig, train=1))
    cameras = load_manifest(str(tmp_path / "it" / "manifest.yaml")).cameras
    assert cameras.random is not None
    assert cameras.random.seed == 5
    out = tmp_path / "shards"
    report = build(
        load_manifest(str(tmp_path / "it" / "manifest.yaml")),
        out,
        root=tmp_path / "it",
        settings=PackSettings(select="condition=nm-01", progress=False),
    )
    assert report.exit_code == 0
    assert len(open_shards(out).sequences) == len(cameras.azimuths_deg)


def test_a_folder_that_is_there_is_left_alone(source):
    before = files_of(source)
    with pytest.raises(UsageError, match="already"):
        synthesize(source, SMALL)
    assert files_of(source) == before


@pytest.mark.parametrize("text", ["nm", "nm=1,nm=2", "nm=-1", "nm=x"])
def test_walks_that_are_none(text):
    with pytest.raises(UsageError, match="KIND=NUMBER"):
        parse_walks(text)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"walks": {"run": 1}}, "no kind of walk is called 'run'"),
        ({"walks": {"nm": 0}}, "walks must be"),
        ({"walks": {"nm": 100}}, "walks must be"),
        ({"walks": {}}, "walks must be"),
        ({"identities": 2, "train": 3}, "2 identities, 3 of them"),
        ({"identities": 0}, "0 identities"),
        ({"name": "a b"}, "no name of a dataset"),
    ],
)
def test_settings_that_make_no_sense(changes, what):
    with pytest.raises(UsageError, match=what):
        SynthSettings(**changes)
