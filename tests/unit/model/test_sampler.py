import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data.errors import InvalidData
from meshgait_model.data.sampler import clip_frames, generator, sample

IDENTITIES = np.array([0] * 5 + [1] * 2 + [2] * 7 + [3])
LENGTHS = np.array([40, 3, 50, 60, 12, 9, 80, 30, 31, 32, 33, 34, 35, 36, 1])


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(2, 4), st.integers(2, 6), st.integers(1, 20))
def test_a_batch_is_p_people_times_k_clips_inside_their_sequences(seed, step, people, clips, frames):
    picks = sample(IDENTITIES, LENGTHS, generator(seed, step, 0), batch=(people, clips), clip=(frames, frames + 4))
    drawn = IDENTITIES[picks.sequences].reshape(people, clips)
    assert (drawn == drawn[:, :1]).all()
    assert len(set(drawn[:, 0].tolist())) == people
    assert picks.frames.shape == (people * clips, frames)
    assert (picks.frames >= 0).all()
    assert (picks.frames < LENGTHS[picks.sequences][:, None]).all()
    for person in drawn[:, 0]:
        own = picks.sequences[IDENTITIES[picks.sequences] == person]
        assert len(set(own.tolist())) == clips or (IDENTITIES == person).sum() < clips  # noqa: SIM300


@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(0, 10), st.integers(0, 40))
def test_frames_of_long_sequences_increase_within_the_span(seed, frames, skip, more):
    span = frames + skip
    found = clip_frames(span + more, np.random.default_rng(seed), frames, span)
    assert (np.diff(found) > 0).all()
    assert found[-1] - found[0] < span


def test_a_batch_depends_on_seed_and_step_alone():
    def draw(seed, step):
        picks = sample(IDENTITIES, LENGTHS, generator(seed, step, 0), batch=(3, 4), clip=(8, 12))
        return picks.sequences.tolist(), picks.frames.tolist()

    assert draw(1, 5) == draw(1, 5)
    assert draw(1, 5) != draw(1, 6)
    assert draw(1, 5) != draw(2, 5)


def test_too_few_people_is_said():
    with pytest.raises(InvalidData, match="only 4 people"):
        sample(IDENTITIES, LENGTHS, generator(0, 0, 0), batch=(5, 2), clip=(4, 4))
