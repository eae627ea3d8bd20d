"""Batches as a function of the seed and their number, alike in all processes, and going on where they stopped."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshgait_data.errors import InvalidData
from meshgait_model.data.picks import Clip
from meshgait_model.data.sampler import EpochSampler, PKSampler, SequenceSampler

IDENTITIES = np.array([0] * 5 + [1] * 2 + [2] * 7 + [3])
LENGTHS = np.array([40, 3, 50, 60, 12, 9, 80, 30, 31, 32, 33, 34, 35, 36, 1])
numbers = st.integers(0, 10**6)


def pk(seed=0, people=3, clips=4, clip=Clip(8, 4), **more):  # noqa: B008  # frozen
    return PKSampler(IDENTITIES, LENGTHS, people=people, clips=clips, clip=clip, seed=seed, **more)


def plain(picks):
    offsets = None if picks.offsets is None else picks.offsets.tolist()
    return picks.step, picks.sequences.tolist(), picks.frames.tolist(), offsets


@settings(deadline=None)
@given(numbers, numbers, st.integers(2, 4), st.integers(2, 6), st.integers(1, 20))
def test_a_batch_is_p_people_times_k_clips_inside_their_sequences(seed, step, people, clips, frames):
    picks = pk(seed, people, clips, Clip(frames, 4)).draw(step)
    drawn = IDENTITIES[picks.sequences].reshape(people, clips)
    assert (drawn == drawn[:, :1]).all()
    assert len(set(drawn[:, 0].tolist())) == people
    assert picks.frames.shape == (people * clips, frames)
    assert ((picks.frames >= 0) & (picks.frames < LENGTHS[picks.sequences][:, None])).all()
    for person, own in zip(drawn[:, 0], picks.sequences.reshape(people, clips), strict=True):
        times = np.bincount(own)[np.unique(own)]
        assert len(times) == min(clips, np.count_nonzero(person == IDENTITIES))
        assert np.ptp(times) <= 1


SAMPLERS = {
    "people": lambda seed, **more: pk(seed, people=2, clips=6, **more),
    "epochs": lambda seed, **more: EpochSampler(LENGTHS, batch=12, clip=Clip(5), seed=seed, drop_last=False, **more),
}


@settings(deadline=None)
@given(st.sampled_from(sorted(SAMPLERS)), numbers, st.integers(0, 1000), st.sampled_from([1, 2, 3, 4, 6]))
def test_processes_draw_the_same_and_share_it_out(kind, seed, step, world):
    whole = SAMPLERS[kind](seed).draw(step)
    shares = [SAMPLERS[kind](seed, rank=rank, world=world) for rank in range(world)]
    for rank, share in enumerate(shares):
        mine = share.draw(step)
        np.testing.assert_array_equal(mine.sequences, whole.sequences[rank::world])
        np.testing.assert_array_equal(mine.frames, whole.frames[rank::world])
        assert share.capacity == (len(mine.sequences), mine.frames.size)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(SAMPLERS)), numbers, st.integers(0, 9), st.integers(0, 9))
def test_going_on_draws_what_would_have_been_drawn(kind, seed, used, ahead):
    """Whatever was drawn ahead, the state says what was used."""
    first = SAMPLERS[kind](seed)
    batches = iter(first)
    drawn = [next(batches) for _ in range(used + ahead + 1)]
    second = SAMPLERS[kind](seed)
    second.load_state_dict(first.state_dict(after=drawn[used].step))
    after = iter(second)
    for expected in drawn[used + 1 :]:
        assert plain(next(after)) == plain(expected)


def test_a_batch_depends_on_seed_and_step_alone():
    assert plain(pk(1).draw(5)) == plain(pk(1).draw(5))
    assert plain(pk(1).draw(5))[1:] != plain(pk(1).draw(6))[1:]
    assert plain(pk(1).draw(5))[1:] != plain(pk(2).draw(5))[1:]


@pytest.mark.parametrize(
    "other",
    [
        pk(2),
        pk(1, clip=Clip(8, 5)),
        pk(1, people=2),
        PKSampler(IDENTITIES, LENGTHS + 1, people=3, clips=4, clip=Clip(8, 4), seed=1),
        EpochSampler(LENGTHS, batch=3, clip=Clip(8, 4), seed=1),
    ],
)
def test_a_state_of_other_batches_is_refused(other):
    with pytest.raises(InvalidData, match="other settings, another seed or other data"):
        pk(1).load_state_dict(other.state_dict())


@settings(deadline=None)
@given(numbers, st.integers(0, 5), st.integers(1, 15))
def test_an_epoch_has_each_sequence_once(seed, epoch, batch):
    fill = EpochSampler(LENGTHS, batch=batch, clip=Clip(5), seed=seed, drop_last=False)
    drawn = [fill.draw(epoch * fill.epoch_batches + place).sequences for place in range(fill.epoch_batches)]
    assert {len(found) for found in drawn} == {batch}
    order = np.concatenate(drawn)
    assert sorted(order[: len(LENGTHS)].tolist()) == list(range(len(LENGTHS)))
    np.testing.assert_array_equal(order[len(LENGTHS) :], order[: len(order) - len(LENGTHS)])
    drop = EpochSampler(LENGTHS, batch=batch, clip=Clip(5), seed=seed, epochs=3)
    assert len(drop) == 3 * (len(LENGTHS) // batch) == len(list(drop))


def test_epochs_differ_in_order():
    sampler = EpochSampler(LENGTHS, batch=len(LENGTHS), clip=Clip(5), seed=0)
    first, second = sampler.draw(0).sequences.tolist(), sampler.draw(1).sequences.tolist()
    assert first != second
    assert sampler.draw(0).sequences.tolist() == first


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 900), min_size=1, max_size=60),
    st.integers(1, 2000),
    st.one_of(st.none(), st.integers(1, 800)),
    st.integers(1, 4),
)
def test_whole_sequences_come_once_packed_by_length(lengths, frames, limit, world):
    taken = np.minimum(lengths, limit or 10**9)
    seen = []
    for rank in range(world):
        sampler = SequenceSampler(np.array(lengths), frames=frames, limit=limit, rank=rank, world=world)
        assert len(list(sampler)) == len(sampler)
        for picks in sampler:
            sizes = np.diff(picks.offsets)
            np.testing.assert_array_equal(sizes, taken[picks.sequences])
            np.testing.assert_array_equal(picks.frames, np.concatenate([np.arange(size) for size in sizes]))
            assert len(picks.frames) <= frames or len(sizes) == 1
            assert len(sizes) <= sampler.capacity[0]
            assert len(picks.frames) <= sampler.capacity[1]
            assert (np.diff(sizes) >= 0).all()
            seen += picks.sequences.tolist()
    assert sorted(seen) == list(range(len(lengths)))


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(InvalidData, match="only 4 people") as caught:
        pk(people=5)
    assert "data.people to at most 4" in caught.value.hint
    with pytest.raises(InvalidData, match="12 clips of a batch cannot be shared out evenly to 5"):
        pk(rank=0, world=5)
    with pytest.raises(InvalidData, match="rank=2 of world=2"):
        pk(rank=2, world=2)
    with pytest.raises(InvalidData, match="only 15 sequences"):
        EpochSampler(LENGTHS, batch=16, clip=Clip(5), seed=0)
    with pytest.raises(TypeError, match="without end"):
        len(pk())
