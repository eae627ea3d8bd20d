"""Manifests and joint maps: every shipped one builds and round-trips; contradictions are errors."""

import copy
import dataclasses
from importlib.resources import files

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import ManifestError, UsageError
from meshgait_data.manifest import (
    JointMap,
    Layout,
    Manifest,
    dump_yaml,
    load_joint_map,
    load_manifest,
    manifest_of,
)
from meshgait_data.strict import build, to_plain

DATASETS, SKELETONS = (
    sorted(path.name.removesuffix(".yaml") for path in (files("meshgait_data.manifests") / folder).iterdir())
    for folder in ("datasets", "skeletons")
)
FOLDER = files("meshgait_data.manifests") / "datasets"
CMU = load_manifest("cmu_walk")


@pytest.mark.parametrize("name", DATASETS)
def test_shipped_manifests(name, tmp_path):
    manifest = load_manifest(name)
    assert manifest.name == name
    if manifest.source.joint_map_name:
        load_joint_map(manifest.source.joint_map_name)
    path = tmp_path / "copy.yaml"
    path.write_text(dump_yaml(manifest))
    assert load_manifest(str(path)) == manifest
    assert load_manifest(str(path)).sha256() == manifest.sha256()
    root = manifest.default_root()
    assert root is None or not manifest.root.startswith("package:") or root.is_dir()
    if isinstance(manifest.protocol.gallery, tuple):
        people = {walk.split("/")[0] for walk in manifest.protocol.gallery}
        assert all(manifest.side(subject) == "test" for subject in people)


@pytest.mark.parametrize("name", SKELETONS)
def test_shipped_joint_maps(name, tmp_path):
    joint_map = load_joint_map(name)
    path = tmp_path / "copy.yaml"
    path.write_text(dump_yaml(joint_map))
    assert load_joint_map(str(path)) == joint_map


def test_joint_map_errors():
    row = {"observed": "lfemur", "body": "left_knee"}
    good = {"joint_set": "cmu", "origin": "test", "joints": [row]}
    assert build(JointMap, good, "f").joints[0].weight == 1
    for change, message in (({"body": "knee"}, "not one of SMPL's joints"), ({"weight": -1}, "negative")):
        with pytest.raises(ManifestError, match=message) as caught:
            build(JointMap, good | {"joints": [row | change]}, "f")
        assert caught.value.where == "f: joints[0]"
    assert len(SMPL_JOINTS) == 24


def test_people_and_sides():
    assert CMU.identity("38") == CMU.identity("07") == "07"
    assert (CMU.side("38"), CMU.side("16"), CMU.side("99")) == ("train", "test", "unused")
    assert CMU.source.working_fps == 30


CONTRADICTIONS = [
    ("split.test", ["07"], "both in train and in test"),
    ("same_person", [["07", "16"]], "stand on both sides of the split"),
    ("schema", 2, "schema 2 is not 1"),
    ("source.fps", 0, "must be positive"),
    ("source.keep_every", 0, "at least 1"),
    ("source.min_seconds", -1, "must not be negative"),
    ("source.skeleton", "../{subject}.asf", "below the root"),
    ("source.skeleton", "{condition}.asf", "must name {subject}"),
    ("layout.pattern", "/data/{subject}/{condition}", "below the root"),
    ("layout.pattern", "{subject}.amc", "must name {condition}: the key is made of them"),
    ("layout.pattern", "{subject}/{condition}/{camera}", "must name {condition} and {subject}"),
    ("layout.pattern", "{subject:>3}/{condition}", "must name {condition} and {subject}"),
    ("layout.pattern", "{subject}/{condition", "expected '}'"),
    ("layout.subject", "[", "not a regular expression"),
    ("protocol.gallery", ["16"], "'16' is not subject/condition"),
    ("protocol.gallery", ["16/15", "16/15"], "named twice"),
    ("protocol.probe", ["16/15"], "named twice"),
]


@pytest.mark.parametrize(("place", "value", "message"), CONTRADICTIONS)
def test_contradictions(place, value, message):
    data = copy.deepcopy(to_plain(CMU))
    *parents, key = place.split(".")
    inner = data
    for parent in parents:
        inner = inner[parent]
    inner[key] = value
    with pytest.raises(ManifestError) as caught:
        build(Manifest, data, "f")
    assert [one.path for one in caught.value.problems if message in one.what] == [".".join(parents)]


def test_layout_reads_back_what_it_writes():
    path = CMU.layout.path("07", "01")
    assert path == "asfamc/07/07_01.amc"
    match = CMU.layout.regex().fullmatch(path)
    assert match.groupdict() == {"subject": "07", "condition": "01"}
    assert CMU.layout.regex().fullmatch("asfamc/07/08_01.amc") is None, "a name that occurs twice is one text"
    assert CMU.layout.regex().fullmatch("asfamc/07/07_01xamc") is None, "a dot is a dot"
    braces = Layout("{{a}}/{subject}+{condition}")
    assert braces.regex().fullmatch(braces.path("x", "y")).groupdict() == {"subject": "x", "condition": "y"}


def test_hash_changes_with_the_content_only():
    assert CMU.sha256() == load_manifest("cmu_walk").sha256()
    assert CMU.sha256() != dataclasses.replace(CMU, aligned_size=128).sha256()


def test_neither_name_nor_file():
    with pytest.raises(UsageError, match="cmu_wlak") as caught:
        load_manifest("cmu_wlak")
    assert "cmu_walk" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "\t",
        "a: b: c",
        "!!python/object/apply:os.getcwd []",
        "&a [*a",
        "",
        "schema: 1\nname: a\nschema: 2",
        "schema: 2024-99-99",
        "[" * 5000,
    ],
)
def test_not_yaml_or_not_a_manifest(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        load_manifest(str(path))
    assert caught.value.where.startswith(str(path))


def test_binary_file(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"\xff\xfe\0")
    with pytest.raises(ManifestError):
        load_manifest(str(path))


def test_a_root_of_the_user(tmp_path):
    text = dump_yaml(CMU).replace("package:cmu_walk", "~/walks")
    assert yaml.safe_load(text)["root"] == "~/walks"
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    assert load_manifest(str(path)).default_root().parts[-1] == "walks"
    assert "~" not in str(load_manifest(str(path)).default_root())


def places(value, steps=()):
    """Every place of nested data."""
    yield steps
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*steps, key))


SHIPPED = {name: yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")) for name in DATASETS}
odd = st.sampled_from(
    [None, True, 0, -1, 1e300, "", "[", "{", "{x}", "../a", "/a", "a b", "(?P<a>x)", "1..0", "é", [], {}]
)
values = (
    odd | st.lists(odd, max_size=2) | st.dictionaries(st.sampled_from(["a", "subject", "view", 3]), odd, max_size=2)
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(DATASETS), st.data())
def test_any_change_gives_a_manifest_or_problems(name, data):
    plain = copy.deepcopy(SHIPPED[name])
    for _ in range(data.draw(st.integers(1, 3))):
        *above, last = data.draw(st.sampled_from(list(places(plain))[1:]))
        inner = plain
        for step in above:
            inner = inner[step]
        inner[last] = data.draw(values)
    try:
        manifest = manifest_of(plain, "f")
    except ManifestError:
        return
    assert manifest.sha256() == manifest_of(yaml.safe_load(dump_yaml(manifest)), "f").sha256()
