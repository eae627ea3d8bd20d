"""OU-MVLP: archives, rearranged links and OpenGait's tree; two walks of seven views each; invalid probes."""

import numpy as np
import pytest
from dataset_line import assert_same_frames, unfound
from fakes.oumvlp import BACK, THERE

from meshgait_data.fits import fit_path, read_fit
from meshgait_data.types import CaptureKey


@pytest.fixture(scope="module")
def archives(line):
    return line("oumvlp").run(fit="subject=10307,condition=00")


@pytest.fixture(scope="module", params=["oumvlp_rearranged", "oumvlp_opengait"])
def other(request, line):
    return line(request.param).run()


def test_every_planted_defect_is_found(line):
    started = line("oumvlp")
    assert unfound(started.fake.planted, started.index()) == []


def test_all_other_frames_arrive_under_their_numbers_with_their_pixels(archives):
    assert_same_frames(archives.shards, archives.fake)


def test_the_walk_there_and_the_walk_back_are_fitted_each(archives):
    for group, views in (("there", THERE), ("back", BACK)):
        fit = read_fit(fit_path(archives.work, CaptureKey("oumvlp", "10307", "00", group)))
        assert tuple(sorted(fit.cameras)) == views
        for view in views:
            arrays = archives.shards.sequence(f"oumvlp/10307/00/{view}").arrays
            np.testing.assert_array_equal(arrays["frame_ids"], fit.frame_ids)
            assert np.median(arrays["mask_iou"]) > 0.8


def test_the_table_is_given_with_and_without_invalid_probes(other):
    told = other.score()["gait"]
    assert list(told["groups"]) == ["NM"]
    group = told["groups"]["NM"]
    assert group["views"] == [*THERE, *BACK]
    assert group["probes_by_view"] == [2] * 3
    # 00002 has no gallery sequence at 030, so that its probes cannot be right there.
    lacking = THERE.index("030")
    assert [row[lacking] for row in group["valid_probes"]] == [1] * 3
    with_all, without = (np.array(group[way]["rank1"]["cells"], float) for way in ("wrong", "skip"))
    assert (with_all[:, lacking] <= 50).all()
    assert (with_all[:, lacking] <= without[:, lacking]).all()
    rest = np.delete(np.arange(3), lacking)
    np.testing.assert_array_equal(with_all[:, rest], without[:, rest])


def test_every_planted_defect_of_other_layouts_is_found(other):
    assert unfound(other.fake.planted, other.findings) == []


def test_frames_of_other_layouts_arrive_as_they_are(other):
    assert_same_frames(other.shards, other.fake)
