"""A body file that is not there: one clear error with ways out, nothing written, from the line and from the step."""

import pytest


@pytest.mark.parametrize("given", ["flag", "environment"])
def test_build_without_its_body_writes_nothing(mgdata, tmp_path, monkeypatch, given):
    missing = tmp_path / "SMPL_NEUTRAL.pkl"
    flag = ("--body", missing) if given == "flag" else ()
    if given == "environment":
        monkeypatch.setenv("MESHGAIT_BODY", str(missing))
    result = mgdata("build", "cmu_walk", "--out", tmp_path / "shards", *flag)
    assert result.exit_code == 3
    assert str(missing) in result.stderr
    assert "try:" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []
