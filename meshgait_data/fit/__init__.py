"""Fit bodies to observations: closed-form start, terms, batched solver, verdict."""

from meshgait_data.fit.engine import fit_captures, fit_joints
from meshgait_data.fit.known import Known
from meshgait_data.fit.settings import FitSettings

__all__ = ["FitSettings", "Known", "fit_captures", "fit_joints"]
