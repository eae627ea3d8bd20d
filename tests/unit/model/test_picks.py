"""Clips and subsets: where frames may lie, that all of them occur equally often, and that nothing else is drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshgait_model.data.picks import Clip, Picks, below, cyclic_subsets, subsets

lengths = st.lists(st.integers(1, 90), min_size=1, max_size=20).map(lambda found: np.array(found, np.int64))
seeds = st.integers(0, 2**32)


def times(row):
    return np.bincount(row)[np.unique(row)]


@settings(deadline=None)
@given(seeds, lengths, st.integers(1, 40), st.integers(0, 40))
def test_ordered_clips_lie_in_their_span_in_order(seed, lengths, frames, skip):
    found = Clip(frames, skip).draw(lengths, np.random.default_rng(seed))
    assert found.shape == (len(lengths), frames)
    for row, length in zip(found, lengths, strict=True):
        assert ((row >= 0) & (row < length)).all()
        steps = np.diff(row) if length >= frames + skip else np.diff(row) % length
        if length >= frames + skip:
            assert (steps > 0).all()
            assert row[-1] - row[0] < frames + skip
        elif not skip and length > 1:
            # Too short: it starts over, frame after frame.
            assert (steps == 1).all()


@settings(deadline=None)
@given(seeds, lengths, st.integers(1, 40), st.sampled_from(["unordered", "sparse"]))
def test_frames_from_anywhere_are_as_different_as_they_can_be(seed, lengths, frames, kind):
    found = Clip(frames, kind=kind).draw(lengths, np.random.default_rng(seed))
    assert found.shape == (len(lengths), frames)
    assert ((found >= 0) & (found < lengths[:, None])).all()
    for row, length in zip(found, lengths, strict=True):
        assert len(np.unique(row)) == min(length, frames)
        assert np.ptp(times(row)) <= 1
        assert kind == "unordered" or (np.diff(row) >= 0).all()


@settings(deadline=None)
@given(seeds, lengths, st.integers(1, 10), st.integers(0, 5), st.sampled_from(["ordered", "unordered", "sparse"]))
def test_clips_of_a_batch_have_one_of_the_numbers_of_frames_that_are_asked_for(seed, lengths, frames, more, kind):
    clip = Clip(frames, kind=kind, most=frames + more)
    drawn = clip.draw(lengths, np.random.default_rng(seed))
    assert frames <= drawn.shape[1] <= clip.longest == frames + more
    # The rest of the draw is that of a clip of so many frames.
    rng = np.random.default_rng(seed)
    assert int(rng.integers(frames, frames + more + 1)) == drawn.shape[1]
    np.testing.assert_array_equal(drawn, Clip(drawn.shape[1], kind=kind).draw(lengths, rng))


def test_all_numbers_of_frames_are_equally_likely():
    rng = np.random.default_rng(0)
    found = [Clip(3, most=6).draw(np.array([50]), rng).shape[1] for _ in range(4000)]
    share = np.bincount(found)[3:] / len(found)
    np.testing.assert_allclose(share, 0.25, atol=0.03)


@settings(deadline=None)
@given(seeds, st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 60))
def test_subsets_are_sets_and_turns_share_out_evenly(seed, sizes, count):
    sizes = np.array(sizes)
    rng = np.random.default_rng(seed)
    chosen = subsets(np.maximum(sizes, count), count, rng)
    assert all(len(set(row.tolist())) == count for row in chosen)
    turned = cyclic_subsets(sizes, count, rng)
    assert all(np.ptp(times(row)) <= 1 and row.max() < size for row, size in zip(turned, sizes, strict=True))


def test_every_subset_every_clip_and_every_order_is_equally_likely():
    rng = np.random.default_rng(0)
    draws = 60_000
    sets = np.sort(subsets(np.full(draws, 5), 2, rng), axis=1)
    counts = np.unique(sets, axis=0, return_counts=True)[1]
    assert len(counts) == 10
    assert abs(counts / draws - 0.1).max() < 0.006
    starts = Clip(3, 2).draw(np.full(draws, 7), rng)
    # 3 windows of 5 frames, 10 choices of 3 of these: of each frame, as many clips as a direct count says.
    expected = np.zeros(7)
    for start in range(3):
        expected[start : start + 5] += 3 / 5 / 3
    assert abs(np.bincount(starts.ravel(), minlength=7) / draws - expected).max() < 0.01
    orders = np.unique(Clip(3, kind="unordered").draw(np.full(draws, 3), rng), axis=0, return_counts=True)[1]
    assert len(orders) == 6
    assert abs(orders / draws - 1 / 6).max() < 0.006


def test_numbers_stay_below_their_limit():
    class Top:
        def random(self, count):
            return np.full(count, np.nextafter(1.0, 0.0))

    limits = np.array([1, 3, 2**53 - 1, 2**60])
    assert (below(limits, Top()) < limits).all()


def test_values_are_spread_over_frames():
    values = np.array([10, 20, 30])
    clips = Picks(np.array([2, 0]), np.zeros((2, 3), int))
    assert clips.spread(values).tolist() == [30, 30, 30, 10, 10, 10]
    whole = Picks(np.array([2, 0]), np.zeros(3, int), np.array([0, 1, 3]))
    assert whole.spread(values).tolist() == [30, 10, 10]


def test_settings_that_contradict_themselves_are_said():
    with pytest.raises(ValueError, match="at least 1"):
        Clip(0)
    with pytest.raises(ValueError, match="skip=3 means nothing for sparse"):
        Clip(3, 3, "sparse")
    with pytest.raises(ValueError, match="other way round"):
        Clip(3, most=2)
