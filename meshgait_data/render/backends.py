"""Which rasteriser draws: what each needs, whether this machine has it, and which one is taken unasked."""

import functools
from collections.abc import Callable
from typing import Protocol

from meshgait_data.errors import MissingExtra, UsageError
from meshgait_data.types import ByteArray, Camera, FloatArray, IntArray

EXACT = ("numba", "numpy", "opencv", "torch")
"""Backends that give identical pixels, fastest first on one core."""

BACKENDS = (*EXACT, "pytorch3d")
"""All backends. pytorch3d decides in single precision and by its own rule at edges, so it is never taken unasked."""

DEVICE_BACKENDS = ("torch", "pytorch3d")
"""Backends that can draw on something else than the CPU."""

PYTORCH3D_INSTALL = 'pip install "torch==2.12.0" && pip install "meshgait[pytorch3d]"'
"""The only packaged way that works without a compiler; its wheel loads with torch 2.12 alone."""


class Draw(Protocol):
    """What a backend provides: fill black masks (F, H, W) from checked float32 vertices and int32 faces."""

    def __call__(
        self, points: FloatArray, triangles: IntArray, camera: Camera, masks: ByteArray, *, closed: bool, device: str
    ) -> None:
        """Set covered pixels to 255."""


def choose(backend: str = "auto", device: str = "cpu") -> str:
    """Name of the backend that will draw.

    Parameters
    ----------
    backend
        A name of :data:`BACKENDS`, or ``auto``: on the CPU numba, or numpy where numba is missing, which is
        faster there than OpenCV and torch; on another device torch.
    device
        As torch names it: ``cpu``, ``cuda``, ``cuda:1``.

    Raises
    ------
    UsageError
        On a name that does not exist, or a device that the backend cannot use.
    MissingExtra
        Where the backend's package cannot be imported; the hint is how to get it.
    """
    if backend == "auto":
        if device != "cpu":
            return "torch"
        return "numpy" if lacks("numba") else "numba"
    if backend not in BACKENDS:
        raise UsageError(f"no raster backend is called {backend!r}", hint=f"one of auto, {', '.join(BACKENDS)}")
    if device != "cpu" and backend not in DEVICE_BACKENDS:
        raise UsageError(f"backend {backend} draws on the CPU, not on {device!r}", hint="backend='torch'")
    reason = lacks(backend)
    if reason:
        raise MissingExtra(f"raster backend {backend} cannot be used: {reason}", hint=_HINTS[backend])
    return backend


@functools.cache
def lacks(backend: str) -> str:
    """Why a backend cannot be used on this machine; empty where it can. Imports its package, once."""
    try:
        return _PROBES[backend]()
    except ImportError as error:
        return str(error) or type(error).__name__


def drawer(backend: str) -> Draw:
    """The function behind a chosen name; imports what it needs."""
    if backend == "numba":
        from meshgait_data.render.raster_numba import draw as numba

        return numba
    if backend == "numpy":
        from meshgait_data.render.raster_numpy import draw as numpy

        return numpy
    if backend == "opencv":
        from meshgait_data.render.raster_opencv import draw as opencv

        return opencv
    if backend == "torch":
        from meshgait_data.render.raster_torch import draw as torch

        return torch
    from meshgait_data.render.raster_pytorch3d import draw as pytorch3d

    return pytorch3d


def _numba() -> str:
    import numba  # noqa: F401

    return ""


def _numpy() -> str:
    return ""


def _opencv() -> str:
    import cv2

    has = hasattr(cv2, "triangleRasterizeDepth")
    return "" if has else f"OpenCV {cv2.__version__} has no triangleRasterizeDepth, which came with 5.0"


def _torch() -> str:
    import torch  # noqa: F401

    return ""


def _pytorch3d() -> str:
    # The package imports with a broken extension too; only its compiled part says whether it fits this torch.
    from pytorch3d import _C  # noqa: F401

    return ""


_PROBES: dict[str, Callable[[], str]] = {
    "numba": _numba,
    "numpy": _numpy,
    "opencv": _opencv,
    "torch": _torch,
    "pytorch3d": _pytorch3d,
}

_HINTS = {
    "numba": "pip install numba",
    "opencv": 'pip install "opencv-python-headless>=5"',
    "torch": "pip install torch",
    "pytorch3d": f"in an environment of its own: {PYTORCH3D_INSTALL}",
}
