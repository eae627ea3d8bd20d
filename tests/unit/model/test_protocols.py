import json

import numpy as np
import pytest
import yaml
from protocol_cases import embedded

from meshgait_data.errors import InvalidData, ManifestError, UsageError
from meshgait_data.manifest import load_manifest
from meshgait_data.manifest_protocol import Group, Protocol, Select, Submission, by_name
from meshgait_data.manifest_roles import roles
from meshgait_data.strict import build, to_plain
from meshgait_data.types import SequenceKey
from meshgait_model.protocols.choice import choose
from meshgait_model.protocols.figures import plain_scores
from meshgait_model.protocols.files import read_embeddings, write_embeddings
from meshgait_model.protocols.scoring import Embedded, score
from meshgait_model.protocols.submission import submission
from meshgait_model.protocols.text import table

SHIPPED = ("casia_b", "oumvlp", "gait3d", "grew", "ccpg", "sustech1k", "cmu_walk")


def made_of(*names, values=()):
    """Sequences ``subject/condition/view``."""
    made = []
    for place, name in enumerate(names):
        subject, condition, view = name.split("/")
        strips = [[float(values[place] if len(values) else place)]]
        made.append({"who": subject, "subject": subject, "condition": condition, "view": view, "strips": strips})
    return embedded(made)


def chosen(role, *names):
    keys = [SequenceKey.parse(f"x/{name}") for name in names]
    found = roles(Protocol(gallery="rest", probe=role), keys, [key.subject for key in keys])[""]
    return [name for name, probe in zip(names, found.probe, strict=True) if probe], found.unmatched


@pytest.mark.parametrize("name", SHIPPED)
def test_protocols_of_manifests_survive_json(name):
    manifest = load_manifest(name)
    for protocol in (manifest.protocol, *manifest.protocols.values()):
        assert build(Protocol, json.loads(json.dumps(to_plain(protocol))), "x") == protocol


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{gallery: [a/b, a/b]}", "twice"),
        ("{gallery: [ab]}", "not subject/condition"),
        ("{gallery: rest}", "both be the rest"),
        ("{gallery: {conditions: [a]}, kind: retreival}", "did you mean 'retrieval'"),
        ("{gallery: {condition: [a]}}", "did you mean 'conditions'"),
        ("{gallery: {nth: -1}}", "negative"),
        ("{gallery: {written: '{subject}'}}", "chooses nothing"),
        ("{gallery: {matching: '('}}", "regular expression"),
        ("{gallery: [a/b], camera: '['}", "regular expression"),
        ("{gallery: [a/b], ranks: [0]}", "from 1"),
        ("{gallery: [a/b], kind: reid, exclude_identical_view: true}", "another rule"),
        ("{gallery: [a/b], submission: {columns: 3}}", "kind submission"),
        ("{groups: {A: {probe: [a/b]}}}", "no gallery"),
        ("{gallery: [a/b], probe: [c/d], groups: {A: {probe: [a/c]}}}", "give one of them"),
    ],
)
def test_contradictions_are_told(text, words):
    with pytest.raises(ManifestError) as told:
        build(Protocol, yaml.safe_load(text), "x.yaml")
    assert words in f"{told.value} {told.value.hint}"


def test_selectors_choose_by_every_line():
    names = ("1/nm-01/000", "1/nm-01/090", "1/01-bg-nt/000", "2/nm-02/000", "2/nm-01/000")
    assert chosen(Select(conditions=("nm-01",)), *names)[0] == [names[0], names[1], names[4]]
    assert chosen(Select(conditions=("nm-01",), views=("090",)), *names)[0] == [names[1]]
    assert chosen(Select(containing=("bg", "02")), *names)[0] == [names[2], names[3]]
    assert chosen(Select(matching=r"nm-\d+", subjects=("2",)), *names)[0] == [names[3], names[4]]
    assert chosen(Select(walks=("1/nm-01",)), *names)[0] == [names[0], names[1]]
    assert chosen(Select(keys=("1-nm-01-090", "9-a-b")), *names) == (
        [names[1]],
        ("1 of 2 listed sequences, the first: 9-a-b",),
    )
    assert chosen(Select(keys=("2-000",), written="{subject}-{view}"), *names)[0] == [names[3], names[4]]
    assert chosen(Select(matching=".*", nth=2), *names)[0] == [names[0], names[3]]
    assert chosen(Select(conditions=("nm-01", "cl-01")), *names)[1] == ("condition cl-01",)


def test_a_list_of_the_partition_is_needed_and_used():
    protocol = Protocol(gallery="rest", probe=Select(listed="PROBE_SET"), kind="retrieval")
    data = made_of("1/a/0", "1/b/0", "2/a/0")
    with pytest.raises(InvalidData, match="no list 'PROBE_SET'") as told:
        score(data, protocol)
    assert "partition" in told.value.hint
    known = Embedded(data.embeddings, data.keys, data.identities, {"PROBE_SET": ("1-b-0",)})
    assert score(known, protocol).groups[0].people == 2


