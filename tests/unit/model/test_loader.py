"""Loaders: the same bytes whoever puts batches together, going on where they stopped."""

import json
from itertools import islice

import pytest
import torch
from torch.utils.data import DataLoader

from meshgait_data.errors import InvalidData, UsageError
from meshgait_model.data.batch import as_float
from meshgait_model.data.dataset import ClipDataset
from meshgait_model.data.loader import WorkerLoader, make_loader
from meshgait_model.data.picks import Clip
from meshgait_model.data.ring import RingLoader
from meshgait_model.data.sampler import PKSampler, SequenceSampler

FIELDS = ("silhouettes", "joints", "verdict", "betas", "intrinsics")


@pytest.fixture(scope="module")
def data(mixed):
    return ClipDataset(mixed, fields=FIELDS, cache="ram")


def people(data, *, seed=3, batches=6):
    return PKSampler(data.identities, data.lengths, people=3, clips=2, clip=Clip(7, 3), seed=seed, batches=batches)


def whole(data):
    return SequenceSampler(data.lengths, frames=100)


def content(batch):
    """All that a batch says, as bytes."""
    named = {**batch.arrays, **{f"has {name}": value for name, value in batch.present.items()}}
    named |= {name: getattr(batch, name) for name in ("identities", "sequences", "frames", "offsets")}
    found = {name: (v.shape, v.dtype, v.numpy().tobytes()) for name, v in named.items() if v is not None}
    return batch.step, found


def contents(loader):
    with loader:
        return [content(batch) for batch in loader]


LOADERS = {
    "ring of 0": lambda data, sampler: RingLoader(data, sampler, threads=0),
    "ring of 1": lambda data, sampler: RingLoader(data, sampler, threads=1),
    "ring of 3": lambda data, sampler: RingLoader(data, sampler, threads=3, ahead=1),
    "0 processes": lambda data, sampler: WorkerLoader(data, sampler, workers=0),
    "1 forked": lambda data, sampler: WorkerLoader(data, sampler, workers=1, start="fork"),
    "2 forked": lambda data, sampler: WorkerLoader(data, sampler, workers=2, start="fork"),
}


@pytest.mark.parametrize("sampler", [people, whole])
@pytest.mark.parametrize("kind", LOADERS)
def test_batches_are_the_same_to_the_last_byte(kind, sampler, data):
    expected = [content(data[picks]) for picks in sampler(data)]
    assert len(expected) > 4
    assert contents(LOADERS[kind](data, sampler(data))) == expected


@pytest.mark.parametrize("cache", ["ram", "mmap", "none"])
def test_spawned_processes_give_the_same_bytes(cache, mixed, data, tmp_path):
    dataset = ClipDataset(mixed, fields=FIELDS, cache=cache, cache_folder=tmp_path)
    expected = [content(data[picks]) for picks in people(data)]
    assert contents(WorkerLoader(dataset, people(dataset), workers=1, start="spawn")) == expected


def test_torchs_own_loader_takes_them(data):
    loader = DataLoader(data, sampler=people(data), batch_size=None, num_workers=2)
    assert len(loader) == 6
    assert [content(batch) for batch in loader] == [content(data[picks]) for picks in people(data)]


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("used", [0, 1, 4, 6])
def test_going_on_after_the_last_batch_that_was_used(kind, used, data):
    whole_run = [content(data[picks]) for picks in people(data)]
    with LOADERS[kind](data, people(data)) as loader:
        for _ in range(used):
            next(loader)
        state = json.loads(json.dumps(loader.state_dict()))
    again = LOADERS[kind](data, people(data))
    again.load_state_dict(state)
    assert contents(again) == whole_run[used:]


@pytest.mark.parametrize("kind", ["ring of 1", "1 forked"])
def test_states_are_loaded_before_the_first_batch_and_fit(kind, data):
    with LOADERS[kind](data, people(data)) as loader:
        with pytest.raises(InvalidData, match="another seed"):
            loader.load_state_dict(people(data, seed=4).state_dict())
        next(loader)
        with pytest.raises(UsageError, match="has begun"):
            loader.load_state_dict(people(data).state_dict())
    assert list(loader) == []


@pytest.mark.parametrize("kind", ["ring of 0", "ring of 2", "2 processes"])
def test_what_goes_wrong_elsewhere_is_raised_here(kind, data):
    class Wrong(PKSampler):
        def draw(self, step):
            picks = super().draw(step)
            if step == 3:
                picks.frames[:] = 10**6
            return picks

    sampler = Wrong(data.identities, data.lengths, people=3, clips=2, clip=Clip(7), seed=0)
    workers, kind = int(kind.split()[-1] if kind.startswith("ring") else kind[0]), kind.split()[0]
    loader = make_loader(data, sampler, "ring" if kind == "ring" else "processes", workers)
    with loader:
        assert [batch.step for batch in islice(loader, 3)] == [0, 1, 2]
        with pytest.raises(InvalidData, match="a frame was picked that its sequence does not have"):
            next(loader)


def test_batches_become_float_where_they_are_used(data):
    batch = data[people(data).draw(0)].to("cpu")
    assert batch.silhouettes.dtype == torch.uint8
    grey = as_float(batch.silhouettes)
    assert (grey.dtype, grey.min().item(), grey.max().item()) == (torch.float32, 0.0, 1.0)
    assert as_float(batch.silhouettes, torch.bfloat16).dtype == torch.bfloat16
    assert batch.arrays["joints"].dtype == torch.float32
    assert len(batch) == 6
    assert torch.equal(batch.has("joints", "betas"), batch.present["joints"])
