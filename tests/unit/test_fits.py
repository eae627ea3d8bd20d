"""Fit files: a round trip keeps everything, equal fits give equal bytes, damage is named."""

import dataclasses
import json

import numpy as np
import pytest

from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.fits import fit_path, read_fit, write_fit
from meshgait_data.types import BodyParams, Camera, CaptureKey, Fit


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


def test_cameras_and_files_of_the_first_schema(fit, tmp_path):
    turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    plain = Camera("000", np.diag([500.0, 500, 1]), turn, np.array([0, 1, 4.0]), (320, 240))
    other = dataclasses.replace(plain, name="090", model="weak_perspective", distortion=(0.1, 0, 0, 0), reference_m=4.5)
    path = tmp_path / "fit.npz"
    write_fit(path, dataclasses.replace(fit, cameras={"000": plain, "090": other}))
    again = read_fit(path).cameras
    assert list(again) == ["000", "090"]
    for camera, before in ((again["000"], plain), (again["090"], other)):
        for name in ("intrinsics", "rotation", "translation"):
            np.testing.assert_array_equal(getattr(camera, name), getattr(before, name))
        for name in ("name", "size", "model", "distortion", "reference_m"):
            assert getattr(camera, name) == getattr(before, name)
    write_fit(path, fit)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    meta = json.loads(str(arrays["meta"]))
    del meta["cameras"]
    for schema in (1, 99):
        np.savez(path, **{**arrays, "meta": np.array(json.dumps({**meta, "schema": schema}))})
        if schema == 1:
            assert read_fit(path).cameras == {}
    with pytest.raises(InvalidData, match="schema 99"):
        read_fit(path)


def test_what_is_wrong_is_named(fit, tmp_path):
    with pytest.raises(UsageError, match="no fit here"):
        read_fit(tmp_path / "none.npz")
    path = tmp_path / "fit.npz"
    write_fit(path, fit)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InvalidData, match="not a fit file"):
        read_fit(path)
