"""Strict building: unknown keys, missing keys and wrong types name their place; nothing is guessed."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data.errors import ManifestError
from meshgait_data.strict import build, to_plain


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
        (GOOD | {"views": {"a": "x"}}, "expected float, found str 'x'", "f: views.a", ""),
        (GOOD | {"extra": [{"rate": 1}, {"rate": -1}]}, "rate=-1.0 must be positive", "f: extra[1]", ""),
        (GOOD | {"probe": "all"}, "expected a list, found str 'all'", "f: probe", ""),
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
