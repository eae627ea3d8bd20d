"""``mgdata synth`` from the command line."""

import json

from click.testing import CliRunner
from meshgait_cli.data import mgdata


def run(*words: object):
    return CliRunner().invoke(mgdata, [str(word) for word in words])


def test_a_source_is_made_and_can_be_indexed(tmp_path):
    out = tmp_path / "walkers"
    words = ("--identities", 2, "--train", 1, "--walks", "nm=1,cl=1", "--frames", 10, "--seed", 4, "--name", "people")
    made = run("synth", "--out", out, *words, "--json")
    assert made.exit_code == 0, made.output
    figures = json.loads(made.stdout)
    assert (figures["identities"], figures["walks"], figures["frames"]) == (2, 4, 40)
    indexed = run("index", out / "manifest.yaml", "--root", out, "--work", tmp_path / "work")
    assert indexed.exit_code == 0, indexed.output
    assert (tmp_path / "work" / "index.parquet").is_file()


def test_the_next_command_is_told(tmp_path):
    made = run("synth", "--out", tmp_path / "it", "--identities", 1, "--walks", "nm=1", "--frames", 5)
    assert f"mgdata build {tmp_path / 'it' / 'manifest.yaml'} --root {tmp_path / 'it'}" in made.stdout


def test_mistakes_are_told_in_words(tmp_path):
    (tmp_path / "there").mkdir()
    told = run("synth", "--out", tmp_path / "there")
    assert told.exit_code != 0
    assert run("synth", "--out", tmp_path / "new", "--walks", "run=2").exit_code != 0
    assert not (tmp_path / "new").exists()
    assert run("synth", "--out", tmp_path / "new", "--rig", "nowhere").exit_code != 0
    assert not (tmp_path / "new").exists()
