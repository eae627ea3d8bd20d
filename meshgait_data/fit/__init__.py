"""Fit bodies to observations: closed-form start, residuals, batched solver, verdict."""

from meshgait_data.fit.engine import fit_joints
from meshgait_data.fit.settings import FitSettings

__all__ = ["FitSettings", "fit_joints"]
