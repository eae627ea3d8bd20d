"""Training curves as files."""

import cv2
import pytest

from meshgait_data.errors import UsageError
from meshgait_data.view.curves import plot_curves

RUNS = {
    "with 3D": [{"step": i, "loss": 3 / (i + 1), "joints_mm": 40 - i, "note": "x"} for i in range(20)],
    "without": [{"step": i, "loss": 4 / (i + 1)} for i in range(0, 20, 5)],
}


def test_a_picture_of_every_figure(tmp_path):
    plot_curves(RUNS, tmp_path / "a.png")
    plot_curves(RUNS, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    wide = cv2.imread(str(tmp_path / "a.png")).shape
    plot_curves(RUNS, tmp_path / "one.png", names=["loss"])
    assert cv2.imread(str(tmp_path / "one.png")).shape[1] < wide[1]


def test_nothing_to_draw(tmp_path):
    with pytest.raises(UsageError, match="nothing to draw"):
        plot_curves({"empty": [{"step": 1}]}, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
