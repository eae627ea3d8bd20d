"""Fit files: a round trip keeps everything, equal fits give equal bytes, damage is named."""

import dataclasses

import numpy as np
import pytest

from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.fits import fit_path, read_fit, write_fit
from meshgait_data.types import BodyParams, CaptureKey, Fit


@pytest.fixture
def fit(rng):
    params = BodyParams(*(rng.normal(size=shape).astype(np.float32) for shape in (10, (5, 3), (5, 69), (5, 3))))
    return Fit(
        key=CaptureKey("cmu_walk", "07", "01"),
        params=params,
        frame_ids=np.arange(1, 21, 4, dtype=np.int32),
        fps=30.0,
        residuals={"joints": rng.random(5).astype(np.float32)},
        verdict=np.array([0, 0, 1, 2, 0], np.uint8),
        reasons=("frame 13: residual 80 mm",),
        converged=True,
        body_name="free",
        body_sha256="ab" * 32,
        provenance={"meshgait": "0.1.0", "settings": {"iterations": 8}},
    )


def test_round_trip_and_equal_bytes(fit, tmp_path):
    path = fit_path(tmp_path, fit.key)
    assert path == tmp_path / "fits" / "07" / "01.npz"
    write_fit(path, fit)
    again = read_fit(path)
    for field in dataclasses.fields(BodyParams):
        np.testing.assert_array_equal(getattr(again.params, field.name), getattr(fit.params, field.name))
    np.testing.assert_array_equal(again.frame_ids, fit.frame_ids)
    np.testing.assert_array_equal(again.residuals["joints"], fit.residuals["joints"])
    for name in ("key", "fps", "reasons", "converged", "body_name", "body_sha256", "provenance"):
        assert getattr(again, name) == getattr(fit, name)
    write_fit(tmp_path / "second.npz", again)
    assert (tmp_path / "second.npz").read_bytes() == path.read_bytes()
    assert [p.name for p in path.parent.iterdir()] == ["01.npz"], "no temporary file is left"


def test_what_is_wrong_is_named(fit, tmp_path):
    with pytest.raises(UsageError, match="no fit here"):
        read_fit(tmp_path / "none.npz")
    path = tmp_path / "fit.npz"
    write_fit(path, fit)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InvalidData, match="not a fit file"):
        read_fit(path)
