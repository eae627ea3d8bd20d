"""The ring: how memory is used again, and how its threads end."""

import gc
import threading

import pytest
import torch

from meshgait_data.errors import InvalidData
from meshgait_model.data.batch import Buffers
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.data.picks import Clip
from meshgait_model.data.ring import RingLoader
from meshgait_model.data.sampler import PKSampler


@pytest.fixture(scope="module")
def data(mixed):
    return ClipDataset(mixed, fields=("silhouettes", "joints"), cache="ram")


def endless(data, batches=None):
    return PKSampler(data.identities, data.lengths, people=2, clips=2, clip=Clip(5), seed=0, batches=batches)


def ended(loader, seconds=10.0):
    for worker in loader._workers:
        worker.join(seconds)
    return not any(worker.is_alive() for worker in loader._workers)


def test_memory_is_used_again_and_a_copy_stays(data):
    with RingLoader(data, endless(data), threads=2, ahead=1) as loader:
        kept, places = [], set()
        for _ in range(20):
            batch = next(loader)
            places.add(batch.silhouettes.data_ptr())
            kept.append(batch.clone())
    assert len(places) <= 4
    for batch in kept:
        again = data[endless(data).draw(batch.step)]
        assert torch.equal(batch.silhouettes, again.silhouettes)
        assert torch.equal(batch.arrays["joints"], again.arrays["joints"])


def test_the_number_of_frames_may_change_from_batch_to_batch(data):
    sampler = PKSampler(data.identities, data.lengths, people=2, clips=2, clip=Clip(3, most=7), seed=0, batches=12)
    with RingLoader(data, sampler, threads=2, ahead=2) as loader:
        frames = set()
        for batch in loader:
            again = data[sampler.draw(batch.step)]
            frames.add(batch.silhouettes.shape[1])
            assert torch.equal(batch.silhouettes, again.silhouettes)
            assert torch.equal(batch.arrays["joints"], again.arrays["joints"])
    assert len(frames) > 3


def test_a_batch_is_valid_until_the_next_one(data):
    """Threads that have all the time they want write to no batch that is in use."""
    with RingLoader(data, endless(data), threads=3, ahead=3) as loader:
        for _ in range(30):
            batch = next(loader)
            before = batch.clone()
            with loader._ring.changed:
                assert loader._ring.changed.wait_for(lambda: len(loader._ring.ready) >= 3, 10)
            assert torch.equal(batch.silhouettes, before.silhouettes)
            assert torch.equal(batch.arrays["joints"], before.arrays["joints"])


def test_memory_waits_for_copies_to_arrive(data):
    class Copy:
        arrived = False

        def synchronize(self):
            self.arrived = True

    copies = [Copy(), Copy()]
    with RingLoader(data, endless(data), threads=0) as loader:
        batch = next(loader)
        batch.copies.extend(copies)
        next(loader)
    assert all(copy.arrived for copy in copies)
    assert batch.to("cpu").copies is None


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_it_ends_with_the_batches(threads, data):
    loader = RingLoader(data, endless(data, 5), threads=threads)
    assert [batch.step for batch in loader] == [0, 1, 2, 3, 4]
    assert ended(loader)
    assert list(loader) == []
    loader.close()


def test_it_ends_with_its_block_and_with_an_error_in_it(data):
    def body():
        with RingLoader(data, endless(data), threads=2) as loader:
            holder.append(loader)
            next(loader)
            raise KeyboardInterrupt

    holder = []
    with pytest.raises(KeyboardInterrupt):
        body()
    assert ended(holder[0], 0)
    assert list(holder[0]) == []


def test_a_forgotten_loader_stops_its_threads(data):
    loader = RingLoader(data, endless(data), threads=2)
    next(loader)
    workers = loader._workers
    del loader
    gc.collect()
    for worker in workers:
        worker.join(10)
    assert not any(worker.is_alive() for worker in workers)


def test_a_loader_that_was_never_used_has_no_threads(data):
    before = threading.active_count()
    RingLoader(data, endless(data), threads=2).close()
    assert threading.active_count() == before


def test_an_error_comes_in_its_turn_and_ends_the_threads(data):
    class Failing(ClipDataset):
        def __init__(self):
            self.__dict__.update(data.__dict__)

        def fill(self, picks, buffers: Buffers):
            if picks.step == 4:
                raise InvalidData("no", where="batch 4")
            return super().fill(picks, buffers)

    loader = RingLoader(Failing(), endless(data), threads=3, ahead=4)
    for step in range(4):
        assert next(loader).step == step
    with pytest.raises(InvalidData, match="batch 4: no"):
        next(loader)
    assert ended(loader, 0)
    assert loader.state_dict()["next"] == 4


@pytest.mark.gpu
def test_batches_reach_the_device_whole(data):
    """Copies from pinned memory run beside the threads that want to fill it again."""
    with RingLoader(data, endless(data, 200), threads=3, ahead=1) as loader:
        moved = [batch.to("cuda") for batch in loader]
    assert all(batch.silhouettes.is_cuda for batch in moved)
    for batch in moved:
        again = data[endless(data).draw(batch.step)]
        assert torch.equal(batch.silhouettes.cpu(), again.silhouettes)
        assert torch.equal(batch.arrays["joints"].cpu(), again.arrays["joints"])
