"""Errors of fits in millimetres, whatever was observed and in whatever unit."""

from dataclasses import replace

import numpy as np
import pytest
from observed_work import filmed_fit

from meshgait_data.pipeline.pack_quality import fit_error_mm, metres_per_pixel
from meshgait_data.render.cameras import project
from meshgait_data.types import Camera, CaptureKey

PELVIS = np.array([[0.0, 0, 4], [0, 0, 5], [0, 0, 8]])
LENS = np.array([[200.0, 0, 80], [0, 200, 60], [0, 0, 1]])


def camera(name: str = "a", **more: object) -> Camera:
    return Camera(name, LENS, np.eye(3), np.zeros(3), (160, 120), **more)  # type: ignore[arg-type]


def errors(**residuals: list[float]) -> np.ndarray | None:
    named = {name.replace("__", ":"): np.array(values, np.float32) for name, values in residuals.items()}
    fit = filmed_fit(CaptureKey("set", "02", "01"), 3)
    return fit_error_mm(replace(fit, residuals=named, cameras={"a": camera(), "b": camera("b")}), PELVIS)


@pytest.mark.parametrize(
    "kind", [camera(), camera(model="orthographic"), camera(model="weak_perspective", reference_m=6.0)]
)
def test_a_pixel_is_as_long_as_its_projection_says(kind: Camera) -> None:
    length = metres_per_pixel(kind, PELVIS)
    first, _ = project(kind, PELVIS)
    second, _ = project(kind, PELVIS + length[:, None] * [1, 0, 0])
    np.testing.assert_allclose(second[:, 0] - first[:, 0], 1, rtol=1e-9)


def test_metres_count_before_pixels_and_what_is_unknown_is_said() -> None:
    assert errors(limits=[0, 0, 0]) is None
    np.testing.assert_allclose(errors(joints=[0.01, np.nan, 0.02], params=[1, 2, 3]), [10, 2000, 20])
    np.testing.assert_allclose(errors(joints=[0.01, np.nan, 0.02], keypoints__a=[5, 4, 3]), [10, 100, 20], rtol=1e-6)
    np.testing.assert_allclose(errors(joints=[0.01, np.nan, 0.02]), [10, -1, 20], rtol=1e-6)


def test_views_are_averaged_at_the_depth_of_the_body() -> None:
    found = errors(keypoints__a=[1, 2, np.nan], keypoints__b=[3, np.nan, np.nan], keypoints__c=[9, 9, 9])
    np.testing.assert_allclose(found, [40, 50, -1], rtol=1e-6)
    outlines = errors(masks=[1, 2, 3], mask_iou__a=[0.9, 0.9, 0.9], mask_iou__b=[0.9, 0.9, 0.9])
    np.testing.assert_allclose(outlines, [20, 50, 120], rtol=1e-6)
