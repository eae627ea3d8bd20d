"""Compiling where machine code can be kept, and where it cannot."""

import numpy as np

from meshgait_data.compiled import compiled
from meshgait_data.render.raster_numba import _project


def test_kept_on_disk_beside_the_source():
    assert _project._cache.cache_path  # type: ignore[attr-defined]  # numba's dispatcher


def test_without_a_place_to_keep_it():
    # numba finds no cache folder for a function that no file holds, as with an installation that cannot be written to.
    scope: dict[str, object] = {"__name__": "nowhere"}
    exec("def double(x):\n    return x + x", scope)
    double = compiled(scope["double"])  # type: ignore[type-var]
    np.testing.assert_array_equal(double(np.arange(3)), [0, 2, 4])
