"""Existing SMPL parameters, in every layout that estimators and datasets write; see docs/formats/smpl_params.md.

``read_params`` finds the layout by keys and shapes, follows pickles without running them, and gives smplx's parameters
in a y-up world or in the frame of a named camera.
"""

from meshgait_data.sources.smpl_params.read import LAYOUTS, read_params
from meshgait_data.sources.smpl_params.records import (
    NOMINAL_FOCAL,
    ParamsFile,
    ReadOptions,
    WeakPerspective,
)

__all__ = ["LAYOUTS", "NOMINAL_FOCAL", "ParamsFile", "ReadOptions", "WeakPerspective", "read_params"]
