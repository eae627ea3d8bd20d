"""``mgdata fit-smpl --num-betas``: reaches the fit, and decides whether kept fits are used again."""

import json
import shutil

import pytest

from meshgait_data.fits import read_fit
from meshgait_data.manifest import load_manifest


@pytest.fixture(scope="module")
def work(tmp_path_factory, mgdata):
    """A work folder with an index of one shipped walk."""
    source, root = load_manifest("cmu_walk").default_root(), tmp_path_factory.mktemp("cmu")
    (root / "asfamc" / "35").mkdir(parents=True)
    for file in ("35.asf", "35_01.amc"):
        shutil.copy(source / "asfamc" / "35" / file, root / "asfamc" / "35")
    result = mgdata("index", "cmu_walk", "--root", root, "--work", root / "work")
    assert result.exit_code == 0, result.output
    return root / "work"


def test_another_number_is_another_fit_and_the_same_is_kept(mgdata, work):
    asked = [((), 10, 1), ((), 10, 0), (("--num-betas", 4), 4, 1), (("--num-betas", 4), 4, 0)]
    for options, betas, fitted in asked:
        result = mgdata("fit-smpl", work, *options, "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout.splitlines()[-1])["fitted"] == fitted
        assert read_fit(work / "fits" / "35" / "01.npz").params.betas.shape == (betas,)


@pytest.mark.parametrize(
    ("asked", "code", "message"), [(301, 2, "301 shape components"), (0, 2, "0 is not in the range")]
)
def test_a_number_that_cannot_be_is_refused(mgdata, work, asked, code, message):
    result = mgdata("fit-smpl", work, "--num-betas", asked)
    assert result.exit_code == code
    assert message in result.stderr
