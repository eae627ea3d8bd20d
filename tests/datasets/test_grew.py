"""GREW: the original folders and OpenGait's two trees, from the files to the check within the gallery and the CSV."""

from importlib.resources import files

import numpy as np
import pytest
from dataset_line import assert_same_frames, unfound
from fakes.grew import BLACK

from meshgait_data.fits import fit_path, read_fit
from meshgait_data.types import CaptureKey

WALK = ("00001", "01", "79XJefi8")
SELECT = "subject=00001,condition=01"


@pytest.fixture(scope="module", params=["grew", "grew_opengait"])
def done(request, line):
    return line(request.param).run(fit=SELECT)


def test_every_planted_defect_is_found(done):
    assert unfound(done.fake.planted, done.findings) == []


def test_all_other_frames_arrive_under_their_numbers_with_their_pixels(done):
    assert_same_frames(done.shards, done.fake)


def test_black_pictures_stay_and_are_marked(done):
    name = done.shards.sequences[0].key.dataset
    arrays = done.shards.sequence(f"{name}/{BLACK}").arrays
    black = ~arrays["silhouettes"].any(axis=(1, 2))
    assert arrays["frame_ids"][black].tolist() == [4 if name == "grew" else 3]
    assert arrays["valid"].tolist() == (~black).astype(int).tolist()


def test_keys_are_those_of_opengait_and_ids_of_train_and_test_are_apart(done):
    keys = {str(record.key).partition("/")[2]: record.side for record in done.shards.sequences}
    assert keys["00001train/00/4XPn5Z28"] == "train"
    assert keys["00001/01/79XJefi8"] == keys["00001/02/t16VLaQf"] == keys["probe/03/etaGVnWf"] == "test"


def test_the_fit_is_in_the_picture_of_the_silhouettes(done):
    name = done.shards.sequences[0].key.dataset
    fit = read_fit(fit_path(done.work, CaptureKey(name, *WALK)))
    assert fit.cameras[WALK[2]].size == (64, 64)
    assert np.nanmedian(fit.residuals[f"mask_iou:{WALK[2]}"]) > 0.8
    arrays = done.shards.sequence("/".join((name, *WALK))).arrays
    assert np.isfinite(arrays["joints"]).all()
    assert np.median(arrays["mask_iou"]) > 0.8


def test_the_check_within_the_gallery(done):
    (group,) = done.score()["local"]["groups"].values()
    assert group["probes"] == 2
    assert group["people"] >= 2


def test_the_file_for_the_server_ranks_the_gallery_for_each_probe(done, tmp_path):
    name = done.shards.sequences[0].key.dataset
    # There are not 20 people to rank.
    rules = (
        (files("meshgait_data.manifests") / "datasets" / f"{name}.yaml")
        .read_text()
        .replace("columns: 20", "columns: 3")
    )
    (tmp_path / "rules.yaml").write_text(rules)
    out = tmp_path / "submission.csv"
    done.score("--protocol", "server", "--submission", out, "--manifest", tmp_path / "rules.yaml")
    rows = [line.split(",") for line in out.read_text().splitlines()]
    assert rows[0] == ["videoId", "rank1", "rank2", "rank3"]
    assert sorted(row[0] for row in rows[1:]) == ["01DdvEHX", "etaGVnWf"]
    assert {name for row in rows[1:] for name in row[1:]} <= {"1", "2", "3"}
