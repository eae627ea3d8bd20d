"""Which rasteriser is taken, and what a machine that lacks one says and can still do."""

import subprocess
import sys

import pytest

from meshgait_data.errors import MissingExtra, UsageError
from meshgait_data.render.backends import BACKENDS, choose, lacks


def without(packages: list[str], code: str) -> str:
    """What a Python process prints in which some packages cannot be imported."""
    block = f"import sys\nfor name in {packages!r}: sys.modules[name] = None\n"
    return subprocess.run([sys.executable, "-c", block + code], capture_output=True, text=True, check=True).stdout


DRAW = """
import numpy as np
from meshgait_data.render import raster, sequence
from meshgait_data.types import Camera
camera = Camera("plane", np.eye(3), np.eye(3), np.zeros(3), (6, 5))
mesh = np.array([[[1, 1, 1], [4, 1, 1], [1, 3, 1]]]), np.array([[0, 1, 2]]), camera
assert raster.extents(mesh[0], camera)[0].tolist() == [1, 4, 1, 3, 1]
print(raster.backends.choose(), np.count_nonzero(raster.silhouettes(*mesh, closed=False)))
"""


def test_numba_is_taken_where_it_is():
    assert choose() == choose("auto") == "numba"
    assert choose(device="cuda:1") == "torch"


def test_masks_without_numba():
    assert without(["numba"], DRAW).split() == ["numpy", "7"]


@pytest.mark.parametrize("backend", ["numba", "opencv", "torch", "pytorch3d"])
def test_a_missing_backend_says_what_to_install(backend):
    package = {"opencv": "cv2"}.get(backend, backend)
    code = f"""
from meshgait_data.errors import MissingExtra
from meshgait_data.render.backends import choose
try:
    choose({backend!r})
except MissingExtra as error:
    print(error, "|", error.hint)
"""
    said = without([package], code)
    assert f"raster backend {backend} cannot be used" in said
    assert "pip install" in said


def test_a_kernel_without_numba_says_so():
    code = """
from meshgait_data.errors import MissingExtra
from meshgait_data.compiled import compiled
try:
    compiled(len)(1)
except MissingExtra as error:
    print(error, "|", error.hint)
"""
    said = without(["numba"], code)
    assert "needs numba" in said
    assert "pip install numba" in said


def test_an_old_opencv_is_told_apart():
    code = "import cv2; vars(cv2).pop('triangleRasterizeDepth', 0)\nfrom meshgait_data.render.backends import lacks\n"
    assert "has no triangleRasterizeDepth" in without([], code + "print(lacks('opencv'))")


@pytest.mark.skipif(not lacks("pytorch3d"), reason="pytorch3d is installed here")
def test_the_extra_of_pytorch3d_is_named():
    with pytest.raises(MissingExtra, match="pytorch3d cannot be used") as caught:
        choose("pytorch3d")
    assert "torch==2.12.0" in caught.value.hint
    assert "environment of its own" in caught.value.hint


def test_unknown_names_and_devices():
    with pytest.raises(UsageError, match="no raster backend is called 'gl'") as caught:
        choose("gl")
    assert all(name in caught.value.hint for name in BACKENDS)
    for backend in ("numba", "numpy", "opencv"):
        with pytest.raises(UsageError, match="not on 'cuda'"):
            choose(backend, "cuda")
