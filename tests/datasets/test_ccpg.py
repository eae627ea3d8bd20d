"""CCPG: OpenGait's leaves of four pickles and the original silhouettes, from the files to both protocols."""

import numpy as np
import pytest
from dataset_line import assert_same_frames, embedded, unfound

from meshgait_model.protocols.scoring import score

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pickles(line):
    return line("ccpg").run(fit="subject=100,condition=U0_D0,view=02_0")


@pytest.fixture(scope="module")
def pictures(line):
    return line("ccpg_raw").run()


def test_every_planted_defect_is_found(pickles, pictures):
    assert unfound(pickles.fake.planted, pickles.findings) == []
    assert unfound(pictures.fake.planted, pictures.findings) == []


def test_silhouettes_of_the_pickles_arrive_as_they_are(pickles):
    assert_same_frames(pickles.shards, pickles.fake)


def test_aligned_silhouettes_alone_are_fitted_and_labelled(pickles):
    arrays = pickles.shards.sequence("ccpg/100/U0_D0/02_0").arrays
    assert np.median(arrays["mask_iou"]) > 0.8
    assert arrays["joints"].shape[1:] == (24, 3)


def test_both_protocols_have_their_groups_and_cameras(pickles):
    seen = embedded(pickles.shards)
    gait = score(seen, pickles.shards.protocol)
    assert [group.name for group in gait.groups] == ["CL", "UP", "DN", "BG"]
    assert all(group.pairs is not None and group.pairs.cameras == ("01", "02") for group in gait.groups)
    # 101 has no U1_D1: it is a probe of DN that nobody can recognise.
    by_name = {group.name: group for group in gait.groups}
    assert by_name["DN"].people == 1
    reid = score(seen, pickles.shards.protocols["reid"])
    assert [group.name for group in reid.groups] == ["CL", "UP", "DN", "BG"]


def test_pictures_become_as_many_frames(pictures):
    there = {str(record.key).partition("/")[2]: record.length for record in pictures.shards.sequences}
    assert there == {key: len(frames) for key, frames in pictures.fake.silhouettes.items()}
