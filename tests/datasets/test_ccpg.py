"""CCPG: OpenGait's leaves of four pickles and the original silhouettes, from the files to both protocols."""

import numpy as np
import pytest
from dataset_line import assert_same_frames, unfound
from fakes.ccpg import HOLED, SMALL

from meshgait_data.sources.inert import unpickled


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
    told = pickles.score()
    gait, reid = told["gait"]["groups"], told["reid"]["groups"]
    assert list(gait) == list(reid) == ["CL", "UP", "DN", "BG"]
    assert all(group["views"] == ["01", "02"] for group in gait.values())
    # 101 has no U1_D1: it is a probe of DN that nobody can recognise.
    assert gait["DN"]["people"] == 1


def test_a_hole_in_the_silhouettes_costs_that_frame_alone(pickles):
    whole, holed = (pickles.shards.sequence(f"ccpg/{key}").arrays for key in ("001/U2_D2/01_0", HOLED))
    assert set(whole) == set(holed)
    assert holed["frame_ids"].tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    # Each sequence was seen by a camera of its own, but widths of pictures do not lie about their frames.
    truth = unpickled((pickles.fake.root / HOLED / "02_0-ratios.pkl").read_bytes(), "")
    np.testing.assert_array_equal(holed["ratios"], np.delete(truth, 4))


def test_a_modality_of_another_size_costs_its_sequence_that_modality_alone(pickles):
    arrays = pickles.shards.sequence(f"ccpg/{SMALL}").arrays
    assert "sils" not in arrays
    assert {"silhouettes", "ratios", "rgbs"} <= set(arrays)


def test_pictures_become_as_many_frames(pictures):
    there = {str(record.key).partition("/")[2]: record.length for record in pictures.shards.sequences}
    assert there == {key: len(frames) for key, frames in pictures.fake.silhouettes.items()}