def test_what_cannot_be_scored_is_told():
    with pytest.raises(InvalidData, match="are not among the test sequences: 7/a"):
        score(made_of("1/a/0"), Protocol(gallery=("7/a",)))
    with pytest.raises(InvalidData, match="nothing fits condition b"):
        score(made_of("1/a/0"), Protocol(gallery=Select(conditions=("a",)), probe=Select(conditions=("b",))))
    with pytest.raises(InvalidData, match="gallery and probe at once"):
        score(made_of("1/a/0"), Protocol(gallery=Select(conditions=("a",)), probe=Select(views=("0",))))
    with pytest.raises(InvalidData, match="finds no camera in view 'b'"):
        score(made_of("1/a/b", "1/c/b"), Protocol(gallery=("1/a",), camera=r"\d+"))
    many = made_of(*(f"1/a/{n}" for n in range(401)), "1/b/0")
    with pytest.raises(InvalidData, match="401 views cannot be paired"):
        score(many, Protocol(gallery=("1/a",)))
    with pytest.raises(InvalidData, match="NaN or infinity"):
        made_of("1/a/0", values=[float("nan")])


def test_order_of_sequences_does_not_matter():
    rng = np.random.default_rng(0)
    names = [f"{s}/{c}/{v}" for s in range(4) for c in "ab" for v in ("000", "090")]
    data, protocol = made_of(*names, values=rng.integers(0, 2, 16)), Protocol(gallery=Select(conditions=("a",)))
    order = rng.permutation(16)
    turned = Embedded(
        data.embeddings[order], *(tuple(one[i] for i in order) for one in (data.keys, data.identities)), {}
    )
    assert plain_scores([score(data, protocol)]) == plain_scores([score(turned, protocol)])


def test_the_table_tells_ties_missing_and_invalid():
    data = made_of("1/a/000", "2/a/000", "2/a/090", "1/b/090", "2/b/090", values=[0] * 5)
    protocol = Protocol(
        gallery=Select(conditions=("a",)),
        groups={"B": Group(Select(conditions=("b", "c")))},
        invalid_probes="both",
        expected_probes=3,
        ranks=(1,),
    )
    text = table(score(data, protocol, "own"))
    assert "2 probes of 3" in text
    assert "no test sequence fits condition c" in text
    assert "invalid probes count as wrong:" in text
    assert "Rank-1 is from 0.00 to 100.00 %" in text
    assert "of 2 pairs of views are empty" in text
    alone = table(score(made_of("1/a/0", "1/b/0"), Protocol(gallery=("1/a",))))
    assert "one view only" in alone


def test_a_perfect_network_scores_everything():
    data = made_of("1/a/000", "2/a/090", "1/b/090", "2/b/000", values=[0, 5, 0, 5])
    plain = plain_scores([score(data, Protocol(gallery=Select(conditions=("a",)), ranks=(1,)))])
    assert plain["rank1"] == 1.0
    assert plain["people"] == 2
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def _grew(**more):
    return Protocol(
        kind="submission",
        gallery=Select(conditions=("01",)),
        probe=Select(conditions=("03",)),
        submission=Submission(**{"columns": 1, **more}),
    )


@pytest.mark.parametrize(
    ("names", "rules", "words"),
    [
        (("00001/01/a", "probe/03/b"), {"columns": 2}, "1 sequences in the gallery, 2 on a line"),
        (("00001/01/a", "probe/03/b"), {"names": "[0-9]{8}"}, "'b' does not fit"),
        (("00001/01/a", "probe/03/b", "probf/03/b"), {}, "two probes are named 'b'"),
        (("x1/01/a", "probe/03/b"), {}, "no whole number"),
        (("00001/01/a", "probe/03/b"), {"distractors": Select(subjects=("d",))}, "no distractors"),
    ],
)
def test_a_file_that_the_server_would_refuse_is_not_written(names, rules, words):
    with pytest.raises(InvalidData, match=words):
        submission(made_of(*names), _grew(**rules))


def test_embeddings_come_back_and_damaged_ones_do_not(tmp_path):
    path = tmp_path / "embeddings.npz"
    data = Embedded(
        *(getattr(made_of("1/a/0", "1/b/0"), n) for n in ("embeddings", "keys", "identities")), {"P": ("x",)}
    )
    protocols = {"main": Protocol(gallery=("1/a",))}
    write_embeddings(path, data, protocols)
    back, known = read_embeddings(path)
    assert (back.keys, back.identities, dict(back.lists), known) == (
        data.keys,
        data.identities,
        {"P": ("x",)},
        protocols,
    )
    np.testing.assert_array_equal(back.embeddings, data.embeddings)
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 4):
        path.write_bytes(whole[:cut])
        with pytest.raises(InvalidData, match="damaged"):
            read_embeddings(path)
    np.savez(path, embeddings=np.array([{}], object), keys=np.array(["a"]), identities=np.array(["a"]), about="{}")
    with pytest.raises(InvalidData):
        read_embeddings(path)
    with pytest.raises(UsageError, match="no such file"):
        read_embeddings(tmp_path / "nowhere.npz")


def test_protocols_are_chosen_by_name():
    known = by_name(Protocol(), {"local": Protocol(gallery=("a/b",)), "server": _grew()})
    assert list(known) == ["local", "server"]
    assert list(choose(known, None, submission=False).scored) == ["local"]
    assert choose(known, "all", submission=True).submission == ("server", _grew())
    assert choose(known, "server", submission=True).scored == {}
    for wanted, words in (("server", "--submission"), ("locl", "did you mean 'local'"), ("x", "there are local")):
        with pytest.raises(UsageError) as told:
            choose(known, wanted, submission=False)
        assert words in told.value.hint
    with pytest.raises(UsageError, match="0 protocols make a file"):
        choose({"main": Protocol(gallery=("a/b",))}, None, submission=True)
    assert list(by_name(Protocol(gallery=("a/b",)), {"x": Protocol()})) == ["main", "x"]
