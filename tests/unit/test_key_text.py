"""Names of files as words of keys: reversible, and no two names make one key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data.key_text import quoted, unquoted
from meshgait_data.manifest import Layout
from meshgait_data.types import CaptureKey, SequenceKey

NAMES = st.text(min_size=1).filter(lambda text: "\0" not in text)


@given(NAMES)
def test_every_name_is_a_word_and_comes_back(name):
    CaptureKey("d", quoted(name), "c")
    assert unquoted(quoted(name)) == name


@given(NAMES, NAMES)
def test_no_two_names_make_one_key(first, second):
    assert (quoted(first) == quoted(second)) == (first == second)


@pytest.mark.parametrize("name", ["nm-01", "07_01_poses", "camid0_videoid2", "Schröder"])
def test_names_that_keys_can_hold_stay(name):
    assert quoted(name) == name


@pytest.mark.parametrize("text", ["%41", "%zz", "50%", "%20%", "%e9"])
def test_what_no_name_is_quoted_to_stays(text):
    assert unquoted(text) == text


def test_layouts_that_quote_invert():
    layout = Layout("{subject}/{condition}.npz", quote_names=True)
    key = layout.key("d", {"subject": "A B", "condition": "Walk 50%"})
    assert key == CaptureKey("d", "A%20B", "Walk%2050%25")
    assert layout.parts_of(key) == {"subject": "A B", "condition": "Walk 50%"}
    assert layout.path(key.subject, key.condition) == "A B/Walk 50%.npz"


def test_views_are_quoted_too():
    layout = Layout("{subject}/{condition}/{view}", quote_names=True, captures="each")
    key = layout.key("d", {"subject": "p", "condition": "w", "view": "cam 1"})
    assert key == SequenceKey("d", "p", "w", "cam%201")
    assert layout.parts_of(layout.capture(key)) == {"subject": "p", "condition": "w", "view": "cam 1"}


def test_without_it_a_space_is_refused():
    with pytest.raises(ValueError, match="cannot be one part of a key"):
        Layout("{subject}/{condition}").key("d", {"subject": "A B", "condition": "c"})
