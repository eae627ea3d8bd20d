"""SUSTech1K: leaves of sixteen pickles with three clocks, from the files to its groups of probes."""

import numpy as np
import pytest
from dataset_line import assert_same_frames, embedded, unfound
from fakes.sustech1k import RAW

from meshgait_data.fits import fit_path, read_fit
from meshgait_data.types import CaptureKey
from meshgait_model.protocols.scoring import score

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def done(line):
    return line("sustech1k").run(fit="subject=1057,condition=00-nm")


def _overlap(done, key):
    subject, condition, view = key.split("/")
    return read_fit(fit_path(done.work, CaptureKey("sustech1k", subject, condition, view))).residuals[
        f"mask_iou:{view}"
    ]


def test_every_planted_defect_is_found(done):
    assert unfound(done.fake.planted, done.findings) == []


def test_silhouettes_arrive_as_they_are(done):
    assert_same_frames(done.shards, done.fake)


def test_modalities_of_the_camera_ride_along_by_name(done):
    arrays = done.shards.sequence("sustech1k/0408/02-nt/090-near").arrays
    assert arrays["ratios_hw"].shape == (12, 2)
    assert arrays["sils_raw"].shape == (12, 64, 64)
    assert arrays["rgb_raw"].shape == (12, 64, 64, 3)


def test_raw_silhouettes_under_the_name_of_aligned_ones_show_in_the_fit(done):
    assert np.median(_overlap(done, "1057/00-nm/090-near")) > 0.8
    assert np.median(_overlap(done, RAW)) < 0.6


def test_groups_are_texts_within_the_condition(done):
    scores = score(embedded(done.shards), done.shards.protocol)
    probes = {group.name: len(group.probes.camera) for group in scores.groups}
    views = 3
    assert probes["Normal"] == 2 * views
    assert probes["Uniform"] == views
    # 01-bg-nt is a probe of both, and of Overall once.
    assert probes["Bag"] == views
    assert probes["Night"] == 2 * views
    assert probes["Overall"] == 5 * views
