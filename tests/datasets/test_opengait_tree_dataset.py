"""Any tree of OpenGait: pickles of every age, hostile and damaged ones, and a partition that is not sorted."""

import pytest
from dataset_line import assert_same_frames, unfound
from fakes.opengait_tree import EXECUTED, TEST, TRAIN


@pytest.fixture(scope="module")
def done(line):
    return line("opengait").run()


def test_every_planted_defect_is_found(done):
    assert unfound(done.fake.planted, done.findings) == []


def test_nothing_in_a_pickle_was_executed(done):
    assert not (done.fake.root / EXECUTED).exists()


def test_silhouettes_arrive_as_they_are(done):
    assert_same_frames(done.shards, done.fake)


def test_sides_are_those_of_the_partition(done):
    sides = {record.key.subject: record.side for record in done.shards.sequences}
    assert sides == dict.fromkeys(TRAIN, "train") | dict.fromkeys(TEST, "test") | {"0999": "unused"}


def test_the_protocol_compares_all_test_sequences(done):
    (told,) = done.score().values()
    (group,) = told["groups"].values()
    assert group["people"] == group["probes"] == len(TEST)
