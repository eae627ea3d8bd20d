"""Paths of keys and keys of paths, over several layouts: each is the other's inverse."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data.errors import ManifestError, UsageError
from meshgait_data.manifest import Counted, Layout, Manifest, load_manifest
from meshgait_data.strict import build, to_plain
from meshgait_data.types import CaptureKey, SequenceKey

CMU = load_manifest("cmu_walk")
HASH = {"hash": "[0-9A-Za-z]{8}"}
TRAIN = Layout(
    "train/{subject}/{hash}",
    subject=r"\d{5}",
    parts=HASH,
    keys={"subject": "{subject}train", "condition": "00", "view": "{hash}"},
    captures="each",
)
GALLERY = Layout(
    "test/gallery/{subject}/{hash}",
    subject=r"\d{5}",
    parts=HASH,
    keys={"condition": "{nth}", "view": "{hash}"},
    counted={"nth": Counted("hash")},
    captures="each",
)
PROBE = Layout(
    "test/probe/{hash}",
    parts=HASH,
    keys={"subject": "probe", "condition": "03", "view": "{hash}"},
    captures="each",
)
WILD = replace(CMU, layout=TRAIN, further_layouts=(GALLERY, PROBE))
GROUPS = Layout(
    "{view}-{condition}/{subject}", view=r"\d{3}", captures={"there": ("000", "090"), "back": ("180", "270")}
)
RINGS = replace(CMU, layout=GROUPS)


def in_layout(layout, path):
    match = layout.regex().fullmatch(path)
    return layout.numbered([match.groupdict()])[0]


@pytest.mark.parametrize(
    ("layout", "path", "key"),
    [
        (TRAIN, "train/00001/4XPn5Z28", "d/00001train/00/4XPn5Z28"),
        (GALLERY, "test/gallery/00001/79XJefi8", "d/00001/01/79XJefi8"),
        (PROBE, "test/probe/01DdvEHX", "d/probe/03/01DdvEHX"),
    ],
)
def test_keys_and_paths_of_several_layouts(layout, path, key):
    assert str(layout.key("d", in_layout(layout, path))) == key
    key = SequenceKey.parse(key)
    assert WILD.layout_of(key) == layout
    assert WILD.paths_of(key).exact == path
    capture = WILD.capture(key)
    assert capture.group == key.view
    assert WILD.layout_of(capture) == layout
    assert WILD.paths_of(capture).exact == path


def test_places_among_siblings():
    found = [{"subject": s, "hash": h} for s, h in (("1", "bb"), ("1", "aa"), ("2", "cc"))]
    assert [parts["nth"] for parts in GALLERY.numbered(found)] == ["02", "01", "01"]
    assert GALLERY.numbered([]) == []


def test_no_layout_makes_such_a_key():
    with pytest.raises(UsageError, match="is no key"):
        WILD.paths_of(SequenceKey("d", "1", "01", "x"))


def test_views_of_a_walk(tmp_path):
    for view in ("000", "090", "180", "xyz"):
        (tmp_path / f"{view}-00" / "7").mkdir(parents=True)
    there, back = (CaptureKey("d", "7", "00", group) for group in ("there", "back"))
    assert RINGS.capture(SequenceKey("d", "7", "00", "090")) == there
    assert [view for view, _ in RINGS.paths_of(there).find(tmp_path)] == ["000", "090"]
    assert [view for view, _ in RINGS.paths_of(back).find(tmp_path)] == ["180"]
    one = RINGS.paths_of(SequenceKey("d", "7", "00", "090"))
    assert one.find(tmp_path) == [("090", tmp_path / "090-00/7")]
    assert RINGS.paths_of(SequenceKey("d", "7", "00", "270")).find(tmp_path) == []


def test_templates_of_kinds(tmp_path):
    manifest = replace(
        CMU, layout=Layout("{subject}/c{camera}_v{video}/{view}", parts={"camera": r"\d+", "video": r"\d+"},
                           keys={"condition": "c{camera}_v{video}"})
    )  # fmt: skip
    key = SequenceKey("d", "7", "c1_v2", "seq0")
    for template, path in {
        "{folder}/smpl-{view}.pkl": "7/c1_v2/seq0/smpl-seq0.pkl",
        "poses/{subject}/{condition}/{view}": "poses/7/c1_v2/seq0",
        "{camera}/{video}.json": "1/2.json",
    }.items():
        assert manifest.paths_of(key, template).exact == path
    (tmp_path / "7/c1_v2/seq0").mkdir(parents=True)
    (tmp_path / "7/c1_v2/seq0/06-a.pkl").touch()
    (tmp_path / "7/c1_v2/seq0/07-a.pkl").touch()
    found = manifest.paths_of(key, "{folder}/06-*.pkl")
    assert found.exact is None
    assert found.find(tmp_path) == [("seq0", tmp_path / "7/c1_v2/seq0/06-a.pkl")]


def test_a_view_that_no_path_tells(tmp_path):
    manifest = replace(CMU, layout=Layout("{subject}/{condition}", keys={"view": "front"}, captures="each"))
    (tmp_path / "7" / "a").mkdir(parents=True)
    key = CaptureKey("d", "7", "a", "front")
    assert manifest.capture(SequenceKey("d", "7", "a", "front")) == key
    assert manifest.paths_of(key).find(tmp_path) == [("front", tmp_path / "7/a")]


words = st.text("ab-_.[]*0", min_size=1, max_size=4).filter(lambda text: text not in (".", ".."))


@given(words, words, words)
def test_any_words_come_back(subject, condition, view):
    layout = Layout("x/{subject}/{condition}+y/{view}")
    manifest = replace(CMU, layout=layout)
    key = SequenceKey("d", subject, condition, view)
    path = manifest.paths_of(key).exact
    assert layout.key("d", layout.regex().fullmatch(path).groupdict()) == key
    walk = manifest.paths_of(manifest.capture(key))
    assert walk.view(path) == view
    assert walk.view(path + "/more") is None


def test_globs_find_names_with_special_characters(tmp_path):
    root = tmp_path / "a[1]*"
    for view in ("v1", "v[2]"):
        (root / "s[x]" / "c*" / view).mkdir(parents=True)
    (root / "sx" / "c*" / "v3").mkdir(parents=True)
    manifest = replace(CMU, layout=Layout("{subject}/{condition}/{view}"))
    found = manifest.paths_of(CaptureKey("d", "s[x]", "c*")).find(root)
    assert [view for view, _ in found] == ["v1", "v[2]"]


def test_what_is_excluded():
    manifest = replace(
        CMU,
        layout=Layout("{subject}/{condition}", exclude=("flow/*",)),
        further_layouts=(Layout("x/{subject}/{condition}", exclude=("*_gei.png",)),),
    )
    assert manifest.excluded("flow/1/2.png")
    assert manifest.excluded("1/2_gei.png")
    assert not manifest.excluded("1/2.png")


WRONG = [
    ({"parts": {"hash": "["}}, "hash='[' is not a regular expression"),
    ({"parts": {"hash": "(?P<x>a)"}}, "names groups of its own"),
    ({"parts": {"frame": "a"}}, "cannot be the name of a part"),
    ({"parts": {"a b": "a"}}, "cannot be the name of a part"),
    ({"keys": {"view": "{hsh}"}}, "did you mean {hash} in place of {hsh}"),
    ({"keys": {"veiw": "x"}}, "'veiw' is not one of the choices"),
    ({"keys": {"condition": "00", "view": "0"}}, "pattern names {hash}, which no word of the key holds"),
    ({"counted": {"nth": {"part": "hsh"}}}, "the pattern names no {hsh}"),
    ({"counted": {"hash": {"part": "hash"}}}, "is a part of the pattern already"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_layouts_that_contradict_themselves(change, message):
    plain = to_plain(TRAIN) | {"counted": {}} | change
    with pytest.raises(ManifestError) as caught:
        build(Layout, plain, "f")
    assert message in str(caught.value)


def test_names_that_only_one_of_the_layouts_knows():
    plain = to_plain(WILD)
    plain["source"] |= {"format": None, "skeleton": "", "joint_map": "", "silhouettes": {"path": "{folder}/{nth}"}}
    with pytest.raises(ManifestError, match="must name") as caught:
        build(Manifest, plain, "f")
    assert caught.value.problems[0].path == "source.silhouettes.path"
