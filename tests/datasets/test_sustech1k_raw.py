"""SUSTech1K as recorded: files named by time, joined by time, from the files to its groups of probes."""

import numpy as np
import pytest
from dataset_line import assert_same_frames, embedded, unfound
from fakes.sustech1k_raw import DRIFTED, PAUSED, UNSEEN

from meshgait_data.findings import Severity
from meshgait_data.fits import fit_path, read_fit
from meshgait_data.types import CaptureKey
from meshgait_model.protocols.scoring import score


@pytest.fixture(scope="module")
def done(line):
    return line("sustech1k_raw").run(fit="subject=1057,condition=00-nm")


def test_every_planted_defect_is_found_and_nothing_else_is_an_error(done):
    assert unfound(done.fake.planted, done.findings) == []
    assert not [finding for finding in done.findings if finding.severity is Severity.ERROR]


def test_silhouettes_arrive_under_the_numbers_of_their_moments(done):
    assert_same_frames(done.shards, done.fake)
    ids = done.shards.sequence(f"sustech1k_raw/{PAUSED}").arrays["frame_ids"]
    assert ids.tolist() == [*range(6), *range(8, 14)], "two frames pass while nothing is recorded"
    assert 4 not in done.shards.sequence(f"sustech1k_raw/{UNSEEN}").arrays["frame_ids"]


def test_whole_sequences_have_no_frame_missing(done):
    spoilt = {defect.where for defect in done.fake.planted}
    told = [f for f in done.findings if f.id in ("MG-FRAMES-001", "MG-FRAMES-003", "MG-SOURCE-033", "MG-FRAMES-017")]
    harmed = {key for key in done.fake.silhouettes if any(key in where for where in spoilt)}
    assert all(any(key in finding.where for key in harmed) for finding in told)
    (drifted,) = [finding for finding in told if finding.id == "MG-FRAMES-001" and DRIFTED in finding.where]
    assert drifted.message.endswith(": 8")


def test_poses_are_those_of_their_moments(done):
    fit = read_fit(fit_path(done.work, CaptureKey("sustech1k_raw", "1057", "00-nm", "000")))
    assert fit.frame_ids.tolist() == list(range(12))
    assert np.median(fit.residuals["mask_iou:000"]) > 0.8


def test_groups_are_texts_within_the_condition(done):
    scores = score(embedded(done.shards), done.shards.protocol)
    probes = {group.name: len(group.probes.camera) for group in scores.groups}
    assert (probes["Normal"], probes["Uniform"], probes["Bag"], probes["Night"], probes["Overall"]) == (2, 2, 2, 2, 6)
