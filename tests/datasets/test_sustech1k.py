"""SUSTech1K: leaves of sixteen pickles with three clocks, from the files to its groups of probes."""

import numpy as np
import pytest
from dataset_line import assert_same_frames, unfound
from fakes.sustech1k import OTHER_SHAPE, RAW

from meshgait_data.findings import from_jsonl
from meshgait_data.fits import fit_path, read_fit
from meshgait_data.index import read_index
from meshgait_data.types import CaptureKey, SequenceKey


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


def test_what_has_another_clock_is_counted_and_not_packed(done):
    row = read_index(done.work).row(SequenceKey.parse("sustech1k/0408/02-nt/090-near"))
    counts = dict(zip(row.kinds, row.kind_frames, strict=True))
    assert counts["also.lidar_pcds"] == counts["also.sync_pose"] == 4
    assert len(row.kinds) == 16
    assert not any(name.startswith(("lidar", "sync")) for name in done.shards.info.fields)


def test_a_modality_of_another_shape_costs_its_sequence_that_modality_alone(done):
    arrays = done.shards.sequence(f"sustech1k/{OTHER_SHAPE}").arrays
    assert "rgb_raw" not in arrays
    assert {"silhouettes", "ratios_hw", "sils_raw"} <= set(arrays)
    told = from_jsonl((done.work.with_name("shards") / "findings.jsonl").read_text())
    assert [one.id for one in told if OTHER_SHAPE in one.where and "rgb_raw" in one.message] == ["MG-PACK-006"]


def test_raw_silhouettes_under_the_name_of_aligned_ones_show_in_the_fit(done):
    assert np.median(_overlap(done, "1057/00-nm/090-near")) > 0.8
    assert np.median(_overlap(done, RAW)) < 0.6


def test_groups_are_texts_within_the_condition(done):
    probes = {name: group["probes"] for name, group in done.score()["gait"]["groups"].items()}
    views = 3
    assert probes["Normal"] == 2 * views
    assert probes["Uniform"] == views
    # 01-bg-nt is a probe of both, and of Overall once.
    assert probes["Bag"] == views
    assert probes["Night"] == 2 * views
    assert probes["Overall"] == 5 * views
