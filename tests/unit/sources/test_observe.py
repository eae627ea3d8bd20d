"""From keys to observations: thinning keeps source ids, damage becomes findings, short walks are refused."""

import dataclasses
import shutil

import numpy as np
import pytest

from meshgait_data.errors import SourceError
from meshgait_data.findings import Severity
from meshgait_data.sources import observe, read_take
from meshgait_data.types import CaptureKey

KEY = CaptureKey("cmu_walk", "07", "01")


@pytest.fixture
def copy(cmu_root, tmp_path):
    """A folder with one walk that a test may damage, and the path of its motion file."""
    folder = tmp_path / "asfamc" / "07"
    folder.mkdir(parents=True)
    for name in ("07.asf", "07_01.amc"):
        shutil.copy(cmu_root / "asfamc" / "07" / name, folder)
    return tmp_path, folder / "07_01.amc"


def _thinned(manifest, every):
    return dataclasses.replace(manifest, source=dataclasses.replace(manifest.source, keep_every=every))


def test_thinning_keeps_the_ids_of_the_source(cmu_walk, cmu_root, shipped):
    seen = observe(cmu_walk, cmu_root, KEY)
    whole = shipped["07_01"]
    assert seen.fps == 30
    assert seen.frame_ids.tolist() == list(range(1, 317, 4))
    assert (seen.joint_set, seen.joint_names) == ("cmu", whole.posed.names)
    np.testing.assert_array_equal(seen.joints, whole.posed.joints[::4].astype(np.float32))
    every = observe(_thinned(cmu_walk, 1), cmu_root, KEY)
    np.testing.assert_array_equal(every.joints[seen.frame_ids - every.frame_ids[0]], seen.joints)


def test_hash_depends_on_both_files(cmu_walk, copy):
    root, motion = copy
    hashes = [observe(cmu_walk, root, KEY).source_sha256]
    for path in (motion, motion.with_name("07.asf")):
        path.write_text("# touched\n" + path.read_text())
        hashes.append(observe(cmu_walk, root, KEY).source_sha256)
    assert len(set(hashes)) == 3


def test_cut_file_is_used_up_to_its_last_complete_frame(cmu_walk, copy, shipped):
    root, motion = copy
    text = motion.read_text()
    motion.write_text(text[: text.index("\n251\n") - 30])
    take = read_take(cmu_walk, root, KEY)
    (finding,) = take.findings
    assert (finding.severity, finding.id, finding.where) == (Severity.WARNING, "MG-SOURCE-001", str(motion))
    assert finding.message == "the file breaks off in frame 250: used up to frame 249"
    seen = observe(cmu_walk, root, KEY)
    assert seen.frame_ids[-1] == 249
    np.testing.assert_array_equal(seen.joints, shipped["07_01"].posed.joints[:249:4].astype(np.float32))


def test_too_little_left_is_an_error(cmu_walk, copy):
    root, motion = copy
    text = motion.read_text()
    motion.write_text(text[: text.index("\n101\n") - 30])
    with pytest.raises(
        SourceError, match=r"only 0.82 s can be used, the least is 1.5 s; the file breaks off in frame 100"
    ):
        observe(cmu_walk, root, KEY)


def test_frames_that_are_not_finite_are_named(cmu_walk, copy):
    root, motion = copy
    lines = motion.read_text().splitlines(keepends=True)
    bad = {5, 6, 7, 21}
    for number in bad:
        at = lines.index(f"{number}\n")
        lines[at + 3] = "upperback nan 0 0\n"
    motion.write_text("".join(lines))
    (finding,) = read_take(cmu_walk, root, KEY).findings
    assert finding.id == "MG-SOURCE-002"
    assert "4 of 316 frames" in finding.message
    assert finding.message.endswith(": 5-7, 21")
    seen = observe(cmu_walk, root, KEY)
    lost = np.isnan(seen.joints).any(axis=(1, 2))
    assert seen.frame_ids[lost].tolist() == sorted(bad & set(seen.frame_ids.tolist())) == [5, 21]
    assert np.isnan(seen.joints[lost]).all()


def test_missing_files_are_named(cmu_walk, copy):
    root, motion = copy
    motion.rename(motion.with_name("gone"))
    with pytest.raises(SourceError, match="cannot be read"):
        observe(cmu_walk, root, KEY)
    motion.with_name("07.asf").unlink()
    with pytest.raises(SourceError, match="no skeleton file for cmu_walk/07/01") as caught:
        observe(cmu_walk, root, KEY)
    assert "skeleton" in caught.value.hint


def test_no_frame_repeats_or_is_lost_at_any_rate(cmu_walk, cmu_root):
    for every in (2, 3, 7):
        seen = observe(_thinned(cmu_walk, every), cmu_root, KEY)
        assert (np.diff(seen.frame_ids) == every).all()
        assert len(seen.frame_ids) == -(-316 // every)
