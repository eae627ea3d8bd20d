"""``mgdata body build`` as far as it goes without the source."""

import importlib.util

import pytest


def test_three_levels_do_not_fit_into_one_file(mgdata, tmp_path):
    result = mgdata("body", "build", tmp_path / "free.npz", "--detail", "all")
    assert result.exit_code == 2
    assert "name a folder" in result.stderr
    assert not list(tmp_path.iterdir())


def test_an_unknown_level_lists_the_known_ones(mgdata, tmp_path):
    result = mgdata("body", "build", tmp_path, "--detail", "tiny")
    assert result.exit_code == 2
    for level in ("standard", "lite", "full", "all"):
        assert level in result.stderr


@pytest.mark.skipif(importlib.util.find_spec("anny") is not None, reason="anny is installed")
@pytest.mark.parametrize("detail", ["standard", "all"])
def test_without_anny_nothing_is_written(mgdata, tmp_path, detail):
    result = mgdata("body", "build", tmp_path / "bodies", "--detail", detail)
    assert result.exit_code == 3
    assert not list(tmp_path.iterdir())
