"""Strict building: unknown keys, missing keys and wrong types name their place; nothing is guessed."""

import copy
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data.errors import ManifestError
from meshgait_data.strict import build, run_checks, to_plain
from meshgait_data.yaml_files import parse_yaml, read_yaml


@dataclass(frozen=True)
class Inner:
    rate: float
    kind: Literal["asf_amc", "bvh"] = "bvh"

    def __post_init__(self):
        if self.rate <= 0:
            raise ValueError(f"rate={self.rate} must be positive")


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    sizes: tuple[int, int] = (1, 2)
    people: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    views: dict[str, float] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)
    note: str | None = None
    probe: Literal["rest"] | tuple[str, ...] = "rest"
    flag: bool = False
    free: Any = None
    extra: tuple[Inner, ...] = ()


GOOD = {"name": "a", "inner": {"rate": 30}}


def test_nested_values_get_their_types():
    outer = build(
        Outer, GOOD | {"sizes": [3, 4], "groups": [["a"], ["b", "c"]], "probe": ["x"], "views": {"0": 1}}, "f"
    )
    assert outer == Outer("a", Inner(30.0), (3, 4), groups=(("a",), ("b", "c")), probe=("x",), views={"0": 1.0})
    assert isinstance(outer.inner.rate, float)


@pytest.mark.parametrize(
    ("data", "what", "where", "hint"),
    [
        (GOOD | {"nmae": 1}, "unknown key 'nmae'", "f", "did you mean 'name'?"),
        (GOOD | {"zzz": 1}, "unknown key 'zzz'", "f", "known keys: name, inner"),
        (GOOD | {"inner": {"rat": 1}}, "unknown key 'rat'", "f: inner", "did you mean 'rate'?"),
        ({"name": "a"}, "missing key 'inner'", "f", "add 'inner: ...'"),
        (GOOD | {"name": 7}, "expected str, found int 7", "f: name", "quote it: '7'"),
        (GOOD | {"name": None}, "expected str, found nothing", "f: name", ""),
        (GOOD | {"inner": {"rate": "30"}}, "expected float, found str '30'", "f: inner: rate", ""),
        (GOOD | {"inner": {"rate": True}}, "expected float, found bool True", "f: inner: rate", ""),
        (GOOD | {"inner": {"rate": 0}}, "rate=0.0 must be positive", "f: inner", ""),
        (GOOD | {"inner": {"rate": 1, "kind": "asf"}}, "'asf' is not one of the choices",
         "f: inner: kind", "did you mean 'asf_amc'?"),
        (GOOD | {"inner": 3}, "expected keys and values, found int 3", "f: inner", "known keys: rate, kind"),
        (GOOD | {"sizes": [1, 2, 3]}, "expected 2 values, found 3", "f: sizes", ""),
        (GOOD | {"sizes": [1, 2.5]}, "expected int, found float 2.5", "f: sizes[1]", ""),
        (GOOD | {"people": "ab"}, "expected a list, found str 'ab'", "f: people", ""),
        (GOOD | {"people": ["01", 2]}, "expected str, found int 2", "f: people[1]", "quote it: '2'"),
        (GOOD | {"views": {0: 1}}, "expected str, found int 0", "f: views", "quote it: '0'"),
        (GOOD | {"views": {"a": "x"}}, "expected float, found str 'x'", "f: views: a", ""),
        (GOOD | {"extra": [{"rate": 1}, {"rate": -1}]}, "rate=-1.0 must be positive", "f: extra[1]", ""),
        (GOOD | {"probe": "all"}, "'all' is not one of the choices", "f: probe", "'rest'; or give a list"),
        (GOOD | {"flag": 1}, "expected bool, found int 1", "f: flag", ""),
        (GOOD | {3: 1}, "unknown key 3", "f", "known keys"),
        ([], "expected keys and values, found list []", "f", "known keys"),
        (None, "expected keys and values, found nothing", "f", "known keys"),
    ],
)  # fmt: skip
def test_wrong_data_name_the_place_and_the_way_out(data, what, where, hint):
    with pytest.raises(ManifestError) as caught:
        build(Outer, data, "f")
    assert (caught.value.what, caught.value.where) == (what, where)
    assert hint in caught.value.hint


def test_all_problems_at_once_in_the_order_of_their_lines():
    text = """\
nmae: x
inner: {rate: 30, kind: asf}
sizes: [1]
people: [ok, 010, 2]
views: {a: b, 000: 1}
extra: [{rate: 1}, {rate: -1}, {kind: bvh}]
groups: [[a], 3]
zzz: 1
zzz: 2
"""
    with pytest.raises(ManifestError) as caught:
        build(Outer, parse_yaml(text, "f"), "f.yaml")
    found = [(one.line, one.column, one.path, one.what) for one in caught.value.problems]
    assert found == [
        (1, 1, "", "unknown key 'nmae'"),
        (2, 25, "inner.kind", "'asf' is not one of the choices"),
        (3, 8, "sizes", "expected 2 values, found 1"),
        (4, 14, "people[1]", "expected str, found int 8"),
        (4, 19, "people[2]", "expected str, found int 2"),
        (5, 12, "views.a", "expected float, found str 'b'"),
        (5, 15, "views", "expected str, found int 0"),
        (6, 27, "extra[1]", "rate=-1.0 must be positive"),
        (6, 32, "extra[2]", "missing key 'rate'"),
        (7, 15, "groups[1]", "expected a list, found int 3"),
        (8, 1, "", "unknown key 'zzz'"),
        (9, 1, "", "key 'zzz' stands twice"),
    ]
    hints = {one.path: one.hint for one in caught.value.problems}
    assert hints["people[1]"] == "quote it: '010'", "as it is written, not what YAML made of it"
    assert hints["views"] == "quote it: '000'"
    assert str(caught.value).startswith(
        "f.yaml: 12 problems\n  line 1, column 1: unknown key 'nmae' (did you mean 'name'?)"
    )
    assert copy.copy(caught.value).problems == caught.value.problems


def test_one_problem_says_its_line_in_its_place():
    with pytest.raises(ManifestError) as caught:
        build(Outer, parse_yaml("name: a\ninner:\n  rate: x\n", "f"), "f.yaml")
    assert str(caught.value) == "f.yaml:3:9: inner: rate: expected float, found str 'x'"


@dataclass(frozen=True, slots=True)
class Checked:
    low: int = 0
    high: int = 9
    names: tuple[str, ...] = ()
    inner: Inner | None = None

    CHECKS: ClassVar[tuple[str, ...]] = ("_check_range", "_check_names")

    def __post_init__(self):
        run_checks(self)

    def _check_range(self):
        if self.low > self.high:
            raise ValueError(f"low={self.low} is above high={self.high}")

    def _check_names(self):
        if "bad" in self.names:
            raise ManifestError("this name is bad", where="names", hint="another")


def test_all_checks_of_a_class_are_run_and_as_far_as_its_values_go():
    text = "low: 10\nnames: [bad]\n"
    with pytest.raises(ManifestError) as caught:
        build(Checked, parse_yaml(text, "f"), "f")
    assert [(p.line, p.path, p.what) for p in caught.value.problems] == [
        (1, "", "low=10 is above high=9"),
        (2, "names", "this name is bad"),
    ]
    with pytest.raises(ManifestError) as caught:
        build(Checked, parse_yaml("low: 10\nnames: bad\ninner: {}\n", "f"), "f")
    assert [p.line for p in caught.value.problems] == [1, 2, 3]
    with pytest.raises(ManifestError) as caught:
        build(Checked, parse_yaml("low: x\nnames: [bad]\n", "f"), "f")
    assert [p.line for p in caught.value.problems] == [1, 2], "the range cannot be checked, the names can"
    with pytest.raises(ValueError, match="above"):
        Checked(5, 1)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*Outer.__dataclass_fields__, "x"]), plain))
def test_any_yaml_is_built_or_an_error_of_ours(data):
    try:
        built = build(Outer, data, "f")
    except ManifestError:
        return
    assert isinstance(built, Outer)


texts = st.text(max_size=5)
inners = st.builds(Inner, st.floats(1, 99), st.sampled_from(["asf_amc", "bvh"]))


@given(
    st.builds(
        Outer,
        texts,
        inners,
        people=st.lists(texts).map(tuple),
        views=st.dictionaries(texts, st.floats(0, 9)),
        note=st.none() | texts,
        probe=st.just("rest") | st.lists(texts).map(tuple),
        extra=st.lists(inners, max_size=2).map(tuple),
    )
)
def test_plain_data_round_trip(outer):
    assert build(Outer, to_plain(outer), "f") == outer


@given(st.dictionaries(st.sampled_from([*Outer.__dataclass_fields__, "x"]), plain))
def test_problems_of_a_file_have_places(data):
    text = yaml.safe_dump(data | {"zzz": 1})
    with pytest.raises(ManifestError) as caught:
        build(Outer, parse_yaml(text, "f"), "f")
    lines = text.count("\n") + 1
    assert all(1 <= one.line <= lines and one.column >= 1 for one in caught.value.problems)


def test_yaml_that_would_grow_or_never_end():
    laughs = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 20))
    for text, message in (
        (laughs, "more than"),
        ("a: &a [*a]", "inside of what it stands for"),
        ("a: &a {b: *a}", "inside of what it stands for"),
        ("{[1, 2]: 3}", "a key must be a single value"),
        ("a: {b: 1, b: 2, c: &x [", "not valid YAML"),
    ):
        with pytest.raises(ManifestError, match=message):
            parse_yaml(text, "f")
    with pytest.raises(ManifestError, match="stands twice"):
        build(Outer, parse_yaml("name: a\ninner: {rate: 1}\nfree: {a: {b: 1, b: 2}}", "f"), "f")


def test_anchors_and_merges_work():
    text = "base: &base {rate: 3, kind: bvh}\ninner: *base\nextra: [{<<: *base, rate: 4}]"
    data = parse_yaml(text, "f")
    assert data["inner"] == {"rate": 3, "kind": "bvh"}
    assert data["extra"] == [{"rate": 4, "kind": "bvh"}]
    assert parse_yaml("", "f") is None


def test_files_are_bounded(tmp_path):
    path = tmp_path / "big.yaml"
    path.write_text("# " + "x" * (9 << 20))
    with pytest.raises(ManifestError, match="larger than 8 MiB"):
        read_yaml(str(path), "datasets")
