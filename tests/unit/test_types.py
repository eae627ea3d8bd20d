"""Keys: one spelling everywhere, safe as paths; body parameters: any index keeps its frames together."""

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data.types import BodyParams, CaptureKey, SequenceKey

parts = st.text(string.ascii_letters + string.digits + "-_.+é", min_size=1).filter(lambda t: t not in {".", ".."})


@given(parts, parts, parts, parts)
def test_keys_round_trip(dataset, subject, condition, view):
    key = SequenceKey(dataset, subject, condition, view)
    assert SequenceKey.parse(str(key)) == key
    assert CaptureKey.parse(key.walk).sequence(view) == key
    group = CaptureKey(dataset, subject, condition, view)
    assert CaptureKey.parse(str(group)) == group
    assert group.sequence("090") == CaptureKey(dataset, subject, condition).sequence("090")
    assert len({key, SequenceKey.parse(str(key))}) == 1


@pytest.mark.parametrize("bad", ["", ".", "..", "a/b", "a b", "a\\b", "a\tb", "a\n", "\0", "a\u2028b"])
def test_parts_that_would_leave_the_folder_or_break_a_line(bad):
    with pytest.raises(ValueError, match="cannot be one part of a key"):
        CaptureKey("cmu", bad, "01")
    with pytest.raises(ValueError, match="cannot be one part of a key"):
        SequenceKey("cmu", "07", "01", bad)


@pytest.mark.parametrize("text", ["", "a", "a/b", "a/b/c/d/e", "a//c", "/a/b"])
def test_texts_that_are_no_keys(text):
    with pytest.raises(ValueError, match=r"expected dataset/subject/condition|cannot be one part"):
        CaptureKey.parse(text)
    with pytest.raises(ValueError, match=r"expected dataset/subject/condition/view|cannot be one part"):
        SequenceKey.parse(text + "/")


def test_keys_sort_by_subject_then_condition_then_view():
    keys = [SequenceKey.parse(f"d/{text}") for text in ("10/01/090", "02/02/000", "02/01/090", "02/01/018")]
    assert [str(key) for key in sorted(keys)] == ["d/02/01/018", "d/02/01/090", "d/02/02/000", "d/10/01/090"]


@pytest.mark.parametrize("frames", [slice(1, 3), [2, 0], np.array([True, False, True, False])])
def test_take_keeps_frames_together(rng, frames):
    params = BodyParams(rng.normal(size=10), rng.normal(size=(4, 3)), rng.normal(size=(4, 69)), rng.normal(size=(4, 3)))
    taken = params.take(frames)
    assert len(taken) == 2
    np.testing.assert_array_equal(taken.betas, params.betas)
    for name in ("global_orient", "body_pose", "transl"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(params, name)[frames])
