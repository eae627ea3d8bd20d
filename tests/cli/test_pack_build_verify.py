"""``mgdata pack``, ``build`` and ``verify`` as they are typed, on real walks."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from meshgait_data.fits import fit_path
from meshgait_data.shards import open_shards
from meshgait_data.types import CaptureKey

Program = Callable[..., Result]

SHORT = ("--select", "subject=16|32,condition=32|01,view=000|090")
"""Two short walks of two people, two views of each."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, mgdata: Program) -> Path:
    """Shards and, beside them, their work folder, as ``mgdata build`` leaves them."""
    out = tmp_path_factory.mktemp("built") / "shards"
    result = mgdata("build", "cmu_walk", "--out", out, *SHORT)
    assert result.exit_code == 0, result.output
    assert f"mgtrain run demo --shards {out}" in result.stdout
    return out


@pytest.fixture(scope="module")
def work(built: Path) -> Path:
    return built.with_name("shards.work")


@pytest.mark.parametrize("command", ["pack", "build", "verify"])
def test_help_has_examples(mgdata: Program, command: str) -> None:
    result = mgdata(command, "--help")
    assert result.exit_code == 0
    assert f"mgdata {command}" in result.output.split("Examples:")[1]


def test_build_makes_sound_shards_of_all_stages(mgdata: Program, built: Path) -> None:
    shards = open_shards(built)
    assert sorted(str(record.key) for record in shards.sequences) == [
        f"cmu_walk/{walk}/{view}" for walk in ("16/32", "32/01") for view in ("000", "090")
    ]
    assert {record.side for record in shards.sequences} == {"test"}
    result = mgdata("verify", built, "--deep", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"shards": str(built), "deep": True, "errors": 0, "findings": []}


def test_build_again_has_nothing_to_do(mgdata: Program, built: Path) -> None:
    result = mgdata("build", "cmu_walk", "--out", built, *SHORT, "--json")
    assert result.exit_code == 0
    figures = json.loads(result.stdout)
    assert (figures["fitted"], figures["fits_reused"]) == (0, 2)
    assert (figures["written"], figures["reused"]) == (0, 1)


def test_pack_by_itself_gives_the_same(mgdata: Program, built: Path, work: Path, tmp_path: Path) -> None:
    result = mgdata("pack", work, "--out", tmp_path / "shards", *SHORT)
    assert result.exit_code == 0
    assert (tmp_path / "shards" / "dataset.json").read_bytes() == (built / "dataset.json").read_bytes()


def test_pack_with_a_missing_fit_ends_with_1(mgdata: Program, work: Path, tmp_path: Path) -> None:
    path = fit_path(work, CaptureKey("cmu_walk", "16", "32"))
    hidden = path.rename(path.with_suffix(".hidden"))
    try:
        result = mgdata("pack", work, "--out", tmp_path / "shards", *SHORT, "--json")
    finally:
        hidden.rename(path)
    assert result.exit_code == 1
    assert "cmu_walk/16/32" in result.stderr
    assert "mgdata fit-smpl" in result.stderr
    assert json.loads(result.stdout)["sequences"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("pack", "{tmp}/none", "--out", "{tmp}/out"), 2, "mgdata index"),
        (("pack", "{work}", "--out", "{work}"), 2, "other files"),
        (("pack", "{work}", "--out", "{tmp}/out", "--select", "subject=99"), 2, "no sequence matches"),
        (("pack", "{work}", "--out", "{tmp}/out", "--body", "{tmp}/none.npz"), 3, "none.npz"),
        (("build", "cmu_wolk", "--out", "{tmp}/out"), 2, "cmu_walk"),
        (("build", "cmu_walk", "--root", "{tmp}", "--out", "{tmp}/out"), 4, "no walk below"),
    ],
)
def test_wrong_use(
    mgdata: Program, work: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = mgdata(*(text.format(tmp=tmp_path, work=work) for text in arguments))
    assert result.exit_code == code
    assert result.stdout == ""
    assert message in result.stderr
    assert "try: " in result.stderr
    assert not (tmp_path / "out").exists()


def test_verify_finds_damage_and_ends_with_4(mgdata: Program, work: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    assert mgdata("pack", work, "--out", out, *SHORT).exit_code == 0
    victim = out / "part-00000.zarr" / "markers" / "c" / "0" / "0" / "0"
    data = bytearray(victim.read_bytes())
    data[100] ^= 1
    victim.write_bytes(data)
    assert mgdata("verify", out).exit_code == 0
    result = mgdata("verify", out, "--deep")
    assert result.exit_code == 4
    assert f"error MG-SHARD-005 {victim}" in result.stdout
    victim.unlink()
    assert mgdata("verify", out).exit_code == 4
    assert mgdata("verify", tmp_path).exit_code == 4


def test_options_of_packing(mgdata: Program, work: Path, tmp_path: Path) -> None:
    options = ("--format", "hdf5", "--with-128", "--rendered", "--also", "parts, depth", "--degrade", "holes")
    select = ("--select", "subject=32,condition=01,view=090")
    result = mgdata("pack", work, "--out", tmp_path / "shards", *select, *options)
    assert result.exit_code == 0, result.output
    shards = open_shards(tmp_path / "shards")
    assert shards.info.format == "hdf5"
    assert {"silhouettes_128", "rendered_silhouettes", "depth", "parts"} <= set(shards.fields)
    walk = ("--select", "subject=32,condition=01")
    result = mgdata("pack", work, "--out", tmp_path / "rig", *walk, "--rig", "oumvlp", "--one-bit")
    assert result.exit_code == 0, result.output
    shards = open_shards(tmp_path / "rig")
    assert "silhouettes_1bit" in shards.info.fields
    assert len(shards.sequences) == 14


TREE = r"""
schema: 1
name: tree
title: Silhouettes of two walks
homepage: https://example.org
citation: none
licence: {name: CC0, summary: free}
layout: {pattern: '{subject}/{condition}', subject: '\d+'}
source: {fps: 30, silhouettes: {path: '{subject}/{condition}/{view}/{view}.pkl', format: opengait}}
cameras: casia_b
split: {train: ['16'], test: ['32']}
protocol: {gallery: [32/01]}
"""


def test_a_tree_of_silhouettes_is_packed_as_it_is(mgdata: Program, built: Path, work: Path, tmp_path: Path) -> None:
    tree, own, out = tmp_path / "tree", tmp_path / "work", tmp_path / "shards"
    assert mgdata("render", work, "--format", "pkl", "--out", tree, *SHORT).exit_code == 0
    (tmp_path / "tree.yaml").write_text(TREE, encoding="utf-8")
    result = mgdata("index", tmp_path / "tree.yaml", "--root", tree, "--work", own)
    assert result.exit_code == 0, result.output
    result = mgdata("pack", own, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["sequences"] == 4
    shards, rendered = open_shards(out), open_shards(built)
    assert shards.fields == ("frame_ids", "silhouettes")
    for record in shards.sequences:
        same = rendered.find(str(record.key).replace("tree/", "cmu_walk/"))
        assert (shards.read(record, "silhouettes") == rendered.read(same, "silhouettes")).all()
    assert mgdata("verify", out, "--deep").exit_code == 0
    result = mgdata("pack", own, "--out", tmp_path / "other", "--with-128")
    assert result.exit_code == 2
    assert "packed as they are" in result.stderr
