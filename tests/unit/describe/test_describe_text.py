"""Names that are alike, YAML with comments, ranges: the pieces that proposals are made of."""

import re

import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data.describe.commented import commented_yaml
from meshgait_data.describe.names_alike import are_angles, expression, in_parts
from meshgait_data.describe.template import ranges
from meshgait_data.manifest_split import expanded

words = st.text("abcXYZ0123456789-_. ", min_size=1, max_size=8)


@given(st.lists(words, min_size=1, max_size=12))
def test_all_names_fit_their_expression(names):
    pattern = re.compile(expression(names))
    assert all(pattern.fullmatch(name) for name in names)


def test_expressions_are_narrow():
    assert expression(["01DdvEHX", "etaGVnWf", "4XPn5Z28"]) == "[0-9A-Za-z]{8}"
    assert expression(["000", "090", "090-near", "180-far"]) == r"\d{3}|\d{3}-[A-Za-z]+"
    assert expression(["anna"]) == "[0-9A-Za-z]+"


def test_angles():
    assert are_angles(["000", "018", "180"])
    assert are_angles(["000", "090-near", "270-far"])
    assert not are_angles(["001", "002", "003"])
    assert not are_angles(["000"])


@given(st.lists(st.integers(0, 300), unique=True), st.sampled_from(["", "p", "S-"]), st.sampled_from(["", "train"]))
def test_ranges_say_the_same_ids(numbers, head, tail):
    ids = sorted(f"{head}{number:03d}{tail}" for number in numbers)
    assert expanded(tuple(ranges(ids))) == tuple(ids)


def test_parts_in_names():
    assert in_parts("001-nm-01-090-", [("subject", "001"), ("condition", "nm-01"), ("view", "090")]) == (
        "{subject}-{condition}-{view}-"
    )
    assert in_parts("2014_01", [("view", "01")]) == "2014_{view}", "01 is no part of 2014"
    assert in_parts("{a}", []) == "{{a}}"


scalars = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["018", "1e3", "yes", "- a"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(scalars, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1, max_size=5), values, min_size=1, max_size=4))
def test_yaml_with_comments_reads_back(plain):
    comments = {key: "said of it" for key in plain}
    assert yaml.safe_load(commented_yaml(plain, comments)) == plain


def test_lists_of_blocks_read_back():
    plain = {"a": [{"b": 1, "c": {"d": ["x", "018"]}}, {"b": 2}], "e": {}}
    assert yaml.safe_load(commented_yaml(plain, {"a.0.b": "first", "e": "long " * 40})) == plain
